"""Capture constants: arrays that nested graphs hold become operands of the nodes they are in.

Owns the pass. Imports `ir` only. Invariant: afterwards a nested graph has no constant that lies in
memory, so the whole program's are all there are.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.ir.graph import Graph, Node, fresh_name, rewrite, substituted, with_operands
from graphc.ir.nested import nested_graphs
from graphc.ir.op import Family
from graphc.ir.ops import OPS
from graphc.ir.passes.inline import is_stored_source


def capture_constants(graph: Graph) -> Graph:
    """The same program; the graphs nested in its nodes take their arrays as further inputs."""

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        inner = nested_graphs(node.attrs)
        found = dict.fromkeys(array for each in inner.values() for array in _arrays(each))
        if not found:
            return with_operands(node, operands)
        attrs = replace(node.attrs, **{name: _taking(each, found) for name, each in inner.items()})
        return replace(node, operands=(*operands, *found), attrs=attrs)

    if not any(nested_graphs(node.attrs) for node in graph.nodes):
        return graph
    return rewrite(graph, visit)


def _arrays(graph: Graph) -> list[Node]:
    return [
        node
        for node in graph.nodes
        if node.op.family is Family.SOURCE and node.op.value is not None and is_stored_source(node)
    ]


def _taking(graph: Graph, arrays: dict[Node, None]) -> Graph:
    """The graph with inputs in the place of constants."""
    taken = {node.name for node in graph.boundary}
    inputs: dict[Node, Node] = {}
    for array in arrays:
        name = fresh_name("array", taken)
        taken.add(name)
        inputs[array] = OPS["input"](type=array.type, name=name)
    mapping = substituted(graph.roots, inputs)
    return graph.with_roots(mapping, inputs=(*graph.inputs, *inputs.values()))
