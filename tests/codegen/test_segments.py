"""Kernels of many operations: cut into functions, with vectors in a frame on the stack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.codegen.segments import MOST_NODES, cut_segments
from graphc.ir.build import Expression, ops
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.types import DType, bfloat16, float16, float32, float64, int32
from tests.codegen.running import check, graph_of, parameter, tensor


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).standard_normal(shape)


def waves(x: Node, rounds: int) -> Node:
    """A chain of sine, product and sum, with other numbers in each round."""
    for i in range(rounds):
        x = (Expression(ops.sin(x)) * (0.9 + i / 100) + i / 50).node
    return x


def test_a_chain_is_cut_alike_from_its_end() -> None:
    y = waves(tensor("x", (8,)), 20)
    segments = cut_segments(graph_of(y, inputs=()).nodes, [y], (8,))
    assert sorted(len(segment.nodes) for segment in segments) == [MOST_NODES] * 5
    assert {tuple(n.op.name for n in segment.nodes) for segment in segments} == {
        ("sin", "mul", "add") * 4
    }


def test_a_value_used_twice_is_the_root_of_a_segment() -> None:
    x = tensor("x", (8,))
    shared = ops.sin(x)
    total = ops.add(ops.cos(shared), ops.exp(shared))
    segments = cut_segments(graph_of(total, inputs=()).nodes, [total], (8,))
    assert {segment.root: segment.readers for segment in segments} == {shared: 1, total: 0}


@pytest.mark.parametrize("length", [1, 7, 31, 64, 65, 200])
@pytest.mark.parametrize("dtype", [float32, float64, float16, bfloat16], ids=str)
def test_a_long_chain(length: int, dtype: DType) -> None:
    x = tensor("x", (length,), dtype)
    tolerance = {float32: 1e-5, float64: 1e-13}.get(dtype, 0.05)
    check(graph_of(waves(x, 30), inputs=(x,)), {"x": normal(length)}, rtol=tolerance)


def test_equal_segments_are_one_function() -> None:
    x = tensor("x", (100,))
    compilation = check(graph_of(waves(x, 50), inputs=(x,)), {"x": normal(100)}, rtol=1e-4)
    assert compilation.llvm.count("define internal fastcc void @segment") <= 4
    assert compilation.llvm.count("define internal fastcc <") <= 2


def test_many_values_live_at_once() -> None:
    """All sines are needed again, in the order opposite to that in which they are made."""
    x = tensor("x", (131,))
    made = [x]
    for _ in range(60):
        made.append(ops.sin(made[-1]))
    y = made[-1]
    for value in reversed(made):
        y = ops.mul(ops.add(y, value), ops.cos(value))
    compilation = check(graph_of(y, inputs=(x,)), {"x": normal(131)}, rtol=1e-4)
    assert len(compilation.kernels) == 1
    assert compilation.plan.memory.workspace_bytes == 0


def test_sums_conditions_and_integers_among_segments() -> None:
    x, n = tensor("x", (5, 37)), tensor("n", (5, 37), int32)
    y, total = x, None
    for i in range(12):
        chosen = ops.gt(y, ops.cos(y))
        count = ops.add(n, ops.where(chosen, n, ops.mul(n, n)))
        y = ops.where(chosen, ops.exp(ops.neg(ops.abs(y))), ops.tanh(y))
        y = (Expression(y) + Expression(count).cast(dtype=float32) * (0.01 + i)).node
        if i == 7:
            total = ops.sum(y, axes=(1,))
    assert total is not None
    arrays = {"x": normal(5, 37), "n": np.arange(185).reshape(5, 37) % 7}
    check(graph_of(y, total, inputs=(x, n)), arrays, rtol=1e-4, atol=1e-5)


def test_rows_that_are_swept_again() -> None:
    x = tensor("x", (3, 41))
    y = x
    for _ in range(3):
        e = ops.exp(ops.sin(ops.tanh(y)))
        y = ops.div(e, ops.sum(e, axes=(1,), keepdims=True))
    check(graph_of(y, inputs=(x,)), {"x": normal(3, 41)}, rtol=1e-4)


def test_numbers_read_from_memory_and_values_that_do_not_vary() -> None:
    x, factors = tensor("x", (150,)), tensor("factors", (40, 2))
    y = x
    for i in range(40):
        factor, term = (
            ops.reshape(ops.slice(factors, start=(i, j), step=(1, 1), shape=(1, 1)), shape=())
            for j in (0, 1)
        )
        wide = ops.broadcast_to(ops.exp(term), shape=(150,))
        y = ops.add(ops.mul(ops.sin(y), factor), wide)
    arrays = {"x": normal(150), "factors": normal(40, 2)}
    check(graph_of(y, inputs=(x, factors)), arrays, rtol=1e-4, atol=1e-5)


def test_an_update_in_place() -> None:
    w = parameter("w", (77,))
    y = waves(w, 25)
    graph = Graph("f", (), (w,), (ops.sum(y, axes=(0,)),), ("total",), (Update(w, y),))
    check(graph, {"w": normal(77)}, rtol=1e-4)
