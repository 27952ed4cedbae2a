"""Processors by name: what LLVM says of them, and what is said of names that it does not know."""

from __future__ import annotations

import pytest

from graphc.codegen.errors import UnknownTargetError
from graphc.codegen.processors import named_target
from graphc.codegen.target import host_target

LINUX = "x86_64-unknown-linux-gnu"


@pytest.mark.parametrize(
    ("triple", "cpu", "vectors", "pointer_bits", "has_fma"),
    [
        (LINUX, "", (128, 16), 64, False),
        (LINUX, "x86-64-v2", (128, 16), 64, False),
        (LINUX, "x86-64-v3", (256, 16), 64, True),
        (LINUX, "x86-64-v4", (512, 32), 64, True),
        (LINUX, "znver4", (512, 32), 64, True),
        ("aarch64-unknown-linux-gnu", "", (128, 32), 64, True),
        ("arm64-apple-darwin", "", (128, 32), 64, True),
        ("riscv64-unknown-linux-gnu", "", (32, 32), 64, True),
        ("wasm32-unknown-unknown", "", (128, 16), 32, False),
        ("thumbv7em-none-eabihf", "cortex-m4", (32, 32), 32, True),
        ("thumbv6m-none-eabi", "cortex-m0", (32, 32), 32, False),
    ],
)
def test_what_a_processor_has(
    triple: str, cpu: str, vectors: tuple[int, int], pointer_bits: int, has_fma: bool
) -> None:
    target = named_target(triple, cpu)
    assert (target.vector_bits, target.vector_registers) == vectors
    assert target.pointer_bits == pointer_bits
    assert target.has("fma.f32") == has_fma


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("thumbv7em-none-eabihf", "thumbv7em-unknown-none-eabihf"),
        ("x86_64-linux-gnu", LINUX),
        ("wasm32-wasi", "wasm32-unknown-wasi"),
        ("aarch64-none-linux-gnu", "aarch64-none-linux-gnu"),
        ("arm64-apple-darwin", "arm64-apple-darwin"),
        ("x86_64-pc-windows-msvc", "x86_64-pc-windows-msvc"),
        ("wasm32-unknown-unknown", "wasm32-unknown-unknown"),
    ],
)
def test_a_vendor_may_be_left_out(written: str, meant: str) -> None:
    assert named_target(written).triple == meant


def test_features_add_to_a_processor() -> None:
    assert named_target(LINUX, "x86-64", "+avx2,+fma").vector_bits == 256
    assert not named_target(LINUX, "x86-64-v3", "-fma").has("fma.f32")


def test_features_may_be_written_with_spaces() -> None:
    assert named_target(LINUX, "", " +avx2, +fma,") == named_target(LINUX, "", "+avx2,+fma")


def test_a_host_of_which_something_is_taken() -> None:
    """Kernels must not use what the code may not have."""
    host = host_target()
    feature = {"x86_64": "-fma", "aarch64": "-neon"}[host.triple.split("-")[0]]
    lesser = named_target("", "host", feature)
    assert (lesser.cpu, lesser.l2_bytes) == (host.cpu, host.l2_bytes)
    assert lesser.features.endswith(feature)
    assert (lesser.missing, lesser.vector_bits) != (host.missing, host.vector_bits)


@pytest.mark.parametrize("cpu", ["", "x86-64-v3"])
def test_an_architecture_of_two_names(cpu: str) -> None:
    assert named_target("amd64-unknown-linux-gnu", cpu) == named_target(LINUX, cpu)


@pytest.mark.parametrize(
    "triple", ["wasm32-wasi", "x86_64-alpine-linux-musl", "aarch64-none-elf", "x86_64-linux-gnu"]
)
def test_triples_in_other_words(triple: str) -> None:
    found = named_target(triple).triple
    assert found.replace("-unknown", "") == triple


def test_the_host_is_the_host() -> None:
    assert named_target("", "host") == host_target()


@pytest.mark.parametrize(
    ("triple", "cpu", "features", "message"),
    [
        ("x86_65-linux-gnu", "", "", "no target 'x86_65-linux-gnu'; did you mean x86_64-"),
        (LINUX, "x86-64-v9", "", "no processor 'x86-64-v9'; did you mean x86-64-v"),
        ("aarch64-unknown-linux-gnu", "cortx-a53", "", "did you mean cortex-a53"),
        (LINUX, "", "+avx3", "no feature 'avx3'; did you mean avx"),
        (LINUX, "", "avx2", "'avx2' must begin with [+] or -"),
        ("wasm32-unknown-unknown", "host", "", "does not run on wasm32"),
        ("?", "", "", "no target '[?]'; there are x86_64-unknown-linux-gnu, "),
        ("x86_64-unknown-linx-gnu", "", "", "not know 'linx' .*; did you mean x86_64-unknown-li"),
        ("thumbv7em-none-eabhif", "", "", "not know 'eabhif' .* mean thumbv7em-none-eabihf"),
        ("arm-cortex-m4", "", "", "not know 'cortex'"),
        ("s390x-unknown-linux-gnu", "", "", "no target: processors must be little-endian"),
        ("avr", "atmega328", "", "no target: processors must be little-endian, of 32 or 64 bits"),
        ("nvptx64-nvidia-cuda", "sm_50", "", "sm_50 under nvptx64-nvidia-cuda is no target"),
        (LINUX, "?", "", "no processor '[?]'; there are "),
        (LINUX, "Skylak", "", "no processor 'Skylak'; did you mean skylake"),
        (LINUX, "i386", "", "i386 under .* is no target: .*64-bit code requested"),
        ("", "host", "+avx3", "no feature 'avx3'; did you mean avx"),
    ],
)
def test_unknown_names(triple: str, cpu: str, features: str, message: str) -> None:
    with pytest.raises(UnknownTargetError, match=message):
        named_target(triple, cpu, features)


def test_vectors_of_32_bit_arm_are_asked_for() -> None:
    """They take subnormal floats for 0."""
    triple = "armv7-unknown-linux-gnueabihf"
    assert named_target(triple).vector_bits == 32
    assert named_target(triple, "cortex-a7").vector_bits == 32
    assert named_target(triple, "cortex-a7", "+neon").vector_bits == 128
