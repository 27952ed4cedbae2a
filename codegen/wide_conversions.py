"""Conversions between floats and integers of 64 bits, for processors that have those of 32 alone.

Owns `needs_halves`, `to_float` and `to_integer`. Imports the arithmetic of vector math. Invariant:
results are those of the instructions, rounded once; no library is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.codegen.division import leading_zeros
from graphc.codegen.values import Value
from graphc.codegen.vector_math.number import Number, power_of_two
from graphc.ir.types import DType, float32, int32, int64, uint32, uint64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

_HALF = 2.0**32


def needs_halves(b: VectorScalars, integer: DType, floating: DType) -> bool:
    """Whether the target converts between such numbers only by parts of 32 bits."""
    module = b.function.module
    return (
        integer.bits == int64.bits
        and not module.has("convert", int64, floating)
        and module.has("convert", int32, floating)
    )


def to_float(b: VectorScalars, x: Value, dtype: DType) -> Value:
    """The float nearest to an integer of 64 bits."""
    is_signed = x.dtype is int64
    if dtype is float32:
        size = _to_float32(b, b.cast(b.abs(x), uint64))
        if not is_signed:
            return size
        return b.select(b.compare("lt", x, b.const(0, int64)), b.neg(size), size)
    high = b.shift_right(x, b.const(32, x.dtype))
    high = b.cast(b.cast(high, int32 if is_signed else uint32), dtype)
    low = Number(b, b.cast(b.cast(x, uint32), dtype))
    # Both parts are exact: the sum alone is rounded.
    return (Number(b, high) * _HALF + low).value


def _to_float32(b: VectorScalars, x: Value) -> Value:
    """Of the first 32 digits, the last of them set if any are left out: so many that rounding them
    is rounding all."""
    zeros = Number(b, b.cast(leading_zeros(b, x), int64))
    more = (zeros < 32).choose(32 - zeros, 0)
    count = b.cast(more.value, uint64)
    first = b.shift_right(x, count)
    lost = b.compare("ne", b.shift_left(first, count), x)
    digits = b.bit_or(b.cast(first, uint32), b.cast(lost, uint32))
    scale = power_of_two(more.cast(int32), float32)
    return (Number(b, b.cast(digits, float32)) * scale).value


def to_integer(b: VectorScalars, x: Value, dtype: DType) -> Value:
    """The integer of 64 bits that is x without its fraction; some number where there is none."""
    size = abs(Number(b, x))
    high = Number(b, b.trunc((size * (1 / _HALF)).value))
    low = size - high * _HALF
    upper, lower = (b.cast(b.cast(part.value, uint32), uint64) for part in (high, low))
    whole = b.bit_or(b.shift_left(upper, b.const(32, uint64)), lower)
    if dtype is uint64:
        return whole
    result = b.cast(whole, int64)
    return b.select(b.compare("lt", x, b.const(0, x.dtype)), b.neg(result), result)
