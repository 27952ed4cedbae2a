"""Differentiation: from nodes to the nodes of their adjoints or tangents.

Owns the walks that chain the derivative rules of op records, backward (`adjoints`) and forward
(`tangents`). Imports `ir.graph`, `ir.location`, `ir.diagnostics` and the `add` record. Invariant:
derived nodes are ordinary nodes with provenance, so they can be differentiated again; only nodes
that lie between an output and something differentiated for are visited, each once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphc.ir.diagnostics import VerificationError
from graphc.ir.graph import Node, topological
from graphc.ir.location import Origin, provenance
from graphc.ir.op import NoGradient
from graphc.ir.ops import OPS


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
    for node in reversed(order):
        if node not in found:
            continue
        adjoint = found[node]
        if node.name and not adjoint.name and adjoint not in ready:
            adjoint = found[node] = adjoint.renamed(f"d_{node.name}")
        ready.add(adjoint)
        rule = node.op.vjp
        if isinstance(rule, NoGradient):
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
    for node in order:
        rule = node.op.jvp
        moving = [found.get(operand) for operand in node.operands]
        if node not in active or isinstance(rule, NoGradient) or not any(moving):
            continue
        with provenance(node.loc, Origin(f"tangent of {node.op.name}", node.name)):
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
        if node.dtype.is_float and (
            node in chosen
            or (
                not isinstance(node.op.vjp, NoGradient)
                and any(operand in active for operand in node.operands)
            )
        ):
            active.add(node)
    return active


def _accumulate(found: dict[Node, Node], node: Node, contribution: Node) -> None:
    held = found.get(node)
    found[node] = contribution if held is None else OPS["add"](held, contribution)


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
