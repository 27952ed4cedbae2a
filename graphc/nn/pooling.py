"""Pooling: the largest element, or the mean, of each window of an image.

Owns `max_pool`, `avg_pool` and `adaptive_avg_pool`. Imports the geometry and op records.
Invariant: pooling is pad, windows and a reduction that reads through both, so no window is stored.

Images are [batch, channels, spatial...], with one to three spatial axes.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.ir.build import cast, constant, ops
from graphc.ir.build import reshape as reshaped
from graphc.ir.diagnostics import ShapeError
from graphc.ir.graph import Node
from graphc.nn.geometry import (
    LEAD,
    Geometry,
    Padding,
    PerAxis,
    check_image,
    geometry_of,
    per_axis,
    window_counts,
)
from graphc.promotion import as_node
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def max_pool(
    x: TensorLike,
    size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
) -> Tensor:
    """The largest element of each window.

    `size`, `stride` (the size if not given) and `dilation` are numbers or one number for each
    spatial axis; `padding` as in `conv`, with elements that are never larger than others. NaN wins,
    as in `max`. Where several elements of a window are largest they share its gradient equally, as
    in `max`; PyTorch gives it to the first.

    Raises `ShapeError` where a window is larger than the padded image, `AttributeValueError` for
    numbers that make no sense.

    >>> import graphc as gc
    >>> x = gc.input("x", (64, 6, 24, 24))
    >>> gc.nn.max_pool(x, 2).shape, gc.nn.max_pool(x, 3, stride=2, padding=1).shape
    ((64, 6, 12, 12), (64, 6, 12, 12))
    """
    image = as_node(x)
    geometry = _geometry("max_pool", image, size, stride, padding, dilation)
    assert ops.max.monoid is not None
    (lowest,) = ops.max.monoid.identity(image.dtype)
    windows, elements = _windows_apart(geometry.padded(image, lowest), geometry)
    return Tensor(ops.max(windows, axes=elements))


@at_user_line
def avg_pool(
    x: TensorLike,
    size: PerAxis,
    stride: PerAxis | None = None,
    padding: Padding = 0,
    dilation: PerAxis = 1,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window; of integers and booleans in f64.

    Arguments and errors are those of `max_pool`. Padding counts as zeros, and with
    `count_include_pad=False` not at all.

    >>> import graphc as gc
    >>> gc.nn.avg_pool(gc.input("x", (8, 3, 32)), 4).shape
    (8, 3, 8)
    """
    image = as_floats(x).node
    geometry = _geometry("avg_pool", image, size, stride, padding, dilation)
    windows, elements = _windows_apart(geometry.padded(image), geometry)
    total = Tensor(ops.sum(windows, axes=elements))
    if count_include_pad or not any(geometry.low + geometry.high):
        return total / math.prod(geometry.size)
    return total / Tensor(_counted(image, geometry))


@at_user_line
def adaptive_avg_pool(x: TensorLike, size: PerAxis = 1) -> Tensor:
    """The mean of each of `size` equal parts of every spatial axis; of the whole axis for 1.

    Raises `ShapeError` where an axis cannot be cut into parts of equal size. The mean over all
    spatial axes that keeps none of them is `x.mean((2, 3))`.

    >>> import graphc as gc
    >>> gc.nn.adaptive_avg_pool(gc.input("x", (8, 3, 32, 32))).shape
    (8, 3, 1, 1)
    """
    name = "adaptive_avg_pool"
    image = as_floats(x).node
    check_image(name, image, None)
    extents = image.shape[LEAD:]
    parts = per_axis(name, "size", size, len(extents), 1)
    for axis, (extent, count) in enumerate(zip(extents, parts, strict=True), start=LEAD):
        if extent % count or not extent:
            error = ShapeError(
                f"{name} cannot cut axis {axis} into {count} equal parts",
                operand=0,
                detail=f"which has {extent} elements there",
                help="use avg_pool with a size and a stride",
            )
            raise refused(error, image)
    length = tuple(extent // count for extent, count in zip(extents, parts, strict=True))
    pairs = (n for pair in zip(parts, length, strict=True) for n in pair)
    split = reshaped(image, (*image.shape[:LEAD], *pairs))
    elements = tuple(range(LEAD + 1, LEAD + 2 * len(parts), 2))
    return Tensor(ops.sum(split, axes=elements)) / math.prod(length)


def _geometry(
    name: str,
    x: Node,
    size: PerAxis,
    stride: PerAxis | None,
    padding: Padding,
    dilation: PerAxis,
) -> Geometry:
    check_image(name, x, None)
    sizes = per_axis(name, "size", size, len(x.shape) - LEAD, 1)
    return geometry_of(name, x, sizes, sizes if stride is None else stride, dilation, padding)


def _windows_apart(padded: Node, geometry: Geometry) -> tuple[Node, tuple[int, ...]]:
    """The windows, the elements of each axis right after its windows, and the elements' axes.

    In this order windows that do not overlap are a reshape of the image, and so is their adjoint.
    """
    rank = len(geometry.size)
    pairs = (axis for at in geometry.axes for axis in (at, at + rank))
    windows = ops.transpose(geometry.windows(padded), perm=(*range(LEAD), *pairs))
    return windows, tuple(range(LEAD + 1, LEAD + 2 * rank, 2))


def _counted(x: Node, geometry: Geometry) -> Node:
    """How many elements of each window are not padding: [windows...]."""
    extents = x.shape[LEAD:]
    whole = tuple(map(sum, zip(geometry.low, extents, geometry.high, strict=True)))
    counts = window_counts(whole, geometry)
    total = np.ones((), int)
    for before, extent, windows, stride, size, dilation in zip(
        geometry.low,
        extents,
        counts,
        geometry.stride,
        geometry.size,
        geometry.dilation,
        strict=True,
    ):
        first = np.arange(windows)[:, None] * stride
        at = first + np.arange(size) * dilation - before
        total = np.multiply.outer(total, ((at >= 0) & (at < extent)).sum(1))
    return cast(constant(total.astype(x.dtype.arithmetic.numpy)), x.dtype)
