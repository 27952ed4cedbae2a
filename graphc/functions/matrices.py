"""The functions that mean something else in `linalg`: there, a tensor is a stack of matrices.

Owns `gc.linalg`'s diagonal, trace, outer and cross, and which public functions are part of it as
they are. Imports those. Invariant: matrices stand in the last two axes, vectors in the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions import contraction, products, rearranging, triangles
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.promotion import as_node
from graphc.public import public
from graphc.registry import register
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public(module="linalg")
def diagonal(x: TensorLike, /, *, offset: int = 0) -> Tensor:
    """The diagonals of the matrices in the last two axes, along a new last axis."""
    return triangles.diagonal(x, offset, -2, -1)


@public(module="linalg")
def trace(x: TensorLike, /, *, offset: int = 0, dtype: object = None) -> Tensor:
    """The sums of the diagonals of the matrices in the last two axes."""
    return triangles.trace(x, offset, -2, -1, dtype)


@public(module="linalg")
def outer(x1: TensorLike, x2: TensorLike, /) -> Tensor:
    """The product of each element of one vector with each of another."""
    nodes = [as_node(x1), as_node(x2)]
    for position, node in enumerate(nodes):
        if len(node.shape) != 1:
            raise refused(ShapeError("outer takes vectors", operand=position), *nodes)
    return contraction.outer(x1, x2)


@public(module="linalg")
def cross(x1: TensorLike, x2: TensorLike, /, *, axis: int = -1) -> Tensor:
    """The vector product of vectors of 3 elements along `axis`."""
    return products.cross(x1, x2, axis=axis)


matmul = contraction.matmul
matrix_transpose = rearranging.matrix_transpose
tensordot = contraction.tensordot
vecdot = contraction.vecdot

for _function in (matmul, matrix_transpose, tensordot, vecdot):
    register(_function, (_function.__name__,), "linalg")
