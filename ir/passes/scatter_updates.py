"""Scatter updates: a parameter that takes a scattered gradient is updated where it is hit.

Owns the pass. `w - rate * scatter(0, indices, g)` touches every element of w to change a few; the
same is `scatter(w, indices, -rate * g)`, and no dense gradient is stored. Imports `ir` only.
Invariant: elements are the same up to rounding; those hit more than once are changed once a hit.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.ir.build import Expression
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.location import Origin, provenance
from graphc.ir.ops import elementwise, scatter
from graphc.ir.passes.terms import splat


def scatter_updates(graph: Graph) -> Graph:
    """The same program; parameters updated by sums of rows take the rows one by one."""
    users = graph.users()
    updates = tuple(
        Update(update.param, _scattered(update, users) or update.value) for update in graph.updates
    )
    return replace(graph, updates=updates, nodes=())


def _scattered(update: Update, users: dict[Node, list[Node]]) -> Node | None:
    """The new value of a parameter as a scatter into it; None if it is no such thing."""
    value = update.value
    if value.op not in (elementwise.add, elementwise.sub):
        return None
    x, change = value.operands
    if x is not update.param and value.op is elementwise.add:
        x, change = change, x
    if x is not update.param:
        return None
    factors: list[Node] = []
    sign = -1 if value.op is elementwise.sub else 1
    while change.op in (elementwise.mul, elementwise.neg):
        if len(users[change]) > 1:
            return None
        if change.op is elementwise.neg:
            sign, change = -sign, change.operands[0]
            continue
        scale, change = sorted(change.operands, key=lambda node: node.type.size)
        if scale.type.size != 1 or change.shape != value.shape:
            return None
        factors.append(scale)
    return _into(update.param, change, factors, sign) if len(users[change]) == 1 else None


def _into(param: Node, scattered: Node, factors: list[Node], sign: int) -> Node | None:
    if scattered.op is not scatter.scatter or vars(scattered.attrs)["mode"] != "add":
        return None
    zero, indices, rows = scattered.operands
    if splat(zero) != 0 or scattered.shape != param.shape:
        return None
    with provenance(scattered.loc, Origin("scattered into its parameter", param.name)):
        change = Expression(rows)
        for factor in factors:
            change = change * Expression(factor)
        moved = change if sign > 0 else -change
        return scattered.op.build((param, indices, moved.node), scattered.attrs)
