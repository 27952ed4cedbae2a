"""Masks are taken from a result, where that spares what it was made of.

Owns the pass. `where(x <= 0, 0, x)` keeps x alive until the mask is used once more in the backward
half; the result is 0 or less just where x is, so it does as well. Imports `ir` only. Invariant: the
mask of NaN stays false.
"""

from __future__ import annotations

from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.ops import selection
from graphc.ir.passes.terms import splat


def mask_by_result(graph: Graph) -> Graph:
    """The same program; what else reads the mask of a rectifier reads that of its result."""
    users = graph.users()
    rectifiers = {node.operands[0]: node for node in graph.nodes if _is_rectifier(node)}
    masks = {
        mask: result
        for mask, result in rectifiers.items()
        if len(users[mask]) > 1 and {*users[mask.operands[0]]} == {mask, result}
    }
    if not masks:
        return graph
    rectified = set(masks.values())
    results: dict[Node, Node] = {}

    def result_of(mask: Node, new_mask: Node) -> Node:
        """The rectifier, which may be read before it was due to be written."""
        if mask not in results:
            x, (_, *branches) = mask.operands[0], masks[mask].operands
            moved = (new_mask.operands[0] if branch is x else branch for branch in branches)
            results[mask] = with_operands(masks[mask], (new_mask, *moved))
        return results[mask]

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node in rectified:
            return result_of(node.operands[0], operands[0])
        read = list(operands)
        for i, mask in enumerate(node.operands):
            if mask in masks:
                result = result_of(mask, operands[i])
                read[i] = with_operands(operands[i], (result, operands[i].operands[1]))
        return with_operands(node, tuple(read))

    return rewrite(graph, visit)


def _is_rectifier(node: Node) -> bool:
    """`where(x <= 0, 0, x)` or `where(x > 0, x, 0)`."""
    if node.op is not selection.where:
        return False
    mask, yes, no = node.operands
    if mask.op is selection.gt:
        yes, no = no, yes
    elif mask.op is not selection.le:
        return False
    x, bound = mask.operands
    return no is x and splat(bound) == 0 and splat(yes) == 0 and x.shape == node.shape
