"""Diagonals and triangles of matrices: tril, triu, eye, diag, diagonal, trace.

Owns those functions. Imports the op records. Invariant: a mask of a matrix is a comparison of
counted rows and columns, never a stored constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.axes import axis_of, shape_of
from graphc.functions.layout import ravel
from graphc.functions.refusal import refused
from graphc.ir.build import cast, ops, reshape, scalar
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.matrices import lower, upper
from graphc.ir.types import float32, int64
from graphc.promotion import as_dtype, as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def tri(N: int, M: int | None = None, k: int = 0, dtype: object = float32) -> Tensor:  # noqa: N803
    """Ones on and below diagonal `k` of an N x M matrix, zeros above it."""
    reached, columns = _positions(N, N if M is None else M, k)
    return Tensor(cast(ops.ge(reached, columns), as_dtype(dtype)))


@public
def tril(m: TensorLike, k: int = 0) -> Tensor:
    """Matrices with zeros above diagonal `k`. A vector is repeated as rows first, as in NumPy.

    What is left out has no derivative, and NaN in it does not come out.
    """
    return Tensor(lower(_matrices("tril", m), k))


@public
def triu(m: TensorLike, k: int = 0) -> Tensor:
    """Matrices with zeros below diagonal `k`. A vector is repeated as rows first, as in NumPy.

    What is left out has no derivative, and NaN in it does not come out.
    """
    return Tensor(upper(_matrices("triu", m), k))


@public
def eye(N: int, M: int | None = None, k: int = 0, dtype: object = float32) -> Tensor:  # noqa: N803
    """Ones on diagonal `k` of an N x M matrix, zeros elsewhere."""
    rows, columns = _positions(N, N if M is None else M, k)
    return Tensor(cast(ops.eq(rows, columns), as_dtype(dtype)))


@public
def identity(n: int, dtype: object = float32) -> Tensor:
    """The n x n matrix with ones on its diagonal and zeros elsewhere."""
    return eye(n, dtype=dtype)


@public
def diag(v: TensorLike, k: int = 0) -> Tensor:
    """Diagonal `k` of a matrix; of a vector, the matrix that has it there and zeros elsewhere."""
    node = as_node(v)
    if len(node.shape) == 2:
        return diagonal(v, k)
    if len(node.shape) != 1:
        raise refused(ShapeError("diag takes a vector or a matrix", operand=0), node)
    size = node.shape[0] + abs(k)
    before, after = (0, k) if k > 0 else (-k, 0)
    column = reshape(ops.pad(node, low=(before,), high=(after,), value=0), (size, 1))
    rows, columns = _positions(size, size, k)
    return Tensor(ops.where(ops.eq(rows, columns), column, scalar(0, node.dtype)))


@public
def diagflat(v: TensorLike, k: int = 0) -> Tensor:
    """All elements in a row on diagonal `k` of a matrix, zeros elsewhere."""
    return diag(ravel(v), k)


@public
def diagonal(a: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
    """The diagonals of the matrices that two axes span, along a new last axis."""
    node = as_node(a)
    first, second = axis_of("diagonal", axis1, node), axis_of("diagonal", axis2, node)
    return Tensor(ops.diagonal(node, offset=int(offset), axis1=first, axis2=second))


@public
def trace(
    a: TensorLike, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: object = None
) -> Tensor:
    """The sum of `diagonal(a, offset, axis1, axis2)`, in a dtype as `sum` has."""
    return diagonal(a, offset, axis1, axis2).sum(-1, dtype=dtype)


def _positions(rows: int, columns: int, k: int) -> tuple[Node, Node]:
    """The column of diagonal `k` in each row, as a column; each column's own number, as a row."""
    rows, columns = shape_of("a matrix", (rows, columns))
    if rows < 0 or columns < 0:
        raise AttributeValueError(f"a matrix has no negative sizes, got {rows} x {columns}")
    counted = ops.iota(shape=(rows, 1), axis=0, dtype=int64)
    reached = counted if k == 0 else ops.add(counted, scalar(int(k), int64))
    return reached, ops.iota(shape=(1, columns), axis=1, dtype=int64)


def _matrices(name: str, m: TensorLike) -> Node:
    node = as_node(m)
    if not node.shape:
        raise refused(ShapeError(f"{name} takes matrices, not scalars", operand=0), node)
    if len(node.shape) == 1:
        return ops.broadcast_to(node, shape=(node.shape[0], node.shape[0]))
    return node
