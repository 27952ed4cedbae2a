"""Widen: arithmetic on what is stored in 16 bits is done in f32.

Owns the pass. Imports `ir.build` and the graph. Invariants: afterwards no op but casts and those
that move elements has an operand or a result of float16 or bfloat16; the result of each op is
rounded once, as it was declared.
"""

from __future__ import annotations

from graphc.ir.build import cast
from graphc.ir.graph import Graph, Node, with_operands
from graphc.ir.location import provenance
from graphc.ir.types import HALVES


def widen(graph: Graph) -> Graph:
    """Put casts around every op that computes on 16-bit floats: to f32 before it, back after it.

    The casts stand beside the ops, so that fusion makes them part of their kernels. A graph
    without 16-bit floats is returned as it is.
    """
    if not any(node.dtype in HALVES for node in graph.nodes):
        return graph
    widened: dict[Node, Node] = {}
    for node in graph.nodes:
        widened[node] = _widened(node, tuple(widened[operand] for operand in node.operands))
    return graph.with_roots(widened)


def _widened(node: Node, operands: tuple[Node, ...]) -> Node:
    """`node` on operands that may have become f32, with a result of the declared type."""
    with provenance(node.loc, node.origin):
        if not node.op.stored:
            operands = tuple(cast(operand, operand.dtype.arithmetic) for operand in operands)
        if all(new.type == old.type for new, old in zip(operands, node.operands, strict=True)):
            return with_operands(node, operands)
        result = cast(node.op.build(operands, node.attrs), node.dtype)
    return result.renamed(node.name) if node.name else result
