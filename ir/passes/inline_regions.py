"""Inline regions: what was set apart for differentiation is written out.

Owns the pass. Imports `ir` only. Invariant: afterwards no graph has a region; it comes before all
passes that rewrite, so that regions hide nothing from them.
"""

from __future__ import annotations

from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.nested import body_of, splice
from graphc.ir.op import Family, item_index
from graphc.ir.ops.region import region


def inline_regions(graph: Graph) -> Graph:
    """The same program with each region's body in its place."""
    if not any(node.op is region for node in graph.nodes):
        return graph
    results: dict[Node, list[Node]] = {}

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node.op is region:
            results[node] = splice(body_of(node), operands)
        elif node.op.family is Family.ITEM and node.operands[0] in results:
            found = results[node.operands[0]][item_index(node)]
            return found.renamed(node.name) if node.name and not found.name else found
        return with_operands(node, operands)

    return rewrite(graph, visit)
