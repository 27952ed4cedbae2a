"""Matrix products, of vectors too.

Owns `matmul` and `dot`. Imports the op records. Invariant: the op itself sees matrices only; a
vector gets a unit axis, and the product of two vectors is the sum of a product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.refusal import refused
from graphc.ir.build import ops, reshape
from graphc.ir.diagnostics import GraphError, ShapeError
from graphc.ir.graph import Node
from graphc.promotion import promoted
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """`x @ y`: over the last axis of `x` and the last but one of `y`; leading axes broadcast.

    A vector on the left is a row, one on the right a column, and its unit axis is taken out of
    the result. Raises `ShapeError` for scalars and for inner sizes that differ.
    """
    left, right = promoted(ops.matmul, [x, y])
    _check(left, right, x, y)
    if len(left.shape) == len(right.shape) == 1:
        return Tensor(ops.sum(ops.mul(left, right), axes=(0,)))
    row = reshape(left, (1, *left.shape)) if len(left.shape) == 1 else left
    column = reshape(right, (*right.shape, 1)) if len(right.shape) == 1 else right
    product = ops.matmul(row, column)
    shape = product.shape
    if row is not left:
        shape = (*shape[:-2], shape[-1])
    return Tensor(reshape(product, shape[:-1] if column is not right else shape))


@public
def dot(a: TensorLike, b: TensorLike) -> Tensor:
    """The product of vectors and matrices as `matmul`; with a scalar, of elements.

    Raises `ShapeError` where `b` has more than two axes: there NumPy's `dot` and `matmul` differ.
    """
    left, right = promoted(ops.matmul, [a, b])
    if not left.shape or not right.shape:
        return Tensor(ops.mul(left, right))
    if len(right.shape) > 2:
        raise ShapeError(
            f"dot with a second operand of {len(right.shape)} axes is not supported",
            help="use matmul, which takes leading axes as a batch",
        )
    return matmul(a, b)


def _check(left: Node, right: Node, x: TensorLike, y: TensorLike) -> None:
    """Raise for what `matmul` cannot multiply, naming the operands as the user has them."""
    given = [
        operand.node if isinstance(operand, Tensor) else node
        for operand, node in ((x, left), (y, right))
    ]
    error: GraphError | None = None
    for position, node in enumerate((left, right)):
        if not node.shape:
            error = ShapeError(
                "matmul takes no scalars", operand=position, help="multiply with * instead"
            )
    if error is None and left.shape[-1] != right.shape[0 if len(right.shape) == 1 else -2]:
        inner = right.shape[0 if len(right.shape) == 1 else -2]
        error = ShapeError(
            "matmul needs equal inner sizes",
            operand=1,
            detail=f"(inner size {inner}), but {{0}} is {given[0].type} "
            f"(inner size {left.shape[-1]})",
        )
    if error is not None:
        raise refused(error, *given)
