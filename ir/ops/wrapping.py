"""The position that an index means: counted from the start, and inside of its axis.

Owns the record of `wrap_index`, and the same on arrays and in routines. Invariant: an index from -n
to -1 counts from the end; one outside of -n to n-1 means the nearest end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Attrs
from graphc.ir.op import NO_GRADIENT, Array, Sample
from graphc.ir.ops.combinators import elementwise
from graphc.ir.ops.samples import SHAPES, edges_of, refused_dtypes
from graphc.ir.routine import Number, RoutineBuilder
from graphc.ir.scalar import ScalarBuilder, Value
from graphc.ir.types import INTEGERS, DType, Shape, int64, uint64

LARGEST = int(np.iinfo(np.int64).max)


@dataclass(frozen=True)
class WrapIndexAttrs(Attrs):
    """`size`: of the axis, at least 1."""

    size: int


def positions_of(indices: Array, size: int) -> Array:
    """Indices of an axis as positions on it, i64."""
    if indices.dtype == np.uint64:
        indices = np.minimum(indices, np.uint64(LARGEST))
    positions = indices.astype(np.int64)
    return np.clip(np.where(positions < 0, positions + size, positions), 0, max(size - 1, 0))


def _lower(b: ScalarBuilder, x: Value, size: int) -> Value:
    last, zero = b.const(size - 1, int64), b.const(0, int64)
    if b.dtype(x) is uint64:
        x = b.minimum(x, b.const(LARGEST, uint64))
    x = b.cast(x, int64)
    from_end = b.add(x, b.const(size, int64))
    counted = b.select(b.compare("lt", x, zero), from_end, x)
    return b.minimum(b.maximum(counted, zero), last)


def wrapped(b: RoutineBuilder, x: Number, size: int) -> Number:
    """`wrap_index` in a routine."""
    if x.dtype is uint64:
        x = b.minimum(x, b.number(LARGEST, uint64))
    x = x.astype(int64)
    counted = b.select(x < 0, x + size, x)
    return b.minimum(b.maximum(counted, b.number(0, int64)), b.number(size - 1, int64))


def _result(dtype: DType, attrs: WrapIndexAttrs) -> DType:
    if attrs.size < 1:
        raise AttributeValueError(
            f"wrap_index on an axis of size {attrs.size}",
            operand=0,
            help="an index means a position of an axis of size 1 or more",
        )
    return int64


def _drawn(shape: Shape, size: int) -> Callable[[np.random.Generator, DType], tuple[Array, ...]]:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        low = 0 if dtype.kind == "uint" else -size - 2
        return (rng.integers(low, size + 2, shape).astype(dtype.numpy),)

    return arrays


def _edges(rng: np.random.Generator, dtype: DType) -> tuple[Any, ...]:
    return (edges_of(dtype),)


wrap_index = elementwise(
    "wrap_index",
    ("x",),
    doc="The position, i64, that an index means on an axis of some size: one from -n to -1 counts "
    "from the end, one outside -n to n-1 is moved to the nearest end.",
    attrs=WrapIndexAttrs,
    reference=positions_of,
    result=_result,
    partials=NO_GRADIENT,
    lower=_lower,
    indexed=lambda node: ((0, node.attrs.size),),
    cost=3,
    dtypes=INTEGERS,
    samples=(
        *(Sample(_drawn(shape, 7), {"size": 7}, label=f"{shape} of 7") for shape in SHAPES),
        *(Sample(_edges, {"size": size}, label=f"edges of {size}") for size in (1, 5, 300)),
        Sample(_edges, {"size": 0}, refuse=AttributeValueError, label="of nothing"),
        *refused_dtypes(INTEGERS, 1, size=7),
    ),
)
