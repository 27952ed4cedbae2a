"""Contractions: the matrix product.

Owns the record of matmul. Invariant: both operands are matrices, or stacks of them whose leading
axes broadcast; vectors are given a unit axis before they come here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from graphc.ir.diagnostics import DTypeError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops.algebra import ops, reshape, sum_to
from graphc.ir.ops.batching import Batched, with_rank
from graphc.ir.ops.combinators import accurate
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import (
    draw,
    matrices_of_two_dtypes,
    refused_dtypes,
    refused_shapes,
)
from graphc.ir.types import NUMBERS, DType, Shape, TensorType


def _infer(types: Sequence[TensorType], attrs: Attrs) -> TensorType:
    x, y = types
    for position, operand in enumerate(types):
        if operand.rank < 2:
            raise ShapeError(
                "matmul needs matrices",
                operand=position,
                detail=f"which has {operand.rank} axes",
                help="give a vector a unit axis",
            )
    if x.dtype != y.dtype:
        raise DTypeError(
            "matmul needs operands of one dtype",
            operand=1,
            detail=f"but {{0}} is {x}",
            help="convert one of them with .astype(...)",
        )
    if x.shape[-1] != y.shape[-2]:
        raise ShapeError(
            "matmul needs equal inner sizes",
            operand=1,
            detail=f"(inner size {y.shape[-2]}), but {{0}} is {x} (inner size {x.shape[-1]})",
        )
    try:
        batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    except ValueError:
        raise ShapeError(
            f"matmul cannot broadcast batch axes {list(x.shape[:-2])} with {list(y.shape[:-2])}",
            operand=1,
            detail=f"but {{0}} is {x}",
        ) from None
    return x.with_shape((*batch, x.shape[-2], y.shape[-1]))


def _transposed(node: Node) -> Node:
    *batch, before_last, last = range(len(node.shape))
    return ops.transpose(node, perm=(*batch, last, before_last))


def _vjp(node: Node, g: Node, i: int) -> Node | None:
    x, y = node.operands
    if not node.dtype.is_float:
        return None
    if i == 1 and len(y.shape) == 2 and len(x.shape) > 2:
        # One product over all rows of the batch, instead of a batch of products and its sum.
        x, g = _stacked(x), _stacked(g)
    left, right = (g, _transposed(y)) if i == 0 else (_transposed(x), g)
    operand = node.operands[i]
    if _swaps_last(operand):
        # What is wanted in the end is the transpose of this, so its transpose is computed.
        product = _transposed(ops.matmul(_transposed(right), _transposed(left)))
    else:
        product = ops.matmul(left, right)
    return sum_to(product, operand.shape)


def _swaps_last(node: Node) -> bool:
    """Whether a matrix is stored as its transpose."""
    if node.op is not ops.transpose:
        return False
    rank = len(node.shape)
    perm: tuple[int, ...] = node.attrs.perm  # type: ignore[attr-defined]
    return perm[-2:] == (rank - 1, rank - 2)


def _stacked(node: Node) -> Node:
    """The matrices of a batch, one below the other."""
    return ops.reshape(node, shape=(math.prod(node.shape[:-1]), node.shape[-1]))


def _jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    x, y = node.operands
    by_x, by_y = tangents
    left = None if by_x is None else node.op(by_x, y)
    right = None if by_y is None else node.op(x, by_y)
    if left is None or right is None:
        return left or right
    return ops.add(left, right)


FEW_ROWS = 3
"""A stack of products with so few rows each leaves registers empty; with more it is as fast as one
tall product, and what follows is fused into it without a reshape between."""


def _batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """One stack of products; or one product, where the matrix on one side is the same for all
    examples and each gives it no more than a few rows, or a column. A column times a row, as in
    the gradient of each example for a weight, is made where it is needed and not stored."""
    (x, y), (by_x, by_y) = operands, batched
    rows, columns = node.shape[-2:]
    if by_x and not by_y and len(y.shape) == 2 and rows <= FEW_ROWS:
        return reshape(ops.matmul(_stacked(x), y), (*x.shape[:-1], columns))
    if by_y and not by_x and len(x.shape) == 2 and columns == 1:
        vectors = reshape(y, (math.prod(y.shape[:-2]), y.shape[-2]))
        return reshape(ops.matmul(vectors, _transposed(x)), (*y.shape[:-2], rows, 1))
    rank = len(node.shape)
    product = ops.mul if x.shape[-1] == 1 else ops.matmul
    return product(with_rank(x, by_x, rank), with_rank(y, by_y, rank))


def _sample(x: Shape, y: Shape) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        return draw(rng, dtype, x), draw(rng, dtype, y)

    return Sample(arrays, label=f"{x} {y}")


matmul = register(
    Op(
        name="matmul",
        family=Family.CONTRACTION,
        operands=("x", "y"),
        doc="Matrix product of the last two axes; leading axes broadcast. Integers wrap. Errors "
        "are counted in the last place of the product of magnitudes.",
        infer=_infer,
        reference=accurate(np.matmul),
        vjp=_vjp,
        jvp=_jvp,
        batch=_batch,
        dtypes=NUMBERS,
        analytic=True,
        cost=2,
        ulp=16,
        numpy=("matmul",),
        samples=(
            _sample((1, 1), (1, 1)),
            _sample((3, 5), (5, 2)),
            _sample((17, 67), (67, 19)),
            _sample((0, 3), (3, 2)),
            _sample((2, 0), (0, 3)),
            _sample((2, 3, 4), (4, 5)),
            _sample((3, 4), (2, 4, 5)),
            _sample((2, 1, 3, 4), (3, 4, 2)),
            _sample((1, 3, 4), (2, 4, 2)),
            refused_shapes((2, 3), (4, 2)),
            refused_shapes((2, 2, 3), (3, 3, 2)),
            refused_shapes((3,), (3, 2)),
            refused_shapes((2, 3), (3,)),
            Sample(matrices_of_two_dtypes, refuse=DTypeError, label="two dtypes"),
            *refused_dtypes(NUMBERS, 2),
        ),
    )
)
