"""Merge scans: of two that run the same steps, the one that stacks up more does for both.

Owns the pass. Differentiating a scan makes another of the same body, which also stacks what the
adjoint needs; the declared one is then superfluous. Imports `ir` only. Invariant: bodies are
compared by the identity of their nodes, so this comes before any pass that rebuilds them, and
outer graphs come before the graphs nested in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.nested import body_of, taken_by
from graphc.ir.op import Family, item_index
from graphc.ir.ops.bundle import item
from graphc.ir.ops.scan import scan


def merge_scans(graph: Graph) -> Graph:
    """The same program without scans that another one contains."""
    container = _containers(node for node in graph.nodes if node.op is scan)
    if not container:
        return graph

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node in container:
            return moved[container[node]]
        if node.op.family is Family.ITEM and node.operands[0] in container:
            held, wider = node.operands[0], container[node.operands[0]]
            place = _place(held, item_index(node), wider)
            return item(moved[wider], index=place, name=node.name)
        moved[node] = with_operands(node, operands)
        return moved[node]

    moved: dict[Node, Node] = {}
    return rewrite(_with_first(graph, container), visit)


def _with_first(graph: Graph, container: dict[Node, Node]) -> Graph:
    """The graph with each container right before the first scan that it replaces: their operands
    are the same."""
    placed: set[Node] = set()
    nodes: list[Node] = []
    for node in graph.nodes:
        for each in (container[node], node) if node in container else (node,):
            if each not in placed:
                placed.add(each)
                nodes.append(each)
    return replace(graph, nodes=tuple(nodes))


def _containers(scans: Iterable[Node]) -> dict[Node, Node]:
    """For each scan that another contains, the widest that does."""
    alike: dict[Any, list[Node]] = {}
    for node in scans:
        attrs: Any = node.attrs
        key = (frozenset(node.operands), attrs.length, attrs.reverse, attrs.body.params)
        alike.setdefault(key, []).append(node)
    found: dict[Node, Node] = {}
    for group in alike.values():
        widest_first = sorted(group, key=lambda node: -len(body_of(node).outputs))
        for position, node in enumerate(widest_first):
            for wider in widest_first[:position]:
                if wider not in found and _contains(wider, node):
                    found[node] = wider
                    break
    return found


def _contains(wider: Node, node: Node) -> bool:
    outer, inner = body_of(wider), body_of(node)
    return (
        set(_fed(node)) <= set(_fed(wider))
        and set(inner.updates) == set(outer.updates)
        and set(inner.outputs) <= set(outer.outputs)
    )


def _fed(node: Node) -> Iterable[tuple[Node, Node, bool]]:
    """Each part of a body's boundary, its operand, and whether that is sliced."""
    body, slices = body_of(node), vars(node.attrs)["slices"]
    sliced = set(body.inputs[:slices])
    pairs = zip(taken_by(body), node.operands, strict=True)
    return ((part, given, part in sliced) for part, given in pairs)


def _place(node: Node, index: int, wider: Node) -> int:
    """Which result of the wider scan a result is."""
    count = len(body_of(node).params)
    if index < count:
        return index
    return count + body_of(wider).outputs.index(body_of(node).outputs[index - count])
