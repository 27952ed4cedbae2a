"""Parts that fill a tensor are put side by side, and stored by the kernel that makes them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.build import ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.interpreter import interpret
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.join_parts import join_parts
from graphc.ir.types import DType, Shape, float32, float64, int32
from graphc.ir.verifier import verify
from tests.codegen.running import check, graph_of, parameter, tensor


def normal(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).standard_normal(shape)


def padded(x: Node, low: int, high: int, value: float = 0) -> Node:
    return ops.pad(x, low=(0, low), high=(0, high), value=value)


def joined(*parts: Node, inputs: tuple[Node, ...]) -> bool:
    """Whether the sum of parts becomes one concatenation, which must be equal to it."""
    total = parts[0]
    for part in parts[1:]:
        total = ops.add(part, total)
    graph = graph_of(total, inputs=inputs)
    after = join_parts(graph)
    verify(after)
    arrays = {x.name: normal(*x.shape).astype(x.dtype.numpy) for x in inputs}
    (expected,), (actual,) = (interpret(g, arrays).outputs.values() for g in (graph, after))
    np.testing.assert_array_equal(actual, expected)
    return [node.op.name for node in after.nodes if node not in inputs] == ["concatenate"]


def test_parts_in_any_order() -> None:
    x, y, z = (tensor(name, (2, size)) for name, size in (("x", 3), ("y", 1), ("z", 2)))
    parts = [padded(y, 3, 2), padded(z, 4, 0), padded(x, 0, 3)]
    assert joined(*parts, inputs=(x, y, z))


@pytest.mark.parametrize(
    "second", [(2, 0), (3, 0, 1.0), (3, 0, -0.5)], ids=["overlap", "of ones", "of others"]
)
def test_what_is_more_than_parts_is_still_added(second: tuple[float, ...]) -> None:
    low, high, *value = second
    x, y = tensor("x", (2, 3)), tensor("y", (2, 5 - int(low)))
    assert not joined(padded(x, 0, 2), padded(y, int(low), int(high), *value), inputs=(x, y))


def test_a_gap_and_parts_along_two_axes() -> None:
    x, y = tensor("x", (2, 2)), tensor("y", (2, 2))
    assert not joined(padded(x, 0, 3), padded(y, 3, 0), inputs=(x, y))
    corner = ops.pad(x, low=(0, 0), high=(2, 2), value=0)
    assert not joined(corner, ops.pad(y, low=(2, 2), high=(0, 0), value=0), inputs=(x, y))


def kernels(graph: Graph) -> list[str]:
    fused = fuse(graph)
    verify(fused)
    return [kernel.shape for kernel in fused.kernels]


def parts_of(x: Node, count: int) -> list[Node]:
    value, found = x, []
    for i in range(count):
        value = ops.sin(ops.add(value, scalar(i, x.dtype)))
        found.append(value)
    return found


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((8,), 0), ((17,), 0), ((3, 8), 1), ((5, 19), 1), ((5, 19), 0), ((2, 3, 33), 1), ((3, 64), 1)],
    ids=str,
)
def test_one_kernel_stores_all_parts(shape: Shape, axis: int, count: int, dtype: DType) -> None:
    x = tensor("x", shape, dtype)
    whole = ops.concatenate(*parts_of(x, count), axis=axis)
    graph = graph_of(whole, inputs=(x,))
    assert kernels(graph) == ["map"]
    check(graph, {"x": normal(*shape)})


@pytest.mark.parametrize("shape", [(0, 8), (3, 0), (1, 1), (4, 1), (4, 3)], ids=str)
def test_parts_that_are_too_small_to_be_stored_apart(shape: Shape) -> None:
    x = tensor("x", shape)
    whole = ops.concatenate(*parts_of(x, 3), axis=1)
    check(graph_of(whole, ops.sum(whole, axes=(1,)), inputs=(x,)), {"x": normal(*shape)})


def test_the_whole_is_read_by_others() -> None:
    x, w = tensor("x", (9, 16)), tensor("w", (48, 7))
    parts = parts_of(x, 3)
    whole = ops.concatenate(*parts, axis=1)
    outputs = (whole, ops.matmul(whole, w), ops.exp(whole), ops.sum(parts[1], axes=(0,)))
    graph = graph_of(*outputs, inputs=(x, w))
    assert "contract" in kernels(graph)
    check(graph, {"x": normal(9, 16), "w": normal(48, 7)}, rtol=1e-4)


def test_parts_of_several_kernels_are_read_where_they_are() -> None:
    x, y = tensor("x", (9, 16)), tensor("y", (9, 16))
    whole = ops.concatenate(ops.sin(x), ops.exp(y), axis=1)
    graph = graph_of(ops.sum(whole, axes=(1,)), inputs=(x, y))
    check(graph, {"x": normal(9, 16), "y": normal(9, 16)}, rtol=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_an_update_in_parts_is_not_written_over_what_they_are_made_of(axis: int) -> None:
    shape = (8, 16) if axis else (16, 8)
    p = parameter("p", shape)
    start = [(0, 8 * i) if axis else (8 * i, 0) for i in range(2)]
    halves = [ops.slice(p, start=at, step=(1, 1), shape=(8, 8)) for at in start]
    turned = ops.concatenate(ops.sin(halves[1]), ops.cos(halves[0]), axis=axis)
    graph = Graph("f", (), (p,), (), (), (Update(p, turned),))
    check(graph, {"p": normal(*shape)})


def test_integers_and_a_large_value_in_the_workspace() -> None:
    x = tensor("x", (64, 32), int32)
    parts = [ops.mul(x, scalar(i + 2, int32)) for i in range(4)]
    whole = ops.concatenate(*[ops.add(part, x) for part in parts], axis=1)
    rows = ops.transpose(ops.reshape(whole, shape=(128, 64)), perm=(1, 0))
    check(graph_of(ops.mul(rows, rows), inputs=(x,)), {"x": 9 * normal(64, 32)})


def test_the_adjoint_of_slices_is_stored_once() -> None:
    x, w = gc.input("x", (16, 12)), gc.input("w", (12, 64))
    gates = gc.split(x @ w, 4, -1)
    loss = ((gc.sigmoid(gates[0]) * gc.tanh(gates[1]) + gates[2]) * gc.sin(gates[3])).sum()
    text = gc.compile([x, w], gc.grad(loss, [x, w])).ir("fused")
    assert text.count("concatenate") == 1
    assert "pad" not in text
    assert text.count("kernel @") == 4
