"""Layout ops that cut and extend: slice and pad.

Owns their records. Invariant: `access` says where each output element is read; slices and pads
are each other's transpose, and what spaces a strided slice's adjoint out is again pads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Affine, Array, Sample
from graphc.ir.ops.algebra import full, ops
from graphc.ir.ops.batching import Batched
from graphc.ir.ops.combinators import layout, linear
from graphc.ir.ops.samples import shape_sample
from graphc.ir.types import DType, Shape, TensorType


def _per_axis(name: str, operand: TensorType, **entries: tuple[int, ...]) -> None:
    for entry, values in entries.items():
        if len(values) != operand.rank:
            raise AttributeValueError(
                f"{name} needs one {entry} for each axis, got {list(values)}",
                operand=0,
                detail=f"which has {operand.rank} axes",
            )


@dataclass(frozen=True)
class SliceAttrs(Attrs):
    """For each axis the first index read, the step (not 0, may be negative) and how many."""

    start: tuple[int, ...]
    step: tuple[int, ...]
    shape: Shape


def _slice_type(types: Sequence[TensorType], attrs: SliceAttrs) -> TensorType:
    (x,) = types
    _per_axis("slice", x, start=attrs.start, step=attrs.step, size=attrs.shape)
    entries = zip(x.shape, attrs.start, attrs.step, attrs.shape, strict=True)
    for axis, (size, start, step, count) in enumerate(entries):
        if step == 0 or count < 0:
            raise AttributeValueError(
                f"slice along axis {axis} takes {count} elements with step {step}", operand=0
            )
        last = start + step * (count - 1)
        if count and not (0 <= start < size and 0 <= last < size):
            raise AttributeValueError(
                f"slice reads indices {start} to {last} of axis {axis}",
                operand=0,
                detail=f"which has {size} elements there",
            )
    return x.with_shape(attrs.shape)


def _slice_reference(
    x: Array, start: tuple[int, ...], step: tuple[int, ...], shape: Shape
) -> Array:
    for axis, (first, stride, count) in enumerate(zip(start, step, shape, strict=True)):
        x = np.take(x, first + stride * np.arange(count), axis)
    return x


def _slice_transpose(node: Node, g: Node) -> Node:
    (x,), attrs = node.operands, node.attrs
    assert isinstance(attrs, SliceAttrs)
    return put_back(g, attrs.start, attrs.step, x.shape)


def put_back(g: Node, start: tuple[int, ...], step: tuple[int, ...], shape: Shape) -> Node:
    """Put elements back where a slice of this shape read them, zeros elsewhere: reverse the axes
    that were read backward, space elements `step` apart by padding a new axis, then pad both
    ends."""
    if not g.type.size:
        return full(0, g.dtype, shape)
    entries = list(zip(start, step, g.shape, strict=True))
    if any(step < 0 for _, step, _ in entries):
        g = ops.slice(
            g,
            start=tuple(count - 1 if step < 0 else 0 for _, step, count in entries),
            step=tuple(-1 if step < 0 else 1 for _, step, _ in entries),
            shape=g.shape,
        )
    low = tuple(start + (count - 1) * step if step < 0 else start for start, step, count in entries)
    g = spaced(g, tuple(-step if step < 0 else step for _, step, _ in entries))
    high = tuple(
        size - first - count for size, first, count in zip(shape, low, g.shape, strict=True)
    )
    return ops.pad(g, low=low, high=high, value=0) if any(low + high) else g


def spaced(g: Node, step: tuple[int, ...]) -> Node:
    """Elements `step` apart on each axis, zeros between them; none after the last."""
    if all(stride == 1 or count == 1 for stride, count in zip(step, g.shape, strict=True)):
        return g
    pairs = [size for count in g.shape for size in (count, 1)]
    gaps = tuple(gap for stride in step for gap in (0, stride - 1))
    none = (0,) * len(gaps)
    padded = ops.pad(ops.reshape(g, shape=tuple(pairs)), low=none, high=gaps, value=0)
    whole = ops.reshape(
        padded, shape=tuple(count * stride for count, stride in zip(g.shape, step, strict=True))
    )
    return ops.slice(
        whole,
        start=(0,) * len(step),
        step=(1,) * len(step),
        shape=tuple((count - 1) * stride + 1 for count, stride in zip(g.shape, step, strict=True)),
    )


def _slice_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    (x,), attrs = operands, node.attrs
    assert isinstance(attrs, SliceAttrs)
    return ops.slice(
        x, start=(0, *attrs.start), step=(1, *attrs.step), shape=(x.shape[0], *attrs.shape)
    )


slice = layout(
    "slice",
    ("x",),
    doc="Along each axis the elements start, start + step, ...; a negative step reads backward.",
    attrs=SliceAttrs,
    infer=_slice_type,
    reference=_slice_reference,
    access=lambda node: (
        tuple(
            Affine.along(axis, step, start)
            for axis, (start, step) in enumerate(
                zip(node.attrs.start, node.attrs.step, strict=True)
            )
        ),
    ),
    **linear(_slice_transpose),
    batch=_slice_batch,
    samples=(
        shape_sample((), start=(), step=(), shape=()),
        shape_sample((17,), start=(3,), step=(1,), shape=(9,)),
        shape_sample((17,), start=(1,), step=(3,), shape=(6,)),
        shape_sample((17,), start=(16,), step=(-1,), shape=(17,)),
        shape_sample((17,), start=(15,), step=(-4,), shape=(4,)),
        shape_sample((5, 7), start=(4, 0), step=(-2, 3), shape=(2, 3)),
        shape_sample((5, 7), start=(2, 6), step=(9, 1), shape=(1, 1)),
        shape_sample((5, 7), start=(0, 9), step=(1, 1), shape=(3, 0)),
        shape_sample((0,), start=(0,), step=(1,), shape=(0,)),
        shape_sample((5,), start=(3,), step=(1,), shape=(3,), refuse=AttributeValueError),
        shape_sample((5,), start=(1,), step=(-1,), shape=(3,), refuse=AttributeValueError),
        shape_sample((5,), start=(0,), step=(0,), shape=(2,), refuse=AttributeValueError),
        shape_sample((5,), start=(0,), step=(1,), shape=(-1,), refuse=AttributeValueError),
        shape_sample((5,), start=(0, 0), step=(1, 1), shape=(1, 1), refuse=AttributeValueError),
    ),
)


@dataclass(frozen=True, eq=False)
class PadAttrs(Attrs):
    """For each axis how many elements of `value` come before (`low`) and after (`high`)."""

    low: tuple[int, ...]
    high: tuple[int, ...]
    value: float | int = 0

    def _key(self) -> object:
        """The value as text, because NaN must equal itself and -0.0 differ from 0.0."""
        return self.low, self.high, repr(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PadAttrs) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


def _holds(dtype: DType, value: float | int) -> bool:
    if dtype.is_float:
        return True
    if dtype.kind == "bool":
        return value in (0, 1)
    bounds = np.iinfo(str(dtype.numpy))
    return bounds.min <= value <= bounds.max and value == int(value)


def _pad_type(types: Sequence[TensorType], attrs: PadAttrs) -> TensorType:
    (x,) = types
    _per_axis("pad", x, low=attrs.low, high=attrs.high)
    if any(count < 0 for count in attrs.low + attrs.high):
        raise AttributeValueError("pad adds elements; to remove some, slice", operand=0)
    if not _holds(x.dtype, attrs.value):
        raise AttributeValueError(f"pad with {attrs.value}, which {x.dtype} cannot hold", operand=0)
    sizes = zip(attrs.low, x.shape, attrs.high, strict=True)
    return x.with_shape(tuple(low + size + high for low, size, high in sizes))


def _pad_reference(
    x: Array, low: tuple[int, ...], high: tuple[int, ...], value: float | int
) -> Array:
    shape = [before + size + after for before, size, after in zip(low, x.shape, high, strict=True)]
    result = np.full(shape, value, x.dtype)
    result[tuple(np.s_[n : n + size] for n, size in zip(low, x.shape, strict=True))] = x
    return result


def _pad_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    (tangent,), attrs = tangents, node.attrs
    assert isinstance(attrs, PadAttrs)
    return None if tangent is None else node.op(tangent, low=attrs.low, high=attrs.high, value=0)


def _pad_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    attrs = node.attrs
    assert isinstance(attrs, PadAttrs)
    return ops.pad(operands[0], low=(0, *attrs.low), high=(0, *attrs.high), value=attrs.value)


def _pad_refused(value: float | int) -> Sample:
    """A value that an i32 cannot hold."""
    return Sample(
        lambda rng, dtype: (np.arange(3, dtype=np.int32),),
        {"low": (1,), "high": (0,), "value": value},
        refuse=AttributeValueError,
        label=f"i32 with {value}",
    )


pad = layout(
    "pad",
    ("x",),
    doc="The operand with elements of one value put before and after it on each axis.",
    attrs=PadAttrs,
    infer=_pad_type,
    reference=_pad_reference,
    access=lambda node: (
        tuple(Affine.along(axis, 1, -low) for axis, low in enumerate(node.attrs.low)),
    ),
    fill=lambda attrs: attrs.value,
    vjp=lambda node, g, i: ops.slice(
        g, start=node.attrs.low, step=(1,) * len(g.shape), shape=node.operands[0].shape
    ),
    jvp=_pad_jvp,
    batch=_pad_batch,
    numpy=("pad",),
    samples=(
        shape_sample((), low=(), high=(), value=1),
        shape_sample((7,), low=(2,), high=(3,), value=1),
        shape_sample((3, 5), low=(0, 1), high=(2, 0), value=0),
        shape_sample((0,), low=(2,), high=(1,), value=1),
        shape_sample((3,), low=(0,), high=(0,), value=1),
        shape_sample((3,), low=(-1,), high=(0,), value=0, refuse=AttributeValueError),
        shape_sample((3,), low=(1, 1), high=(0, 0), value=0, refuse=AttributeValueError),
        *(_pad_refused(value) for value in (0.5, math.nan, math.inf, 2**40)),
    ),
)
