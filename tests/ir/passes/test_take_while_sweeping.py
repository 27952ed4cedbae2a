"""Taking elements out of rows that are swept anyway."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import interpret
from graphc.ir.passes.take_while_sweeping import take_while_sweeping
from graphc.ir.types import TensorType, float32, int32


def log_softmax(x: Node) -> Node:
    shifted = ops.sub(x, ops.max(x, axes=(1,), keepdims=True))
    total = ops.sum(ops.exp(shifted), axes=(1,), keepdims=True)
    return ops.sub(shifted, ops.log(total))


def taken_from(row: Node, x: Node, count: int = 1) -> Graph:
    index = ops.input(name="i", type=TensorType(int32, (4, count)))
    return Graph("g", (x, index), (), (ops.take_along_axis(row, index, axis=1),), ("y",))


def names(graph: Graph) -> set[str]:
    return {node.op.name for node in graph.nodes}


X = ops.input(name="x", type=TensorType(float32, (4, 6)))
ROWS = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


@pytest.mark.parametrize("special", [0.0, -0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("index", [0, 5, -6, 3, 9, -9])
def test_the_element_comes_out_as_it_is(special: float, index: int) -> None:
    graph = taken_from(log_softmax(X), X)
    after = take_while_sweeping(graph)
    assert "take_along_axis" not in names(after)
    rows = ROWS.copy()
    rows[1, 3] = special
    arrays = {"x": rows, "i": np.full((4, 1), index, np.int32)}
    before = interpret(graph, arrays).outputs["y"]
    np.testing.assert_array_equal(interpret(after, arrays).outputs["y"], before)


def test_what_is_stored_anyway_is_taken_from_memory() -> None:
    assert "take_along_axis" in names(take_while_sweeping(taken_from(X, X)))
    assert "take_along_axis" in names(take_while_sweeping(taken_from(ops.exp(X), X)))


def test_several_elements_of_a_row_are_taken_from_memory() -> None:
    assert "take_along_axis" in names(take_while_sweeping(taken_from(log_softmax(X), X, count=2)))
