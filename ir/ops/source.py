"""Sources: values that come from outside a graph or from nothing.

Owns input, param, constant and iota. Invariant: a source has no operands; its attributes give its
whole type.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Attrs
from graphc.ir.op import NO_GRADIENT, Array, Family, Op, Sample
from graphc.ir.ops.registry import register
from graphc.ir.ops.value import ConstantValue
from graphc.ir.rounding import rounded
from graphc.ir.types import NUMBERS, DType, Shape, TensorType, bool_, float32, int8, int32


@dataclass(frozen=True)
class TypeAttrs(Attrs):
    """`type`: what the caller gives."""

    type: TensorType


@dataclass(frozen=True)
class ConstantAttrs(Attrs):
    """`value`: the array, compared by content."""

    value: ConstantValue


MOST_AXES = 32
"""As many as NumPy broadcasts."""

MOST_BYTES = 2**63 - 1
"""What an i64 counts."""


@dataclass(frozen=True)
class IotaAttrs(Attrs):
    """`shape` and `dtype` of the result, and the `axis` along which it counts."""

    shape: Shape
    axis: int
    dtype: DType


def _declared_type(types: Sequence[TensorType], attrs: TypeAttrs) -> TensorType:
    for size in attrs.type.shape:
        if size < 0:
            raise ShapeError(f"{attrs.type} has a negative size", help="sizes are 0 or more")
    if attrs.type.rank > MOST_AXES:
        raise ShapeError(f"{attrs.type} has {attrs.type.rank} axes, more than {MOST_AXES}")
    if attrs.type.bytes > MOST_BYTES:
        raise ShapeError(f"{attrs.type} has {attrs.type.bytes} bytes, more than memory can address")
    return attrs.type


def _given(**attrs: object) -> Array:
    raise LookupError("an input or a parameter has no value of its own: it must be given one")


def _iota_type(types: Sequence[TensorType], attrs: IotaAttrs) -> TensorType:
    result = _declared_type((), TypeAttrs(TensorType(attrs.dtype, attrs.shape)))
    if not 0 <= attrs.axis < len(attrs.shape):
        raise AttributeValueError(
            f"iota counts along axis {attrs.axis}, but its shape {attrs.shape} has "
            f"{len(attrs.shape)} axes"
        )
    if attrs.dtype.arithmetic not in NUMBERS:
        raise AttributeValueError(f"iota counts in numbers, not in {attrs.dtype}")
    return result


def _iota_reference(shape: Shape, axis: int, dtype: DType) -> Array:
    counted = rounded(np.arange(shape[axis]), dtype)
    column = counted.reshape([-1 if other == axis else 1 for other in range(len(shape))])
    return np.broadcast_to(column, shape).copy()


def _no_arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    return ()


def _source(name: str, **fields: Any) -> Op:
    return register(
        Op(
            name=name,
            family=Family.SOURCE,
            operands=(),
            vjp=NO_GRADIENT,
            jvp=NO_GRADIENT,
            cost=0,
            **fields,
        )
    )


input = _source(
    "input",
    doc="A value that the caller gives at every call.",
    attrs=TypeAttrs,
    infer=_declared_type,
    reference=_given,
)

param = _source(
    "param",
    doc="A value that lives between calls and that updates may replace.",
    attrs=TypeAttrs,
    infer=_declared_type,
    reference=_given,
)

constant = _source(
    "constant",
    doc="An array that is known when the graph is built.",
    attrs=ConstantAttrs,
    infer=lambda types, attrs: attrs.value.type,
    reference=lambda value: value.array,
    value=lambda attrs: attrs.value.array,
    samples=tuple(
        Sample(_no_arrays, {"value": ConstantValue(np.asarray(array))}, label=label)
        for label, array in [
            ("scalar", np.float32(0.5)),
            ("signed zero and nan", np.array([-0.0, 0.0, np.nan, np.inf])),
            ("empty", np.zeros((2, 0), np.int8)),
            ("bool", np.array([[True], [False]])),
        ]
    ),
)

iota = _source(
    "iota",
    doc="The position along one axis: 0, 1, 2, ... Integers wrap where the count does not fit.",
    attrs=IotaAttrs,
    infer=_iota_type,
    reference=_iota_reference,
    position=lambda attrs: attrs.axis,
    samples=(
        Sample(_no_arrays, {"shape": (5,), "axis": 0, "dtype": int32}, label="vector"),
        Sample(_no_arrays, {"shape": (2, 3, 4), "axis": 1, "dtype": float32}, label="middle"),
        Sample(_no_arrays, {"shape": (0, 3), "axis": 1, "dtype": int32}, label="empty"),
        Sample(_no_arrays, {"shape": (300,), "axis": 0, "dtype": int8}, label="wraps"),
        Sample(
            _no_arrays,
            {"shape": (3,), "axis": 1, "dtype": int32},
            refuse=AttributeValueError,
            label="no such axis",
        ),
        Sample(
            _no_arrays,
            {"shape": (3,), "axis": 0, "dtype": bool_},
            refuse=AttributeValueError,
            label="bool",
        ),
        Sample(
            _no_arrays,
            {"shape": (-1,), "axis": 0, "dtype": int32},
            refuse=ShapeError,
            label="negative size",
        ),
    ),
)
