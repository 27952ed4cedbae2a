"""Cheap values that are computed where they are read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graphc.ir.build import ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.lifetimes import Lifetimes, stored_nodes
from graphc.ir.types import float32
from tests.codegen.running import check, graph_of, parameter, tensor


def stored(graph: Graph) -> set[str]:
    return {node.name for nodes in stored_nodes(fuse(graph)).values() for node in nodes}


def randoms(*nodes: Node) -> dict[str, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    return {node.name: generator.standard_normal(node.shape) for node in nodes}


def test_a_derivative_is_computed_of_the_activation_that_is_kept() -> None:
    x, w = tensor("x", (33, 17)), tensor("w", (17, 17))
    h = ops.tanh(ops.matmul(x, w), name="h")
    slope = ops.sub(scalar(1, float32), ops.square(h), name="slope")
    arriving = ops.matmul(ops.matmul(h, w), w)
    out = ops.matmul(ops.mul(arriving, slope, name="d"), w)
    graph = graph_of(out, inputs=(x, w))
    assert "slope" not in stored(graph)
    assert "h" in stored(graph)
    check(graph, {name: 0.3 * a for name, a in randoms(x, w).items()}, rtol=1e-5)


def test_not_what_needs_a_value_of_registers() -> None:
    x, w = tensor("x", (16, 16)), tensor("w", (16, 16))
    slope = ops.neg(ops.matmul(x, w), name="slope")
    out = ops.mul(slope, ops.matmul(ops.matmul(w, x), w))
    assert "slope" in stored(graph_of(ops.matmul(out, x), inputs=(x, w)))


def test_not_what_a_product_reads() -> None:
    x, w = tensor("x", (16, 16)), tensor("w", (16, 16))
    h = ops.tanh(ops.matmul(x, w), name="h")
    twice = ops.add(h, h, name="twice")
    graph = graph_of(ops.add(ops.matmul(twice, w), ops.matmul(h, x)), inputs=(x, w))
    names = {node.name for node in Lifetimes.of(fuse(graph)).spans}
    assert "twice" in names


def test_not_what_is_read_more_often_than_it_has_elements() -> None:
    x, w = tensor("x", (4, 32)), tensor("w", (32, 32))
    row = ops.exp(ops.sum(ops.matmul(x, w), axes=(0,), keepdims=True), name="row")
    shifted = ops.add(row, scalar(1, float32), name="shifted")
    out = ops.add(ops.matmul(ops.matmul(w, w), w), shifted)
    graph = graph_of(out, ops.matmul(row, w), inputs=(x, w))
    assert "shifted" in stored(graph)


@pytest.mark.parametrize("order", [0, 1])
def test_the_old_value_of_a_parameter_is_read(order: int) -> None:
    """A cheap value of a parameter is computed from what the parameter was."""
    x, p = tensor("x", (16, 16)), parameter("p", (16, 16))
    h = ops.tanh(ops.matmul(x, p), name="h")
    scaled = ops.mul(h, ops.add(p, p), name="scaled")
    late = ops.matmul(ops.mul(ops.matmul(h, x), scaled), x)
    new = ops.sub(p, ops.matmul(x, h)) if order else ops.sub(p, ops.matmul(h, h))
    graph = Graph("g", (x,), (p,), (late,), ("late",), (Update(p, new),))
    check(graph, {name: 0.3 * a for name, a in randoms(x, p).items()}, rtol=1e-4, atol=1e-4)
