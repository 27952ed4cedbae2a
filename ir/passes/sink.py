"""Which cheap values are computed where they are read instead of where their operands are.

Owns `choose_sunk`. Imports `ir` only. Invariant: what a sunk value is computed from is in memory
anyway, or is smaller than it; storing less never needs more memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family
from graphc.ir.passes.grouping import Grouping, Kernel
from graphc.ir.passes.inline import MAX_COST, is_unstored

MOST_READERS = 2
"""Kernels that compute a value again."""


def choose_sunk(graph: Graph, grouping: Grouping) -> frozenset[Node]:
    """Nodes of at most `MAX_COST` operations an element that one kernel would store for another.

    Not those that a matrix product reads, which reads an element often, and those that are read
    more often than they have elements.
    """
    stored = _Stored.of(graph, grouping)
    sunk: set[Node] = set()
    for node, readers in stored.readers.items():
        is_cheap = node.op.family is Family.ELEMENTWISE and len(readers) <= MOST_READERS
        if is_cheap and node not in stored.wanted:
            sunk |= _chain(grouping, stored, node, sunk)
    return frozenset(sunk)


@dataclass(frozen=True)
class _Stored:
    """The values that kernels read of one another with those kernels; those `wanted` in memory in
    any case, `roots` among them; and the kernels that write the parameters' new values."""

    readers: dict[Node, dict[Kernel, None]]
    wanted: set[Node]
    roots: frozenset[Node]
    writers: dict[Node, Kernel]

    @staticmethod
    def of(graph: Graph, grouping: Grouping) -> _Stored:
        readers: dict[Node, dict[Kernel, None]] = {}
        roots = frozenset(graph.roots)
        wanted = set(roots)
        for node, kernel in grouping.home.items():
            is_loop = node.op.family in (Family.ELEMENTWISE, Family.REDUCTION, Family.LAYOUT)
            points = _points(node)
            for read, mapping in grouping.reads[node]:
                value = grouping.inlining.base(read)
                home = grouping.home.get(value)
                if home is not None and home is not kernel:
                    readers.setdefault(value, {})[kernel] = None
                    whole = value is not read or mapping is None or not is_loop
                    if whole or points > value.type.size:
                        wanted.add(value)
        writers = {update.param: grouping.home[update.value] for update in graph.updates}
        return _Stored(readers, wanted, roots, writers)

    def may_read(self, param: Node, node: Node) -> bool:
        """Whether the readers of a node may read a parameter, too: no kernel waits for the one that
        writes its new value, which can then be the last, and is none of them."""
        writer = self.writers.get(param)
        return writer is None or (not writer.users and writer not in self.readers[node])

    def last_read(self, node: Node) -> int:
        """The order of the last kernel that reads a value; -1 for none."""
        return max((kernel.order for kernel in self.readers.get(node, ())), default=-1)


def _points(node: Node) -> int:
    """How often a node reads what it reads: once for each of its elements, or of those that it
    reduces."""
    reduced = node.operands[0].type if node.op.family is Family.REDUCTION else node.type
    return max(part.size for part in reduced.parts)


def _chain(grouping: Grouping, stored: _Stored, node: Node, sunk: set[Node]) -> set[Node]:
    """A node and what it is computed from in registers, if it is cheap and what that is computed
    from is in memory; else nothing."""
    chain, cost = {node}, node.op.cost
    leaves: dict[Node, None] = {}
    pending = list(node.operands)
    while pending and cost <= MAX_COST:
        operand = pending.pop()
        in_registers = operand not in stored.readers and operand not in stored.wanted
        joins = operand.op.family is Family.ELEMENTWISE and in_registers
        if operand in sunk or operand in grouping.inlining.inlined or operand in chain:
            cost += operand.op.cost
            pending += operand.operands
        elif joins and grouping.home.get(operand) is grouping.home[node]:
            chain.add(operand)
            cost += operand.op.cost
            pending += operand.operands
        elif not is_unstored(operand):
            leaves[grouping.inlining.base(operand)] = None
    if cost > MAX_COST or not all(stored.may_read(leaf, node) for leaf in leaves):
        return set()
    last = stored.last_read(node)
    more = sum(_bytes_more(grouping, stored, leaf, last) for leaf in leaves)
    return chain if more <= node.type.bytes else set()


def _bytes_more(grouping: Grouping, stored: _Stored, leaf: Node, last: int) -> int:
    """What it takes to keep a value until the kernel of order `last`: nothing if it is anyway;
    twice as much of a value that would have to be stored for this."""
    if leaf not in grouping.home or leaf in stored.roots:
        return 0
    if leaf not in stored.readers:
        return 2 * leaf.type.bytes
    return leaf.type.bytes if stored.last_read(leaf) < last else 0
