"""Where windows lie on the spatial axes of an image: sizes, strides, dilations and paddings.

Owns `Geometry` and what users may write for its numbers. Imports `ir` and errors. Invariant: a
geometry has one number of each kind for each spatial axis, and room for at least one window.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.windows import window_count
from graphc.ir.types import Shape

Numbers = tuple[int, ...]
PerAxis = int | Sequence[int]
Padding = str | int | Sequence[int | tuple[int, int]]

LEAD = 2
"""Axes before the spatial ones: batch and channels."""


@dataclass(frozen=True)
class Geometry:
    """Windows of `size` elements `dilation` apart, one every `stride` elements, over axes that
    `low` elements come before and `high` after."""

    size: Numbers
    stride: Numbers
    dilation: Numbers
    low: Numbers
    high: Numbers

    @property
    def axes(self) -> Numbers:
        return tuple(range(LEAD, LEAD + len(self.size)))

    @property
    def is_pointwise(self) -> bool:
        """Whether every window is one element."""
        return all(size == 1 for size in self.size)

    @property
    def spans(self) -> Numbers:
        """How many elements of an axis lie between the ends of a window, those included."""
        return tuple((n - 1) * d + 1 for n, d in zip(self.size, self.dilation, strict=True))

    def padded(self, x: Node, value: float = 0) -> Node:
        """`x` with its spatial axes padded."""
        if not any(self.low + self.high):
            return x
        lead = (0,) * (len(x.shape) - len(self.size))
        return ops.pad(x, low=(*lead, *self.low), high=(*lead, *self.high), value=value)

    def windows(self, x: Node) -> Node:
        """The windows of a padded `x`: [batch, channels, windows..., elements...]."""
        axes = tuple(range(len(x.shape) - len(self.size), len(x.shape)))
        return ops.windows(x, axes=axes, size=self.size, stride=self.stride, dilation=self.dilation)


def geometry_of(
    name: str,
    x: Node,
    size: Numbers,
    stride: PerAxis,
    dilation: PerAxis,
    padding: Padding,
) -> Geometry:
    """The geometry of a user's numbers on the spatial axes of `x`.

    Raises `AttributeValueError` for numbers that make no sense, `ShapeError` where a window is
    larger than the padded `x`.
    """
    extents, count = x.shape[LEAD:], len(size)
    strides = per_axis(name, "stride", stride, count, 1)
    dilations = per_axis(name, "dilation", dilation, count, 1)
    bare = Geometry(size, strides, dilations, (0,) * count, (0,) * count)
    low, high = paddings(name, padding, count) or same_padding(extents, bare)
    geometry = Geometry(size, strides, dilations, low, high)
    for axis, (span, before, extent, after) in enumerate(
        zip(geometry.spans, low, extents, high, strict=True), start=LEAD
    ):
        if span > before + extent + after:
            padded = f", {before + extent + after} with its padding" if before + after else ""
            error = ShapeError(
                f"{name} needs room for one window of {span} elements along axis {axis}",
                operand=0,
                detail=f"which has {extent} elements there{padded}",
                help="take a smaller kernel or dilation, or pad",
            )
            raise refused(error, x)
    return geometry


def check_image(name: str, x: Node, spatial: int | None) -> None:
    """Raise unless `x` has a batch axis, channels and `spatial` axes (None: 1, 2 or 3)."""
    found = len(x.shape) - LEAD
    if found in (1, 2, 3) and spatial in (None, found):
        return
    wanted = "one to three spatial axes" if spatial is None else f"spatial axes: {spatial}"
    error = ShapeError(
        f"{name} takes images of shape [batch, channels, ...] with {wanted}",
        operand=0,
        detail=f"which has {len(x.shape)} axes in all",
        help="put a batch axis of size 1 before a single image: x[None]",
    )
    raise refused(error, x)


def per_axis(name: str, what: str, value: PerAxis, count: int, least: int) -> Numbers:
    """One number for each of `count` axes, from one for all or one for each."""
    try:
        given = list(value) if isinstance(value, Sequence) else [value] * count
        numbers = tuple(operator.index(number) for number in given)
    except TypeError:
        numbers = ()
    if len(numbers) != count or any(number < least for number in numbers):
        raise AttributeValueError(
            f"{name} takes as {what} a whole number of at least {least}, or one for each of "
            f"{count} spatial axes, got {value!r}"
        )
    return numbers


def paddings(name: str, padding: Padding, count: int) -> tuple[Numbers, Numbers] | None:
    """Padding before and after each axis; None for "same", which depends on the sizes."""
    if padding == "same":
        return None
    if padding == "valid":
        return (0,) * count, (0,) * count
    if isinstance(padding, str):
        raise AttributeValueError(
            f'{name} takes as padding "valid", "same", or numbers, got {padding!r}'
        )
    try:
        each: list[Any] = list(padding) if isinstance(padding, Sequence) else [padding] * count
        pairs = [_pair(one) for one in each]
    except TypeError:
        pairs = []
    if len(pairs) != count or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise AttributeValueError(
            f"{name} takes as padding a number that is not negative, or a number or a pair for "
            f"each of {count} spatial axes, got {padding!r}",
            help="a pair pads before and after: ((1, 0), (2, 2)); to cut elements off, slice",
        )
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)


def _pair(sides: int | Sequence[int]) -> Numbers:
    """One number is on both sides. Raises `TypeError` for what is no whole number."""
    given = sides if isinstance(sides, Sequence) else (sides, sides)
    return tuple(operator.index(side) for side in given)


def window_counts(extents: Shape, geometry: Geometry) -> Numbers:
    """How many windows lie on each axis of padded `extents`."""
    entries = zip(extents, geometry.size, geometry.stride, geometry.dilation, strict=True)
    return tuple(window_count(*entry) for entry in entries)


def same_padding(extents: Shape, geometry: Geometry) -> tuple[Numbers, Numbers]:
    """Padding for ceil(extent / stride) windows; an odd element comes at the end."""
    totals = tuple(
        max((-(-extent // stride) - 1) * stride + span - extent, 0)
        for extent, stride, span in zip(extents, geometry.stride, geometry.spans, strict=True)
    )
    return tuple(n // 2 for n in totals), tuple(n - n // 2 for n in totals)
