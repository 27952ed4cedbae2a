"""The layout op that reads two axes at one index: diagonal.

Owns its record. Invariant: an element of the result is read once, so the adjoint puts it back
where it was read and zeros everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import AccessMap, Affine
from graphc.ir.ops.algebra import Expression, ops, scalar
from graphc.ir.ops.batching import Batched, shifted
from graphc.ir.ops.combinators import layout, linear
from graphc.ir.ops.samples import shape_sample
from graphc.ir.types import TensorType, int64


@dataclass(frozen=True)
class DiagonalAttrs(Attrs):
    """`offset` above the main diagonal (below it if negative) of the matrices that `axis1` (rows)
    and `axis2` (columns) span."""

    offset: int
    axis1: int
    axis2: int


def _attrs(node: Node) -> DiagonalAttrs:
    assert isinstance(node.attrs, DiagonalAttrs)
    return node.attrs


def _origin(offset: int) -> tuple[int, int]:
    """Row and column of the first element."""
    return (0, offset) if offset > 0 else (-offset, 0)


def _infer(types: Sequence[TensorType], attrs: DiagonalAttrs) -> TensorType:
    (x,) = types
    if attrs.axis1 == attrs.axis2 or not all(
        0 <= axis < x.rank for axis in (attrs.axis1, attrs.axis2)
    ):
        raise AttributeValueError(
            f"diagonal needs two different axes, got {attrs.axis1} and {attrs.axis2}",
            operand=0,
            detail=f"which has {x.rank} axes, counted from 0",
        )
    row, column = _origin(attrs.offset)
    length = min(x.shape[attrs.axis1] - row, x.shape[attrs.axis2] - column)
    others = [size for axis, size in enumerate(x.shape) if axis not in (attrs.axis1, attrs.axis2)]
    return x.with_shape((*others, length if length > 0 else 0))


def _access(node: Node) -> tuple[AccessMap]:
    attrs = _attrs(node)
    row, column = _origin(attrs.offset)
    last = len(node.shape) - 1
    others = iter(range(last))
    return (
        tuple(
            Affine.along(last, 1, row)
            if axis == attrs.axis1
            else Affine.along(last, 1, column)
            if axis == attrs.axis2
            else Affine.along(next(others))
            for axis in range(last + 2)
        ),
    )


def _transpose(node: Node, g: Node) -> Node:
    """Every element in each column of its row, and zeros but on the diagonal."""
    (x,), attrs = node.operands, _attrs(node)
    rows, columns = x.shape[attrs.axis1], x.shape[attrs.axis2]
    row, _ = _origin(attrs.offset)
    lead, count = g.shape[:-1], g.shape[-1]
    low = row if row < rows else rows
    none = (0,) * len(lead)
    if count != rows:
        g = ops.pad(g, low=(*none, low), high=(*none, rows - low - count), value=0)
    spread = ops.reshape(g, shape=(*lead, rows, 1))
    own = Expression(ops.iota(shape=(rows, 1), axis=0, dtype=int64))
    other = Expression(ops.iota(shape=(1, columns), axis=1, dtype=int64))
    chosen = ops.where((own + attrs.offset).eq(other).node, spread, scalar(0, g.dtype))
    others = [axis for axis in range(len(x.shape)) if axis not in (attrs.axis1, attrs.axis2)]
    placed = (*others, attrs.axis1, attrs.axis2)
    perm = tuple(placed.index(axis) for axis in range(len(placed)))
    return chosen if perm == tuple(range(len(perm))) else ops.transpose(chosen, perm=perm)


def _batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    attrs = _attrs(node)
    axis1, axis2 = shifted((attrs.axis1, attrs.axis2))
    return node.op(operands[0], offset=attrs.offset, axis1=axis1, axis2=axis2)


diagonal = layout(
    "diagonal",
    ("x",),
    doc="The elements whose index on axis2 is that on axis1 plus the offset, along a new last "
    "axis; the other axes stay in order.",
    attrs=DiagonalAttrs,
    infer=_infer,
    reference=lambda x, offset, axis1, axis2: np.diagonal(x, offset, axis1, axis2).copy(),
    access=_access,
    **linear(_transpose),
    batch=_batch,
    samples=(
        shape_sample((5, 5), offset=0, axis1=0, axis2=1),
        shape_sample((3, 7), offset=2, axis1=0, axis2=1),
        shape_sample((3, 7), offset=5, axis1=0, axis2=1),
        shape_sample((7, 3), offset=-3, axis1=0, axis2=1),
        shape_sample((7, 3), offset=-2, axis1=1, axis2=0),
        shape_sample((2, 3, 5, 4), offset=1, axis1=2, axis2=0),
        shape_sample((19, 2, 17), offset=0, axis1=0, axis2=2),
        shape_sample((1, 1), offset=0, axis1=0, axis2=1),
        shape_sample((2, 3), offset=3, axis1=0, axis2=1),
        shape_sample((2, 3), offset=-9, axis1=0, axis2=1),
        shape_sample((0, 3), offset=0, axis1=0, axis2=1),
        shape_sample((3, 5), offset=0, axis1=1, axis2=1, refuse=AttributeValueError),
        shape_sample((3, 5), offset=0, axis1=0, axis2=2, refuse=AttributeValueError),
        shape_sample((3,), offset=0, axis1=0, axis2=1, refuse=AttributeValueError),
    ),
    numpy=("diagonal",),
)
