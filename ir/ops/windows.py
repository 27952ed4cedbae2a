"""Layout ops of sliding windows: windows, and skew, which their adjoint reads through.

Owns both records and `fold`, which adds overlapping windows back. Invariant: windows never reach
outside their operand; the adjoint of windows is a sum over reads, so it stores no intermediate
but itself, scatters nothing and adds in one order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import AccessMap, Affine, Array
from graphc.ir.ops.algebra import full, ops, reshape
from graphc.ir.ops.batching import Batched, shifted
from graphc.ir.ops.combinators import check_axes, layout, linear
from graphc.ir.ops.samples import shape_sample
from graphc.ir.ops.slicing import spaced
from graphc.ir.types import Shape, TensorType

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


def fold(g: Node, axes: Numbers, stride: Numbers, dilation: Numbers, shape: Shape) -> Node:
    """Windows added back to where `windows` took them from: its transpose, of this shape.

    Position p gets every g[o, k] with p = o * stride + k * dilation. With stride 1 these are the
    g[p - k * dilation, k]: a skewed read, summed over k. Otherwise p = q * stride + r with
    0 <= r < stride, and (for dilation 1) k = j * stride + r: a skewed read of g[q - j, (j, r)],
    summed over j, in which no term is known to be 0. Windows that do not overlap are only put
    side by side.
    """
    if not g.type.size:
        return full(0, g.dtype, shape)
    g, stride = _with_gaps(g, axes, stride, dilation)
    counts = tuple(-(-shape[axis] // by) for axis, by in zip(axes, stride, strict=True))
    size = g.shape[len(shape) :]
    if all(n <= by for n, by in zip(size, stride, strict=True)):
        g = _side_by_side(g, axes, stride, counts)
    elif all(by == 1 for by in stride):
        g = _overlapped(g, axes, dilation, counts)
    else:
        g = _by_remainder(g, axes, stride)
        places = tuple(axis + number for number, axis in enumerate(axes))
        g = _overlapped(g, places, dilation, counts)
    sizes = dict(zip(axes, (n * by for n, by in zip(counts, stride, strict=True)), strict=True))
    g = reshape(g, tuple(sizes.get(axis, n) for axis, n in enumerate(shape)))
    none = (0,) * len(shape)
    return g if g.shape == shape else ops.slice(g, start=none, step=(1,) * len(shape), shape=shape)


def _with_gaps(g: Node, axes: Numbers, stride: Numbers, dilation: Numbers) -> tuple[Node, Numbers]:
    """Where an axis has both a stride and a dilation, its windows with zeros between them and
    stride 1."""
    strides = dict(zip(axes, stride, strict=True))
    apart = {
        axis: by for axis, by, far in zip(axes, stride, dilation, strict=True) if by > 1 and far > 1
    }
    if apart:
        g = spaced(g, tuple(apart.get(axis, 1) for axis in range(len(g.shape))))
        strides.update(dict.fromkeys(apart, 1))
    return g, tuple(strides.values())


def _side_by_side(g: Node, axes: Numbers, stride: Numbers, counts: Numbers) -> Node:
    """[..., o, ..., k] to [..., o, k, ...], with zeros up to as many windows as there is room for
    and as many elements as there are from window to window."""
    rank = len(g.shape) - len(axes)
    wanted = list(g.shape)
    for number, axis in enumerate(axes):
        wanted[axis], wanted[rank + number] = counts[number], stride[number]
    high = tuple(size - had for size, had in zip(wanted, g.shape, strict=True))
    if any(high):
        g = ops.pad(g, low=(0,) * len(high), high=high, value=0)
    return ops.transpose(g, perm=_beside(rank, axes, range(rank, len(g.shape))))


def _beside(rank: int, axes: Numbers, followers: Sequence[int]) -> Numbers:
    """The first `rank` axes, each of `axes` followed by its fellow."""
    fellows = dict(zip(axes, followers, strict=True))
    return tuple(a for axis in range(rank) for a in (axis, fellows.get(axis)) if a is not None)


def _by_remainder(g: Node, axes: Numbers, stride: Numbers) -> Node:
    """[..., o, ..., k] to [..., o, r, ..., j] with k = j * stride + r, 0 where g has no such k."""
    count, rank = len(axes), len(g.shape) - len(axes)
    missing = tuple(-size % by for size, by in zip(g.shape[rank:], stride, strict=True))
    if any(missing):
        g = ops.pad(g, low=(0,) * len(g.shape), high=(*(0,) * rank, *missing), value=0)
    last = tuple(range(rank, rank + count))
    g = ops.windows(g, axes=last, size=stride, stride=stride, dilation=(1,) * count)
    remainders = range(rank + count, rank + 2 * count)
    return ops.transpose(g, perm=(*_beside(rank, axes, remainders), *last))


def _overlapped(g: Node, axes: Numbers, step: Numbers, counts: Numbers) -> Node:
    """[..., o, ..., j] to [..., q, ...]: the sum over j of g[q - j * step, j]."""
    last = tuple(range(len(g.shape) - len(axes), len(g.shape)))
    return ops.sum(ops.skew(g, axes=axes, along=last, step=step, size=counts), axes=last)
