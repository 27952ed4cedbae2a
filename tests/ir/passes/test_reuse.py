"""Which values are written over operands that nobody needs any more, and that they may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.reuse import choose_reuse
from graphc.ir.types import float64, int32
from tests.codegen.running import check, graph_of, run_compiled, tensor


def reuse_of(*outputs: Node, inputs: tuple[Node, ...]) -> dict[str, str]:
    """The names of values with those of the values that they are written over."""
    found = choose_reuse(fuse(graph_of(*outputs, inputs=inputs)))
    return {node.name: dead.name for node, dead in found.items()}


def stored(node: Node, name: str) -> Node:
    """A value that another kernel reads: a product's operand."""
    return ops.matmul(node, node, name=name)


def randoms(*nodes: Node) -> dict[str, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    return {node.name: generator.standard_normal(node.shape) for node in nodes}


@pytest.mark.parametrize("size", [1, 7, 16, 33])
def test_an_epilogue_is_written_over_what_it_reads(size: int) -> None:
    x = tensor("x", (size, size))
    a = stored(x, "a")
    y = tensor("y", (size, size))
    b = ops.tanh(ops.add(a, ops.matmul(a, y)), name="b")
    out = ops.exp(ops.matmul(b, x))
    # The product reads a at other elements than the one that it computes.
    assert reuse_of(out, inputs=(x, y)) == {}
    b = ops.tanh(ops.add(ops.matmul(x, y, name="product"), a), name="b")
    out = ops.exp(ops.matmul(b, x))
    assert reuse_of(out, inputs=(x, y)) == {"b": "product"}
    check(graph_of(out, inputs=(x, y)), randoms(x, y), rtol=1e-3, atol=1e-3)


def test_not_what_is_still_needed() -> None:
    x, y = tensor("x", (8, 8)), tensor("y", (8, 8))
    a = stored(x, "a")
    b = ops.add(ops.matmul(x, y), a, name="b")
    out = ops.matmul(ops.matmul(b, x), a)
    assert "b" not in reuse_of(out, inputs=(x, y))


def test_not_what_is_read_elsewhere() -> None:
    x, y = tensor("x", (8, 8)), tensor("y", (8, 8))
    a = stored(x, "a")
    b = ops.add(ops.matmul(x, y), ops.transpose(a, perm=(1, 0)), name="b")
    out = ops.matmul(b, x)
    assert reuse_of(out, inputs=(x, y)) == {}
    check(graph_of(out, inputs=(x, y)), randoms(x, y), rtol=1e-4, atol=1e-4)


def test_not_through_a_cheap_value_that_is_read_elsewhere() -> None:
    x, y = tensor("x", (8, 8)), tensor("y", (8, 8))
    a = stored(x, "a")
    cheap = ops.neg(a)
    b = ops.add(ops.add(ops.matmul(x, y), cheap), ops.transpose(cheap, perm=(1, 0)), name="b")
    out = ops.matmul(b, x)
    assert reuse_of(out, inputs=(x, y)).get("b") != "a"
    check(graph_of(out, inputs=(x, y)), randoms(x, y), rtol=1e-4, atol=1e-4)


def test_not_of_another_size() -> None:
    x, y = tensor("x", (8, 8), float64), tensor("y", (8, 8), float64)
    a = stored(x, "a")
    b = ops.cast(ops.add(ops.matmul(x, y), a), dtype=int32, name="b")
    out = ops.matmul(b, b)
    assert reuse_of(out, inputs=(x, y)) == {}


def test_not_a_row_that_is_swept_again() -> None:
    x = tensor("x", (8, 64))
    a = ops.matmul(x, ops.matmul(ops.transpose(x, perm=(1, 0)), x), name="a")
    row = ops.sub(a, ops.max(a, axes=(1,), keepdims=True))
    b = ops.div(row, ops.sum(ops.exp(row), axes=(1,), keepdims=True), name="b")
    out = ops.matmul(b, ops.transpose(x, perm=(1, 0)))
    assert reuse_of(out, inputs=(x,)) == {}


def test_not_a_reshaped_value() -> None:
    x, y = tensor("x", (4, 4)), tensor("y", (8, 2))
    a = stored(x, "a")
    flat = ops.reshape(a, shape=(2, 8))
    b = ops.add(ops.matmul(x, ops.matmul(x, x)), a, name="b")
    out = ops.matmul(ops.matmul(flat, y), ops.slice(b, start=(0, 0), step=(1, 1), shape=(2, 2)))
    assert reuse_of(out, inputs=(x, y)).get("b") is None


def test_a_scatter_is_written_over_what_it_changes() -> None:
    x, positions = tensor("x", (9,)), tensor("i", (3,), int32)
    base = ops.sum(ops.exp(ops.mul(ops.reshape(x, shape=(9, 1)), x)), axes=(1,), name="base")
    values = ops.slice(x, start=(0,), step=(1,), shape=(3,))
    changed = ops.scatter(base, positions, values, axis=0, mode="add", name="changed")
    out = ops.sum(ops.mul(ops.reshape(changed, shape=(9, 1)), x), axes=(0,))
    found = reuse_of(out, inputs=(x, positions))
    assert found == {"changed": "base"}
    arrays = randoms(x) | {"i": np.array([2, 2, 8])}
    check(Graph("f", (x, positions), (), (out,), ("out",)), arrays, rtol=1e-5)


def test_any_number_of_threads_gives_the_same() -> None:
    x, y = tensor("x", (256, 192)), tensor("y", (192, 256))
    a = ops.tanh(ops.matmul(x, y), name="a")
    b = ops.add(ops.matmul(x, ops.exp(y)), a, name="b")
    graph = graph_of(ops.matmul(b, x), inputs=(x, y))
    arrays = {name: 0.1 * value.astype("float32") for name, value in randoms(x, y).items()}
    results = [run_compiled(graph, arrays, threads=threads) for threads in (1, 2, 5)]
    assert choose_reuse(results[0].compilation.plan.graph)
    one, *others = (result.outputs["out0"] for result in results)
    for other in others:
        np.testing.assert_array_equal(one, other)
