"""Convolution and transposed convolution over one, two or three spatial axes.

Owns `conv`, `conv_transpose` and their names by rank. Imports the geometry and op records.
Invariant: a convolution is pad, windows and one contraction; so its derivatives are contractions
too, and the input's, which adds windows back by `fold`, is one whose windows are not stored.

Images are [batch, channels, spatial...] and weights [outputs, inputs / groups, spatial...], as in
PyTorch. What is computed is the cross-correlation, as everywhere in deep learning: the kernel is
not flipped.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphc.functions.refusal import refused
from graphc.ir.build import ops, reshape
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.folding import fold
from graphc.ir.types import Shape
from graphc.nn.geometry import (
    LEAD,
    Geometry,
    Numbers,
    Padding,
    PerAxis,
    check_image,
    geometry_of,
    paddings,
    per_axis,
    same_padding,
)
from graphc.promotion import promoted
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def conv(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution of images with kernels, over as many spatial axes as `x` has: 1, 2 or 3.

    `x` is [batch, inputs, spatial...], `w` [outputs, inputs / groups, kernel...], the result
    [batch, outputs, spatial...]. Along each spatial axis

        result[n, m, o] = sum over c, k of x[n, c, o * stride + k * dilation - before] * w[m, c, k]

    and there are floor((size + before + after - (kernel - 1) * dilation - 1) / stride) + 1 results.
    `stride` and `dilation` are numbers or one number for each spatial axis. `padding` puts zeros
    before and after: "valid" none; "same" so many that there are ceil(size / stride) results, an
    odd one after; a number on each side; or for each axis a number or a pair (before, after).
    With `groups` inputs and outputs are cut into so many parts, and each output sums over the
    inputs of its own part only.

    Raises `ShapeError` for ranks and channels that do not fit and for kernels larger than the
    padded image, `AttributeValueError` for numbers that make no sense.

    >>> import graphc as gc
    >>> x, w = gc.input("x", (64, 1, 28, 28)), gc.input("w", (6, 1, 5, 5))
    >>> gc.nn.conv(x, w).shape, gc.nn.conv(x, w, stride=2, padding="same").shape
    ((64, 6, 24, 24), (64, 6, 14, 14))
    """
    return _conv("conv", None, x, w, stride, padding, dilation, groups)


@at_user_line
def conv1d(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """`conv` over one spatial axis: `x` is [batch, inputs, size]."""
    return _conv("conv1d", 1, x, w, stride, padding, dilation, groups)


@at_user_line
def conv2d(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """`conv` over two spatial axes: `x` is [batch, inputs, rows, columns]."""
    return _conv("conv2d", 2, x, w, stride, padding, dilation, groups)


@at_user_line
def conv3d(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """`conv` over three spatial axes: `x` is [batch, inputs, planes, rows, columns]."""
    return _conv("conv3d", 3, x, w, stride, padding, dilation, groups)


def _conv(
    name: str,
    spatial: int | None,
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis,
    padding: Padding,
    dilation: PerAxis,
    groups: int,
) -> Tensor:
    image, kernel = promoted(ops.matmul, [x, w])
    check_image(name, image, spatial)
    _check_kernel(name, image, kernel)
    check_groups(name, groups, kernel.shape[0], image)
    if kernel.shape[1] * groups != image.shape[1]:
        error = ShapeError(
            f"{name} with groups={groups} needs kernels for {image.shape[1]} / {groups} channels",
            operand=1,
            detail=f"for {kernel.shape[1]} (its axis 1), but {{0}} is {image.type}",
            help="weights are [outputs, inputs / groups, kernel...]",
        )
        raise refused(error, image, kernel)
    geometry = geometry_of(name, image, kernel.shape[LEAD:], stride, dilation, padding)
    return Tensor(_correlated(image, kernel, geometry, groups))


def _check_kernel(name: str, x: Node, w: Node) -> None:
    if len(w.shape) != len(x.shape) or 0 in w.shape[LEAD:]:
        error = ShapeError(
            f"{name} needs kernels with as many axes as the image, none of them empty",
            operand=1,
            detail="but {0} is " + str(x.type),
        )
        raise refused(error, x, w)


def check_groups(name: str, groups: int, outputs: int, x: Node) -> None:
    """Raise unless `groups` divides the channels of `x` and the outputs."""
    if not isinstance(groups, int) or groups < 1:
        raise AttributeValueError(f"{name} takes a whole number of groups, got {groups!r}")
    for what, channels in (("channels", x.shape[1]), ("outputs", outputs)):
        if channels % groups:
            error = ShapeError(
                f"{name} cannot cut {channels} {what} into {groups} equal groups", operand=0
            )
            raise refused(error, x)


def _correlated(x: Node, w: Node, geometry: Geometry, groups: int) -> Node:
    """The windows of all images, contracted with the kernels over channels and elements."""
    images = geometry.padded(_in_groups(x, 1, groups))
    kernels = _in_groups(w, 0, groups)
    labels = _Labels.of(len(geometry.size), groups)
    if geometry.is_pointwise:
        labels = replace(labels, elements=())
        windows = _every(images, geometry.stride)
        kernels = reshape(kernels, kernels.shape[: -len(geometry.size)])
    else:
        windows = geometry.windows(images)
    result = ops.contract(
        windows,
        kernels,
        left=(labels.image, *labels.group, labels.input, *labels.windows, *labels.elements),
        right=(*labels.group, labels.output, labels.input, *labels.elements),
        result=(labels.image, *labels.group, labels.output, *labels.windows),
    )
    counts = result.shape[len(result.shape) - len(geometry.size) :]
    return reshape(result, (x.shape[0], w.shape[0], *counts))


@dataclass(frozen=True)
class _Labels:
    """The labels of a convolution's axes; of groups none where there is but one."""

    image: int
    group: Numbers
    input: int
    output: int
    windows: Numbers
    elements: Numbers

    @staticmethod
    def of(rank: int, groups: int) -> _Labels:
        first = 4
        windows = tuple(range(first, first + rank))
        elements = tuple(range(first + rank, first + 2 * rank))
        return _Labels(0, () if groups == 1 else (1,), 2, 3, windows, elements)


def _every(x: Node, stride: Numbers) -> Node:
    """Every `stride`-th element of the last axes."""
    if all(step == 1 for step in stride):
        return x
    lead = len(x.shape) - len(stride)
    counts = (-(-n // step) for n, step in zip(x.shape[lead:], stride, strict=True))
    shape = (*x.shape[:lead], *counts)
    return ops.slice(x, start=(0,) * len(shape), step=(*(1,) * lead, *stride), shape=shape)


def _in_groups(x: Node, axis: int, groups: int) -> Node:
    """An axis of channels as groups of channels; as it is where there is one group."""
    if groups == 1:
        return x
    shape = x.shape
    return reshape(x, (*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :]))


@at_user_line
def conv_transpose(
    x: TensorLike,
    w: TensorLike,
    stride: PerAxis = 1,
    padding: Padding = "valid",
    output_padding: PerAxis = 0,
    dilation: PerAxis = 1,
    groups: int = 1,
) -> Tensor:
    """The gradient of `conv` with respect to its input, as an operation of its own.

    `x` is [batch, inputs, spatial...] and `w` [inputs, outputs / groups, kernel...], as in
    PyTorch: what are outputs of `conv` with these weights are the inputs here. `stride`, `padding`,
    `dilation` and `groups` are those of that convolution; padding is therefore cut off. Of the
    sizes that it would map to that of `x` the result has the smallest plus `output_padding`:

        (size - 1) * stride - before - after + (kernel - 1) * dilation + 1 + output_padding

    With padding "same" it is size * stride. Errors are as of `conv`.

    >>> import graphc as gc
    >>> x, w = gc.input("x", (8, 16, 7, 7)), gc.input("w", (16, 4, 3, 3))
    >>> gc.nn.conv_transpose(x, w, stride=2, padding=1, output_padding=1).shape
    (8, 4, 14, 14)
    """
    name = "conv_transpose"
    image, kernel = promoted(ops.matmul, [x, w])
    check_image(name, image, None)
    _check_kernel(name, image, kernel)
    check_groups(name, groups, image.shape[1], image)
    if kernel.shape[0] != image.shape[1]:
        error = ShapeError(
            f"{name} needs kernels for {image.shape[1]} channels",
            operand=1,
            detail=f"for {kernel.shape[0]} (its axis 0), but {{0}} is {image.type}",
            help="weights are [inputs, outputs / groups, kernel...]",
        )
        raise refused(error, image, kernel)
    geometry, extents = _transposed_geometry(
        name, image, kernel.shape[LEAD:], stride, dilation, padding, output_padding
    )
    whole = tuple(map(sum, zip(geometry.low, extents, geometry.high, strict=True)))
    windows = _spread(image, kernel, geometry, groups)
    lead = windows.shape[: len(windows.shape) - 2 * len(extents)]
    axes = tuple(range(len(lead), len(lead) + len(extents)))
    result = fold(windows, axes, geometry.stride, geometry.dilation, (*lead, *whole))
    shape = (image.shape[0], kernel.shape[1] * groups, *whole)
    result = reshape(result, shape)
    if whole == extents:
        return Tensor(result)
    final = (*shape[:LEAD], *extents)
    start = (0, 0, *geometry.low)
    return Tensor(ops.slice(result, start=start, step=(1,) * len(final), shape=final))


def _spread(x: Node, w: Node, geometry: Geometry, groups: int) -> Node:
    """What every element of `x` adds to its window: [batch, outputs, x..., window...], with groups
    before outputs."""
    labels = _Labels.of(len(geometry.size), groups)
    return ops.contract(
        _in_groups(x, 1, groups),
        _in_groups(w, 0, groups),
        left=(labels.image, *labels.group, labels.input, *labels.windows),
        right=(*labels.group, labels.input, labels.output, *labels.elements),
        result=(labels.image, *labels.group, labels.output, *labels.windows, *labels.elements),
    )


def _transposed_geometry(
    name: str,
    x: Node,
    size: Numbers,
    stride: PerAxis,
    dilation: PerAxis,
    padding: Padding,
    output_padding: PerAxis,
) -> tuple[Geometry, Shape]:
    """The geometry of the convolution that is transposed, and the spatial sizes of its input."""
    count = len(size)
    strides = per_axis(name, "stride", stride, count, 1)
    dilations = per_axis(name, "dilation", dilation, count, 1)
    extra = per_axis(name, "output_padding", output_padding, count, 0)
    if any(n and n >= max(s, d) for n, s, d in zip(extra, strides, dilations, strict=True)):
        raise AttributeValueError(
            f"{name} takes an output_padding smaller than the stride or the dilation, "
            f"got {output_padding!r}"
        )
    bare = Geometry(size, strides, dilations, (0,) * count, (0,) * count)
    given = paddings(name, padding, count)
    if given is None:
        extents = tuple(n * s + e for n, s, e in zip(x.shape[LEAD:], strides, extra, strict=True))
        given = same_padding(extents, bare)
    else:
        extents = tuple(
            (n - 1) * s + span + e - before - after
            for n, s, span, e, before, after in zip(
                x.shape[LEAD:], strides, bare.spans, extra, *given, strict=True
            )
        )
    if any(n < 0 for n in extents):
        error = ShapeError(
            f"{name} cuts off more than there is: sizes would be {list(extents)}", operand=0
        )
        raise refused(error, x)
    return Geometry(size, strides, dilations, *given), extents
