"""Differentiation of nodes: one sweep backward, one forward, or one for a whole batch of seeds.

Owns `backward`, `forward` and `jacobians`. Imports the `differentiate`, `stabilize` and `batch`
passes. Invariant: every result has a type that depends on the operands' types alone; what has no
influence has a derivative of zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from graphc.ir import build
from graphc.ir.build import ops
from graphc.ir.graph import Node
from graphc.ir.location import Origin, current_provenance, provenance
from graphc.ir.ops.batching import repeated
from graphc.ir.passes.batch import batch_nodes
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.passes.stabilize import stabilize_nodes
from graphc.ir.types import Shape, TensorType, int64, row_major_strides

Mode = Literal["reverse", "forward"]


def backward(outputs: Sequence[Node], seeds: Sequence[Node], wrt: Sequence[Node]) -> list[Node]:
    """The derivative of sum(seed * output) for each of `wrt`, in one sweep."""
    stable, moving = _stable(outputs, wrt)
    found = adjoints(stable, seeds, moving)
    return [_or_zero(adjoint, node) for adjoint, node in zip(found, wrt, strict=True)]


def forward(outputs: Sequence[Node], wrt: Sequence[Node], directions: Sequence[Node]) -> list[Node]:
    """How each output moves when `wrt` move along `directions`, in one sweep."""
    stable, moving = _stable(outputs, wrt)
    found = tangents(stable, moving, directions)
    return [_or_zero(tangent, node) for tangent, node in zip(found, outputs, strict=True)]


def jacobians(outputs: Sequence[Node], wrt: Sequence[Node], mode: Mode | None) -> list[list[Node]]:
    """For each output and each of `wrt` the derivative, of shape output.shape + wrt.shape.

    Without a `mode`, that with fewer seeds is taken.
    """
    if mode is None:
        rows = sum(node.type.size for node in outputs)
        mode = "reverse" if rows <= sum(node.type.size for node in wrt) else "forward"
    if mode == "reverse":
        return [_rows(output, wrt) for output in outputs]
    columns = [_columns(outputs, wrt, position) for position in range(len(wrt))]
    return [list(row) for row in zip(*columns, strict=True)]


def _rows(output: Node, wrt: Sequence[Node]) -> list[Node]:
    """Reverse mode from one output, for all its elements at once."""
    seed = ops.input(type=output.type, name="seed")
    found = backward([output], [seed], wrt)
    size = output.type.size
    stacks = batch_nodes(found, {seed: _units(output.type)}, size)
    return [
        build.reshape(repeated(stack, batched, size), (*output.shape, *node.shape))
        for (stack, batched), node in zip(stacks, wrt, strict=True)
    ]


def _columns(outputs: Sequence[Node], wrt: Sequence[Node], position: int) -> list[Node]:
    """Forward mode along all elements of one of `wrt` at once."""
    moving = wrt[position]
    direction = ops.input(type=moving.type, name="direction")
    found = forward(outputs, [moving], [direction])
    size = moving.type.size
    stacks = batch_nodes(found, {direction: _units(moving.type)}, size)
    columns = []
    for (stack, batched), output in zip(stacks, outputs, strict=True):
        rank = len(output.shape)
        column = repeated(stack, batched, size)
        if rank:
            column = ops.transpose(column, perm=(*range(1, rank + 1), 0))
        columns.append(build.reshape(column, (*output.shape, *moving.shape)))
    return columns


def _units(one: TensorType) -> Node:
    """For each element the tensor that is 1 there and 0 elsewhere, stacked on axis 0.

    Made by counting and comparing, so that a kernel computes it on the way and stores nothing.
    """
    shape: Shape = (one.size, *one.shape)
    with provenance(current_provenance().loc, Origin("unit seeds")):
        number = ops.iota(shape=shape, axis=0, dtype=int64)
        place = build.full(0, int64, shape)
        for axis, stride in enumerate(row_major_strides(one.shape), start=1):
            count = ops.iota(shape=shape, axis=axis, dtype=int64)
            if stride != 1:
                count = ops.mul(count, build.scalar(stride, int64))
            place = count if axis == 1 else ops.add(place, count)
        unit, zero = build.scalar(1, one.dtype), build.scalar(0, one.dtype)
        return ops.where(ops.eq(number, place), unit, zero)


def _stable(outputs: Sequence[Node], wrt: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """What to differentiate in place of `outputs`, and for what in place of `wrt`."""
    nodes = stabilize_nodes([*outputs, *wrt], wrt)
    return nodes[: len(outputs)], nodes[len(outputs) :]


def _or_zero(derivative: Node | None, like: Node) -> Node:
    if derivative is not None:
        return derivative
    with provenance(current_provenance().loc, Origin("no dependence", like.name)):
        return build.zeros_like(like)
