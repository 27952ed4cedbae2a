"""What code needs of a processor: found in LLVM, asked of x86, and named as Linux names it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from graphc.codegen import requirements
from graphc.codegen.backend import compile_text, least_demanding
from graphc.codegen.cpuid import EBX, ECX, SYSTEM, Question, known, questions
from graphc.codegen.errors import UnknownTargetError
from graphc.codegen.processors import named_target, named_targets
from graphc.codegen.requirements import requirements_of
from graphc.codegen.target import host_target
from graphc.codegen.x86_version import version_text
from graphc.runtime.instruction_sets import instruction_sets, lacking
from graphc.runtime.platforms import architecture

LINUX, LINUX_32 = "x86_64-unknown-linux-gnu", "i686-unknown-linux-gnu"
ARM = "aarch64-unknown-linux-gnu"

V2 = {"popcnt", "sse3", "sse4.1", "sse4.2", "ssse3"}
V3 = V2 | {"avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"}
V4 = V3 | {"avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"}
LATER = {
    *("avx512bitalg", "avx512ifma", "avx512vbmi", "avx512vbmi2", "avx512vnni"),
    *("avx512vpopcntdq", "gfni"),
}


@pytest.mark.parametrize(
    ("triple", "cpu", "features", "expected"),
    [
        (LINUX, "", "", set()),
        (LINUX, "x86-64-v2", "", V2),
        (LINUX, "nehalem", "", V2),
        (LINUX, "x86-64-v3", "", V3),
        (LINUX, "haswell", "", V3),
        (LINUX, "sandybridge", "", V2 | {"avx"}),
        (LINUX, "x86-64-v4", "", V4),
        (LINUX, "icelake-server", "", V4 | LATER | {"prfchw"}),
        (LINUX, "znver4", "", V4 | LATER | {"prfchw", "sse4a", "avx512bf16"}),
        (LINUX, "x86-64", "+avx2", V2 - {"popcnt"} | {"avx", "avx2"}),
        (LINUX, "x86-64-v3", "-avx2,-fma", V3 - {"avx2", "fma"}),
        (LINUX, "x86-64-v4", "+avx512fp16,+gfni", V4 | {"avx512fp16", "gfni"}),
        # Nothing of ours becomes an instruction of these.
        (LINUX, "x86-64", "+aes,+pku,+rdrnd,+sha,+xsave", set()),
        (LINUX_32, "", "", {"cmov", "cx8", "mmx", "sse", "sse2", "x87"}),
        (LINUX_32, "pentium", "", {"cx8", "x87"}),
        (LINUX_32, "pentium4", "+sse3", {"cmov", "cx8", "mmx", "sse", "sse2", "sse3", "x87"}),
        (ARM, "", "", set()),
        (ARM, "cortex-a53", "", {"crc"}),
        (ARM, "generic", "+sve", {"sve", "fullfp16"}),
        ("riscv64-unknown-linux-gnu", "", "", set("mafdc")),
        ("wasm32-unknown-unknown", "", "", set()),
        ("thumbv7em-none-eabihf", "cortex-m4", "", set()),
    ],
)
def test_what_code_needs(triple: str, cpu: str, features: str, expected: set[str]) -> None:
    found = requirements_of(named_target(triple, cpu, features))
    assert set(found) == expected
    assert list(found) == sorted(expected)


def test_this_machine_has_what_its_own_code_needs() -> None:
    host = host_target()
    assert set(requirements_of(host)) <= instruction_sets(host.triple)


def test_a_set_that_nobody_can_ask_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one would be that a later LLVM brings."""
    target = named_target(LINUX, "znver4")
    rest = instruction_sets(LINUX) - {"avx512vnni"}
    monkeypatch.setattr(requirements, "instruction_sets", lambda _: rest)
    with pytest.raises(UnknownTargetError, match="instruction sets of which a program cannot ask"):
        requirements_of.__wrapped__(target)


def test_there_is_a_question_for_each_set() -> None:
    assert {*known()} == instruction_sets(LINUX_32)
    assert instruction_sets(LINUX) < instruction_sets(LINUX_32)


def test_questions_come_in_an_order_in_which_they_can_be_asked() -> None:
    """The system's is asked once the processor has said that it may be, and all leaves of it."""
    asked = questions(sorted(V4), LINUX)
    places = [question.leaf for question in asked]
    assert places == [1, SYSTEM, 7, 0x80000001]
    assert asked[0].mask & 1 << 27
    assert asked[0].register == ECX
    assert asked[1].mask == 0b11100110
    assert asked[2] == Question(7, 0, EBX, 0xD0030128, 0xD0030128)


def test_macos_keeps_registers_later() -> None:
    saved = questions(["avx", "avx512f"], "x86_64-apple-darwin")[1]
    assert (saved.leaf, saved.mask) == (SYSTEM, 0b110)


def test_versions_are_compared() -> None:
    assert questions(["avx10.1", "avx10.2"], LINUX)[-1] == Question(0x24, 0, EBX, 0xFF, 2)
    assert questions([], LINUX) == []


@pytest.mark.parametrize("triple", [LINUX, LINUX_32])
def test_what_asks_runs_everywhere(triple: str) -> None:
    """The code that finds a version, made for the least processor: no vector register in it."""
    target = least_demanding(named_target(triple, "sapphirerapids"))
    text = version_text([questions(sorted(V4), triple)], is_64_bit=target.is_x86_64)
    text += "define i32 @f() #0 { %v = call i32 @graphc.version() ret i32 %v }\n"
    text += "attributes #0 = { nounwind }\n"
    assembly = compile_text(text, target, optimise=False).assembly_text
    assert "graphc.answers" in assembly
    assert not re.search("[xyz]mm[0-9]", assembly)
    assert triple == LINUX or "cmov" not in assembly


def test_processors_that_can_be_told_apart() -> None:
    for cpus in ("x86-64,haswell,znver4", "x86-64-v3,skylake", "skylake-avx512,znver2"):
        assert [target.cpu for target in named_targets(LINUX, cpus)] == cpus.split(",")


def test_what_linux_says() -> None:
    machine = "flags\t\t: fpu cx8 cmov mmx sse sse2 pni abm avx512_vnni\n"
    assert lacking(LINUX, frozenset(["sse3", "lzcnt", "avx512vnni"]), machine) == (set(), set())
    needed = frozenset(["avx", "avx512fp16", "avx10.1"])
    assert lacking(LINUX, needed, machine) == ({"avx"}, {"avx512fp16", "avx10.1"})
    assert lacking(LINUX, needed, "") == (set(), set(needed))
    arm = "Features\t: fp asimd aes crc32 atomics\n"
    assert lacking(ARM, frozenset(["crc", "lse", "sve"]), arm) == ({"sve"}, set())
    board = "isa\t\t: rv64imafdc_zicsr_zifencei\n"
    assert lacking("riscv64-linux-gnu", frozenset("mafdcv"), board) == ({"v"}, set())
    assert lacking("thumbv7em-none-eabi", frozenset(), arm) == (set(), set())


def test_architectures() -> None:
    names = ["x86_64", "amd64", "i386", "i486", "i586", "i686", "arm64", "aarch64", "thumbv6m"]
    families = [*["x86"] * 6, "aarch64", "aarch64", "thumbv6m"]
    assert [architecture(f"{name}-none") for name in names] == families


def test_elsewhere_all_code_is_for_the_processor() -> None:
    arm = named_target(ARM, "cortex-a53")
    assert least_demanding(arm) == arm
    v4 = replace(named_target(LINUX, "x86-64-v4"), cores=1)
    assert least_demanding(v4).cpu == "x86-64"
