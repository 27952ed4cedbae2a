"""LLVM text to object bytes, and what is reported when LLVM refuses the text."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest

from graphc.codegen import target as target_module
from graphc.codegen.backend import compile_parts, compile_text
from graphc.codegen.errors import BackendError
from graphc.codegen.target import Target, host_target, vector_unit

ADD = """\
define void @add(ptr %x, ptr %y) {
  %a = load <16 x float>, ptr %x, align 4
  %b = load <16 x float>, ptr %y, align 4
  %c = fadd <16 x float> %a, %b
  %d = fadd <16 x float> %c, %a
  %dead = fmul <16 x float> %d, %d
  store <16 x float> %d, ptr %y, align 4
  ret void
}
"""

AVX512 = Target(
    triple="x86_64-unknown-linux-gnu",
    cpu="skylake-avx512",
    features="+avx512f,+avx512vl,+avx512dq,+avx512bw,+fma",
    vector_bits=512,
    vector_registers=32,
)


def test_optimised_text_and_assembly_are_made_on_demand() -> None:
    module = compile_text(ADD, host_target())
    assert "%dead" not in module.optimised_ir_text
    assert "define void @add" in module.optimised_ir_text
    assert "add:" in module.assembly_text


def test_the_same_text_gives_the_same_bytes() -> None:
    assert compile_text(ADD, AVX512).object_bytes == compile_text(ADD, AVX512).object_bytes


def test_without_optimisation_nothing_is_rewritten() -> None:
    module = compile_text(ADD, host_target(), optimise=False)
    assert "%dead" in module.optimised_ir_text
    assert module.object_bytes


@pytest.mark.parametrize(
    ("features", "bits", "widest"),
    [
        (AVX512.features, 512, "zmm"),
        ("+avx,+avx2,-avx512f", 256, "ymm"),
        ("+sse2,-avx,-avx2,-avx512f", 128, "xmm"),
    ],
)
def test_the_full_vector_width_is_used(features: str, bits: int, widest: str) -> None:
    """Also on processors for which LLVM would prefer narrower vectors."""
    target = replace(AVX512, features=features, vector_bits=bits)
    assembly = compile_text(ADD, target).assembly_text
    assert max(name for name in ("xmm", "ymm", "zmm") if f"%{name}" in assembly) == widest


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("define i32 @f() {\n  %x = addd i32 1, 2\n  ret i32 %x\n}", 2, "instruction opcode"),
        ("define i32 @f() {\n  ret i32 %x\n}", 2, "undefined value '%x'"),
        ("junk", 1, "top-level entity"),
        (
            "define i32 @f(i1 %c) {\n  br i1 %c, label %a, label %b\na:\n  %x = add i32 1, 2\n"
            "  br label %b\nb:\n  ret i32 %x\n}",
            4,
            "does not dominate",
        ),
    ],
)
def test_refused_text_is_shown_with_its_line(text: str, line: int, message: str) -> None:
    with pytest.raises(BackendError, match=message) as caught:
        compile_text(text, host_target())
    assert caught.value.line == line
    shown = str(caught.value)
    assert shown.startswith("GC050 ")
    assert f"> {line:5} | {text.splitlines()[line - 1]}" in shown


def test_the_host() -> None:
    host = host_target()
    assert host is host_target()
    assert host.vector_bits in (128, 256, 512)
    assert host.vector_registers in (16, 32)
    assert host.lanes(4) == host.vector_bits // 32
    assert host.cores >= 1
    assert 1 << 12 <= host.l1_bytes <= host.l2_bytes


def test_vector_units() -> None:
    x86 = "x86_64-pc-windows-msvc"
    assert vector_unit(x86, "+avx512f,+avx512vl,+avx") == (512, 32)
    assert vector_unit(x86, "+avx512f,-avx512vl,+avx") == (256, 16)
    assert vector_unit(x86, "-avx512f,+avx") == (256, 16)
    assert vector_unit(x86, "") == (128, 16)
    assert vector_unit("aarch64-apple-darwin", "+neon") == (128, 32)


def test_cache_sizes_are_read_as_far_as_they_are_there(tmp_path: Path) -> None:
    for index, (kind, level, size) in enumerate(
        [
            ("Data", "1", "48K"),
            ("Instruction", "1", "32K"),
            ("Unified", "2", "2M"),
            ("Unified", "3", "?"),
        ]
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, content in (("type", kind), ("level", level), ("size", size)):
            (folder / name).write_text(content + "\n")
    (tmp_path / "index9").mkdir()
    assert target_module._cache_sizes(tmp_path) == {1: 48 << 10, 2: 2 << 20}
    assert target_module._cache_sizes(tmp_path / "nothing") == {}


def test_a_part_that_llvm_refuses_is_reported() -> None:
    """And what was made before is closed in order: the process goes on, and ends as it should."""
    host = host_target()
    whole = "declare void @part()\ndefine void @f() { call void @part() ret void }"
    part = "define void @part() { ret void }"
    assert compile_parts(whole, [(part, host)], host)
    astray = (
        "define void @stray(i1 %c) {\nentry:\n br i1 %c, label %a, label %b\n"
        "a:\n %x = add i32 1, 2\n br label %b\nb:\n %y = add i32 %x, 1\n ret void\n}\n"
    )
    for text, message in ((part, "redefinition"), (astray, "dominate")):
        with pytest.raises(BackendError, match=message):
            compile_parts(whole, [(part, host), (text + part, host)], host)
    gc.collect()
