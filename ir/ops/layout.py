"""Layout ops that keep every element: transpose, broadcast_to and reshape.

Owns their records. Invariant: `access` says where each output element is read, so that the code
generator folds a move into whatever reads its result.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.access import broadcast_map
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import AccessMap, Affine
from graphc.ir.ops.algebra import ops
from graphc.ir.ops.batching import Batched, shifted, with_rank
from graphc.ir.ops.combinators import layout, linear
from graphc.ir.ops.masks import summed_to
from graphc.ir.ops.samples import shape_sample
from graphc.ir.types import Shape, TensorType


@dataclass(frozen=True)
class TransposeAttrs(Attrs):
    """`perm`: for each axis of the result the operand's axis that it is."""

    perm: tuple[int, ...]


def _transpose_type(types: Sequence[TensorType], attrs: TransposeAttrs) -> TensorType:
    (x,) = types
    if sorted(attrs.perm) != list(range(x.rank)):
        raise AttributeValueError(
            f"transpose needs a permutation of {x.rank} axes, got {list(attrs.perm)}", operand=0
        )
    return x.with_shape(tuple(x.shape[axis] for axis in attrs.perm))


def _inverse(node: Node) -> tuple[int, ...]:
    assert isinstance(node.attrs, TransposeAttrs)
    return tuple(node.attrs.perm.index(axis) for axis in range(len(node.shape)))


def _transpose_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    assert isinstance(node.attrs, TransposeAttrs)
    return ops.transpose(operands[0], perm=(0, *shifted(node.attrs.perm)))


transpose = layout(
    "transpose",
    ("x",),
    doc="The axes in another order: axis i of the result is axis perm[i] of the operand.",
    attrs=TransposeAttrs,
    infer=_transpose_type,
    reference=lambda x, perm: np.transpose(x, perm),
    access=lambda node: (tuple(Affine.along(axis) for axis in _inverse(node)),),
    **linear(lambda node, g: ops.transpose(g, perm=_inverse(node))),
    batch=_transpose_batch,
    samples=(
        shape_sample((), perm=()),
        shape_sample((7,), perm=(0,)),
        shape_sample((3, 5), perm=(1, 0)),
        shape_sample((2, 3, 4), perm=(2, 0, 1)),
        shape_sample((2, 0, 3), perm=(1, 2, 0)),
        shape_sample((3, 5), perm=(0, 0), refuse=AttributeValueError),
        shape_sample((3, 5), perm=(0,), refuse=AttributeValueError),
    ),
    numpy=("transpose", "permute_dims"),
)


@dataclass(frozen=True)
class ShapeAttrs(Attrs):
    """`shape` of the result."""

    shape: Shape


def _check_sizes(name: str, shape: Shape) -> None:
    if any(size < 0 for size in shape):
        raise ShapeError(
            f"cannot {name} to {list(shape)}, which has a negative size", help="sizes are 0 or more"
        )


def _broadcast_type(types: Sequence[TensorType], attrs: ShapeAttrs) -> TensorType:
    (x,) = types
    _check_sizes("broadcast", attrs.shape)
    lead = len(attrs.shape) - x.rank
    fits = lead >= 0 and all(
        size in (1, wanted) for size, wanted in zip(x.shape, attrs.shape[lead:], strict=True)
    )
    if not fits:
        raise ShapeError(
            f"cannot broadcast to {list(attrs.shape)}",
            operand=0,
            help="aligned from the last axis, a size must be 1 or stay the same",
        )
    return x.with_shape(attrs.shape)


def _broadcast_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    aligned = with_rank(operands[0], True, len(node.shape))
    return ops.broadcast_to(aligned, shape=(aligned.shape[0], *node.shape))


broadcast_to = layout(
    "broadcast_to",
    ("x",),
    doc="Repeat the operand along new leading axes and along its axes of size 1.",
    attrs=ShapeAttrs,
    infer=_broadcast_type,
    reference=np.broadcast_to,
    access=lambda node: (broadcast_map(node.operands[0].shape, node.shape),),
    **linear(lambda node, g: summed_to(g, node.operands[0].shape)),
    batch=_broadcast_batch,
    samples=(
        shape_sample((), shape=(2, 3)),
        shape_sample((3,), shape=(3,)),
        shape_sample((5, 1), shape=(2, 5, 3)),
        shape_sample((1, 1), shape=(1, 4)),
        shape_sample((1, 3), shape=(0, 3)),
        shape_sample((3,), shape=(4,), refuse=ShapeError),
        shape_sample((2, 3), shape=(3,), refuse=ShapeError),
        shape_sample((1,), shape=(-1,), refuse=ShapeError),
    ),
    numpy=("broadcast_to",),
)


def _reshape_type(types: Sequence[TensorType], attrs: ShapeAttrs) -> TensorType:
    (x,) = types
    _check_sizes("reshape", attrs.shape)
    if math.prod(attrs.shape) != x.size:
        raise ShapeError(
            f"cannot reshape to {list(attrs.shape)}",
            operand=0,
            detail=f"which has {x.size} elements, not {math.prod(attrs.shape)}",
            help="the number of elements stays; one size may be given as -1, to follow from it",
        )
    return x.with_shape(attrs.shape)


def _reshape_access(node: Node) -> tuple[AccessMap | None, ...] | None:
    """A map only where unit axes come or go: the other sizes keep their order."""
    before, after = node.operands[0].shape, node.shape
    kept = [axis for axis, size in enumerate(after) if size != 1]
    if [size for size in before if size != 1] != [after[axis] for axis in kept]:
        return None
    axes = iter(kept)
    return (tuple(Affine() if size == 1 else Affine.along(next(axes)) for size in before),)


reshape = layout(
    "reshape",
    ("x",),
    doc="The same elements in row-major order, in another shape.",
    attrs=ShapeAttrs,
    infer=_reshape_type,
    reference=lambda x, shape: np.reshape(x, shape),
    access=_reshape_access,
    **linear(lambda node, g: ops.reshape(g, shape=node.operands[0].shape)),
    batch=lambda node, operands, batched: ops.reshape(
        operands[0], shape=(operands[0].shape[0], *node.shape)
    ),
    samples=(
        shape_sample((), shape=(1, 1)),
        shape_sample((6,), shape=(2, 3)),
        shape_sample((3, 5), shape=(3, 1, 5)),
        shape_sample((1, 3, 1, 5), shape=(3, 5, 1)),
        shape_sample((4, 3), shape=(2, 6)),
        shape_sample((0, 3), shape=(5, 0)),
        shape_sample((3, 5), shape=(4, 4), refuse=ShapeError),
        shape_sample((4,), shape=(-2, -2), refuse=ShapeError),
    ),
    numpy=("reshape",),
)
