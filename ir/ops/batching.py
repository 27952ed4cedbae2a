"""What families share to take a batch axis: the rules behind `Op.batch`.

Owns the rules that serve many ops and the helpers that other rules are written with. Imports the
algebra. Invariant: a batched operand carries the batch on axis 0, before the axes it has in one
example, and so does the result; what is not batched is never copied along it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.graph import Node
from graphc.ir.op import Batch
from graphc.ir.ops.algebra import broadcast, reshape

Batched = Sequence[bool]
"""For each operand of an op whether it carries the batch."""


def batch_size(operands: Sequence[Node], batched: Batched) -> int:
    """The number of examples, read off the first batched operand."""
    return operands[list(batched).index(True)].shape[0]


def with_rank(operand: Node, batched: bool, rank: int) -> Node:
    """A batched operand with unit axes put in after the batch, so that one example has `rank`."""
    if not batched:
        return operand
    size, *example = operand.shape
    return reshape(operand, (size, *(1,) * (rank - len(example)), *example))


def repeated(operand: Node, batched: bool, size: int) -> Node:
    """The operand with a batch axis: what has none is broadcast, which moves no elements."""
    return operand if batched else broadcast(operand, (size, *operand.shape))


def stacked(operands: Sequence[Node], batched: Batched) -> list[Node]:
    """All operands with a batch axis."""
    size = batch_size(operands, batched)
    return [repeated(x, each, size) for x, each in zip(operands, batched, strict=True)]


def shifted(axes: Sequence[int]) -> tuple[int, ...]:
    """Axes of one example, counted where the batch stands before them."""
    return tuple(axis + 1 for axis in axes)


def batch_elementwise(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """Broadcasting aligns shapes from the last axis, so only lower ranks need unit axes."""
    rank = len(node.shape)
    aligned = [with_rank(x, each, rank) for x, each in zip(operands, batched, strict=True)]
    return node.op.build(aligned, node.attrs)


def batch_stacked(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """For ops that take any axes before those they work on, equal for all operands."""
    return node.op.build(stacked(operands, batched), node.attrs)


def batch_along_axis(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """For ops whose operands have equal ranks and whose attribute `axis` counts from the front:
    the axis moves up by one, and an operand that is the same for all examples is repeated."""
    attrs: Any = node.attrs
    return node.op.build(stacked(operands, batched), replace(attrs, axis=attrs.axis + 1))


def batch_reduction(one_or_all: bool) -> Batch:
    """The axes move up by one. Where they must be one or all, all are made one first."""

    def batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
        (x,) = operands
        size, *example = x.shape
        attrs: Any = node.attrs
        if one_or_all and len(attrs.axes) != 1:
            flat = reshape(x, (size, math.prod(example)))
            return reshape(node.op(flat, axes=(1,), keepdims=False), (size, *node.shape))
        return node.op(x, axes=shifted(attrs.axes), keepdims=attrs.keepdims)

    return batch
