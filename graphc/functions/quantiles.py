"""Quantiles: median, quantile, percentile.

Owns those functions. Imports the op records. Invariant: elements are sorted once, whatever the
number of quantiles, and each quantile has the derivative of the elements that it lies between.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from graphc.functions.arithmetic import where
from graphc.functions.axes import axes_of
from graphc.functions.elementwise import apply
from graphc.functions.ordering import sort
from graphc.functions.positions import picked
from graphc.functions.rearranging import moveaxis
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.ops.combinators import reduced_shape
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from graphc.tensor import Axis, TensorLike

Method = Literal["linear", "lower", "higher", "midpoint", "nearest"]


@public
@rounded_once
def quantile(
    a: TensorLike,
    q: ArrayLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    method: Method = "linear",
) -> Tensor:
    """What a part `q`, between 0 and 1, of the elements along `axis` lies below.

    Between two elements `method` says: "linear" goes from one to the other, "lower", "higher" and
    "nearest" take one, "midpoint" the middle. Axes of `q`, which is known while the graph is
    declared, come first. Of integers and booleans in f64; NaN where an element is NaN. Raises
    `AttributeValueError` for `q` outside of 0 to 1 and `ShapeError` for the quantile of nothing.
    """
    parts = known_parts(q)
    rows, shape = _rows("quantile", a, axis, keepdims)
    if method not in get_args(Method):
        raise AttributeValueError(
            f"quantile has methods {', '.join(get_args(Method))}, got {method!r}"
        )
    places = parts.ravel() * (rows.shape[-1] - 1)
    low = np.floor(places).astype(np.int64)
    return _between(rows, low, _weights(places - low, low, method)).reshape((*parts.shape, *shape))


@public
@rounded_once
def percentile(
    a: TensorLike,
    q: ArrayLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    method: Method = "linear",
) -> Tensor:
    """`quantile` of `q` / 100."""
    return quantile(a, known_parts(q, 100.0), axis, keepdims, method=method)


@public
@rounded_once
def median(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The middle one of the elements along `axis` in order; of two the mean.

    Of integers and booleans in f64; NaN where an element is NaN. Raises `ShapeError` for the
    median of nothing.
    """
    rows, shape = _rows("median", a, axis, keepdims)
    count = rows.shape[-1]
    low = np.array([(count - 1) // 2])
    return _between(rows, low, np.array([0.0 if count % 2 else 0.5])).reshape(shape)


def known_parts(
    q: ArrayLike, whole: float = 1.0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if isinstance(q, Tensor):
        raise AttributeValueError(
            "the parts of a quantile must be known while the graph is declared",
            help="give q as a number, a list or an array",
        )
    parts = np.asarray(q, np.float64) / whole
    if not np.all((parts >= 0) & (parts <= 1)):
        raise AttributeValueError(f"quantiles lie between 0 and {whole:g}")
    return parts


def _rows(name: str, a: TensorLike, axis: Axis, keepdims: bool) -> tuple[Tensor, tuple[int, ...]]:
    """The reduced axes last, flat and sorted; and the shape that is left."""
    tensor = as_floats(as_tensor(a))
    axes = axes_of(name, axis, tensor.node)
    count = math.prod(tensor.shape[each] for each in axes)
    if not count:
        raise refused(ShapeError(f"{name} of no elements has no value", operand=0), tensor.node)
    kept = reduced_shape(tensor.shape, axes, False)
    moved = moveaxis(tensor, axes, tuple(range(len(kept), tensor.ndim)))
    return sort(moved.reshape((*kept, count))), reduced_shape(tensor.shape, axes, keepdims)


def _weights(
    parts: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    low: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    method: Method,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How far from the lower to the upper element a quantile lies."""
    if method == "linear":
        return parts
    if method == "nearest":
        return np.rint(low + parts) - low
    between = {"lower": 0.0, "higher": 1.0, "midpoint": 0.5}[method]
    return np.where(parts > 0, between, 0.0)


def _between(
    rows: Tensor,
    low: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    weights: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> Tensor:
    """From sorted rows one number for each weight, on the first axis."""
    last = len(rows.shape) - 1
    high = np.minimum(low + 1, rows.shape[last] - 1)
    below, above = (Tensor(picked(rows.node, last, each)) for each in (low, high))
    weight = weights.astype(rows.dtype.numpy)
    gap = where(weights == 0, 0, above - below)
    found = where(weights < 0.5, below + gap * weight, above - gap * (1 - weight))
    found = where(weights == 1, above, found)
    largest = Tensor(picked(rows.node, last, np.array([rows.shape[last] - 1])))
    return moveaxis(where(apply(ops.ne, largest, largest), math.nan, found), last, 0)
