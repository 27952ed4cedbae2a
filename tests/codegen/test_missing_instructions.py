"""Square roots, divisions and conversions on processors that lack instructions for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.codegen.instructions import missing_operations
from graphc.codegen.object_symbols import undefined_symbols
from graphc.codegen.processors import named_target
from graphc.codegen.target import host_target
from graphc.ir.build import cast, ops
from graphc.ir.interpreter import interpret
from graphc.ir.ops import OPS
from graphc.ir.types import FLOATS, INTEGERS, DType, float32, float64, int64, uint64
from tests.codegen.running import Result, graph_of, run_compiled, tensor

Array = np.ndarray[Any, Any]

EVERYTHING = missing_operations(named_target("thumbv6m-none-eabi", "cortex-m0"))
NO_FLOAT_CONVERSIONS = {"convert.i32.f32", "convert.i32.f64"}
LACKING = replace(
    host_target(), missing=tuple(name for name in EVERYTHING if name not in NO_FLOAT_CONVERSIONS)
)

EXTREMES = [0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 5e-324, 1e-30]
"""Of which one is the larger, and the smaller, is for the code to know."""

each_float = pytest.mark.parametrize("dtype", FLOATS, ids=str)


def same(got: Array, expected: Array) -> None:
    """Equal, zeros' signs included; one NaN is as good as another."""
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(expected[got == 0]))


def converted(values: Array, dtype: DType) -> Array:
    x = tensor("x", values.shape, DType.of(values.dtype))
    graph = graph_of(cast(x, dtype), inputs=(x,))
    return run_compiled(graph, {"x": values}, target=LACKING).outputs["out0"]


def test_what_is_missing() -> None:
    assert {"maximum.f64", "sqrt.f64", "fma.f32", "divide.i32", "convert.i64.f64"} <= set(
        EVERYTHING
    )
    partial = named_target("thumbv7em-none-eabihf", "cortex-m4")
    assert partial.has("fma.f32")
    assert partial.has("sqrt.f32")
    assert partial.has("divide.i32")
    assert not partial.has("fma.f64")
    assert not partial.has("sqrt.f64")
    assert not partial.has("divide.i64")


def root(values: Array) -> Result:
    x = tensor("x", values.shape, DType.of(values.dtype))
    return run_compiled(graph_of(ops.sqrt(x), inputs=(x,)), {"x": values}, target=LACKING)


@each_float
def test_roots_are_correctly_rounded(dtype: DType) -> None:
    rng = np.random.default_rng(3)
    bits = np.uint32 if dtype is float32 else np.uint64
    any_bits = rng.integers(0, np.iinfo(bits).max, 100_000, bits).view(dtype.numpy)
    # Squares and halves between them, which are where a root is nearly, or exactly, a tie.
    digits = 11 if dtype is float32 else 26
    whole = rng.integers(2**digits, 2 ** (digits + 1), 50_000).astype(dtype.numpy)
    squares = np.ldexp(whole * whole, rng.integers(-40, 40, whole.size)).astype(dtype.numpy)
    between = rng.random(50_000).astype(dtype.numpy) + 1
    near = between * between
    roots = (squares, near, np.nextafter(squares, dtype.numpy.type(0)))
    values = np.concatenate([any_bits, *roots, np.nextafter(near, dtype.numpy.type(9))])
    with np.errstate(all="ignore"):
        same(root(values).outputs["out0"], np.sqrt(values))


@each_float
def test_roots_of_special_values(dtype: DType) -> None:
    info = np.finfo(str(dtype.numpy))
    numbers = [0, 1, 4, info.max, info.tiny, info.smallest_subnormal, info.eps, np.inf, np.nan]
    subnormal = [info.smallest_subnormal * k for k in (2, 3, 4, 5, 1023)]
    below = np.nextafter(info.tiny, dtype.numpy.type(0))
    positive = np.array([*numbers, *subnormal, below], dtype.numpy)
    values = np.concatenate([positive, -positive])
    with np.errstate(all="ignore"):
        same(root(values).outputs["out0"], np.sqrt(values))


def test_no_root_of_a_library() -> None:
    x = np.ones(3)
    result = root(x)
    assert "llvm.sqrt" not in result.compilation.llvm
    assert undefined_symbols(result.compilation.module.object_bytes) == ()


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@each_float
def test_the_larger_and_the_smaller(name: str, dtype: DType) -> None:
    pairs = np.meshgrid(np.array(EXTREMES, dtype.numpy), np.array(EXTREMES, dtype.numpy))
    x, y = (np.ascontiguousarray(each).reshape(-1) for each in pairs)
    operands = (tensor("x", x.shape, dtype), tensor("y", y.shape, dtype))
    result = run_compiled(
        graph_of(OPS[name](*operands), inputs=operands), {"x": x, "y": y}, target=LACKING
    )
    np.testing.assert_array_equal(result.outputs["out0"], getattr(np, name)(x, y))
    assert f"llvm.{name}" not in result.compilation.llvm


@pytest.mark.parametrize("name", ["floor_divide", "remainder"])
@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_division(name: str, dtype: DType) -> None:
    """Of numbers of all lengths, and of those at the ends."""
    rng = np.random.default_rng(4)
    info = np.iinfo(str(dtype.numpy))
    some = rng.integers(info.min, info.max, 300, dtype.numpy, endpoint=True)
    lengths = rng.integers(0, dtype.bits, some.size).astype(dtype.numpy)
    ends = [info.min, info.min + 1, info.max - 1, info.max, info.max // 2, info.max // 2 + 1]
    edges = np.array([*ends, 0, 1, 2, 3, 7, 10], dtype.numpy)
    if dtype.kind == "int":
        edges = np.concatenate([edges, -edges])
    numbers = np.concatenate([some >> lengths, edges])
    pairs = np.meshgrid(numbers, np.concatenate([edges, numbers[:100]]))
    x, y = (np.ascontiguousarray(each).reshape(-1) for each in pairs)
    operands = (tensor("x", x.shape, dtype), tensor("y", y.shape, dtype))
    graph = graph_of(OPS[name](*operands), inputs=operands)
    expected = interpret(graph, {"x": x, "y": y}).outputs["out0"]
    result = run_compiled(graph, {"x": x, "y": y}, target=LACKING)
    same(result.outputs["out0"], expected)
    assert "div <" not in result.compilation.llvm


@each_float
@pytest.mark.parametrize("integer", [int64, uint64], ids=str)
def test_wide_integers_become_floats(integer: DType, dtype: DType) -> None:
    rng = np.random.default_rng(5)
    some = rng.integers(0, 2**64, 20_000, np.uint64, endpoint=False)
    lengths = rng.integers(0, 64, some.size).astype(np.uint64)
    # One below, at, and above the middle of two neighbours.
    ones = np.uint64(1)
    first = ones << rng.integers(25, 64, some.size).astype(np.uint64)
    digits = np.uint64(24 if dtype is float32 else 53)
    place = np.maximum(first >> digits, 1).astype(np.uint64)
    odd = first | (place * rng.integers(0, 8, some.size).astype(np.uint64))
    edges = np.array([0, 1, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    parts = [some >> lengths, odd - ones, odd, odd + ones, edges]
    numbers = np.concatenate(parts).view(integer.numpy)
    same(converted(numbers, dtype), numbers.astype(dtype.numpy))


@each_float
@pytest.mark.parametrize("integer", [int64, uint64], ids=str)
def test_floats_become_wide_integers(integer: DType, dtype: DType) -> None:
    rng = np.random.default_rng(6)
    size = np.ldexp(rng.random(20_000) + 1, rng.integers(-3, 62, 20_000)).astype(dtype.numpy)
    edges = np.array([0, 0.5, 0.999, 1, 2.0**31, 2.0**32, 2.0**62, 2.0**63], dtype.numpy)
    numbers = np.concatenate([size, edges, np.nextafter(edges, dtype.numpy.type(0))])
    numbers = numbers[numbers < 2.0**63] if integer is int64 else numbers
    if integer is int64:
        numbers = np.concatenate([numbers, -numbers, [dtype.numpy.type(-(2.0**63))]])
    same(converted(numbers, integer), numbers.astype(integer.numpy))


def test_wide_conversions_are_of_parts() -> None:
    x = tensor("x", (5,), float64)
    graph = graph_of(cast(x, int64), inputs=(x,))
    text = run_compiled(graph, {"x": np.ones(5)}, target=LACKING).compilation.llvm
    assert "fptosi" not in text
    assert "fptoui" in text


@each_float
def test_extremes(dtype: DType) -> None:
    """NaN wins, from either side, and a vector's rest is not a vector."""
    numbers = np.array([0, 1, -1, 2.5, np.inf, -np.inf, np.nan], dtype.numpy)
    x, y = (np.ascontiguousarray(each) for each in np.meshgrid(numbers, numbers))
    given = {"x": x, "y": y}
    inputs = {name: tensor(name, x.shape, dtype) for name in given}
    graph = graph_of(ops.maximum(*inputs.values()), inputs=tuple(inputs.values()))
    same(run_compiled(graph, given, target=LACKING).outputs["out0"], np.maximum(x, y))
    graph = graph_of(ops.minimum(*inputs.values()), inputs=tuple(inputs.values()))
    same(run_compiled(graph, given, target=LACKING).outputs["out0"], np.minimum(x, y))
