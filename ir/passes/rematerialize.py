"""Compute forward values again in the backward half of a graph instead of keeping them.

Owns `rematerialize` and `Recomputed`. Imports `ir` only. Invariant: what is computed again is
computed by the same ops from the same values, so the results are those of the graph as it was.

A cluster is a set of forward nodes that are computed again together. Its copies read what is kept
through `after`, so that they wait for the adjoint with which they are combined first, and are not
merged with the nodes that they are copies of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from graphc.ir.graph import Graph, Node, with_operands
from graphc.ir.op import Family
from graphc.ir.ops import OPS
from graphc.ir.passes.halves import Halves
from graphc.ir.passes.inline import is_unstored
from graphc.ir.types import TensorType

Clusters = Sequence[frozenset[Node]]
"""Disjoint, except for nodes that only move data."""

_ADJOINTS_TRIED = 16
"""How far back the adjoint that a cluster waits for is sought."""


@dataclass(frozen=True)
class Recomputed:
    """A graph in which `nodes`, of the graph as it was, are computed again."""

    graph: Graph
    nodes: tuple[Node, ...]


def rematerialize(graph: Graph, halves: Halves, clusters: Clusters) -> Recomputed:
    """Let backward nodes take copies of the nodes of clusters. A cluster for which no adjoint is
    found to wait for is left as it is."""
    writer = _Writer(graph, halves, list(_awaited(halves, clusters)))
    for node in writer.in_order():
        writer.write(node)
    again = sorted(writer.copied, key=halves.position.__getitem__)
    return Recomputed(graph.with_roots(writer.written), tuple(again))


@dataclass(frozen=True)
class _Wait:
    """A cluster and the adjoint that it waits for."""

    cluster: frozenset[Node]
    adjoint: Node


def _awaited(halves: Halves, clusters: Clusters) -> Iterator[_Wait]:
    """Each cluster with an adjoint that is there before any value of it is needed: it depends on
    later clusters alone, so clusters do not wait for one another in a circle."""
    clusters = sorted(clusters, key=halves.end)
    home, ends = _homes(halves, clusters), [halves.end(cluster) for cluster in clusters]
    none = len(clusters)
    first: dict[Node, int] = {}
    for node in halves.backward:
        below = (home[o] if o in home else first.get(o, none) for o in node.operands)
        first[node] = min(below, default=none)

    def is_later(node: Node, cluster: int) -> bool:
        return first.get(node, -1) > cluster and halves.latest[node] > ends[cluster]

    found: set[int] = set()
    for node in halves.backward:
        for cluster in {home[operand] for operand in node.operands if operand in home} - found:
            arriving = [o for o in node.operands if is_later(o, cluster)]
            if arriving:
                adjoint = max(arriving, key=lambda o: (halves.latest[o], halves.position[o]))
                found.add(cluster)
                in_time = partial(is_later, cluster=cluster)
                yield _Wait(clusters[cluster], _stored_before(adjoint, in_time))


def _homes(halves: Halves, clusters: Clusters) -> dict[Node, int]:
    """The cluster of each saved value that is in one."""
    saved = set(halves.saved)
    home: dict[Node, int] = {}
    for number, cluster in enumerate(clusters):
        for node in cluster & saved:
            home.setdefault(node, number)
    return home


def _stored_before(adjoint: Node, is_later: Callable[[Node], bool]) -> Node:
    """The operand of the product that an adjoint is computed from, which is stored in any case: to
    wait for the adjoint itself would tear it from the kernel that makes it."""
    node, through_product = adjoint, False
    for _ in range(_ADJOINTS_TRIED):
        moved = node.op.family in (Family.LAYOUT, Family.ITEM)
        if through_product and not moved and isinstance(node.type, TensorType):
            return node
        through_product |= not moved and node.op.family is not Family.ELEMENTWISE
        later = [operand for operand in node.operands if is_later(operand)]
        if not later:
            break
        node = later[0]
    return adjoint


class _Writer:
    """Writes the backward half once more, with the copies of clusters where they are needed."""

    def __init__(self, graph: Graph, halves: Halves, waits: Sequence[_Wait]) -> None:
        self._halves = halves
        self._kept_anyway = set(graph.roots)
        self._saved = set(halves.saved)
        self._wait_of: dict[Node, _Wait] = {}
        for wait in reversed(waits):
            self._wait_of.update(dict.fromkeys(wait.cluster & self._saved, wait))
        self._copies: dict[int, dict[Node, Node]] = {id(wait): {} for wait in waits}
        backward = set(halves.backward)
        self.written = {node: node for node in graph.nodes if node not in backward}
        self.copied: set[Node] = set()

    def in_order(self) -> Iterator[Node]:
        """Backward nodes, each after its operands and after the adjoints that these wait for."""
        done: set[Node] = set()
        pending = list(reversed(self._halves.backward))
        while pending:
            node = pending[-1]
            if node in done:
                pending.pop()
                continue
            before = [each for each in self._before(node) if each not in done]
            if before:
                pending += before
            else:
                done.add(pending.pop())
                yield node

    def _before(self, node: Node) -> Iterator[Node]:
        for operand in node.operands:
            if operand in self._wait_of:
                yield self._wait_of[operand].adjoint
            elif operand in self._halves.latest:
                yield operand

    def write(self, node: Node) -> None:
        operands = tuple(self._operand(operand) for operand in node.operands)
        self.written[node] = with_operands(node, operands)

    def _operand(self, operand: Node) -> Node:
        wait = self._wait_of.get(operand)
        return self._copy(operand, wait) if wait else self.written[operand]

    def _copy(self, wanted: Node, wait: _Wait) -> Node:
        """A node of a cluster computed again, with what it needs of the cluster."""
        copies, token = self._copies[id(wait)], self.written[wait.adjoint]
        for node in self._needed(wanted, wait.cluster, copies):
            again = node in wait.cluster and node not in self._kept_anyway
            if again:
                copies[node] = with_operands(node, tuple(copies[o] for o in node.operands))
                self.copied.add(node)
            elif is_unstored(node):
                copies[node] = node
            else:
                copies[node] = OPS["after"](node, token, name=node.name)
        return copies[wanted]

    def _needed(self, wanted: Node, cluster: frozenset[Node], done: dict[Node, Node]) -> list[Node]:
        """A node and what it is computed from in its cluster, operands first."""
        pending = [wanted]
        found: dict[Node, None] = {}
        while pending:
            node = pending.pop()
            if node not in done and node not in found:
                found[node] = None
                if node in cluster and node not in self._kept_anyway:
                    pending += node.operands
        return sorted(found, key=self._halves.position.__getitem__)
