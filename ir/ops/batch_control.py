"""Batch rules of the ops that hold graphs.

Owns the rules of `scan`, `cond`, `while_loop` and `region`. Imports the batch pass: the batch of a
body is the body of the batch. Invariant: what does not differ from example to example stays
single inside a body; the results of a rule are all batched.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.graph import Graph, Node, Update
from graphc.ir.nested import splice, taken_by
from graphc.ir.ops.algebra import Expression, ops
from graphc.ir.ops.batching import Batched, batch_size, repeated, stacked
from graphc.ir.ops.bundle import items, pack
from graphc.ir.passes.batch import batch_nodes, stacked_type
from graphc.ir.types import int64


def batch_scan(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """One scan whose slices, carries and captured values are stacks, as far as they must be."""
    attrs: Any = node.attrs
    body, size = attrs.body, batch_size(operands, batched)
    carries = len(body.params)
    apart = _settled(body, _apart(taken_by(body), batched), size)
    moved = []
    for i, (part, operand, each) in enumerate(zip(taken_by(body), operands, batched, strict=True)):
        if part in apart:
            operand = repeated(operand, each, size)
        is_sliced = carries <= i < carries + attrs.slices
        moved.append(_swapped(operand) if is_sliced and part in apart else operand)
    inner = batched_graph(body, apart, size)
    scan = node.op(*moved, **{**vars(attrs), "body": inner})
    results = items(scan)
    last = [
        repeated(result, param in apart, size)
        for param, result in zip(body.params, results, strict=False)
    ]
    return pack(*last, *(_swapped(stack) for stack in results[carries:]))


def batch_cond(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """A branch for the whole batch, or, where the condition differs, both branches and a choice."""
    attrs: Any = node.attrs
    size = batch_size(operands, batched)
    graphs = [
        batched_graph(graph, _apart(graph.inputs, batched[1:]), size)
        for graph in (attrs.then, attrs.otherwise)
    ]
    if not batched[0]:
        return node.op(*operands, then=graphs[0], otherwise=graphs[1])
    chosen = []
    for one, other in zip(*(splice(graph, operands[1:]) for graph in graphs), strict=True):
        chosen.append(_choice(operands[0], one, other))
    return pack(*chosen)


def batch_while(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """A loop for the whole batch: as long as any example goes on, and those that do not stay."""
    attrs: Any = node.attrs
    size, count = batch_size(operands, batched), len(attrs.body.params)
    captured = _apart(attrs.body.inputs, batched[count:])
    body = batched_graph(attrs.body, captured | {*attrs.body.params}, size)
    captured = _apart(attrs.condition.inputs, batched[count:])
    condition = batched_graph(attrs.condition, captured | {*attrs.condition.params}, size)
    (verdict,) = condition.outputs
    going_on = Expression(verdict).cast(dtype=int64).sum(axes=(0,))
    joined = replace(condition, outputs=(going_on.gt(0).node,), nodes=())
    (goes_on,) = splice(_without_params(condition), taken_by(body))
    updates = tuple(Update(u.param, _choice(goes_on, u.value, u.param)) for u in body.updates)
    given = [
        repeated(x, each, size) if i < count else x
        for i, (x, each) in enumerate(zip(operands, batched, strict=True))
    ]
    return node.op(*given, condition=joined, body=replace(body, updates=updates, nodes=()))


def batch_region(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """A region of stacks. With a rule of its own, every operand is one."""
    attrs: Any = node.attrs
    size = batch_size(operands, batched)
    rules = {"rule": attrs.rule, "forward": attrs.forward}
    if not any(rules.values()):
        return node.op(
            *operands, body=batched_graph(attrs.body, _apart(attrs.body.inputs, batched), size)
        )
    body = batched_graph(attrs.body, {*attrs.body.inputs}, size)
    wider: dict[str, Any] = {
        name: None if rule is None else batched_graph(rule, {*rule.inputs}, size)
        for name, rule in rules.items()
    }
    return node.op(*stacked(operands, batched), body=body, **wider)


def batched_graph(graph: Graph, apart: Collection[Node], size: int) -> Graph:
    """A nested graph for a batch: the parts of its boundary that are `apart`, and all outputs, have
    the batch on axis 0."""
    stacks = _stacks(graph, apart, size)
    found = batch_nodes(graph.roots, stacks, size)
    outputs = [repeated(node, each, size) for node, each in found[: len(graph.outputs)]]
    new = found[len(graph.outputs) :]
    return replace(
        graph,
        inputs=tuple(stacks.get(node, node) for node in graph.inputs),
        params=tuple(stacks.get(node, node) for node in graph.params),
        outputs=tuple(outputs),
        updates=tuple(
            Update(
                stacks.get(update.param, update.param),
                repeated(value, each, size) if update.param in apart else value,
            )
            for update, (value, each) in zip(graph.updates, new, strict=True)
        ),
        nodes=(),
    )


def _stacks(graph: Graph, apart: Collection[Node], size: int) -> dict[Node, Node]:
    """A batch of each part of the boundary that is `apart`."""
    return {
        node: node.op(type=stacked_type(node.type, size), name=node.name)
        for node in graph.boundary
        if node in apart
    }


def _settled(body: Graph, apart: set[Node], size: int) -> set[Node]:
    """`apart`, and the parameters that come to differ because what they take on does."""
    while True:
        new = [update.value for update in body.updates]
        found = batch_nodes(new, _stacks(body, apart, size), size)
        more = {
            update.param
            for update, (_, each) in zip(body.updates, found, strict=True)
            if each and update.param not in apart
        }
        if not more:
            return apart
        apart = apart | more


def _apart(parts: Sequence[Node], batched: Batched) -> set[Node]:
    return {part for part, each in zip(parts, batched, strict=True) if each}


def _swapped(node: Node) -> Node:
    """The first two axes exchanged."""
    return ops.transpose(node, perm=(1, 0, *range(2, len(node.shape))))


def _choice(condition: Node, x: Node, y: Node) -> Node:
    """Of each example x or y, by its own condition."""
    rank = len(x.shape)
    aligned = Expression(condition).reshape(shape=(*condition.shape, *[1] * (rank - 1)))
    return aligned.where(Expression(x), Expression(y)).node


def _without_params(graph: Graph) -> Graph:
    return replace(graph, inputs=taken_by(graph), params=(), updates=(), nodes=())
