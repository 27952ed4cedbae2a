"""Take elements out of computed rows without storing the rows.

Owns `take_while_sweeping`. An element taken from a value that a row kernel computes would force the
whole value into memory, for a kernel of its own to pick from. Where the value comes of a reduction
along the same axis, the element is computed by itself from those of the stored rows, if it comes
of such. Else it is the maximum of the row, which is swept anyway, with all others at the lowest
number: it comes out as it is, NaN and the sign of zero included. Imports `ir` only. Invariant:
indices outside the axis are clamped as `take_along_axis` says.
"""

from __future__ import annotations

from graphc.ir.build import broadcast, cast, ops, scalar
from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.location import provenance
from graphc.ir.op import Family
from graphc.ir.ops.indexing import is_taken
from graphc.ir.passes.eliminate_common import eliminate_common
from graphc.ir.passes.inline import is_stored_source, is_view
from graphc.ir.types import Shape

MAX_NODES = 32
"""Most elementwise nodes looked through for what a value comes of."""

_STORED = (Family.CONTRACTION, Family.ITEM)


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
            return _computed_alone(moved) or _maximum_of_taken(moved)

    # The mask of what is taken is often there already: the gradient has the same.
    return eliminate_common(rewrite(graph, visit))


def _computed_alone(node: Node) -> Node | None:
    """The element from those of stored rows, if all that it comes of is there."""
    row, index = node.operands
    axis = node.attrs.axis  # type: ignore[attr-defined]
    steps = _steps(row, axis)
    if steps is None:
        return None
    taken: dict[Node, Node] = {}
    for step in steps:
        if _is_stored(step):
            whole = broadcast(step, row.shape)
            taken[step] = ops.take_along_axis(whole, index, axis=axis)
        else:
            operands = tuple(taken.get(operand, operand) for operand in step.operands)
            taken[step] = step.op.build(operands, step.attrs)
    return taken[row].renamed(node.name)


def _steps(row: Node, axis: int) -> list[Node] | None:
    """The nodes along the row's axis from stored rows to `row`, operands first; None where
    others than elementwise ones lie between."""
    steps: dict[Node, None] = {}
    pending = [row]
    while pending:
        node = pending[-1]
        if node in steps or not _varies(node, row.shape, axis):
            pending.pop()
            continue
        is_known = _is_stored(node) or node.op.family is Family.ELEMENTWISE
        if not is_known or len(pending) + len(steps) > 2 * MAX_NODES:
            return None
        missing = [] if _is_stored(node) else [x for x in node.operands if x not in steps]
        missing = [x for x in missing if _varies(x, row.shape, axis)]
        if missing:
            pending += missing
        else:
            steps[pending.pop()] = None
    return list(steps)


def _is_stored(node: Node) -> bool:
    """Whether a value has memory, or is made by a kernel that stores it for the one that sweeps:
    of elementwise steps, the epilogue of a product."""
    if is_stored_source(node) or is_view(node):
        return True
    ends = _ends(node)
    is_swept = any(end.op.family is Family.REDUCTION for end in ends)
    return not is_swept and any(end.op.family in _STORED or is_view(end) for end in ends)


def _ends(node: Node) -> list[Node]:
    """What elementwise steps lead to."""
    pending, seen, ends = [node], {node}, []
    while pending and len(seen) <= MAX_NODES:
        value = pending.pop()
        if value.op.family is not Family.ELEMENTWISE:
            ends.append(value)
            continue
        pending += [operand for operand in value.operands if operand not in seen]
        seen.update(value.operands)
    return ends


def _varies(node: Node, shape: Shape, axis: int) -> bool:
    """Whether what is broadcast to a shape has several elements along an axis of it."""
    place = axis - (len(shape) - len(node.shape))
    return place >= 0 and node.shape[place] != 1


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
