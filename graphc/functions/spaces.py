"""Evenly spaced numbers and grids: linspace, logspace, geomspace, meshgrid.

Owns those functions. Imports the op records. Invariant: what is spaced evenly is counted, not
stored; ends may be tensors, and the result has their derivative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from graphc.functions.arithmetic import power, where
from graphc.functions.axes import axis_of, shape_of
from graphc.functions.elementwise import apply
from graphc.functions.layout import broadcast_to
from graphc.functions.rearranging import moveaxis
from graphc.functions.reductions import as_floats
from graphc.ir.build import ops, resized, scalar
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.types import float64
from graphc.promotion import as_dtype, as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def linspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: object = None,
    axis: int = 0,
) -> Tensor | tuple[Tensor, Tensor]:
    """`num` evenly spaced numbers from `start` to `stop`, along a new axis at `axis`.

    Without `endpoint` the last of `num` + 1 numbers is left out. With `retstep` also the spacing.
    Of Python numbers in f64, as in NumPy; tensors keep their dtype. Numbers of an integer `dtype`
    are rounded down. Raises `AttributeValueError` for a negative `num`.
    """
    first, last = _ends(start, stop)
    (num,) = shape_of("linspace", num, "number of samples")
    if num < 0:
        raise AttributeValueError(f"linspace takes no negative number of samples, got {num}")
    steps = num - 1 if endpoint else num
    step = (last - first) / steps if steps > 0 else first * math.nan
    rank = max(first.ndim, last.ndim)
    counted = ops.iota(shape=(num, *(1,) * rank), axis=0, dtype=first.dtype)
    result = Tensor(counted) * step + first if steps > 0 else first + Tensor(counted) * 0
    if endpoint and steps > 0:
        result = where(apply(ops.eq, Tensor(counted), steps), last, result)
    if dtype is not None:
        whole = as_dtype(dtype).is_integer
        result = (apply(ops.floor, result) if whole else result).astype(dtype)
    result = moveaxis(result, 0, axis_of("linspace", axis, result.node))
    return (result, step) if retstep else result


def _ends(start: TensorLike, stop: TensorLike) -> tuple[Tensor, Tensor]:
    """Both ends as floats of one dtype."""
    if isinstance(start, int | float) and isinstance(stop, int | float):
        return Tensor(scalar(start, float64)), Tensor(scalar(stop, float64))
    first, last = (as_floats(Tensor(node)) for node in common([start, stop]))
    return first, last


@public
def logspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    base: TensorLike = 10.0,
    dtype: object = None,
    axis: int = 0,
) -> Tensor:
    """`base` to the powers `linspace(start, stop, num, endpoint)`."""
    exponents = linspace(start, stop, num, endpoint, axis=axis)
    assert isinstance(exponents, Tensor)
    result = power(base, exponents)
    return result if dtype is None else result.astype(dtype)


@public
def geomspace(
    start: TensorLike,
    stop: TensorLike,
    num: int = 50,
    endpoint: bool = True,
    dtype: object = None,
    axis: int = 0,
) -> Tensor:
    """Numbers from `start` to `stop`, each the same multiple of the one before.

    Both ends have one sign and are not 0; else the result is NaN.
    """
    first, last = _ends(start, stop)
    logs = linspace(apply(ops.log, abs(first)), apply(ops.log, abs(last)), num, endpoint, axis=axis)
    assert isinstance(logs, Tensor)
    sign = where(first * last > 0, apply(ops.sign, first), math.nan)
    result = sign * apply(ops.exp, logs)
    return result if dtype is None else result.astype(dtype)


@public
def meshgrid(
    *xi: TensorLike, copy: bool = True, sparse: bool = False, indexing: Literal["xy", "ij"] = "xy"
) -> tuple[Tensor, ...]:
    """Vectors repeated along each other's axes: the coordinates of every point of a grid.

    With `indexing="xy"` the first vector lies along axis 1 and the second along axis 0. With
    `sparse` nothing is repeated. `copy` is there for NumPy's sake: tensors are values.
    """
    if indexing not in ("xy", "ij"):
        raise AttributeValueError(f"meshgrid takes indexing 'xy' or 'ij', got {indexing!r}")
    tensors = [as_tensor(x).reshape(-1) for x in xi]
    places = list(range(len(tensors)))
    if indexing == "xy" and len(tensors) > 1:
        places[:2] = [1, 0]
    grid = []
    for tensor, place in zip(tensors, places, strict=True):
        grid.append(tensor.reshape(resized((1,) * len(tensors), place, tensor.size)))
    if sparse:
        return tuple(grid)
    shape = np.broadcast_shapes(*(part.shape for part in grid))
    return tuple(broadcast_to(part, shape) for part in grid)
