"""A store under a mask touches the lanes of the mask alone, whatever LLVM finds out about it."""

from __future__ import annotations

import re

import pytest

from graphc.codegen.backend import compile_text
from graphc.codegen.emit import Module
from graphc.codegen.processors import named_target
from graphc.codegen.values import POINTER, Value, constant, index
from graphc.ir.types import DType, int8, int16, int32, int64

LANES = 4


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("wide", "narrow"), [(int32, int8), (int64, int16), (int64, int32)])
def test_one_lane_of_truncated_numbers(wide: DType, narrow: DType, known: bool) -> None:
    """A loop of one round: what its mask is, LLVM finds out after it has simplified stores."""
    target = named_target("x86_64-unknown-linux-gnu", "x86-64-v4")
    module = Module(has_avx512=target.has_avx512)
    source, place = Value("%source", POINTER), Value("%place", POINTER)
    count = index(1) if known else Value("%count", int64)
    parameters = [source, place] if known else [source, place, count]
    function = module.function("store_one", parameters, "void")
    with function.loop(index(0), count, LANES) as loop:
        numbers = function.load(function.offset(source, wide, loop.counter), wide, LANES)
        shifted = function.binary("lshr", numbers, constant(3, wide, LANES))
        left = function.splat(function.binary("sub", count, loop.counter), LANES)
        mask = function.compare("icmp slt", function.lane_numbers(LANES), left)
        here = function.offset(place, narrow, loop.counter)
        function.store_masked(function.convert("trunc", shifted, narrow), here, mask)
    function.raw("ret void")
    assembly = compile_text(module.text(), target).assembly_text
    stores = re.findall(r"^\t\w+\t%\w+, .*\(%rsi.*$", assembly, re.MULTILINE)
    assert stores
    assert all("{%k" in store for store in stores), stores
