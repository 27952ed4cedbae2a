"""Positions, running sums and quantiles of what is not NaN.

Owns those functions. Imports the op records. Invariant: an element that is NaN has no derivative
and no influence.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions import reductions
from graphc.functions.arithmetic import where
from graphc.functions.axes import axes_of
from graphc.functions.cumulative import cumprod, cumsum
from graphc.functions.elementwise import apply
from graphc.functions.indexing import take_along_axis
from graphc.functions.ordering import sort
from graphc.functions.quantiles import known_parts
from graphc.functions.rearranging import moveaxis
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.ir.ops.combinators import reduced_shape
from graphc.ir.types import int64
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from graphc.tensor import Axis, TensorLike


@public
def nanargmax(a: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the largest element along `axis` that is not NaN, as i64; -1 if all are.

    NumPy raises where all are. Of equal elements the first.
    """
    return _position("argmax", a, axis, keepdims, -math.inf)


@public
def nanargmin(a: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the smallest element along `axis` that is not NaN, as i64; -1 if all are."""
    return _position("argmin", a, axis, keepdims, math.inf)


def _position(
    name: str, a: TensorLike, axis: int | None, keepdims: bool, otherwise: float
) -> Tensor:
    tensor = as_tensor(a)
    if not tensor.dtype.is_float:
        found: Tensor = getattr(tensor, name)(axis, keepdims)
        return found
    numbers = apply(ops.eq, tensor, tensor)
    found = getattr(where(numbers, tensor, otherwise), name)(axis, keepdims)
    return where(reductions.any(numbers, axis, keepdims), found, -1)


@public
def nancumsum(a: TensorLike, axis: int | None = None, dtype: object = None) -> Tensor:
    """The running sum along `axis`, NaN counting as 0; as `cumsum`."""
    return cumsum(_replaced(a, 0), axis, dtype)


@public
def nancumprod(a: TensorLike, axis: int | None = None, dtype: object = None) -> Tensor:
    """The running product along `axis`, NaN counting as 1; as `cumprod`."""
    return cumprod(_replaced(a, 1), axis, dtype)


def _replaced(a: TensorLike, neutral: int) -> Tensor:
    tensor = as_tensor(a)
    return where(apply(ops.eq, tensor, tensor), tensor, neutral)


@public
def nanquantile(a: TensorLike, q: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The elements along `axis` below which the parts `q` of those lie that are not NaN.

    Between two elements on the line through them; NaN where all are. Otherwise as `quantile`.
    Raises `ShapeError` for the quantile of nothing.
    """
    return _quantile("nanquantile", a, known_parts(q), axis, keepdims)


@public
def nanpercentile(a: TensorLike, q: ArrayLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """`nanquantile` of `q / 100`."""
    return _quantile("nanpercentile", a, known_parts(q, 100.0), axis, keepdims)


@public
def nanmedian(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle along `axis` of what is not NaN: `nanquantile` of one half."""
    return _quantile("nanmedian", a, np.asarray(0.5), axis, keepdims)


def _quantile(
    name: str,
    a: TensorLike,
    parts: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    axis: Axis,
    keepdims: bool,
) -> Tensor:
    tensor = as_floats(a)
    axes = axes_of(name, axis, tensor.node)
    kept = reduced_shape(tensor.shape, axes, False)
    count = math.prod(tensor.shape[each] for each in axes)
    if not count:
        raise refused(ShapeError(f"{name} of no elements has no value", operand=0), tensor.node)
    moved = moveaxis(tensor, axes, tuple(range(len(kept), tensor.ndim)))
    rows = sort(moved.reshape((*kept, count)))
    numbers = apply(ops.eq, rows, rows)
    last = (reductions.sum(numbers, -1, True, dtype=int64) - 1).astype(rows.dtype)
    place = as_tensor(parts.reshape(-1)).astype(rows.dtype) * last
    low = place.astype(int64).clip(0, count - 1)
    high = apply(ops.minimum, low + 1, last.astype(int64)).clip(0, count - 1)
    # What is not a number is at the end, where only a row without numbers looks.
    below, above = (take_along_axis(rows, each) for each in (low, high))
    found = below + (above - below) * (place - low.astype(rows.dtype))
    found = where(apply(ops.eq, below, above), below, found)
    shape = (*parts.shape, *reduced_shape(tensor.shape, axes, keepdims))
    return moveaxis(found, -1, 0).reshape(shape)
