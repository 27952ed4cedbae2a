"""Covariance and correlation of variables.

Owns `cov` and `corrcoef`. Imports the op records. Invariant: deviations are taken from the mean
before they are multiplied; results keep the operand's float dtype, where NumPy takes f64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.contraction import matmul
from graphc.functions.elementwise import apply
from graphc.functions.joining import concatenate
from graphc.functions.layout import atleast_2d, squeeze
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.triangles import diagonal
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def cov(
    m: TensorLike,
    y: TensorLike | None = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: TensorLike | None = None,
    aweights: TensorLike | None = None,
) -> Tensor:
    """The covariances of variables, which are rows, or columns where `rowvar` is False.

    `y` has further variables. Sums are divided by the number of observations less `ddof`: by
    itself 1, or 0 with `bias`. `fweights` say how often each observation counts, `aweights` how
    much. Raises `ShapeError` for more than two axes.
    """
    rows = _variables(m, rowvar)
    if y is not None:
        rows = concatenate([rows, _variables(y, rowvar)])
    less = (0 if bias else 1) if ddof is None else ddof
    if fweights is None and aweights is None:
        deviations = rows - rows.mean(1, True)
        return _without_units(matmul(deviations, deviations.mT) / max(rows.shape[1] - less, 0))
    weights = as_tensor(1 if fweights is None else fweights).astype(rows.dtype)
    total = weights
    if aweights is not None:
        given = as_tensor(aweights).astype(rows.dtype)
        weights, total = weights * given, weights * given * given
    amount = weights.sum()
    deviations = rows - (rows * weights).sum(1, True) / amount
    lost = less if aweights is None else less * total.sum() / amount
    return _without_units(matmul(deviations * weights, deviations.mT) / (amount - lost))


@public
def corrcoef(x: TensorLike, y: TensorLike | None = None, rowvar: bool = True) -> Tensor:
    """The correlations of variables, between -1 and 1; see `cov`. NaN of one that is constant."""
    covariances = cov(x, y, rowvar)
    if not covariances.ndim:
        return covariances / covariances
    deviations = apply(ops.sqrt, diagonal(covariances))
    found = covariances / deviations[:, None] / deviations
    return found.clip(-1, 1)


def _variables(m: TensorLike, rowvar: bool) -> Tensor:
    tensor = as_floats(m)
    if tensor.ndim > 2:
        raise refused(ShapeError("cov takes at most two axes", operand=0), tensor.node)
    rows = atleast_2d(tensor)
    assert isinstance(rows, Tensor)
    return rows if rowvar or tensor.ndim < 2 else rows.T


def _without_units(matrix: Tensor) -> Tensor:
    return squeeze(matrix) if matrix.size == 1 else matrix
