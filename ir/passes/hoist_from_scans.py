"""Hoist out of scans: work that no carry is needed for is done before the first step.

Owns the pass. What is the same at every step is computed once, and a matrix that each step would
transpose for its product is stored transposed. A product of what a step is given is one product for
all steps, where a step has too few rows to keep the registers busy. Imports `ir` only. Invariant: a
scan keeps its results; it takes more operands, and no longer those that only hoisted work read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.build import ops
from graphc.ir.graph import (
    Graph,
    Node,
    Update,
    fresh_name,
    rewrite,
    substituted,
    topological,
    with_operands,
)
from graphc.ir.op import Family
from graphc.ir.ops import contraction, layout
from graphc.ir.ops.contraction import FEW_ROWS
from graphc.ir.ops.scan import scan
from graphc.ir.passes.scan_steps import FREE_BYTES, Steps, is_cheap

MAX_GROWTH = 8
"""How many times as much memory as what a scan is given the products of it may take."""


def hoist_from_scans(graph: Graph) -> Graph:
    """The same program; scans do less at each step, and are given more."""
    if not any(node.op is scan for node in graph.nodes):
        return graph

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        moved = with_operands(node, operands)
        return _hoisted(moved) if node.op is scan else moved

    return rewrite(graph, visit)


def _hoisted(node: Node) -> Node:
    steps = Steps(node)
    steps.stacked.clear()  # What the scan makes is not there before it.
    if steps.length < 2:
        return node
    products, constants = _products(steps), _constants(steps)
    if not products and not constants:
        return node
    stacks = [stack for stack, _ in steps.at_all_steps(products, node)]
    outside = substituted(constants, steps.captured)
    values = [outside[each] for each in constants]
    return _given(
        steps, [*zip(products, stacks, strict=True)], [*zip(constants, values, strict=True)]
    )


def _constants(steps: Steps) -> list[Node]:
    """Values that are the same at every step and worth computing once: those that take more than
    a little arithmetic, and what products would compute or turn as they read it."""
    works: set[Node] = set()
    found: dict[Node, None] = {}
    for node in steps.body.nodes:
        is_work = not is_cheap(node) or not works.isdisjoint(node.operands)
        if node not in steps.moving and is_work:
            works.add(node)
    for user, value in _uses(steps):
        if value in steps.moving:
            continue
        base = value
        while base.op.family is Family.LAYOUT and len(base.operands) == 1:
            base = base.operands[0]
        is_factor = user is not None and user.op is contraction.matmul
        if is_factor and user is not None and _is_turned(user, value):
            found[value] = None
        elif base in works or (is_factor and base.op.family is not Family.SOURCE):
            found[base] = None
    return list(found)


def _uses(steps: Steps) -> Iterator[tuple[Node | None, Node]]:
    """What each step reads, and who does: None where it becomes a result."""
    for node in steps.body.nodes:
        if node in steps.moving:
            yield from ((node, operand) for operand in node.operands)
    yield from ((None, root) for root in steps.body.roots)


def _is_turned(product: Node, value: Node) -> bool:
    """Whether a value is a transposed matrix on the right of a product of several rows, which a
    product copies before it begins."""
    is_right = product.operands[1] is value and product.shape[-2] > 1
    axis = last = len(value.shape) - 1
    while value.op is layout.transpose:
        attrs: Any = value.attrs
        axis, value = attrs.perm[axis], value.operands[0]
    return is_right and axis != last


def _products(steps: Steps) -> list[Node]:
    """Values that are made of what steps are given by products of few rows, together with the
    arithmetic that follows on the products' elements."""
    free = steps.moving - steps.reached(steps.body.params)
    made: set[Node] = set()
    for node in steps.body.nodes:
        if node in free and (_has_few_rows(steps, node) or _follows(node, made)):
            made.add(node)
    found = [
        node
        for node in steps.body.nodes
        if node in made and (node in steps.body.roots or not made.issuperset(steps.users[node]))
    ]
    given = sum(node.type.bytes for node in steps.sliced)
    size = sum(node.type.bytes for node in found)
    return found if size <= MAX_GROWTH * given or size * steps.length <= FREE_BYTES else []


def _has_few_rows(steps: Steps, node: Node) -> bool:
    """Whether a node is the product of a matrix that is the same at every step and of so few rows
    that reading the matrix is most of the work."""
    if node.op is not contraction.matmul:
        return False
    x, y = node.operands
    rows = node.type.size // max(node.shape[-1], 1)
    columns = node.type.size // max(node.shape[-2], 1)
    return (y not in steps.moving and rows <= FEW_ROWS) or (
        x not in steps.moving and columns <= FEW_ROWS
    )


def _follows(node: Node, made: Collection[Node]) -> bool:
    """Whether a node is arithmetic on the elements of a value in `made`, or another shape of it."""
    sources = [operand for operand in node.operands if operand in made]
    if node.op.family is Family.ELEMENTWISE:
        return any(source.shape == node.shape for source in sources)
    return bool(sources) and node.op is layout.reshape


def _given(
    steps: Steps, stacks: Sequence[tuple[Node, Node]], values: Sequence[tuple[Node, Node]]
) -> Node:
    """The scan, which is given stacks and values instead of computing the nodes they stand for."""
    body = steps.body
    names = {node.name for node in body.boundary}
    inputs: list[dict[Node, Node]] = []
    replaced: dict[Node, Node] = {}
    for given, more in ((steps.sliced, stacks), (steps.captured, values)):
        inputs.append(dict(given))
        for node, operand in more:
            name = fresh_name(node.name or "given", names)
            names.add(name)
            replaced[node] = ops.input(type=node.type, name=name)
            inputs[-1][replaced[node]] = operand
    mapping = substituted(body.roots, {**replaced, **{node: node for node in body.boundary}})
    read = set(topological(mapping[node] for node in body.roots))
    sliced, captured = ({x: y for x, y in each.items() if x in read} for each in inputs)
    inner = replace(
        body,
        inputs=(*sliced, *captured),
        outputs=tuple(mapping[node] for node in body.outputs),
        updates=tuple(Update(u.param, mapping[u.value]) for u in body.updates),
        nodes=(),
    )
    operands = (*steps.node.operands[: steps.carries], *sliced.values(), *captured.values())
    attrs: Any = {**vars(steps.node.attrs), "body": inner, "slices": len(sliced)}
    moved = ops.scan(*operands, name=steps.node.name, **attrs)
    return replace(moved, loc=steps.node.loc, origin=steps.node.origin)
