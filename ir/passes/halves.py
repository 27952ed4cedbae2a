"""What of a graph runs forward, and what backward.

Owns `Halves`. Imports `ir` only. Invariant: no node of the forward half depends on one of the
backward half.

Derived nodes say so (`origin`), and what depends on them is backward with them; but not the local
derivatives that come of forward values alone and wait for an adjoint, such as the cosine of what a
sine was taken of. Those are forward: whether they are kept or computed again is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family


@dataclass(frozen=True)
class Halves:
    """The computed nodes of both halves, in the order in which they can be computed;
    elementwise ones come right after what they are computed from. `position` is that of every node;
    `latest` of a backward node is the last position of a forward value that it depends on.
    `saved` are the forward values that backward nodes take together with later ones."""

    forward: tuple[Node, ...]
    backward: tuple[Node, ...]
    position: Mapping[Node, int]
    latest: Mapping[Node, int]
    saved: tuple[Node, ...]

    @staticmethod
    def of(graph: Graph) -> Halves:
        computed = [node for node in graph.nodes if node.op.family is not Family.SOURCE]
        derived = _derived(computed)
        as_declared = {node: i for i, node in enumerate(graph.nodes)}
        local = _local_derivatives(computed, derived, _latest(computed, derived, as_declared))
        backward = [node for node in computed if node in derived - local]
        forward = _forward_in_order(computed, derived, local)
        order = [node for node in graph.nodes if node.op.family is Family.SOURCE]
        position = {node: i for i, node in enumerate((*order, *forward, *backward))}
        latest = _latest(computed, derived - local, position)
        taken = {o for node in backward for o in node.operands if latest[node] > position[o]}
        return Halves(
            forward=tuple(forward),
            backward=tuple(backward),
            position=position,
            latest=latest,
            saved=tuple(node for node in forward if node in taken),
        )

    def end(self, nodes: Iterable[Node]) -> int:
        """The last position of any of these."""
        return max(self.position[node] for node in nodes)


def _forward_in_order(computed: list[Node], derived: set[Node], local: set[Node]) -> list[Node]:
    """The forward nodes; those that only compute elements or move them right after the last value
    that they come of, wherever they were declared."""
    place: dict[Node, int] = {}
    for number, node in enumerate(computed):
        if node in local or node not in derived:
            below = [place[operand] for operand in node.operands if operand in place]
            place[node] = max(below) if below and _is_simple(node) else number
    return sorted(place, key=place.__getitem__)


def _is_simple(node: Node) -> bool:
    return node.op.family in (Family.ELEMENTWISE, Family.LAYOUT)


def _derived(computed: list[Node]) -> set[Node]:
    derived: set[Node] = set()
    for node in computed:
        if node.origin is not None or any(operand in derived for operand in node.operands):
            derived.add(node)
    return derived


def _latest(
    computed: list[Node], derived: set[Node], position: Mapping[Node, int]
) -> dict[Node, int]:
    latest: dict[Node, int] = {}
    for node in computed:
        if node in derived:
            of_operands = (
                latest[operand] if operand in derived else position[operand]
                for operand in node.operands
                if operand.op.family is not Family.SOURCE
            )
            latest[node] = max(of_operands, default=-1)
    return latest


def _local_derivatives(
    computed: list[Node], derived: set[Node], latest: Mapping[Node, int]
) -> set[Node]:
    """Derived nodes that come of forward values through elementwise and layout ops alone, and are
    combined with what depends on later forward values."""
    simple: set[Node] = set()
    for node in computed:
        if node in derived and _is_simple(node):
            below = [operand for operand in node.operands if operand in derived]
            if all(operand in simple for operand in below) and latest[node] >= 0:
                simple.add(node)
    local: set[Node] = set()
    for node in reversed(computed):
        if node in local:
            local.update(operand for operand in node.operands if operand in simple)
        elif node in derived:
            last = max((latest[o] for o in node.operands if o in derived), default=-1)
            local.update(o for o in node.operands if o in simple and latest[o] < last)
    return local
