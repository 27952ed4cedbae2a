"""Layout ops of sliding windows: windows, and skew, which their adjoint reads through.

Owns both records. Invariant: windows never reach outside their operand; the adjoint of windows is
a sum over reads (`fold`), so it stores no intermediate but itself, scatters nothing and adds in
one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import AccessMap, Affine, Array
from graphc.ir.ops.algebra import ops
from graphc.ir.ops.batching import Batched, shifted
from graphc.ir.ops.combinators import check_axes, layout, linear
from graphc.ir.ops.folding import fold
from graphc.ir.ops.samples import shape_sample
from graphc.ir.types import TensorType

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class WindowsAttrs(Attrs):
    """For each of `axes` the size of a window, the stride from window to window, and the dilation:
    the distance between neighbouring elements of a window."""

    axes: Numbers
    size: Numbers
    stride: Numbers
    dilation: Numbers


def window_count(extent: int, size: int, stride: int, dilation: int) -> int:
    """How many windows lie within `extent` elements; 0 or less if there is no room for one."""
    return (extent - (size - 1) * dilation - 1) // stride + 1


def _windows_type(types: Sequence[TensorType], attrs: WindowsAttrs) -> TensorType:
    (x,) = types
    check_axes("windows", attrs.axes, x)
    shape = list(x.shape)
    for name in ("size", "stride", "dilation"):
        values = getattr(attrs, name)
        if len(values) != len(attrs.axes) or any(value < 1 for value in values):
            raise AttributeValueError(
                f"windows needs for each of axes {list(attrs.axes)} a {name} of at least 1, "
                f"got {list(values)}",
                operand=0,
            )
    entries = zip(attrs.axes, attrs.size, attrs.stride, attrs.dilation, strict=True)
    for axis, size, stride, dilation in entries:
        shape[axis] = window_count(x.shape[axis], size, stride, dilation)
        if shape[axis] < 1:
            raise ShapeError(
                f"windows along axis {axis} span {(size - 1) * dilation + 1} elements",
                operand=0,
                detail=f"which has {x.shape[axis]} elements there",
            )
    return x.with_shape((*shape, *attrs.size))


def _windows_reference(
    x: Array, axes: Numbers, size: Numbers, stride: Numbers, dilation: Numbers
) -> Array:
    spans = tuple((n - 1) * d + 1 for n, d in zip(size, dilation, strict=True))
    whole = np.lib.stride_tricks.sliding_window_view(x, spans, axes)
    steps = dict(zip(axes, stride, strict=True))
    steps.update(enumerate(dilation, start=x.ndim))
    return whole[tuple(np.s_[:: steps.get(axis, 1)] for axis in range(whole.ndim))]


def _windows_access(node: Node) -> tuple[AccessMap]:
    attrs, rank = node.attrs, len(node.operands[0].shape)
    assert isinstance(attrs, WindowsAttrs)
    entries = [Affine.along(axis) for axis in range(rank)]
    for number, axis in enumerate(attrs.axes):
        terms = (axis, attrs.stride[number]), (rank + number, attrs.dilation[number])
        entries[axis] = Affine(terms)
    return (tuple(entries),)


def _windows_transpose(node: Node, g: Node) -> Node:
    attrs = node.attrs
    assert isinstance(attrs, WindowsAttrs)
    return fold(g, attrs.axes, attrs.stride, attrs.dilation, node.operands[0].shape)


def _windows_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    attrs = node.attrs
    assert isinstance(attrs, WindowsAttrs)
    return ops.windows(
        operands[0],
        axes=shifted(attrs.axes),
        size=attrs.size,
        stride=attrs.stride,
        dilation=attrs.dilation,
    )


windows = layout(
    "windows",
    ("x",),
    doc="Sliding windows along axes: element o * stride + k * dilation of an axis is element k of "
    "its window o. Windows are counted where the axis was; axes within them come last.",
    attrs=WindowsAttrs,
    infer=_windows_type,
    reference=_windows_reference,
    access=_windows_access,
    **linear(_windows_transpose),
    batch=_windows_batch,
    samples=(
        shape_sample((3,), axes=(), size=(), stride=(), dilation=()),
        shape_sample((17,), axes=(0,), size=(3,), stride=(1,), dilation=(1,)),
        shape_sample((17,), axes=(0,), size=(5,), stride=(2,), dilation=(1,)),
        shape_sample((17,), axes=(0,), size=(3,), stride=(1,), dilation=(4,)),
        shape_sample((17,), axes=(0,), size=(3,), stride=(2,), dilation=(3,)),
        shape_sample((17,), axes=(0,), size=(2,), stride=(5,), dilation=(1,)),
        shape_sample((6, 2), axes=(0,), size=(2,), stride=(2,), dilation=(1,)),
        shape_sample((2, 5, 7), axes=(1, 2), size=(3, 2), stride=(1, 2), dilation=(2, 1)),
        shape_sample((5, 2, 4), axes=(0, 2), size=(5, 3), stride=(3, 1), dilation=(1, 1)),
        shape_sample((4, 4, 4), axes=(0, 1, 2), size=(2, 3, 1), stride=(2,) * 3, dilation=(1,) * 3),
        shape_sample((0, 4), axes=(1,), size=(2,), stride=(1,), dilation=(1,)),
        *(
            shape_sample((5,), refuse=error, axes=axes, size=size, stride=stride, dilation=(3,))
            for axes, size, stride, error in (
                ((1,), (2,), (1,), AttributeValueError),
                ((0,), (0,), (1,), AttributeValueError),
                ((0,), (2,), (0,), AttributeValueError),
                ((0,), (2, 2), (1,), AttributeValueError),
                ((0,), (3,), (1,), ShapeError),
            )
        ),
    ),
)


@dataclass(frozen=True)
class SkewAttrs(Attrs):
    """Each of `axes` is moved by `step` for each index along its fellow of `along`, and has `size`
    elements in the result."""

    axes: Numbers
    along: Numbers
    step: Numbers
    size: Numbers


def _skew_type(types: Sequence[TensorType], attrs: SkewAttrs) -> TensorType:
    (x,) = types
    check_axes("skew", attrs.axes, x)
    check_axes("skew", attrs.along, x)
    lengths = {len(attrs.axes), len(attrs.along), len(attrs.step), len(attrs.size)}
    if len(lengths) != 1 or {*attrs.axes} & {*attrs.along}:
        raise AttributeValueError(
            f"skew needs for each of axes {list(attrs.axes)} another axis that it is moved along, "
            "a step and a size",
            operand=0,
        )
    if 0 in attrs.step or any(size < 0 for size in attrs.size):
        raise AttributeValueError(
            f"skew by steps {list(attrs.step)} to sizes {list(attrs.size)}", operand=0
        )
    sizes = dict(zip(attrs.axes, attrs.size, strict=True))
    return x.with_shape(tuple(sizes.get(axis, size) for axis, size in enumerate(x.shape)))


def _skew_reference(x: Array, axes: Numbers, along: Numbers, step: Numbers, size: Numbers) -> Array:
    for axis, by, distance, count in zip(axes, along, step, size, strict=True):
        source = np.moveaxis(x, (axis, by), (0, 1))
        result = np.zeros((count, *source.shape[1:]), x.dtype)
        for j in range(source.shape[1]):
            moved = distance * j
            first, last = max(moved, 0), min(moved + len(source), count)
            if first < last:
                result[first:last, j] = source[first - moved : last - moved, j]
        x = np.moveaxis(result, (0, 1), (axis, by))
    return x


def _skew_access(node: Node) -> tuple[AccessMap]:
    attrs = node.attrs
    assert isinstance(attrs, SkewAttrs)
    entries = [Affine.along(axis) for axis in range(len(node.shape))]
    for axis, by, step in zip(attrs.axes, attrs.along, attrs.step, strict=True):
        entries[axis] = Affine(tuple(sorted(((axis, 1), (by, -step)))))
    return (tuple(entries),)


def _skew_transpose(node: Node, g: Node) -> Node:
    attrs, shape = node.attrs, node.operands[0].shape
    assert isinstance(attrs, SkewAttrs)
    return ops.skew(
        g,
        axes=attrs.axes,
        along=attrs.along,
        step=tuple(-step for step in attrs.step),
        size=tuple(shape[axis] for axis in attrs.axes),
    )


def _skew_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    attrs = node.attrs
    assert isinstance(attrs, SkewAttrs)
    axes, along = shifted(attrs.axes), shifted(attrs.along)
    return ops.skew(operands[0], axes=axes, along=along, step=attrs.step, size=attrs.size)


skew = layout(
    "skew",
    ("x",),
    doc="Element p of an axis is element p - step * j, where j is the index along another axis; "
    "0 where there is none.",
    attrs=SkewAttrs,
    infer=_skew_type,
    reference=_skew_reference,
    access=_skew_access,
    fill=lambda attrs: 0,
    **linear(_skew_transpose),
    batch=_skew_batch,
    samples=(
        shape_sample((7, 3), axes=(0,), along=(1,), step=(1,), size=(9,)),
        shape_sample((7, 3), axes=(0,), along=(1,), step=(-2,), size=(5,)),
        shape_sample((3, 17), axes=(1,), along=(0,), step=(2,), size=(13,)),
        shape_sample((5, 4, 2, 3), axes=(0, 1), along=(2, 3), step=(1, 3), size=(6, 10)),
        shape_sample((5, 1), axes=(0,), along=(1,), step=(4,), size=(8,)),
        shape_sample((0, 2), axes=(0,), along=(1,), step=(1,), size=(3,)),
        shape_sample((3, 2), axes=(0,), along=(1,), step=(1,), size=(0,)),
        *(
            shape_sample((5, 2), refuse=AttributeValueError, axes=(0,), **attrs)
            for attrs in (
                {"along": (0,), "step": (1,), "size": (5,)},
                {"along": (2,), "step": (1,), "size": (5,)},
                {"along": (1,), "step": (0,), "size": (5,)},
                {"along": (1,), "step": (1,), "size": (-1,)},
                {"along": (1,), "step": (1, 1), "size": (5,)},
            )
        ),
    ),
)
