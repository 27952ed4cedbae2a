"""Functions of samples of a function: gradient, trapezoid, interp, unwrap, ediff1d.

Owns those. Imports the op records. Invariant: samples lie along an axis at known positions of the
tensor; where they were taken may be a tensor too, and has a derivative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where
from graphc.functions.axes import axis_of, places_of
from graphc.functions.cumulative import cumsum
from graphc.functions.differences import diff
from graphc.functions.elementwise import apply
from graphc.functions.indexing import take
from graphc.functions.joining import concatenate
from graphc.functions.ordering import searchsorted
from graphc.functions.rearranging import moveaxis
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.promotion import as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public
def gradient(f: TensorLike, *varargs: TensorLike, axis: Axis = None) -> Tensor | list[Tensor]:
    """The slope of samples along each axis: central differences, one-sided at the ends.

    `varargs` is the distance of samples for all axes, or one entry for each axis: a distance or the
    vector of the samples' positions. Of one axis a tensor, of several a list. Raises `ShapeError`
    for an axis of fewer than two samples, and `TypeError` for another number of distances.
    """
    samples = as_floats(f)
    axes = places_of("gradient", tuple(range(samples.ndim)) if axis is None else axis, samples.node)
    spacings = varargs or (1.0,)
    if len(spacings) == 1:
        spacings = spacings * len(axes)
    if len(spacings) != len(axes):
        raise TypeError(f"gradient takes one distance, or one for each of {len(axes)} axes")
    slopes = [_slope(samples, *each) for each in zip(axes, spacings, strict=True)]
    return slopes[0] if len(slopes) == 1 else slopes


def _slope(samples: Tensor, axis: int, spacing: TensorLike) -> Tensor:
    """The slope along one axis. Source: Fornberg, "Generation of finite difference formulas on
    arbitrarily spaced grids" (1988), for three points."""
    count = samples.shape[axis]
    if count < 2:
        raise refused(
            ShapeError("gradient needs two samples along an axis", operand=0), samples.node
        )
    rows = moveaxis(samples, axis, -1)
    rises = rows[..., 1:] - rows[..., :-1]
    steps = _steps(spacing, count)
    if steps is None:
        inner = (rows[..., 2:] - rows[..., :-2]) / 2 / spacing
        slopes = rises / spacing
    else:
        slopes = rises / steps
        before, after = steps[:-1], steps[1:]
        inner = (before * slopes[..., 1:] + after * slopes[..., :-1]) / (before + after)
    return moveaxis(concatenate([slopes[..., :1], inner, slopes[..., -1:]], -1), -1, axis)


def _steps(spacing: TensorLike, count: int) -> Tensor | None:
    """The distances between neighbours; None if one number is given for all."""
    if isinstance(spacing, int | float):
        return None
    positions = as_tensor(spacing)
    if not positions.ndim:
        return None
    if positions.shape != (count,):
        raise refused(
            ShapeError(f"gradient needs one position for each of {count} samples", operand=0),
            positions.node,
        )
    return diff(positions)


@public
def trapezoid(
    y: TensorLike, x: TensorLike | None = None, dx: TensorLike = 1.0, axis: int = -1
) -> Tensor:
    """The integral along `axis` of the lines between samples `y`, taken at `x` or `dx` apart.

    `x` is a vector, or has the shape of `y`.
    """
    samples = as_floats(y)
    place = axis_of("trapezoid", axis, samples.node)
    rows = moveaxis(samples, place, -1)
    width: TensorLike = dx
    if x is not None:
        positions = as_tensor(x)
        width = diff(positions if positions.ndim == 1 else moveaxis(positions, place, -1))
    return (width * (rows[..., 1:] + rows[..., :-1]) / 2.0).sum(-1)


@public
def interp(
    x: TensorLike,
    xp: TensorLike,
    fp: TensorLike,
    left: TensorLike | None = None,
    right: TensorLike | None = None,
) -> Tensor:
    """At each `x` the line through the points (`xp`, `fp`), whose `xp` ascend.

    Outside of them `left` and `right`, which are the first and the last of `fp` unless given. It
    is computed in the common float dtype of the operands, where NumPy always takes f64. Raises
    `ShapeError` unless `xp` and `fp` are vectors of one length, not empty.
    """
    where_to, at, values = (as_floats(Tensor(node)) for node in common([x, xp, fp]))
    if at.ndim != 1 or at.shape != values.shape or not at.size:
        error = ShapeError("interp takes the points as two vectors of one length", operand=1)
        raise refused(error, where_to.node, at.node, values.node)
    first, last = (values[0] if left is None else left), (values[-1] if right is None else right)
    if at.size == 1:
        inside = values[0] + 0 * where_to
    else:
        after = searchsorted(at, where_to, "right").clip(1, at.size - 1)
        start, base = take(at, after - 1), take(values, after - 1)
        width = take(at, after) - start
        slope = (take(values, after) - base) / where(apply(ops.eq, width, 0), 1, width)
        inside = base + slope * (where_to - start)
    result = where(where_to > at[-1], last, where(where_to < at[0], first, inside))
    return result.astype(inside.dtype)


@public
def unwrap(
    p: TensorLike, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi
) -> Tensor:
    """Angles with jumps of more than `discont` along `axis` changed by whole periods, so that
    neighbours differ by half a period at most. `discont` is half a period unless it is more.

    The derivative is that of `p` itself.
    """
    angles = as_floats(p)
    half = period / 2
    jumps = diff(angles, axis=axis)
    wrapped = apply(ops.remainder, jumps + half, period) - half
    wrapped = where(apply(ops.eq, wrapped, -half) & (jumps > 0), half, wrapped)
    small = abs(jumps) < max(half if discont is None else discont, half)
    turns = apply(ops.stop_gradient, where(small, 0, wrapped - jumps))
    place = axis_of("unwrap", axis, angles.node)
    whole = (slice(None),) * place
    first, rest = angles[(*whole, slice(None, 1))], angles[(*whole, slice(1, None))]
    return concatenate([first, rest + cumsum(turns, place)], place)


@public
def ediff1d(
    ary: TensorLike, to_end: TensorLike | None = None, to_begin: TensorLike | None = None
) -> Tensor:
    """The differences of neighbours in the flattened tensor, between `to_begin` and `to_end`."""
    flat = as_tensor(ary).reshape(-1)
    parts = [part for part in (to_begin, diff(flat), to_end) if part is not None]
    if len(parts) == 1:
        return as_tensor(parts[0])
    return concatenate([as_tensor(part).astype(flat.dtype).reshape(-1) for part in parts])
