"""Minimum cuts, and what is computed again of a graph."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest

from graphc.ir.build import ones_like, ops
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.interpreter import interpret
from graphc.ir.location import Origin, provenance
from graphc.ir.passes.choose_clusters import Segments, cheap_clusters
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.halves import Halves
from graphc.ir.passes.minimum_cut import minimum_cut
from graphc.ir.passes.rematerialize import rematerialize
from graphc.ir.passes.simplify import simplify
from graphc.ir.types import TensorType, float64
from graphc.ir.verifier import verify


def tensor(name: str, *shape: int) -> Node:
    return ops.input(name=name, type=TensorType(float64, shape))


def parameter(name: str, *shape: int) -> Node:
    return ops.param(name=name, type=TensorType(float64, shape))


def network(layers: int, activation: str = "tanh", batch: int = 4, width: int = 3) -> Graph:
    """A network of products and activations with a step of gradient descent."""
    x = tensor("x", batch, width)
    weights = [parameter(f"w{i}", width, width) for i in range(layers)]
    h = x
    for weight in weights:
        h = getattr(ops, activation)(ops.matmul(h, weight))
    loss = ops.sum(ops.mul(h, h), axes=(0, 1))
    updates = [
        Update(weight, ops.sub(weight, adjoint))
        for weight, adjoint in zip(weights, _derived([loss], weights), strict=True)
    ]
    return simplify(Graph("g", (x,), tuple(weights), (loss,), ("loss",), tuple(updates)))


def _derived(outputs: Sequence[Node], wanted: Sequence[Node]) -> list[Node]:
    with provenance(None, Origin("d")):
        seeds = [ones_like(output) for output in outputs]
    return [node for node in adjoints(outputs, seeds, wanted) if node is not None]


def values(graph: Graph) -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    state = {n.name: 0.5 * generator.standard_normal(n.shape) for n in graph.boundary}
    found = interpret(graph, state)
    arrays = {**found.outputs, **found.updates}
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


def test_the_halves_of_a_network() -> None:
    graph = network(3)
    halves = Halves.of(graph)
    assert {node.op.name for node in halves.forward} >= {"matmul", "tanh", "square"}
    below = set(halves.backward)
    for node in halves.forward:
        assert below.isdisjoint(node.operands)
    order = [*halves.forward, *halves.backward]
    placed = {node: i for i, node in enumerate(order)}
    for node in order:
        assert all(placed[operand] < placed[node] for operand in node.operands if operand in placed)


def test_a_minimum_cut_is_the_cheapest_of_all() -> None:
    generator = random.Random(1)
    for _ in range(30):
        nodes: list[Node] = []
        for number in range(7):
            operands = generator.sample(nodes, min(len(nodes), 2)) or [tensor(f"x{number}", 1)]
            nodes.append(ops.add(operands[0], operands[-1]))
        costs = {node: generator.randrange(1, 9) for node in nodes}
        given, wanted = set(nodes[:2]), set(nodes[-2:])
        cut, _ = minimum_cut(nodes, given, wanted, costs.__getitem__)
        best = min(
            sum(costs[node] for node in kept)
            for size in range(len(nodes) + 1)
            for kept in combinations(nodes, size)
            if not _reaches(nodes, given, wanted, set(kept))
        )
        assert not _reaches(nodes, given, wanted, cut)
        assert sum(costs[node] for node in cut) == best


def _reaches(nodes: list[Node], given: set[Node], wanted: set[Node], kept: set[Node]) -> bool:
    """Whether a wanted node depends on a given one, not by way of what is kept."""
    reached: set[Node] = set()
    for node in nodes:
        if node not in kept and (node in given or reached.intersection(node.operands)):
            reached.add(node)
    return bool(reached & wanted)


@pytest.mark.parametrize("activation", ["tanh", "exp", "sin", "sigmoid"])
@pytest.mark.parametrize("count", [1, 2, 3, 5, 9])
def test_recomputing_changes_no_bit(activation: str, count: int) -> None:
    graph = network(8, activation)
    halves = Halves.of(graph)
    clusters = Segments.of(graph, halves, count).clusters
    assert len(clusters) <= max(count - 1, 0)
    again = rematerialize(graph, halves, clusters)
    verify(again.graph)
    assert bool(again.nodes) == (count > 1)
    assert values(again.graph) == values(graph)
    verify(fuse(again.graph))


def test_cheap_values_are_recomputed_of_what_is_kept() -> None:
    graph = network(4, "sin")
    halves = Halves.of(graph)
    again = rematerialize(graph, halves, cheap_clusters(graph, halves))
    assert {node.op.name for node in again.nodes} <= {"sin", "cos", "transpose"}
    assert again.nodes
    assert values(again.graph) == values(graph)


def test_a_graph_without_derivatives_stays_as_it_is() -> None:
    x = tensor("x", 3, 3)
    graph = Graph("g", (x,), (), (ops.tanh(ops.matmul(x, x)),), ("y",))
    halves = Halves.of(graph)
    assert halves.saved == ()
    assert rematerialize(graph, halves, ()).graph == graph


def test_what_is_computed_again_is_not_merged_back() -> None:
    graph = network(6)
    halves = Halves.of(graph)
    again = rematerialize(graph, halves, Segments.of(graph, halves, 3).clusters)
    fused = fuse(again.graph)
    count = sum(node.op.name == "tanh" for node in fused.nodes)
    assert count > sum(node.op.name == "tanh" for node in fuse(graph).nodes)


def test_a_long_chain() -> None:
    x = tensor("x", 2)
    y = x
    for _ in range(1200):
        y = ops.sin(y)
    (adjoint,) = _derived([ops.sum(y, axes=(0,))], [x])
    graph = simplify(Graph("g", (x,), (), (adjoint,), ("d",)))
    halves = Halves.of(graph)
    again = rematerialize(graph, halves, cheap_clusters(graph, halves))
    assert values(again.graph) == values(graph)
