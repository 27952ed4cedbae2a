"""Which values may be written over an operand that is not needed any more.

Owns `choose_reuse`. Imports `ir` only. Invariant: a kernel that writes a value over another reads
the other one only at the element which it writes, before it writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from graphc.ir.access import compose, identity, operand_maps
from graphc.ir.domain import Domain, same_place
from graphc.ir.graph import Graph, KernelGroup, Node
from graphc.ir.op import AccessMap, Family
from graphc.ir.passes.inline import is_view
from graphc.ir.passes.lifetimes import Lifetimes, stored_nodes

Reuse = Mapping[Node, Node]
"""Values that are written over others, each with the other one."""

MOST_PLACES = 8
"""Different elements at which a kernel may compute a node before it is not followed further."""


def choose_reuse(graph: Graph) -> Reuse:
    """For each value of a fused graph that is written over another one, that one.

    Both are of the workspace and equally large. The kernel is the last that reads the other.
    """
    lifetimes = Lifetimes.of(graph)
    reused: dict[Node, Node] = {}
    for group, stored in stored_nodes(graph).items():
        made = [node for node in stored if node in lifetimes.of_workspace]
        dying = lifetimes.ending_in(group)
        if not made or not dying:
            continue
        kernel = _Kernel(group, stored)
        for node in made:
            dead = next((dead for dead in dying if kernel.may_overwrite(node, dead)), None)
            if dead is not None:
                reused[node] = dead
                dying.remove(dead)
    return reused


class _Kernel:
    """Where a kernel reads what it does not make."""

    def __init__(self, group: KernelGroup, stored: Sequence[Node]) -> None:
        operands = {operand for node in group.nodes for operand in node.operands}
        self._reshaped = {_base(operand) for operand in operands if is_view(operand)}
        self._alone = any(node.op.family is Family.ROUTINE for node in group.nodes)
        self._domain = Domain.of(group.nodes)
        self._reads = {} if self._alone else _reads(group, stored, self._domain)

    def may_overwrite(self, node: Node, dead: Node) -> bool:
        if node.shape != dead.shape or node.dtype.bytes != dead.dtype.bytes:
            return False
        if dead in self._reshaped:
            return False
        if self._alone:
            return _is_routine_in_place(node, dead)
        if self._domain.reduced is not None and node.shape == self._domain.shape:
            return False  # a later sweep may read it again
        place = self._domain.coordinates(node.shape)
        if place is None:
            return False  # it is stored part by part
        return all(same_place(read, place, dead.shape) for read in self._reads.get(dead, ()))


def _base(node: Node) -> Node:
    while is_view(node):
        node = node.operands[0]
    return node


def _is_routine_in_place(node: Node, dead: Node) -> bool:
    """Whether a node is a routine that may be written over one of its operands, and over this."""
    place = node.op.in_place
    return (
        place is not None
        and node.operands[place] is dead
        and node.operands.count(dead) == 1
        and node.type == dead.type
    )


def _reads(
    group: KernelGroup, stored: Sequence[Node], domain: Domain
) -> dict[Node, dict[AccessMap | None, None]]:
    """At which elements, as seen from the domain, a kernel reads each value; None for any."""
    at: dict[Node, dict[AccessMap | None, None]] = {node: {} for node in group.nodes}
    for node in stored:
        at[node][domain.coordinates(node.shape)] = None
    for node in reversed(group.nodes):
        places = list(at[node]) if len(at[node]) <= MOST_PLACES else [None]
        if node.op.family is Family.REDUCTION:
            at.setdefault(node.operands[0], {})[identity(len(domain.shape))] = None
            continue
        for operand, mapping in _operand_maps(node):
            read = at.setdefault(operand, {})
            for place in places:
                read[_composed(mapping, place)] = None
    return at


def _composed(mapping: AccessMap | None, place: AccessMap | None) -> AccessMap | None:
    return None if mapping is None or place is None else compose(mapping, place)


def _operand_maps(node: Node) -> Iterator[tuple[Node, AccessMap | None]]:
    maps: Sequence[AccessMap | None] = operand_maps(node) or (None,) * len(node.operands)
    return zip(node.operands, maps, strict=True)
