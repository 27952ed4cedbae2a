"""Polynomials by their coefficients, the highest power first: polyval and relatives, vander.

Owns those functions. Imports the op records. Invariant: how many coefficients a result has is
known from the shapes, so leading zeros stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.convolving import convolve
from graphc.functions.creation import zeros_like
from graphc.functions.joining import concatenate
from graphc.functions.layout import atleast_1d, expand_dims
from graphc.functions.least_squares import lstsq
from graphc.functions.padding import pad
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.roots import root
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.promotion import as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def polyval(p: TensorLike, x: TensorLike) -> Tensor:
    """The polynomial with coefficients `p` at each `x`, by Horner's rule.

    >>> import graphc as gc
    >>> gc.polyval([1, 2, 3], gc.input("x", (2, 4))).shape
    (2, 4)
    """
    coefficients, at = (Tensor(node) for node in common([p, x]))
    value = zeros_like(at)
    for coefficient in _vector("polyval", coefficients):
        value = value * at + coefficient
    return value


@public
def polyadd(a1: TensorLike, a2: TensorLike) -> Tensor:
    """The sum of two polynomials."""
    first, second = _aligned("polyadd", a1, a2)
    return first + second


@public
def polysub(a1: TensorLike, a2: TensorLike) -> Tensor:
    """The difference of two polynomials."""
    first, second = _aligned("polysub", a1, a2)
    return first - second


@public
def polymul(a1: TensorLike, a2: TensorLike) -> Tensor:
    """The product of two polynomials: the convolution of their coefficients."""
    return convolve(_vector("polymul", a1), _vector("polymul", a2))


@public
def polyder(p: TensorLike, m: int = 1) -> Tensor:
    """The `m`-th derivative of a polynomial."""
    coefficients = _vector("polyder", p)
    _check_times("polyder", m)
    for _ in range(m):
        powers = np.arange(coefficients.size - 1, 0, -1)
        coefficients = coefficients[:-1] * powers.astype(coefficients.dtype.numpy)
    return coefficients


@public
def polyint(p: TensorLike, m: int = 1, k: TensorLike = 0.0) -> Tensor:
    """The `m`-th antiderivative of a polynomial, with the constants `k`: one for all, or one for
    each integration in turn."""
    coefficients = as_floats(_vector("polyint", p))
    _check_times("polyint", m)
    constants = as_tensor(k).astype(coefficients.dtype).reshape(-1)
    if constants.size not in (1, m):
        raise refused(ShapeError(f"polyint needs 1 or {m} constants", operand=0), constants.node)
    for turn in range(m):
        powers = np.arange(coefficients.size, 0, -1).astype(coefficients.dtype.numpy)
        constant = constants[turn : turn + 1] if constants.size > 1 else constants
        coefficients = concatenate([coefficients / powers, constant])
    return coefficients


@public
def vander(x: TensorLike, N: int | None = None, increasing: bool = False) -> Tensor:  # noqa: N803
    """The powers N-1, ..., 1, 0 of each element of a vector as a row; 0 first if `increasing`."""
    vector = _vector("vander", x)
    count = vector.size if N is None else N
    powers = np.arange(count) if increasing else np.arange(count)[::-1]
    if vector.dtype.is_float:
        return expand_dims(vector, -1) ** powers.astype(vector.dtype.numpy)
    wide = Tensor(common([vector, np.int64(0)])[0])
    return expand_dims(wide, -1) ** powers.astype(wide.dtype.numpy)


@public
def polyfit(x: TensorLike, y: TensorLike, deg: int, *, w: TensorLike | None = None) -> Tensor:
    """The coefficients of the polynomial of degree `deg` that is nearest to the points (x, y).

    Nearest in the sum of squared distances, weighted by `w` before they are squared. `y` may have
    several columns. The columns of the powers are scaled to length 1 first, as in NumPy.
    """
    at, values = (as_floats(Tensor(node)) for node in common([x, y]))
    powers = vander(at, deg + 1)
    if w is not None:
        weights = as_tensor(w).astype(at.dtype)
        powers = powers * expand_dims(weights, -1)
        values = values * (weights if values.ndim == 1 else expand_dims(weights, -1))
    lengths = root((powers * powers).sum(0))
    columns = values if values.ndim > 1 else expand_dims(values, -1)
    found = lstsq(powers / lengths, columns)[0] / expand_dims(lengths, -1)
    return found if values.ndim > 1 else found[:, 0]


def _vector(name: str, p: TensorLike) -> Tensor:
    tensor = atleast_1d(as_tensor(p))
    assert isinstance(tensor, Tensor)
    if tensor.ndim != 1:
        raise refused(ShapeError(f"{name} takes a vector", operand=0), tensor.node)
    return tensor


def _aligned(name: str, a1: TensorLike, a2: TensorLike) -> tuple[Tensor, Tensor]:
    """Both with as many coefficients, zeros for the powers that one of them lacks."""
    tensors = [_vector(name, each) for each in (a1, a2)]
    size = max(tensor.size for tensor in tensors)
    first, second = (pad(tensor, ((size - tensor.size, 0),)) for tensor in tensors)
    return first, second


def _check_times(name: str, m: int) -> None:
    if m < 0:
        raise AttributeValueError(f"{name} cannot be taken {m} times")
