"""Graphs: order, equality, rebuilding."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from graphc.ir.build import constant, ops
from graphc.ir.diagnostics import VerificationError
from graphc.ir.graph import (
    Graph,
    KernelGroup,
    Node,
    Update,
    rewrite,
    topological,
    unique_names,
    with_operands,
)
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.types import TensorType, float32, float64

VECTOR = TensorType(float32, (3,))


def chain() -> Graph:
    """Made of new nodes at every call."""
    x, w = ops.input(type=VECTOR, name="x"), ops.param(type=VECTOR, name="w")
    with provenance(Location("/somewhere/mlp.py", 4), Origin("rule", "p")):
        h = ops.mul(x, w, name="h")
    y = ops.sum(h, axes=(0,), name="y")
    new = ops.sub(w, h, name="w_new")
    kernels = (KernelGroup("k0", "map", (h, new)), KernelGroup("k1", "reduce", (y,), "sums"))
    return Graph("g", (x,), (w,), (y,), ("y",), (Update(w, new),), "fused", kernels)


def test_operands_come_first_and_the_boundary_before_all() -> None:
    graph = chain()
    assert [node.name for node in graph.nodes] == ["x", "w", "h", "y", "w_new"]
    assert [node.name for node in graph.roots] == ["y", "w_new"]
    assert graph.boundary == graph.nodes[:2]


def test_a_shared_value_is_met_once() -> None:
    x = ops.input(type=VECTOR, name="x")
    value = x
    for _ in range(60):
        value = ops.add(value, value)
    assert len(list(topological([value, value, x]))) == 61


def test_the_walk_stops_at_the_boundary() -> None:
    x = ops.input(type=VECTOR, name="x")
    h = ops.tanh(x)
    y = ops.exp(h)
    assert list(topological([y], [h])) == [h, y]


def test_users_count_every_use() -> None:
    graph = chain()
    users = {node.name: [user.name for user in users] for node, users in graph.users().items()}
    assert users == {"x": ["h"], "w": ["h", "w_new"], "h": ["y", "w_new"], "y": [], "w_new": []}
    square = ops.mul(graph.inputs[0], graph.inputs[0])
    doubled = Graph("g", graph.inputs, (), (square,), ("y",))
    assert doubled.users()[graph.inputs[0]] == [square, square]


def test_equality_is_structural() -> None:
    assert chain() == chain()
    assert hash(chain()) == hash(chain())
    assert chain() != "a graph"


def test_only_the_file_name_of_a_location_counts() -> None:
    def at(file: str, line: int) -> Graph:
        with provenance(Location(file, line, 3)):
            return Graph("g", (), (), (constant(np.float32(1)),), ("c",))

    assert at("/a/mlp.py", 3) == at("/b/mlp.py", 3)
    assert at("/a/mlp.py", 3) != at("/a/mlp.py", 4)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"stage": "simplified", "kernels": ()},
        {"output_names": ("loss",)},
        {"updates": ()},
        {"kernels": ()},
    ],
    ids=lambda change: " ".join(change),
)
def test_every_part_of_a_graph_counts(change: dict[str, object]) -> None:
    assert replace(chain(), **change) != chain()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"name": "k"},
        {"origin": Origin("rule", "q")},
        {"origin": None},
        {"loc": Location("mlp.py", 5)},
        {"op": ops.add},
    ],
    ids=str,
)
def test_every_part_of_a_node_counts(change: dict[str, object]) -> None:
    graph = replace(chain(), kernels=(), stage="graph")

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        node = with_operands(node, operands)
        return replace(node, **change) if node.name == "h" else node  # type: ignore[arg-type]

    assert rewrite(graph, visit) != graph


def test_attributes_compare_by_their_bits() -> None:
    x = ops.input(type=VECTOR, name="x")

    def padded(value: float) -> Graph:
        return Graph("g", (x,), (), (ops.pad(x, low=(1,), high=(1,), value=value),), ("y",))

    assert padded(0.0) != padded(-0.0)
    assert padded(math.nan) == padded(float("nan"))
    assert padded(1.0) != padded(2.0)


def test_rewriting_keeps_the_boundary_and_drops_kernels_and_what_is_unused() -> None:
    graph = chain()

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        return operands[0] if node.op is ops.sub else with_operands(node, operands)

    rewritten = rewrite(graph, visit)
    assert rewritten.updates == (Update(graph.params[0], graph.params[0]),)
    assert rewritten.inputs == graph.inputs
    assert rewritten.kernels == ()
    assert len(rewritten.nodes) == 4


def test_new_operands_must_have_the_old_types() -> None:
    x = ops.input(type=VECTOR, name="x")
    y = ops.tanh(x)
    assert with_operands(y, (x,)) is y
    other = ops.input(type=TensorType(float64, VECTOR.shape), name="x")
    with pytest.raises(VerificationError, match=r"f64\[3\] in place of f32\[3\]"):
        with_operands(y, (other,))


def test_names_become_unique_without_taking_anothers() -> None:
    x = ops.input(type=VECTOR, name="h")
    values = [ops.tanh(x, name=name) for name in ("h", "h_1", "h", "", "")]
    names = unique_names(Graph("g", (x,), (), tuple(values), tuple("abcde")))
    assert [names[node] for node in (x, *values)] == ["h", "h_2", "h_1", "h_3", "", ""]


def test_names_of_many_nodes_become_unique_in_linear_time() -> None:
    x = value = ops.input(type=VECTOR, name="h")
    for _ in range(100_000):
        value = ops.tanh(value, name="h")
    graph = Graph("g", (x,), (), (value,), ("y",))
    assert unique_names(graph)[value] == "h_100000"


def test_sections_list_kernels_with_what_they_need_before_them() -> None:
    graph = chain()
    sections = [
        (kernel and kernel.name, [node.name for node in nodes])
        for kernel, nodes in graph.sections()
    ]
    assert sections == [("k0", ["h", "w_new"]), ("k1", ["y"])]
