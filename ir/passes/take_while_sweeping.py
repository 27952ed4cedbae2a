"""Take elements out of computed rows while the rows are swept.

Owns `take_while_sweeping`. An element taken from a value that a row kernel computes would force the
whole value into memory, for a kernel of its own to pick from. Where the value comes of a reduction
along the same axis, each row is swept anyway, so the element is the maximum of the row with all
others at the lowest number: it comes out as it is, NaN and the sign of zero included. Imports `ir`
only. Invariant: indices outside the axis are clamped as `take_along_axis` says.
"""

from __future__ import annotations

from graphc.ir.build import cast, ops, scalar
from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.location import provenance
from graphc.ir.op import Family
from graphc.ir.ops.indexing import is_taken
from graphc.ir.passes.eliminate_common import eliminate_common

MAX_NODES = 32
"""Most elementwise nodes looked through for the reduction that a value comes of."""


def take_while_sweeping(graph: Graph) -> Graph:
    """Replace takes of one element from rows that are being swept."""
    takes = {n for n in graph.nodes if n.op is ops.take_along_axis and _is_swept(n)}
    if not takes:
        return graph

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        moved = with_operands(node, operands)
        if node not in takes:
            return moved
        with provenance(node.loc, node.origin):
            return _maximum_of_taken(moved)

    # The mask of what is taken is often there already: the gradient has the same.
    return eliminate_common(rewrite(graph, visit))


def _maximum_of_taken(node: Node) -> Node:
    row = cast(node.operands[0], node.dtype.arithmetic)
    assert ops.max.monoid is not None
    (lowest,) = ops.max.monoid.identity(row.dtype)
    only_taken = ops.where(is_taken(node), row, scalar(lowest, row.dtype))
    axis = node.attrs.axis  # type: ignore[attr-defined]
    largest = cast(ops.max(only_taken, axes=(axis,), keepdims=True), node.dtype)
    return largest.renamed(node.name)


def _is_swept(node: Node) -> bool:
    """Whether the rows taken from come of a reduction along the axis, by elementwise steps."""
    row, axis = node.operands[0], node.attrs.axis  # type: ignore[attr-defined]
    if node.shape[axis] != 1 or not row.type.size:
        return False
    pending, seen = [row], {row}
    while pending and len(seen) <= MAX_NODES:
        value = pending.pop()
        if value.op.family is Family.REDUCTION and value.attrs.axes == (axis,):  # type: ignore[attr-defined]
            return value.operands[0].shape == row.shape
        if value.op.family is Family.ELEMENTWISE:
            pending += [operand for operand in value.operands if operand not in seen]
            seen.update(value.operands)
    return False
