"""Adding overlapping windows back to where they were taken from: the transpose of windows.

Owns `fold`. Imports the algebra. Invariant: what is added is read, through a skew, and never
scattered; of a contraction no window is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.graph import Node
from graphc.ir.ops.algebra import broadcast, full, ops, reshape
from graphc.ir.ops.slicing import spaced
from graphc.ir.ops.tensor_contraction import ContractAttrs, Labels
from graphc.ir.types import Shape

Numbers = tuple[int, ...]


def fold(g: Node, axes: Numbers, stride: Numbers, dilation: Numbers, shape: Shape) -> Node:
    """Windows added back to where `windows` took them from: its transpose, of this shape.

    Position p gets every g[o, k] with p = o * stride + k * dilation. With stride 1 these are the
    g[p - k * dilation, k]: a skewed read, summed over k. Otherwise p = q * stride + r with
    0 <= r < stride, and (for dilation 1) k = j * stride + r: a skewed read of g[q - j, (j, r)],
    summed over j, in which no term is known to be 0. Windows that do not overlap are only put
    side by side.

    Where g is a contraction, in which the windows come of one operand and their elements of the
    other, all of this is done to the operands: the sum over k is one more that it sums over, and
    no g is made.
    """
    if not g.type.size:
        return full(0, g.dtype, shape)
    parts = _apart(g, axes, len(shape))
    if parts is not None:
        return _contracted(*parts, Fold(axes, stride, dilation, shape))
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
    return _cut(reshape(g, tuple(sizes.get(axis, n) for axis, n in enumerate(shape))), shape)


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


@dataclass(frozen=True)
class Fold:
    """What `fold` is given beside the windows."""

    axes: Numbers
    stride: Numbers
    dilation: Numbers
    shape: Shape


@dataclass(frozen=True)
class _Factor:
    """An operand of a contraction and its labels."""

    node: Node
    labels: Labels

    def places(self, labels: Sequence[int]) -> Numbers:
        return tuple(self.labels.index(label) for label in labels)


def _apart(g: Node, axes: Numbers, rank: int) -> tuple[_Factor, _Factor, Labels] | None:
    """The operand of a contraction that has the windows, the one that has their elements, and the
    labels of the result; None if it is not such a contraction."""
    attrs = g.attrs
    if not isinstance(attrs, ContractAttrs):
        return None
    windows = {attrs.result[axis] for axis in axes}
    elements = set(attrs.result[rank:])
    x, y = (
        _Factor(node, labels)
        for node, labels in zip(g.operands, (attrs.left, attrs.right), strict=True)
    )
    for first, second in ((x, y), (y, x)):
        if not windows & {*second.labels} and not elements & {*first.labels}:
            return first, second, attrs.result
    return None


def _contracted(x: _Factor, y: _Factor, result: Labels, fold: Fold) -> Node:
    """The fold of the contraction of x, which has the windows, and y, which has their elements."""
    rank = len(fold.shape)
    windows, elements = [result[axis] for axis in fold.axes], result[rank:]
    gaps = [s if s > 1 and d > 1 else 1 for s, d in zip(fold.stride, fold.dilation, strict=True)]
    stride = [s if gap == 1 else 1 for s, gap in zip(fold.stride, gaps, strict=True)]
    step = [1 if s > 1 else d for s, d in zip(stride, fold.dilation, strict=True)]
    by_window = dict(zip(windows, gaps, strict=True))
    moved = spaced(x.node, tuple(by_window.get(label, 1) for label in x.labels))
    elementwise, remainders = _remainders(y, elements, stride, max((*x.labels, *y.labels)) + 1)
    counts = [elementwise.node.shape[axis] for axis in elementwise.places(elements)]
    columns = reshape(moved, (*moved.shape, *(1,) * len(counts)))
    skewed = ops.skew(
        broadcast(columns, (*moved.shape, *counts)),
        axes=x.places(windows),
        along=tuple(range(len(moved.shape), len(moved.shape) + len(counts))),
        step=tuple(step),
        size=tuple(-(-fold.shape[axis] // s) for axis, s in zip(fold.axes, stride, strict=True)),
    )
    fellows = dict(zip(windows, remainders, strict=True))
    order = (n for label in result[:rank] for n in (label, fellows.get(label)) if n is not None)
    product = ops.contract(
        skewed,
        elementwise.node,
        left=(*x.labels, *elements),
        right=elementwise.labels,
        result=tuple(order),
    )
    strides = dict(zip(fold.axes, stride, strict=True))
    whole = tuple(-(-n // strides.get(axis, 1)) * strides.get(axis, 1)
                  for axis, n in enumerate(fold.shape))  # fmt: skip
    return _cut(reshape(product, whole), fold.shape)


def _remainders(
    y: _Factor, elements: Labels, stride: Sequence[int], unused: int
) -> tuple[_Factor, list[int | None]]:
    """Elements number j * stride + r by j and r, where the stride is not 1: each label stands for
    its j, and a new one for its r."""
    apart = [(label, by) for label, by in zip(elements, stride, strict=True) if by > 1]
    if not apart:
        return y, [None] * len(elements)
    axes = sorted(y.places([label for label, _ in apart]))
    by = {y.labels.index(label): step for label, step in apart}
    missing = tuple(-size % by.get(axis, 1) for axis, size in enumerate(y.node.shape))
    node = y.node
    if any(missing):
        node = ops.pad(node, low=(0,) * len(missing), high=missing, value=0)
    steps = tuple(by[axis] for axis in axes)
    node = ops.windows(node, axes=tuple(axes), size=steps, stride=steps, dilation=(1,) * len(axes))
    new = {y.labels[axis]: unused + number for number, axis in enumerate(axes)}
    labels = (*y.labels, *(new[y.labels[axis]] for axis in axes))
    return _Factor(node, labels), [new.get(label) for label in elements]


def _cut(node: Node, shape: Shape) -> Node:
    """The first elements of every axis."""
    if node.shape == shape:
        return node
    return ops.slice(node, start=(0,) * len(shape), step=(1,) * len(shape), shape=shape)
