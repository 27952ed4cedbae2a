"""Eliminate common nodes: equal computations are done once.

Owns the pass. Imports `ir.passes.rewriter`, whose sweep merges equal nodes. Invariant: nodes with
the same op, operands and attributes become the first of them, which keeps its name and location;
operands of commutative ops may stand in either order.
"""

from __future__ import annotations

from graphc.ir.graph import Graph
from graphc.ir.passes.rewriter import rewrite_graph
from graphc.ir.passes.rules import RuleSet

_NO_RULES = RuleSet([])


def eliminate_common(graph: Graph) -> Graph:
    """Merge nodes that must have the same value. Inputs and parameters stay apart."""
    return rewrite_graph(graph, _NO_RULES)
