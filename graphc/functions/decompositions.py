"""Factors of matrices: Cholesky, QR, eigenvalues, singular values.

Owns `cholesky`, `qr`, `eigh`, `eigvalsh`, `svd` and `svdvals`. Imports the op records. Invariant:
of a symmetric matrix one triangle is read, and the derivative is that of the function of this
triangle: the gradient is 0 in the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, overload

from graphc.functions.joining import concatenate
from graphc.functions.matrix_arguments import matrices_of
from graphc.ir.build import full, ops
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Node
from graphc.ir.ops.bundle import items
from graphc.ir.ops.matrices import transposed
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Tensor
    R: Tensor


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@public(module="linalg")
def cholesky(a: TensorLike, /, *, upper: bool = False) -> Tensor:
    """The lower triangular L with `L @ L.T = a`, of symmetric positive definite matrices.

    With `upper` its transpose, and the upper triangle of `a` is read in place of the lower. The
    gradient is that of the function of the triangle that is read, and 0 elsewhere; for an `a` that
    is symmetric by the way it is made, as `x @ x.T`, this makes no difference. Formulas: Giles
    (2008), section 2.5.2; Murray (2016).

    A matrix that is not positive definite gives NaN (NumPy raises); a step compiled with
    `debug_nans=True` says where. Integers become f64.

    >>> import graphc as gc
    >>> x = gc.input("x", (5, 3, 3))
    >>> gc.linalg.cholesky(x @ x.swapaxes(-1, -2) + gc.eye(3)).shape
    (5, 3, 3)
    """
    node = matrices_of("cholesky", a, square=True)
    if upper:
        return Tensor(transposed(ops.cholesky(transposed(node))))
    return Tensor(ops.cholesky(node))


@overload
def qr(a: TensorLike, mode: Literal["reduced", "complete"] = "reduced") -> QRResult: ...
@overload
def qr(a: TensorLike, mode: Literal["r"]) -> Tensor: ...
@public(module="linalg")
def qr(a: TensorLike, mode: str = "reduced") -> QRResult | Tensor:
    """Q with orthonormal columns and the upper triangular R, `a = Q @ R`; signs as NumPy's.

    `mode` is "reduced", "complete" (Q is square; its further columns have no derivative) or "r"
    (R alone). The derivative needs linearly independent columns (the first ones, where there are
    more columns than rows); else it is inf or NaN. Formulas: Walter and Lehmann (2018).
    """
    node = matrices_of("qr", a)
    if mode not in ("reduced", "complete", "r"):
        raise AttributeValueError(
            f"qr has no mode {mode!r}", help="use 'reduced', 'complete' or 'r'"
        )
    q, r = _factored(node)
    if mode == "r":
        return r
    rows, columns = node.shape[-2:]
    if mode == "complete" and rows > columns:
        q = _completed(q)
        r = concatenate([r, _zeros(r.node, rows - columns, columns)], -2)
    return QRResult(q, r)


@public(module="linalg")
def eigh(a: TensorLike, UPLO: str = "L") -> EighResult:  # noqa: N803
    """The eigenvalues of symmetric matrices, ascending, and their eigenvectors as columns.

    `UPLO` names the triangle that is read, "L" or "U"; the gradient is that of the function of
    this triangle, and 0 elsewhere. Of each eigenvector the element of largest magnitude is
    positive.

    Where two eigenvalues are equal, their vectors have no derivative: it comes out as inf or NaN,
    as do second derivatives of the values. A matrix with a NaN or infinity gives NaN. Formulas:
    Giles (2008), section 2.3.1, with F[i, j] = 1 / (w[j] - w[i]).

    >>> import graphc as gc
    >>> values, vectors = gc.linalg.eigh(gc.input("a", (5, 3, 3)))
    >>> values.shape, vectors.shape
    ((5, 3), (5, 3, 3))
    """
    return EighResult(*map(Tensor, items(ops.eigh(_triangle("eigh", a, UPLO)))))


@public(module="linalg")
def eigvalsh(a: TensorLike, UPLO: str = "L") -> Tensor:  # noqa: N803
    """The eigenvalues of symmetric matrices, ascending: those of `eigh`."""
    return Tensor(items(ops.eigh(_triangle("eigvalsh", a, UPLO)))[0])


@overload
def svd(
    a: TensorLike,
    full_matrices: bool = True,
    compute_uv: Literal[True] = True,
    hermitian: bool = False,
) -> SVDResult: ...
@overload
def svd(
    a: TensorLike,
    full_matrices: bool = True,
    *,
    compute_uv: Literal[False],
    hermitian: bool = False,
) -> Tensor: ...
@public(module="linalg")
def svd(
    a: TensorLike, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> SVDResult | Tensor:
    """U, the singular values S, descending, and Vh, with `a = (U * S) @ Vh`.

    With `full_matrices` U and Vh are square; the vectors that belong to no singular value have no
    derivative. Without `compute_uv` the singular values alone. `hermitian` is there for NumPy's
    sake and changes nothing. Of each vector of the shorter side (of Vh, where `a` is square) the
    element of largest magnitude is positive.

    Where two singular values are equal, their vectors have no derivative: it comes out as inf or
    NaN, as do second derivatives of the values. A matrix with a NaN or infinity gives NaN.
    Formulas: Townsend (2016), "Differentiating the singular value decomposition".
    """
    node = matrices_of("svd", a)
    wide = node.shape[-2] < node.shape[-1]
    u, s, vh = items(ops.svd(transposed(node) if wide else node))
    if not compute_uv:
        return Tensor(s)
    long = Tensor(u)
    if full_matrices and u.shape[-2] != u.shape[-1]:
        long = _completed(long)
    if wide:
        return SVDResult(Tensor(transposed(vh)), Tensor(s), Tensor(transposed(long.node)))
    return SVDResult(long, Tensor(s), Tensor(vh))


@public(module="linalg")
def svdvals(x: TensorLike, /) -> Tensor:
    """The singular values of matrices, descending."""
    node = matrices_of("svdvals", x)
    tall = transposed(node) if node.shape[-2] < node.shape[-1] else node
    return Tensor(items(ops.svd(tall))[1])


def _triangle(name: str, a: TensorLike, which: str) -> Node:
    """The matrices, so turned that the lower triangle is the one to be read."""
    node = matrices_of(name, a, square=True)
    if which not in ("L", "U"):
        raise AttributeValueError(f"{name} has no UPLO={which!r}", help="use 'L' or 'U'")
    return node if which == "L" else transposed(node)


def _factored(node: Node) -> tuple[Tensor, Tensor]:
    """Q and R of matrices of any shape. Of those with more columns than rows the first columns
    make Q, and R has Q^T times the others after them."""
    rows, columns = node.shape[-2:]
    if rows >= columns:
        q, r = items(ops.qr(node))
        return Tensor(q), Tensor(r)
    tensor = Tensor(node)
    q, r = items(ops.qr(tensor[..., :rows].node))
    others = ops.matmul(transposed(q), tensor[..., rows:].node)
    return Tensor(q), concatenate([Tensor(r), Tensor(others)], -1)


def _completed(q: Tensor) -> Tensor:
    """Orthonormal columns, with as many more as make a square matrix: what reflections do to the
    columns of the identity that come after."""
    rows, columns = q.shape[-2:]
    padded = concatenate([q, _zeros(q.node, rows, rows - columns)], -1)
    whole, _ = items(ops.qr(ops.stop_gradient(padded.node)))
    return concatenate([q, Tensor(whole)[..., columns:]], -1)


def _zeros(like: Node, rows: int, columns: int) -> Tensor:
    return Tensor(full(0, like.dtype, (*like.shape[:-2], rows, columns)))
