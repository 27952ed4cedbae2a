"""Join parts: a sum of values that fill different parts of a tensor is their concatenation.

Owns the pass. The adjoint of a value that is cut into slices comes as a sum of its slices'
adjoints, each with zeros around it; where they leave no gap nothing is added. Imports `ir` only.
Invariant: elements are the same, but that a zero keeps its sign.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.location import provenance
from graphc.ir.ops import elementwise, slicing

MAX_PARTS = 64
"""Most parts of one concatenation."""


def join_parts(graph: Graph) -> Graph:
    """The same program; parts that fill a tensor are put side by side."""
    joined = _joined(graph)
    if not joined:
        return graph
    moved: dict[Node, Node] = {}

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node in joined:
            axis, parts = joined[node]
            with provenance(node.loc, node.origin):
                here = ops.concatenate(*(moved.get(x, x) for x in parts), axis=axis, name=node.name)
        else:
            here = with_operands(node, operands)
        moved[node] = here
        return here

    return rewrite(graph, visit)


def _joined(graph: Graph) -> dict[Node, tuple[int, list[Node]]]:
    """The sums that are concatenations, each with its axis and the parts in order."""
    users, roots = graph.users(), set(graph.roots)

    def is_inner(node: Node) -> bool:
        """Whether a sum is but a step on the way to another one."""
        is_read_once = len(users[node]) == 1 and node not in roots
        return is_read_once and users[node][0].op is elementwise.add

    found = {}
    for node in graph.nodes:
        if node.op is elementwise.add and not is_inner(node):
            padded = _padded(node, is_inner)
            axis = _axis(padded) if padded else None
            if axis is not None:
                found[node] = axis, [each.operands[0] for each in padded]
    return found


def _padded(total: Node, is_inner: Callable[[Node], bool]) -> list[Node]:
    """What a sum adds, if that is all made by padding with zeros, in the order of the parts."""
    found: list[Node] = []
    pending = [*total.operands]
    while pending:
        node = pending.pop()
        if node.op is elementwise.add and is_inner(node):
            pending += node.operands
        elif node.op is slicing.pad and node.shape == total.shape and _attrs(node).value == 0:
            found.append(node)
        else:
            return []
        if len(found) > MAX_PARTS:
            return []
    return sorted(found, key=lambda node: _attrs(node).low)


def _axis(padded: list[Node]) -> int | None:
    """The axis along which parts lie one behind the other, from end to end."""
    shape = padded[0].shape
    sides = [(_attrs(node).low, node.operands[0].shape) for node in padded]
    axes = {axis for _, part in sides for axis, size in enumerate(part) if size != shape[axis]}
    if len(axes) != 1:
        return None
    (axis,) = axes
    end = 0
    for low, part in sides:
        if low[axis] != end:
            return None
        end += part[axis]
    return axis if end == shape[axis] else None


def _attrs(node: Node) -> Any:
    return node.attrs
