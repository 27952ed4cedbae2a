"""Widen: casts around what computes on 16-bit floats, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import cast, ops
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import interpret
from graphc.ir.passes.simplify import simplify
from graphc.ir.passes.widen import widen
from graphc.ir.printer import print_graph
from graphc.ir.types import HALVES, DType, TensorType, bool_, float16, float32

each_half = pytest.mark.parametrize("half", HALVES, ids=str)


def tensor(name: str, shape: tuple[int, ...], dtype: DType) -> Node:
    return ops.input(name=name, type=TensorType(dtype, shape))


def graph_of(inputs: tuple[Node, ...], *outputs: Node) -> Graph:
    return Graph("f", inputs, (), outputs, tuple(f"out{i}" for i in range(len(outputs))))


def body(graph: Graph) -> list[str]:
    """The ops of a graph in order, with their types."""
    return [f"{n.op.name} {n.dtype}" for n in graph.nodes if n.operands]


@each_half
def test_an_op_is_widened_and_its_result_rounded(half: DType) -> None:
    x, y = tensor("x", (3,), half), tensor("y", (3,), half)
    total = ops.add(x, y, name="total")
    graph = widen(graph_of((x, y), ops.exp(total)))
    assert body(graph) == [
        "cast f32",
        "cast f32",
        "add f32",
        f"cast {half}",
        "cast f32",
        "exp f32",
        f"cast {half}",
    ]
    assert [n.dtype for n in graph.nodes if n.name == "total"] == [half]


@each_half
def test_rounding_between_ops_is_kept(half: DType) -> None:
    x = tensor("x", (3,), half)
    once = simplify(widen(graph_of((x,), ops.exp(ops.exp(x)))))
    assert body(once) == ["cast f32", "exp f32", f"cast {half}"] * 2
    single = tensor("s", (3,), float32)
    there_and_back = graph_of((single,), cast(cast(single, half), float32))
    assert body(simplify(there_and_back)) == [f"cast {half}", "cast f32"]
    back_and_there = graph_of((x,), cast(cast(x, float32), half))
    assert simplify(back_and_there).outputs == (x,)


@each_half
def test_what_moves_elements_is_left_alone(half: DType) -> None:
    p, x = tensor("p", (4, 3), bool_), tensor("x", (4, 3), half)
    moved = ops.transpose(ops.where(p, x, ops.copy(x)), perm=(1, 0))
    padded = ops.pad(ops.reshape(moved, shape=(12,)), low=(1,), high=(0,))
    graph = graph_of((p, x), padded)
    assert body(widen(graph)) == body(graph)


def test_results_of_other_dtypes_are_not_cast() -> None:
    x, y = tensor("x", (3,), float16), tensor("y", (3,), float16)
    graph = widen(graph_of((x, y), ops.lt(x, y), ops.argmax(x, axes=(0,))))
    assert body(graph).count("cast f16") == 0
    assert {"lt bool", "argmax i64"} <= set(body(graph))


def test_other_graphs_stay_themselves() -> None:
    x = tensor("x", (3,), float32)
    graph = graph_of((x,), ops.exp(x))
    assert widen(graph) is graph


@each_half
def test_the_value_is_what_the_declared_graph_gives(half: DType) -> None:
    rng = np.random.default_rng(0)
    x, w = tensor("x", (5, 7), half), tensor("w", (7, 3), half)
    h = ops.tanh(ops.matmul(x, w))
    graph = graph_of((x, w), ops.sum(ops.mul(h, h), axes=(0, 1)), ops.max(h, axes=(1,)))
    values = {node.name: rng.normal(size=node.shape).astype(half.numpy) for node in (x, w)}
    before, after = interpret(graph, values), interpret(widen(graph), values)
    for name, value in before.outputs.items():
        assert after.outputs[name].tobytes() == value.tobytes()
    assert f"{half}[5,3]" in print_graph(widen(graph))
