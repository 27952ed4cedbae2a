"""What objects leave undefined, in every format that LLVM writes."""

from __future__ import annotations

import pytest

from graphc.codegen.backend import compile_text
from graphc.codegen.isolated import isolated
from graphc.codegen.object_symbols import undefined_symbols
from graphc.codegen.processors import named_target
from graphc.codegen.wasm_sections import read_number

TEXT = """
@table = global i32 4
declare void @short(ptr)
declare void @one_whose_name_is_long()
define internal void @inner() nounwind { ret void }
define i32 @outer() nounwind {
  call void @short(ptr @table)
  call void @one_whose_name_is_long()
  call void @inner()
  ret i32 0
}
"""

FORMATS = [
    "x86_64-unknown-linux-gnu",
    "i686-unknown-linux-gnu",
    "thumbv7em-none-eabihf",
    "riscv64-unknown-linux-gnu",
    "wasm32-unknown-unknown",
    "x86_64-apple-darwin",
    "arm64-apple-darwin",
    "x86_64-pc-windows-msvc",
]


@pytest.mark.parametrize("triple", FORMATS)
def test_what_is_called_is_found(triple: str) -> None:
    made = isolated(compile_text, TEXT, named_target(triple)).object_bytes
    assert undefined_symbols(made) == ("one_whose_name_is_long", "short")


@pytest.mark.parametrize("triple", FORMATS)
def test_nothing_is_found_where_nothing_is_called(triple: str) -> None:
    text = "@table = global i32 4 define ptr @one() nounwind { ret ptr @table }"
    made = isolated(compile_text, text, named_target(triple)).object_bytes
    assert undefined_symbols(made) == ()


def test_what_may_be_missing_is_not_needed() -> None:
    text = "declare extern_weak void @other() define ptr @one() nounwind { ret ptr @other }"
    made = compile_text(text, named_target("x86_64-unknown-linux-gnu")).object_bytes
    assert undefined_symbols(made) == ()


@pytest.mark.parametrize(
    ("data", "number"), [([0], 0), ([0x7F], 127), ([0x80, 1], 128), ([0xE5, 0x8E, 0x26], 624485)]
)
def test_numbers_of_web_assembly(data: list[int], number: int) -> None:
    assert read_number(bytes([9, *data, 9]), 1) == (number, 1 + len(data))
