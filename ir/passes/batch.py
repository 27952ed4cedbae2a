"""Batching: from nodes for one example to nodes for a batch of them.

Owns the walk that chains the batch rules of op records. Imports `ir.graph`, `ir.location` and
`ir.diagnostics`. Invariant: a batched node carries the batch on axis 0; a node that depends on
nothing batched stays itself; names, locations and origins stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from graphc.ir.diagnostics import BatchError, VerificationError
from graphc.ir.graph import Node, topological
from graphc.ir.location import provenance
from graphc.ir.types import TensorType, TupleType


def batch_nodes(
    roots: Iterable[Node], boundary: Mapping[Node, Node], size: int
) -> list[tuple[Node, bool]]:
    """For each root its results for a batch of `size` examples, and whether they are batched.

    `boundary` gives the nodes that differ from example to example each with its stack: a node of
    the same type but for a new axis 0 of `size`. A root that depends on none of them is given back
    as it is, with False. The nodes between are rebuilt once each.

    Raises `BatchError` at the user's line for an op that has no batch rule.

    >>> from graphc.ir.build import ops
    >>> from graphc.ir.types import TensorType, float32
    >>> x = ops.input(type=TensorType(float32, (3,)), name="x")
    >>> xs = ops.input(type=TensorType(float32, (5, 3)), name="x")
    >>> batch_nodes([ops.sum(x, axes=(0,))], {x: xs}, 5)
    [(<node: sum f32[5]>, True)]
    """
    roots = list(roots)
    for node, stack in boundary.items():
        _check_stack(stack, node, size)
    stacks = dict(boundary)
    for node in topological(roots, boundary):
        if node not in stacks and any(operand in stacks for operand in node.operands):
            batched = [operand in stacks for operand in node.operands]
            operands = [stacks.get(operand, operand) for operand in node.operands]
            stacks[node] = _batched(node, operands, batched, size)
    return [(stacks.get(root, root), root in stacks) for root in roots]


def _batched(node: Node, operands: Sequence[Node], batched: Sequence[bool], size: int) -> Node:
    rule = node.op.batch
    if rule is None:
        error = BatchError(
            f"{node.op.name} cannot be vectorised: it has no rule for a batch axis",
            help="compute it outside the vectorised function, or write it with other ops",
        )
        error.locate(node.loc, node.operands)
        raise error
    with provenance(node.loc, node.origin):
        stack = rule(node, operands, batched)
    _check_stack(stack, node, size)
    if node.name and not stack.name and stack not in operands:
        stack = stack.renamed(node.name)
    return stack


def stacked_type(one: TensorType, size: int) -> TensorType:
    """The type of a stack of `size` values, of several results each stacked."""
    if isinstance(one, TupleType):
        return TupleType.of(stacked_type(result, size) for result in one.results)
    return one.with_shape((size, *one.shape))


def _check_stack(stack: Node, node: Node, size: int) -> None:
    if stack.type != stacked_type(node.type, size):
        raise VerificationError(
            f"the batch of {node!r} has type {stack.type}, expected {size} examples on axis 0"
        )
