"""Sink out of scans: work on what steps make, which no later step reads, is done after all steps.

Owns the pass. A carry that only adds up matrix products, as the adjoint of a captured weight does,
becomes one product along the steps; a stacked result that is a matrix product becomes one product
of stacks. What is multiplied is stacked instead, if that is worth it (`Steps.pays`). Imports `ir`
only. Invariant: carries that the pass makes superfluous are left for `prune_scans`.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.ir.build import broadcast, ops, reshape
from graphc.ir.graph import Graph, Node, rewrite, with_operands
from graphc.ir.location import Origin, provenance
from graphc.ir.op import Family, item_index
from graphc.ir.ops import contraction, elementwise, layout, reduction, slicing
from graphc.ir.ops.batching import with_rank
from graphc.ir.ops.bundle import item
from graphc.ir.ops.scan import scan
from graphc.ir.passes.scan_steps import Steps
from graphc.ir.passes.terms import splat

_LINEAR = (
    elementwise.neg,
    layout.broadcast_to,
    layout.reshape,
    layout.transpose,
    reduction.sum,
    slicing.slice,
)


def sink_from_scans(graph: Graph) -> Graph:
    """The same program; sums of products over the steps of a scan are products after it."""
    if not any(node.op is scan for node in graph.nodes):
        return graph
    sunk: dict[Node, tuple[Node, dict[int, Node]]] = {}

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node.op.family is Family.ITEM and node.operands[0] in sunk:
            moved, found = sunk[node.operands[0]]
            index = item_index(node)
            if index in found:
                return found[index].renamed(node.name) if node.name else found[index]
            if moved is operands[0]:
                return with_operands(node, operands)
            with provenance(node.loc, node.origin):
                return item(moved, index=index, name=node.name)
        moved = with_operands(node, operands)
        if node.op is scan:
            sunk[node] = _sunk(moved)
        return moved

    return rewrite(graph, visit)


def _sunk(node: Node) -> tuple[Node, dict[int, Node]]:
    """A scan that stacks more, and the results that are now computed of it."""
    steps = Steps(node)
    totals = _totals(steps)
    products = _products(steps)
    totals |= _totals(steps)
    wider = steps.widened()
    found = {i: _total(steps, i, terms, wider) for i, terms in totals.items()}
    for i, value in products.items():
        ((found[i], _),) = steps.at_all_steps([value], wider)
    return wider, found


def _products(steps: Steps) -> dict[int, Node]:
    """The stacked results that are made by products which nothing else reads, and are worth making
    after the scan; makes it stack what that needs."""
    found = {}
    for i, value in enumerate(steps.body.outputs, start=steps.carries):
        if steps.body.roots.count(value) != 1 or steps.users[value] or value not in steps.moving:
            continue
        products, sources = _made_by(steps, value)
        saved = [value, *(x for node in products for x in node.operands if x not in steps.moving)]
        if products and steps.pays(sources, sum(each.type.bytes for each in saved)):
            steps.stack(sources)
            steps.stacked.remove(value)
            found[i] = value
    return found


def _made_by(steps: Steps, value: Node) -> tuple[list[Node], list[Node]]:
    """The products that a value alone is made by, and what is to be stacked for them."""
    products: list[Node] = []
    sources: list[Node] = []
    own = {value}
    pending = [value]
    while pending:
        node = pending.pop()
        if node.op is contraction.matmul:
            products.append(node)
            sources += [source for x in node.operands for source in steps.sources(x)]
            continue
        for x in node.operands:
            if steps.is_at_hand(x):
                continue
            is_own = own.issuperset(steps.users[x]) and x not in steps.body.roots
            if is_own and x.op.family in (Family.ELEMENTWISE, Family.LAYOUT, Family.CONTRACTION):
                own.add(x)
                pending.append(x)
            else:
                sources += steps.sources(x)
    return products, sources


@dataclass(frozen=True)
class _Term:
    """What a carry adds up at each step: `sign` times `value`, moved and scaled by the nodes of
    `path`, the last of them first. Each is linear in the operand at the place given with it."""

    sign: int
    value: Node
    path: tuple[tuple[Node, int], ...]


def _totals(steps: Steps) -> dict[int, list[_Term]]:
    """The carries that only add up what is worth summing after the scan; makes the scan stack what
    that needs."""
    found = {}
    for i, param in enumerate(steps.body.params):
        added = _added_up(steps, param)
        terms = [_term(steps, sign, value) for sign, value in added]
        if not terms or any(term.value not in steps.moving for term in terms):
            continue
        sources = [source for term in terms for source in _sources(steps, term)]
        if all(_is_worth_summing(steps, term) for term in terms) and steps.pays(
            sources, param.type.bytes
        ):
            steps.stack(sources)
            found[i] = terms
    return found


def _added_up(steps: Steps, param: Node) -> list[tuple[int, Node]]:
    """What a carry adds up, each with its sign; nothing if it is read for any other purpose."""
    new = steps.new_values.get(param, param)
    path = _path(steps, param, new)
    found = []
    pending = [(1, new)] if path else []
    while pending:
        sign, node = pending.pop()
        if node in path or node.op in (elementwise.add, elementwise.sub):
            x, y = node.operands
            pending += [(sign, x), (-sign if node.op is elementwise.sub else sign, y)]
        elif node is not param:
            found.append((sign, node))
    return found


def _path(steps: Steps, param: Node, new: Node) -> set[Node]:
    """The sums that lead from a carry to its new value, if nothing else reads it or them."""
    path: set[Node] = set()
    node, roots = param, steps.body.roots
    while node is not new:
        users = steps.users[node]
        if node in roots or len(users) != 1 or not _adds_to(users[0], node):
            return set()
        (node,) = users
        path.add(node)
    return set() if steps.users[new] or roots.count(new) != 1 else path


def _adds_to(node: Node, x: Node) -> bool:
    return node.op is elementwise.add or (node.op is elementwise.sub and node.operands[1] is not x)


def _term(steps: Steps, sign: int, value: Node) -> _Term:
    path = []
    while (place := _linear_in(steps, value)) is not None:
        path.append((value, place))
        value = value.operands[place]
    return _Term(sign, value, tuple(path))


def _linear_in(steps: Steps, node: Node) -> int | None:
    """The operand that a node moves, scales or sums, all else being the same at every step."""
    if node in steps.stacked or node not in steps.moving:
        return None
    if node.op in _LINEAR:
        return 0
    if node.op is elementwise.mul:
        moving = [i for i, operand in enumerate(node.operands) if operand in steps.moving]
        return moving[0] if len(moving) == 1 else None
    return 0 if node.op is elementwise.div and node.operands[1] not in steps.moving else None


def _sources(steps: Steps, term: _Term) -> list[Node]:
    """What is to be stacked for a term to be summed afterwards."""
    return [source for x in _factors(steps, term.value) for source in steps.sources(x)]


def _is_worth_summing(steps: Steps, term: _Term) -> bool:
    """Products are; sums along axes if nothing is to be stacked for them. Other sums of steps cost
    no more in the scan than after it."""
    if len(_factors(steps, term.value)) == 2:
        return True
    reduces = any(node.op is reduction.sum for node, _ in term.path)
    return reduces and steps.is_at_hand(term.value)


def _factors(steps: Steps, value: Node) -> tuple[Node, ...]:
    """The matrices that a value is the product of, or the value alone. Columns times rows are a
    product too."""
    if value in steps.stacked:
        return (value,)
    if value.op is contraction.matmul:
        return value.operands
    if value.op is elementwise.mul:
        for x, y in (value.operands, value.operands[::-1]):
            if _is_column(x) and _is_row(y) and value.type.size > max(x.type.size, y.type.size):
                return x, y
    return (value,)


def _is_column(x: Node) -> bool:
    return len(x.shape) >= 2 and x.shape[-1] == 1


def _is_row(y: Node) -> bool:
    return len(y.shape) == 1 or (len(y.shape) >= 2 and y.shape[-2] == 1)


def _total(steps: Steps, index: int, terms: list[_Term], wider: Node) -> Node:
    """The last value of a carry: the first one, unless that is zero, and the terms of all steps."""
    first = wider.operands[index]
    total = None if splat(first) == 0 else first
    name = steps.body.params[index].name
    for term in terms:
        with provenance(term.value.loc, Origin("sum over the steps of scan", name)):
            value = _summed(steps, term.value, wider)
            for node, place in reversed(term.path):
                operands = [
                    steps.outside(x) if i != place else value for i, x in enumerate(node.operands)
                ]
                value = node.op.build(operands, node.attrs)
            if total is None:
                total = broadcast(value if term.sign > 0 else ops.neg(value), first.shape)
            else:
                total = ops.add(total, value) if term.sign > 0 else ops.sub(total, value)
    assert total is not None
    return total


def _summed(steps: Steps, value: Node, wider: Node) -> Node:
    """The sum over all steps of a value, which for a product is a longer product."""
    (x, by_x), *others = steps.at_all_steps(_factors(steps, value), wider)
    if not others:
        return ops.sum(x, axes=(0,))
    ((y, by_y),) = others
    rank = len(value.shape)
    x, y = _with_rank(x, by_x, rank), _with_rank(y, by_y, rank)
    if not by_x or not by_y:
        return ops.matmul(*(ops.sum(z, axes=(0,)) if by else z for z, by in ((x, by_x), (y, by_y))))
    return ops.matmul(_transposed(_below_each_other(_transposed(x))), _below_each_other(y))


def _with_rank(x: Node, is_stack: bool, rank: int) -> Node:
    """A matrix, or a stack of one a step, with unit axes before so that a step's has `rank`."""
    if is_stack:
        return with_rank(x, True, rank)
    return reshape(x, (*(1,) * (rank - len(x.shape)), *x.shape))


def _below_each_other(stack: Node) -> Node:
    """The matrices of all steps as one, of each example of a batch apart: [steps, ..., rows,
    columns] becomes [..., steps * rows, columns]."""
    steps, *batch, rows, columns = stack.shape
    if batch:
        count = len(batch)
        stack = ops.transpose(stack, perm=(*range(1, count + 1), 0, count + 1, count + 2))
    return reshape(stack, (*batch, steps * rows, columns))


def _transposed(node: Node) -> Node:
    *batch, before_last, last = range(len(node.shape))
    return ops.transpose(node, perm=(*batch, last, before_last))
