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


def taken(graph: Graph) -> list[Node]:
    """What elements are taken from."""
    return [node.operands[0] for node in graph.nodes if node.op is ops.take_along_axis]


X = ops.input(name="x", type=TensorType(float32, (4, 6)))
MOVED = ops.transpose(ops.transpose(X, perm=(1, 0)), perm=(1, 0))
ROWS = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)


@pytest.mark.parametrize("special", [0.0, -0.0, np.inf, -np.inf, np.nan])
@pytest.mark.parametrize("index", [0, 5, -6, 3, 9, -9])
@pytest.mark.parametrize("row", [log_softmax(X), log_softmax(MOVED)], ids=["stored", "moved"])
def test_the_element_comes_out_as_it_is(row: Node, special: float, index: int) -> None:
    graph = taken_from(row, X)
    after = take_while_sweeping(graph)
    assert taken(after) != [row]
    rows = ROWS.copy()
    rows[1, 3] = special
    arrays = {"x": rows, "i": np.full((4, 1), index, np.int32)}
    before = interpret(graph, arrays).outputs["y"]
    np.testing.assert_array_equal(interpret(after, arrays).outputs["y"], before)


def test_an_element_is_computed_from_those_of_stored_rows() -> None:
    scaled = ops.mul(X, ops.input(name="s", type=TensorType(float32, (6,))))
    index = ops.input(name="i", type=TensorType(int32, (4, 1)))
    picked = ops.take_along_axis(log_softmax(scaled), index, axis=1)
    graph = Graph("g", (X, index, scaled.operands[1]), (), (picked,), ("y",))
    after = take_while_sweeping(graph)
    assert [node.op.name for node in taken(after)] == ["input", "broadcast_to"]
    arrays = {
        "x": ROWS,
        "s": ROWS[2],
        "i": np.array([[0], [5], [2], [-1]], np.int32),
    }
    before = interpret(graph, arrays).outputs["y"]
    np.testing.assert_array_equal(interpret(after, arrays).outputs["y"], before)


def test_what_a_product_makes_is_taken_with_its_epilogue() -> None:
    w = ops.input(name="w", type=TensorType(float32, (6, 6)))
    scores = ops.add(ops.matmul(X, w), X)
    index = ops.input(name="i", type=TensorType(int32, (4, 1)))
    picked = ops.take_along_axis(log_softmax(scores), index, axis=1)
    after = take_while_sweeping(Graph("g", (X, w, index), (), (picked,), ("y",)))
    assert [node.op.name for node in taken(after)] == ["add"]


def test_elements_of_rows_that_are_not_stored_are_a_maximum() -> None:
    assert not taken(take_while_sweeping(taken_from(log_softmax(MOVED), X)))


def test_what_is_stored_anyway_is_taken_from_memory() -> None:
    assert "take_along_axis" in names(take_while_sweeping(taken_from(X, X)))
    assert "take_along_axis" in names(take_while_sweeping(taken_from(ops.exp(X), X)))


def test_several_elements_of_a_row_are_taken_from_memory() -> None:
    assert "take_along_axis" in names(take_while_sweeping(taken_from(log_softmax(X), X, count=2)))
