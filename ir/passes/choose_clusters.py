"""Which forward values are computed again, in several degrees.

Owns `cheap_clusters` and `Segments`. Imports `ir` only. Invariant: a cluster is computed from
inputs, parameters and values that are kept.

Cheap values are those that elementwise ops give of what is kept: what to keep for them is a minimum
cut. Where that does not save enough, the forward half is cut into segments at its narrowest places;
of a segment, only what crosses its borders is kept (Chen, Xu, Zhang and Guestrin, "Training Deep
Nets with Sublinear Memory Cost", 2016).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from graphc.ir.graph import Graph, Node
from graphc.ir.nested import nested_graphs
from graphc.ir.op import Family
from graphc.ir.passes.halves import Halves
from graphc.ir.passes.inline import is_unstored
from graphc.ir.passes.minimum_cut import minimum_cut
from graphc.ir.passes.rematerialize import Clusters

MOST_CUT = 500
"""Nodes of which a minimum cut is sought at a time; keeps the time linear in the graph."""

WINDOW = 40
"""Nodes before and behind an even division among which a border is sought, at most."""


def cheap_clusters(graph: Graph, halves: Halves) -> Clusters:
    """What elementwise ops give of a minimum cut."""
    saved, forward, kept = set(halves.saved), set(halves.forward), set(graph.roots)
    cheap = {node for node in halves.forward if _is_cheap(node)}
    for start in range(0, len(halves.forward), MOST_CUT):
        part = halves.forward[start : start + MOST_CUT]
        inside = set(part)
        wanted = {node for node in part if node in saved}
        before = {o for node in part for o in node.operands if o in forward and o not in inside}
        nodes = [*sorted(before, key=halves.position.__getitem__), *part]
        given = {node for node in nodes if node not in cheap or node not in inside}
        cut, _ = minimum_cut(nodes, given, wanted, partial(_cost, kept=frozenset(kept)))
        kept |= cut
    return _connected(halves, _computed_from(halves, halves.saved, kept, cheap))


@dataclass(frozen=True)
class Segments:
    """Forward nodes in segments of about equally many saved bytes; the last is not among
    `clusters`, for it is wanted at once."""

    clusters: Clusters

    @staticmethod
    def of(graph: Graph, halves: Halves, count: int) -> Segments:
        """At most `count` segments, the last one included."""
        segment = _numbered(halves, count)
        roots = set(graph.roots)
        kept = roots | _crossing(halves, segment)
        clusters = []
        for number in range(max(segment.values(), default=0)):
            wanted = [node for node in halves.saved if segment[node] == number]
            again = {node for node in halves.forward if segment[node] == number}
            again |= {node for node in halves.forward if node.op.family is Family.LAYOUT}
            again = {node for node in again if _may_run_again(node)}
            found = _computed_from(halves, wanted, kept, again)
            if found:
                clusters.append(frozenset(found))
        return Segments(tuple(clusters))


def _is_cheap(node: Node) -> bool:
    return node.op.family in (Family.ELEMENTWISE, Family.LAYOUT)


def _may_run_again(node: Node) -> bool:
    """Not a function from outside, which may be seen to run."""
    graphs = list(nested_graphs(node.attrs).values())
    return not node.op.foreign and all(_may_run_again(n) for g in graphs for n in g.nodes)


def _cost(node: Node, kept: frozenset[Node] = frozenset()) -> int | None:
    """Bytes that it takes to keep a value; none that is kept anyway. What only moves data is not
    stored, what it moves is."""
    if node in kept:
        return 0
    if node.op.family is Family.LAYOUT or len(node.type.parts) != 1:
        return None
    return node.type.bytes + 1  # of two cuts the one of fewer values


def _computed_from(
    halves: Halves, wanted: Iterable[Node], kept: set[Node], again: set[Node]
) -> set[Node]:
    """What of `again` the wanted values are computed with from what is kept; nothing of a value
    that needs more than that, which is kept itself."""
    possible: set[Node] = set()
    there = set(kept)
    for node in halves.forward:
        operands = [operand for operand in node.operands if not is_unstored(operand)]
        if not operands and node.op.family is not Family.LAYOUT:
            there.add(node)  # of numbers alone: there is nothing that it could wait for
            continue
        known = (o in possible or o in there or o.op.family is Family.SOURCE for o in operands)
        if node in again and node not in kept and all(known):
            possible.add(node)
    found: set[Node] = set()
    pending = [node for node in wanted if node in possible]
    while pending:
        node = pending.pop()
        if node not in found:
            found.add(node)
            pending += [operand for operand in node.operands if operand in possible]
    return found


def _connected(halves: Halves, nodes: set[Node]) -> Clusters:
    """The nodes in sets of which none reads another, without those that only move data."""
    leader: dict[Node, Node] = {}

    def lead(node: Node) -> Node:
        while leader[node] is not node:
            leader[node] = leader[leader[node]]
            node = leader[node]
        return node

    ordered = sorted(nodes, key=halves.position.__getitem__)
    for node in ordered:
        leader[node] = node
        for operand in node.operands:
            if operand in leader:
                leader[lead(operand)] = node
    clusters: dict[Node, list[Node]] = {}
    for node in ordered:
        clusters.setdefault(lead(node), []).append(node)
    return [
        frozenset(cluster)
        for cluster in clusters.values()
        if any(node.op.family is not Family.LAYOUT for node in cluster)
    ]


def _numbered(halves: Halves, count: int) -> dict[Node, int]:
    """The segment of every forward node."""
    sizes = {node: node.type.bytes for node in halves.saved if len(node.type.parts) == 1}
    filled = list(accumulate(sizes.get(node, 0) for node in halves.forward))
    reach = max(min(WINDOW, len(halves.forward) // (3 * count)), 3)
    segment: dict[Node, int] = {}
    begin = number = 0
    for part in range(1, count):
        middle = bisect_left(filled, filled[-1] * part / count) if filled else 0
        low, high = max(begin, middle - reach), middle + reach
        window = halves.forward[low:high]
        before = _near_side(halves, window, low)
        if not before or high >= len(halves.forward):
            continue
        segment.update(dict.fromkeys(halves.forward[begin:low], number))
        segment.update((node, number if node in before else number + 1) for node in window)
        begin, number = high, number + 1
    segment.update((node, number) for node in halves.forward[begin:])
    for node in halves.forward:
        if node.op.family is Family.ITEM:
            segment[node] = segment[node.operands[0]]
    return segment


def _near_side(halves: Halves, window: Sequence[Node], start: int) -> set[Node]:
    """The nodes of a window before its narrowest place."""
    inside, end = set(window), start + len(window)
    later = {operand for node in halves.forward[end : end + WINDOW] for operand in node.operands}
    given = {node for node in window if any(_is_before(o, inside) for o in node.operands)}
    wanted = {node for node in window if node in later}
    if not window or not wanted:
        return set()
    given = given or {window[0]}
    _, near = minimum_cut(window, given, wanted, _cost, in_order=True)
    return near


def _is_before(operand: Node, inside: set[Node]) -> bool:
    return operand.op.family is not Family.SOURCE and operand not in inside


def _crossing(halves: Halves, segment: dict[Node, int]) -> set[Node]:
    """Values that a node of another segment reads, directly or as moved data."""
    crossing: set[Node] = set()
    for node in halves.forward:
        if node.op.family is not Family.LAYOUT:
            for operand in _unmoved(node.operands):
                if operand in segment and segment[operand] != segment[node]:
                    crossing.add(operand)
    return crossing


def _unmoved(operands: Iterable[Node]) -> Iterator[Node]:
    """Operands, and instead of those that only move data what they move."""
    pending = list(operands)
    while pending:
        node = pending.pop()
        if node.op.family is Family.LAYOUT:
            pending += node.operands
        else:
            yield node
