"""Let a product store less: cheap ends of its epilogue move to the kernel that reads them.

Owns `sunk_from_epilogues`. An epilogue takes along every elementwise node of its shape, so that
several values may be stored where one would do, from which the only reader computes the others.
Imports `ir` only. Invariant: what moves saves more arrays, written and read, than it costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family
from graphc.ir.passes.grouping import Grouping, Kernel
from graphc.ir.passes.inline import MAX_COST

MOST_MOVED = 8
"""Most nodes that move from one kernel to another."""

Users = Mapping[Node, Sequence[Node]]


def sunk_from_epilogues(graph: Graph, grouping: Grouping) -> frozenset[Node]:
    """The nodes to be computed where they are read instead of in an epilogue."""
    users, roots = graph.users(), set(graph.roots)
    sunk: set[Node] = set()
    for kernel in grouping.kernels:
        if kernel.contraction is None or len(kernel.nodes) == 1:
            continue
        for reader, nodes in _movable(kernel, grouping.home, users, roots).items():
            if len(nodes) <= MOST_MOVED and _saves(kernel, reader, nodes, grouping, users, roots):
                sunk |= nodes
    return frozenset(sunk)


def _movable(
    kernel: Kernel, home: Mapping[Node, Kernel], users: Users, roots: set[Node]
) -> dict[Kernel, set[Node]]:
    """The cheap nodes of an epilogue that one other kernel alone needs, by that kernel."""
    goes: dict[Node, Kernel] = {}
    for node in reversed(kernel.nodes):
        is_cheap = node.op.family is Family.ELEMENTWISE and node.op.cost <= MAX_COST
        if not is_cheap or node in roots or not all(user in home for user in users[node]):
            continue
        readers = {goes.get(user, home[user]) for user in users[node]}
        reader = readers.pop()
        in_loops = reader.contraction is None and not reader.alone
        if not readers and reader is not kernel and in_loops:
            goes[node] = reader
    found: dict[Kernel, set[Node]] = {}
    for node, reader in goes.items():
        found.setdefault(reader, set()).add(node)
    return found


def _saves(
    kernel: Kernel,
    reader: Kernel,
    moved: set[Node],
    grouping: Grouping,
    users: Users,
    roots: set[Node],
) -> bool:
    """Whether fewer arrays of the product's size are written and read with the nodes moved."""
    assert kernel.contraction is not None
    size = kernel.contraction.type.size
    staying = [node for node in kernel.nodes if node not in moved]

    def stored(nodes: Sequence[Node]) -> int:
        own = set(nodes)
        return sum(x in roots or any(user not in own for user in users[x]) for x in nodes)

    written = stored(staying) - stored(list(kernel.nodes))
    operands = {x for node in moved for x in node.operands if x.type.size == size} - moved
    more = sum(not any(grouping.home.get(u) is reader for u in users[x]) for x in operands)
    fewer = sum(any(grouping.home.get(u) is reader for u in users[x]) for x in moved)
    unread = sum(
        x not in kernel.nodes and not any(user in staying for user in users[x]) for x in operands
    )
    return written < 0 and written + more - fewer - unread < 0
