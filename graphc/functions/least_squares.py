"""What singular values tell: pseudo-inverses, least squares, rank, condition.

Owns `pinv`, `lstsq`, `matrix_rank` and `cond`. Imports the op records. Invariant: singular values
up to a part of the largest count as 0; unless the caller names it, that part is the larger side of
the matrix times the dtype's epsilon.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from graphc.functions import reductions
from graphc.functions.arithmetic import where
from graphc.functions.contraction import matmul
from graphc.functions.decompositions import svdvals
from graphc.functions.elementwise import apply
from graphc.functions.matrix_arguments import matrices_of, system_of
from graphc.functions.norms import norm
from graphc.functions.refusal import refused
from graphc.functions.systems import inv
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.bundle import items
from graphc.ir.ops.matrices import transposed
from graphc.ir.types import int64
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


class LstsqResult(NamedTuple):
    """What `lstsq` returns."""

    x: Tensor
    residuals: Tensor
    rank: Tensor
    s: Tensor


@public(module="linalg")
def pinv(
    a: TensorLike,
    rcond: float | None = None,
    hermitian: bool = False,
    *,
    rtol: float | None = None,
) -> Tensor:
    """The pseudo-inverse of matrices, by their singular values.

    Those up to `rcond` (or `rtol`, its other name) times the largest count as 0. `hermitian` is
    there for NumPy's sake and changes nothing. The derivative is that at constant rank, of every
    order, and does not mind equal singular values: Golub and Pereyra (1973).
    """
    node = matrices_of("pinv", a)
    found, _ = _pseudo_inverse(node, _cutoff(node, rcond if rtol is None else rtol))
    return Tensor(found)


@public(module="linalg")
def lstsq(a: TensorLike, b: TensorLike, rcond: float | None = None) -> LstsqResult:
    """The x of least length that makes `a @ x - b` as short as can be.

    Returns x, the sums of squares of `a @ x - b` for each column of b, the rank of `a` and its
    singular values; those up to `rcond` times the largest count as 0. `b` has shapes as in
    `solve`. As the shape of a result cannot depend on values, the sums of squares are there for
    matrices of lower rank too; where `a` has no more rows than columns there are none, as in NumPy.
    """
    system = system_of("lstsq", a, b, square=False)
    cutoff = _cutoff(system.a, rcond)
    inverse, s = _pseudo_inverse(system.a, cutoff)
    x = ops.matmul(inverse, system.b)
    apart = Tensor(ops.sub(ops.matmul(system.a, x), system.b))
    residuals = reductions.sum(apart * apart, -2)
    if system.a.shape[-2] <= system.a.shape[-1]:
        residuals = residuals[..., :0]
    return LstsqResult(system.solution(x), residuals, _count(Tensor(s), cutoff), Tensor(s))


@public(module="linalg")
def matrix_rank(
    A: TensorLike,  # noqa: N803
    tol: float | None = None,
    hermitian: bool = False,
    *,
    rtol: float | None = None,
) -> Tensor:
    """How many singular values of matrices are above `tol`, or `rtol` times the largest (i64).

    `hermitian` is there for NumPy's sake and changes nothing.
    """
    if tol is not None and rtol is not None:
        raise AttributeValueError("matrix_rank takes tol or rtol, not both")
    node = matrices_of("matrix_rank", A)
    s = svdvals(Tensor(node))
    if tol is not None:
        return reductions.sum(apply(ops.gt, s, tol).astype(int64), -1)
    return _count(s, _cutoff(node, rtol))


@public(module="linalg")
def cond(x: TensorLike, p: float | str | None = None) -> Tensor:
    """The condition of matrices: the norm of order `p` times that of the inverse.

    For 2 (and None) and -2 it is a quotient of singular values, so matrices need not be square.
    """
    node = matrices_of("cond", x)
    if 0 in node.shape[-2:]:
        raise refused(ShapeError("cond of no elements has no value", operand=0), as_tensor(x).node)
    if p in (None, 2, -2):
        s = svdvals(Tensor(node))
        first, last = s[..., 0], s[..., -1]
        return last / first if p == -2 else first / last
    tensor = Tensor(matrices_of("cond", x, square=True))
    return norm(tensor, p, (-2, -1)) * norm(inv(tensor), p, (-2, -1))


def _cutoff(node: Node, rcond: float | None) -> float:
    if rcond is not None:
        return float(rcond)
    return max(node.shape[-2:]) * math.ldexp(1.0, 1 - node.dtype.digits)


def _pseudo_inverse(node: Node, cutoff: float) -> tuple[Node, Node]:
    """The pseudo-inverse and the singular values."""
    wide = node.shape[-2] < node.shape[-1]
    u, s, vh = items(ops.svd(transposed(node) if wide else node))
    values = Tensor(s)
    kept = apply(ops.gt, values, values[..., :1] * cutoff)
    inverses = where(kept, 1 / where(kept, values, 1), 0)
    found = matmul(Tensor(transposed(vh)) * inverses[..., None, :], Tensor(transposed(u))).node
    found = transposed(found) if wide else found
    return ops.pseudo_inverse(node, found, rcond=cutoff), s


def _count(s: Tensor, cutoff: float) -> Tensor:
    """How many singular values are above a part of the first."""
    return reductions.sum(apply(ops.gt, s, s[..., :1] * cutoff).astype(int64), -1)
