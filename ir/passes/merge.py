"""Merge kernels that loop over the same space.

Owns `merge_kernels`, the third of the fusion rules that `fuse` documents: grouping goes node by
node and cannot know that two kernels it has begun will meet, in a value or in what they touch.
Imports `ir` only. Invariant: as in `grouping`, kernels do not depend on one another in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from graphc.ir.access import compose
from graphc.ir.domain import Domain, has_parts, same_place
from graphc.ir.graph import Node, Update
from graphc.ir.op import AccessMap, Family
from graphc.ir.passes.grouping import MAX_CHAIN, MAX_NODES, Grouping, Kernel, leads_to

MOST_ABSORBING = 8
"""A kernel of many nodes takes in another only if it has at most so many times as many."""

MAX_COST = 2
"""Most arithmetic an element in a kernel that goes along with another which it does not need."""

MAX_COMPANIONS = 8
"""Most kernels looked at for one that another may go along with."""


def merge_kernels(grouping: Grouping, updates: Collection[Update]) -> None:
    """Merge each kernel, where it can be, into the first that reads it; then small ones into one
    that touches the same memory."""
    for kernel in grouping.kernels:
        for user in sorted(kernel.users, key=lambda user: user.order):
            if _merge(grouping, kernel, user):
                break
    _store_parts(grouping)
    _merge_companions(grouping, updates)
    grouping.kernels = [kernel for kernel in grouping.kernels if kernel.nodes]


def _store_parts(grouping: Grouping) -> None:
    """Let a kernel that makes all parts of a value store it, part by part."""
    for node in [node for node in grouping.home if has_parts(node)]:
        maker, reader = grouping.home.get(node.operands[0]), grouping.home[node]
        if maker is None or not _makes_parts(grouping, maker, node):
            continue
        del reader.nodes[node]
        maker.nodes[node], grouping.home[node] = None, maker
        for user in (*reader.users, reader) if reader.nodes else reader.users:
            user.sources.add(maker)
            maker.users.add(user)
        if not reader.nodes:
            _forget(reader, maker)


def _makes_parts(grouping: Grouping, kernel: Kernel, node: Node) -> bool:
    return (
        all(grouping.home.get(part) is kernel for part in node.operands)
        and kernel.contraction is None
        and kernel.domain == Domain(node.operands[0].shape)
        and len(kernel.nodes) < MAX_NODES
    )


def _forget(kernel: Kernel, heir: Kernel) -> None:
    """Take out a kernel that has no nodes left."""
    kernel.merged_into = heir
    for source in kernel.sources:
        source.users.discard(kernel)
    for user in kernel.users:
        user.sources.discard(kernel)


def _merge_companions(grouping: Grouping, updates: Collection[Update]) -> None:
    """Merge kernels that do no more than copy into one of the same space that touches what they
    read: that loads it anyway, or writes an update over it. An update has its own time to run."""
    touching = _touching(grouping, updates)
    updating = {grouping.home[update.value] for update in updates}
    for kernel in grouping.kernels:
        if kernel in updating or not _is_slight(kernel):
            continue
        near = (other for base in _bases(grouping, kernel) for other in touching[base])
        for other in list(dict.fromkeys(near))[:MAX_COMPANIONS]:
            if other is kernel or not other.nodes or other.domain != kernel.domain:
                continue
            reason = other.reason, other.because_of
            if not leads_to(other, {kernel}) and _merge(grouping, kernel, other):
                other.reason, other.because_of = reason
                break


def _touching(grouping: Grouping, updates: Collection[Update]) -> dict[Node, list[Kernel]]:
    """For each value in memory the kernels that read it or, if it is a parameter, update it."""
    found: dict[Node, list[Kernel]] = {}
    for kernel in grouping.kernels:
        for base in _bases(grouping, kernel):
            found.setdefault(base, []).append(kernel)
    for update in updates:
        found.setdefault(update.param, []).append(grouping.home[update.value])
    return found


def _bases(grouping: Grouping, kernel: Kernel) -> Iterable[Node]:
    """The stored values that a kernel reads."""
    reads = (read for node in kernel.nodes for read, _ in grouping.reads[node])
    return dict.fromkeys(grouping.inlining.base(read) for read in reads)


def _is_slight(kernel: Kernel) -> bool:
    is_map = kernel.contraction is None and not kernel.alone and kernel.domain.reduced is None
    return is_map and bool(kernel.nodes) and sum(n.op.cost for n in kernel.nodes) <= MAX_COST


def _merge(grouping: Grouping, first: Kernel, second: Kernel) -> bool:
    """Put what `first` computes into `second`, if both fit one domain; say whether."""
    if first.alone or second.alone or not _has_room(first, second):
        return False
    domain = _common_domain(first, second)
    if domain is None or leads_to(first, {second}, but_not_directly=True):
        return False
    places: dict[Node, AccessMap | None] = {}
    for kernel in (first, second):
        for node, held in kernel.nodes.items():
            places[node] = None if held is None else domain.coordinates(node.shape)
            if places[node] is None and not _stays_in_parts(held, domain, first, second):
                return False
    if not all(_reads_in_place(grouping, node, first, places) for node in second.nodes):
        return False
    after = _after(places)
    if after and len(places) > MAX_NODES:
        return False
    second.after = after
    _absorb(grouping, first, second, domain, places)
    return True


def _has_room(first: Kernel, second: Kernel) -> bool:
    """Whether a kernel can have the nodes of both. To merge costs time for each of them, so little
    is not put into much."""
    count = len(first.nodes) + len(second.nodes)
    if count <= MAX_NODES:
        return True
    if first.contraction is not None or second.contraction is not None:
        return False
    return count <= MAX_CHAIN and len(second.nodes) <= MOST_ABSORBING * len(first.nodes)


def _common_domain(first: Kernel, second: Kernel) -> Domain | None:
    """The space in which both kernels' values may have a place, if it is one of theirs."""
    one, other = first.domain, second.domain
    if one == other:
        return None if first.contraction is not None and second.contraction is not None else one
    if first.contraction is not None or second.contraction is not None:
        return None
    # A kernel without reductions may run at each row of one with, before or after its sweeps.
    if one.reduced is None:
        return other if other.reduced is not None else None
    return one if other.reduced is None else None


def _stays_in_parts(place: AccessMap | None, domain: Domain, first: Kernel, second: Kernel) -> bool:
    """Whether a value that is stored part by part can be in the merged kernel, too."""
    both_map = first.contraction is None and second.contraction is None and not domain.reduced
    return place is None and first.domain == second.domain and both_map


def _reads_in_place(
    grouping: Grouping, node: Node, source: Kernel, places: dict[Node, AccessMap | None]
) -> bool:
    """Whether a node reads what `source` makes only at the point being computed."""
    for read, mapping in grouping.reads[node]:
        if grouping.home.get(grouping.inlining.base(read)) is not source:
            continue
        at = places[node]
        if read in grouping.inlining.views or mapping is None or at is None:
            return False
        # A reduction's reads are mapped from the domain itself.
        place = mapping if node.op.monoid is not None else compose(mapping, at)
        if not same_place(place, places[read], read.shape):
            return False
    return True


def _absorb(
    grouping: Grouping,
    first: Kernel,
    second: Kernel,
    domain: Domain,
    places: dict[Node, AccessMap | None],
) -> None:
    second.nodes = places
    second.domain = domain
    second.contraction = first.contraction or second.contraction
    second.reason, second.because_of = first.reason, first.because_of
    first.merged_into = second
    for node in first.nodes:
        grouping.home[node] = second
    for source in first.sources:
        source.users.discard(first)
        source.users.add(second)
    for user in first.users - {second}:
        user.sources.discard(first)
        user.sources.add(second)
    second.sources = (second.sources | first.sources) - {first}
    second.users |= first.users - {second}
    first.nodes = {}


def _after(nodes: Iterable[Node]) -> set[Node]:
    """Of a kernel's nodes those that wait for one of its reductions."""
    after: set[Node] = set()
    reductions: set[Node] = set()
    for node in nodes:
        if any(operand in after or operand in reductions for operand in node.operands):
            after.add(node)
        if node.op.family is Family.REDUCTION:
            reductions.add(node)
    return after
