"""Index inputs that must be checked before a step may write anything.

Owns `IndexGuard` and the small graph that checks one. Imports `ir`. Invariant: an index that comes
straight from an input is checked against the axis it indexes; an index computed in the graph is
clamped where it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from graphc.ir.access import operand_maps
from graphc.ir.build import cast, ops, scalar
from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family, Indirect
from graphc.ir.ops.indexing import wide_index
from graphc.ir.types import int32, int64


@dataclass(frozen=True)
class IndexGuard:
    """Every element of `input` must be in [-size, size)."""

    input: Node
    size: int
    location: str


def find_guards(graph: Graph) -> tuple[IndexGuard, ...]:
    """The guards a graph needs, one for each index input and size of axis."""
    inputs = set(graph.inputs)
    found: dict[tuple[Node, int], IndexGuard] = {}
    for node in graph.nodes:
        for position, size in _indexed(node):
            source = _behind_moves(node.operands[position])
            if source in inputs and source.type.size:
                guard = IndexGuard(source, size, str(node.loc or ""))
                found.setdefault((source, size), guard)
    return tuple(found.values())


def _indexed(node: Node) -> Iterator[tuple[int, int]]:
    """Which operands of a node are indices, and the size of the axis that each counts along."""
    if node.op.indexed is not None:
        yield from node.op.indexed(node)
    if node.op.family is Family.ELEMENTWISE:
        return
    for operand, mapping in zip(node.operands, operand_maps(node) or (), strict=False):
        for entry, size in zip(mapping or (), operand.shape, strict=False):
            if isinstance(entry, Indirect):
                yield entry.operand, size


def _behind_moves(node: Node) -> Node:
    """What a node's elements are, unchanged in value and none left out."""
    while len(node.operands) == 1:
        (operand,) = node.operands
        moved = node.op.family is Family.LAYOUT and node.op.fill is None
        if node.op is ops.cast and operand.dtype.is_integer:
            moved = np.can_cast(operand.dtype.numpy, node.dtype.numpy, "safe")
        if not moved or node.type.size < operand.type.size:
            break
        node = operand
    return node


def guard_graph(guard: IndexGuard) -> Graph:
    """A graph of one output: 1 if any index is out of range, else 0."""
    index = ops.input(name=guard.input.name, type=guard.input.type)
    position = wide_index(index)
    bad = ops.logical_or(
        ops.lt(position, scalar(-guard.size, int64)), ops.ge(position, scalar(guard.size, int64))
    )
    verdict = ops.max(cast(bad, int32), axes=tuple(range(len(index.shape))))
    return Graph("guard", (index,), (), (verdict,), ("bad",))
