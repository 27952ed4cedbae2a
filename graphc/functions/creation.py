"""Tensors from nothing: zeros, ones, full, arange, one_hot.

Owns those functions. Imports the op records. Invariant: large constants are not stored: they are
a broadcast scalar or counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.functions.axes import axis_of, shape_of
from graphc.functions.elementwise import apply
from graphc.functions.layout import expand_dims
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, cast, ops, resized, scalar
from graphc.ir.diagnostics import AttributeValueError, DTypeError
from graphc.ir.types import DType, bool_, float32, float64, int64
from graphc.promotion import as_dtype, as_node, as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def zeros(shape: int | Sequence[int], dtype: object = float32) -> Tensor:
    """Zero everywhere."""
    return full(shape, 0, dtype)


@public
def ones(shape: int | Sequence[int], dtype: object = float32) -> Tensor:
    """One everywhere."""
    return full(shape, 1, dtype)


@public
def full(shape: int | Sequence[int], fill_value: TensorLike, dtype: object = None) -> Tensor:
    """`fill_value` everywhere; its own dtype unless one is given."""
    value = as_node(fill_value)
    if dtype is not None:
        value = cast(value, as_dtype(dtype))
    return Tensor(broadcast(value, shape_of("full", shape)))


@public
def zeros_like(
    a: TensorLike, dtype: object = None, *, shape: int | Sequence[int] | None = None
) -> Tensor:
    """Zeros of the shape and the dtype of `a`, unless others are given."""
    return full_like(a, 0, dtype, shape=shape)


@public
def ones_like(
    a: TensorLike, dtype: object = None, *, shape: int | Sequence[int] | None = None
) -> Tensor:
    """Ones of the shape and the dtype of `a`, unless others are given."""
    return full_like(a, 1, dtype, shape=shape)


@public
def full_like(
    a: TensorLike,
    fill_value: TensorLike,
    dtype: object = None,
    *,
    shape: int | Sequence[int] | None = None,
) -> Tensor:
    """`fill_value` in the shape and the dtype of `a`, unless others are given."""
    tensor = as_tensor(a)
    sizes = tensor.shape if shape is None else shape
    return full(sizes, fill_value, tensor.dtype if dtype is None else dtype)


@public
def empty(shape: int | Sequence[int], dtype: object = float32) -> Tensor:
    """Zeros: a value that is never set is no value, so here `empty` is `zeros`."""
    return zeros(shape, dtype)


@public
def empty_like(
    prototype: TensorLike, dtype: object = None, *, shape: int | Sequence[int] | None = None
) -> Tensor:
    """Zeros of the shape of `prototype`; see `empty`."""
    return zeros_like(prototype, dtype, shape=shape)


@public
def arange(
    start: float, stop: float | None = None, step: float = 1, dtype: object = None
) -> Tensor:
    """start, start + step, ... up to but without `stop`; `arange(n)` counts from 0.

    Without `dtype`, i64 of Python integers and f64 otherwise, as in NumPy.
    """
    first, last = (0, start) if stop is None else (start, stop)
    if step == 0:
        raise AttributeValueError("arange needs a step that is not 0")
    whole = all(isinstance(number, int) for number in (first, last, step))
    kind = as_dtype(dtype) if dtype is not None else int64 if whole else float64
    if kind is bool_:
        raise DTypeError("arange counts in numbers, not in bool")
    count = max(0, math.ceil((last - first) / step))
    position = Tensor(ops.iota(shape=(count,), axis=0, dtype=kind))
    return position if (first, step) == (0, 1) else position * _of(step, kind) + _of(first, kind)


@public
def one_hot(labels: TensorLike, classes: int, dtype: object = float32, axis: int = -1) -> Tensor:
    """1 where the position along a new axis of size `classes` is the label, else 0.

    A label outside of [0, classes) gives zeros. Raises `DTypeError` for labels that are no
    integers.
    """
    tensor = as_tensor(labels)
    if not tensor.dtype.is_integer:
        raise refused(DTypeError("one_hot takes integer labels", operand=0), tensor.node)
    place = axis_of("one_hot", axis, tensor.node, extra=1)
    shape = resized((1,) * (tensor.ndim + 1), place, classes)
    positions = Tensor(ops.iota(shape=shape, axis=place, dtype=tensor.dtype))
    return apply(ops.eq, expand_dims(tensor, place), positions).astype(dtype)


def _of(number: float, dtype: DType) -> Tensor:
    return Tensor(scalar(number, dtype))
