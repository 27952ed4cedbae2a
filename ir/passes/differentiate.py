"""Differentiation: from nodes to the nodes of their adjoints or tangents.

Owns the walks that chain the derivative rules of op records, backward (`adjoints`) and forward
(`tangents`). Imports `ir.graph`, `ir.location`, `ir.diagnostics` and the `add` record. Invariant:
derived nodes are ordinary nodes with provenance, so they can be differentiated again; only nodes
that lie between an output and something differentiated for are visited, each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ir.diagnostics import GradientError, VerificationError
from graphc.ir.graph import Node, topological
from graphc.ir.location import Origin, provenance
from graphc.ir.op import Family, ForwardOnly, NoGradient, OfResults, item_index
from graphc.ir.ops.masks import added
from graphc.ir.ops.registry import OPS
from graphc.ir.types import TupleType


def adjoints(
    outputs: Sequence[Node], seeds: Sequence[Node], wrt: Sequence[Node]
) -> list[Node | None]:
    """The adjoint of each of `wrt`: the derivative of sum(seed * output) with respect to it.

    Reverse mode. A seed has the type of its output. `wrt` may name any nodes, intermediate ones
    too. The adjoints of several uses of one value sum. The result is None where no output depends
    on the value by a path that has a gradient: integers, booleans and ops without one end a path.
    """
    order = list(topological(outputs))
    active = _active(order, wrt)
    ready = set(order) | set(seeds)
    found: dict[Node, Node] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        _check_type(seed, output, f"the seed of {output!r}")
        if output in active:
            _accumulate(found, output, seed)
    of_results: dict[Node, list[Node | None]] = {}
    for node in reversed(order):
        if node in of_results:
            _through_results(node, of_results[node], active, found)
        if node not in found:
            continue
        adjoint = found[node]
        if node.name and not adjoint.name and adjoint not in ready:
            adjoint = found[node] = adjoint.renamed(f"d_{node.name}")
        ready.add(adjoint)
        if node.op.family is Family.ITEM:
            _enter_item(of_results, node, adjoint)
            continue
        rule = node.op.vjp
        if isinstance(rule, NoGradient | OfResults | ForwardOnly):
            continue
        for i, operand in enumerate(node.operands):
            if operand not in active:
                continue
            with provenance(node.loc, _origin(node, i)):
                contribution = rule(node, adjoint, i)
                if contribution is not None:
                    _check_type(contribution, operand, f"vjp of {node.op.name}, operand {i}")
                    _accumulate(found, operand, contribution)
    return [found.get(node) for node in wrt]


def _enter_item(of_results: dict[Node, list[Node | None]], item: Node, adjoint: Node) -> None:
    """The adjoint of an item is that of one result of the node it is taken from."""
    (bundle,) = item.operands
    assert isinstance(bundle.type, TupleType)
    held = of_results.setdefault(bundle, [None] * len(bundle.type.results))
    index = item_index(item)
    already = held[index]
    held[index] = adjoint if already is None else OPS["add"](already, adjoint)


def _through_results(
    node: Node, results: list[Node | None], active: set[Node], found: dict[Node, Node]
) -> None:
    """Carry the adjoints of a node's several results on to its operands."""
    rule = node.op.vjp
    if isinstance(rule, ForwardOnly):
        raise GradientError(rule.reason, help=rule.help)
    if not isinstance(rule, OfResults):
        return
    with provenance(node.loc, Origin(f"adjoint of {node.op.name}", node.name)):
        wanted = [operand in active for operand in node.operands]
        contributions = rule.rule(node, results, wanted)
        for operand, contribution in zip(node.operands, contributions, strict=True):
            if contribution is not None and operand in active:
                _check_type(contribution, operand, f"vjp of {node.op.name}")
                _accumulate(found, operand, contribution)


def tangents(
    outputs: Sequence[Node], wrt: Sequence[Node], directions: Sequence[Node]
) -> list[Node | None]:
    """The tangent of each output when every one of `wrt` moves along its direction.

    Forward mode. A direction has the type of its node. Where one of `wrt` depends on another, its
    own direction adds to what reaches it. None is the tangent of what does not move.
    """
    order = list(topological(outputs))
    active = _active(order, wrt)
    found: dict[Node, Node] = {}
    for node, direction in zip(wrt, directions, strict=True):
        _check_type(direction, node, f"the direction of {node!r}")
        if node in active:
            _accumulate(found, node, direction)
    of_results: dict[Node, Sequence[Node | None]] = {}
    for node in order:
        rule = node.op.jvp
        if node.op.family is Family.ITEM and node.operands[0] in of_results:
            tangent = of_results[node.operands[0]][item_index(node)]
            if tangent is not None:
                _accumulate(found, node, tangent)
            continue
        moving = [found.get(operand) for operand in node.operands]
        if node not in active or isinstance(rule, NoGradient) or not any(moving):
            continue
        with provenance(node.loc, Origin(f"tangent of {node.op.name}", node.name)):
            if isinstance(rule, OfResults):
                of_results[node] = rule.rule(node, moving)
                continue
            tangent = rule(node, moving)
            if tangent is None:
                continue
            _check_type(tangent, node, f"jvp of {node.op.name}")
            if node.name and not tangent.name and tangent not in moving:
                tangent = tangent.renamed(f"t_{node.name}")
            _accumulate(found, node, tangent)
    return [found.get(node) for node in outputs]


def _active(order: Iterable[Node], wrt: Iterable[Node]) -> set[Node]:
    """Nodes of `order` that depend on `wrt` by a differentiable path, `wrt` included."""
    chosen = set(wrt)
    active: set[Node] = set()
    for node in order:
        carries = node.op.family is Family.ITEM or not isinstance(node.op.vjp, NoGradient)
        differentiable = node.dtype.is_float or isinstance(node.type, TupleType)
        if differentiable and (
            node in chosen or (carries and any(operand in active for operand in node.operands))
        ):
            active.add(node)
    return active


def _accumulate(found: dict[Node, Node], node: Node, contribution: Node) -> None:
    held = found.get(node)
    found[node] = contribution if held is None else added(held, contribution)


def _origin(node: Node, i: int) -> Origin:
    """`d/d%h of tanh`; an unnamed operand goes by its name in the op's record, as in `d/dx of
    tanh`."""
    names = node.op.operands
    name = node.operands[i].name
    operand = f"%{name}" if name else names[min(i, len(names) - 1)].lstrip("*")
    return Origin(f"d/d{operand} of {node.op.name}", node.name)


def _check_type(node: Node, expected: Node, what: str) -> None:
    if node.type != expected.type:
        raise VerificationError(f"{what} has type {node.type}, expected {expected.type}")
