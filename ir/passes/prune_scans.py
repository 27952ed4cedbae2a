"""Prune scans: what nobody reads of a scan's results is not computed.

Owns the pass. Imports `ir` only. Invariant: a parameter of a body stays if its last value is read,
or if anything that stays is computed from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from graphc.ir.graph import Graph, Node, rewrite, topological, with_operands
from graphc.ir.nested import body_of
from graphc.ir.op import Family, item_index
from graphc.ir.ops.bundle import item
from graphc.ir.ops.scan import scan


def prune_scans(graph: Graph) -> Graph:
    """The same program; its scans carry and stack up what is read, and take what that needs."""
    read: dict[Node, set[int]] = {node: set() for node in graph.nodes if node.op is scan}
    for node in graph.nodes:
        if node.op.family is Family.ITEM and node.operands[0] in read:
            read[node.operands[0]].add(item_index(node))
    places = {node: _kept(node, indices) for node, indices in read.items()}
    narrower = {node: kept for node, kept in places.items() if len(kept) < _result_count(node)}
    if not narrower:
        return graph

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node in narrower:
            return _pruned(node, operands, narrower[node])
        if node.op.family is Family.ITEM and node.operands[0] in narrower:
            index = narrower[node.operands[0]].index(item_index(node))
            return item(operands[0], index=index, name=node.name)
        return with_operands(node, operands)

    return rewrite(graph, visit)


def _result_count(node: Node) -> int:
    return len(body_of(node).params) + len(body_of(node).outputs)


def _kept(node: Node, read: set[int]) -> list[int]:
    """The results to keep: those read, and the parameters that they are computed from."""
    body = body_of(node)
    results = [*body.params, *body.outputs]
    new_values = {update.param: update.value for update in body.updates}
    kept = set(read)
    while True:
        roots = [
            new_values.get(results[i], results[i]) if i < len(body.params) else results[i]
            for i in kept
        ]
        reached = set(topological(roots))
        more = {i for i, param in enumerate(body.params) if param in reached} - kept
        if not more:
            return _with_an_operand(kept, body)
        kept |= more


def _with_an_operand(kept: set[int], body: Graph) -> list[int]:
    """In order; with the first parameter, where a scan of `kept` would take no operand at all."""
    takes = bool(body.inputs) or any(i < len(body.params) for i in kept)
    return sorted(kept) if takes else sorted({0, *kept})


def _pruned(node: Node, operands: tuple[Node, ...], kept: list[int]) -> Node:
    """The scan with some of its results, without the operands that only the others needed."""
    body, attrs = body_of(node), vars(node.attrs)
    count = len(body.params)
    params = [body.params[i] for i in kept if i < count]
    outputs = [i - count for i in kept if i >= count]
    updates = tuple(update for update in body.updates if update.param in params)
    roots = [*(body.outputs[i] for i in outputs), *(update.value for update in updates)]
    reached = set(topological(roots))
    inputs = [i for i, part in enumerate(body.inputs) if part in reached]
    if not params and not inputs:
        inputs = [0]  # a scan takes an operand, if only to run as often as it does
    narrower = replace(
        body,
        inputs=tuple(body.inputs[i] for i in inputs),
        params=tuple(params),
        outputs=tuple(body.outputs[i] for i in outputs),
        output_names=tuple(body.output_names[i] for i in outputs),
        updates=updates,
        nodes=(),
    )
    slices = sum(i < attrs["slices"] for i in inputs)
    taken = _picked(operands, [*(i for i in kept if i < count), *(count + i for i in inputs)])
    changed: Any = {**attrs, "body": narrower, "slices": slices}
    pruned: Node = scan(*taken, name=node.name, **changed)
    return replace(pruned, loc=node.loc, origin=node.origin)


def _picked(operands: tuple[Node, ...], places: Iterable[int]) -> list[Node]:
    return [operands[i] for i in places]
