"""What a graph costs as it is declared: arithmetic and bytes, for each op and in all.

Owns `Cost`, `cost_of`, `costs_of_node` and how they print. Imports `ir.graph`, `ir.op` and
`ir.nested`. Invariant: a count is read off records and types alone; nothing depends on a machine or
on what fusion makes of the graph.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace

from graphc.ir.graph import Node, topological
from graphc.ir.nested import nested_graphs
from graphc.ir.op import Family
from graphc.ir.ops.tensor_contraction import summed_extent


@dataclass(frozen=True)
class Cost:
    """The cost of `count` nodes, all of `op` unless that is "total".

    `multiply_adds` are those of contractions. `operations` are the scalar operations of all other
    ops, weighed as their records say: 1 for an add, about 10 for an exp. `bytes_read` and
    `bytes_written` are the sizes of operands and results; ops that only move elements count none,
    for they become index maps. Much of that is never stored: fusion keeps it in registers.
    """

    op: str
    count: int = 0
    multiply_adds: int = 0
    operations: int = 0
    bytes_read: int = 0
    bytes_written: int = 0

    def __add__(self, other: Cost) -> Cost:
        _, *mine = astuple(self)
        _, *others = astuple(other)
        return Cost(self.op, *(a + b for a, b in zip(mine, others, strict=True)))

    def __mul__(self, times: int) -> Cost:
        op, *counts = astuple(self)
        return Cost(op, *(times * count for count in counts))


@dataclass(frozen=True)
class CostTable:
    """The cost of every op of a graph, the most expensive first; prints as a table."""

    ops: tuple[Cost, ...]

    @property
    def total(self) -> Cost:
        return sum(self.ops, Cost("total"))

    @property
    def multiply_adds(self) -> int:
        return self.total.multiply_adds

    @property
    def operations(self) -> int:
        return self.total.operations

    @property
    def bytes(self) -> int:
        """Read and written together."""
        return self.total.bytes_read + self.total.bytes_written

    def __str__(self) -> str:
        head = ("op", "count", "multiply-adds", "operations", "bytes read", "bytes written")
        rows = [[f"{part:,}" if isinstance(part, int) else part for part in astuple(cost)]
                for cost in (*self.ops, self.total)]  # fmt: skip
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = []
        for first, *others in (head, *rows):
            cells = [first.ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
            lines.append("  ".join(cells))
        return "\n".join(lines)


def cost_of(roots: Iterable[Node]) -> CostTable:
    """The cost of computing `roots`, each node once.

    A body that runs several times counts as often as it is declared to run: a loop whose length is
    not known counts once, and of branches each.
    """
    found: dict[str, Cost] = {}
    for node in topological(roots):
        for cost in costs_of_node(node):
            found[cost.op] = found.get(cost.op, Cost(cost.op)) + cost
    ordered = sorted(found.values(), key=lambda cost: -cost.multiply_adds - cost.operations)
    return CostTable(tuple(ordered))


def costs_of_node(node: Node) -> list[Cost]:
    """The cost of a node: its own, or for each op of the bodies that it runs."""
    inner = nested_graphs(node.attrs).values()
    if not inner:
        return [] if node.op.family is Family.SOURCE else [_cost(node)]
    times: int = vars(node.attrs).get("length", 1)
    return [cost * times for graph in inner for cost in cost_of(graph.roots).ops]


def _cost(node: Node) -> Cost:
    cost = Cost(node.op.name, 1)
    if node.op.family in (Family.LAYOUT, Family.ITEM):
        return cost
    cost = replace(
        cost,
        bytes_read=sum(part.bytes for operand in node.operands for part in operand.type.parts),
        bytes_written=sum(part.bytes for part in node.type.parts),
    )
    if node.op.family is Family.CONTRACTION:
        return replace(cost, multiply_adds=node.type.size * summed_extent(node))
    elements = max(sum(part.size for part in each.type.parts) for each in (node, *node.operands))
    return replace(cost, operations=node.op.cost * elements)
