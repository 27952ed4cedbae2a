"""Conversion of 16-bit floats: from their bits in memory to f32, and back.

Owns `widen` and `narrow`. Imports the emitter and the arithmetic of vector math. Invariants: a
value of float16 or bfloat16 is an LLVM integer that holds its bits, so that moving one needs
nothing of the target; conversion rounds once, to nearest even, keeps NaN, and calls no library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.codegen.values import HALF, Value
from graphc.codegen.vector_math.number import Number
from graphc.ir.rounding import EXACT
from graphc.ir.types import DType, bfloat16, float16, float32, float64, int32, int64, uint64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

_MAGNITUDE, _INFINITY = 0x7FFF_FFFF, 0x7F80_0000
_REBIAS = (127 - 15) << 23
"""What the exponent field of f32 is more than that of float16, for the same number."""


def widen(b: VectorScalars, x: Value) -> Value:
    """The f32 with the value of a 16-bit float."""
    if x.dtype is float16 and b.function.module.has("convert", float16):
        half = b.function.convert("bitcast", x, HALF)
        return b.function.convert("fpext", half, float32)
    bits = Number(b, b.function.convert("zext", x, int32))
    if x.dtype is bfloat16:
        return (bits << 16).as_float(float32).value
    magnitude = (bits & 0x7FFF) << 13
    scaled = magnitude.as_float(float32) * 2.0**112
    special = magnitude >= 0x7C00 << 13
    plain = special.choose(magnitude | _INFINITY, scaled.bits)
    return (plain | ((bits & 0x8000) << 16)).as_float(float32).value


def narrow(b: VectorScalars, x: Value, dtype: DType) -> Value:
    """The 16-bit float nearest to a number of any other dtype."""
    near = _nearest(b, x, dtype)
    if dtype is float16 and b.function.module.has("convert", float16):
        half = b.function.convert("fptrunc", near, HALF)
        return b.function.convert("bitcast", half, float16)
    bits = Number(b, near).bits
    short = _float16_bits(bits) if dtype is float16 else _bfloat16_bits(bits)
    return b.function.convert("trunc", short.value, dtype)


def _float16_bits(bits: Number) -> Number:
    """The bits of the float16 nearest to the f32 with these bits."""
    magnitude = bits & _MAGNITUDE
    to_even = (magnitude >> 13) & 1
    normal = (magnitude - _REBIAS + 0xFFF + to_even) >> 13
    # The last place of 0.5 is that of float16's subnormals, so that adding it rounds to them.
    subnormal = (magnitude.as_float(float32) + 0.5).bits - 0x3F00_0000
    large = (magnitude > _INFINITY).choose(magnitude.of(0x7E00), 0x7C00)
    result = (magnitude < 0x3880_0000).choose(subnormal, normal)
    result = (magnitude >= 0x4780_0000).choose(large, result)
    return result | ((bits >> 16) & 0x8000)


def _bfloat16_bits(bits: Number) -> Number:
    """The bits of the bfloat16 nearest to the f32 with these bits."""
    high = bits >> 16
    nearest = (bits + 0x7FFF + (high & 1)) >> 16
    return ((bits & _MAGNITUDE) > _INFINITY).choose(high | 0x40, nearest)


def _nearest(b: VectorScalars, x: Value, dtype: DType) -> Value:
    """A number as f32, such that rounding that to `dtype` is rounding the number itself.

    f32 holds small integers. Where it rounds larger ones, float16 overflows in any case.
    """
    if x.dtype is float64:
        return _to_odd(Number(b, x)).value
    if dtype is float16 or not x.dtype.is_integer or x.dtype.bits < 32:
        return b.cast(x, float32)
    if x.dtype.bits == 64:
        x = _whole_to_odd(Number(b, x)).value
    return _to_odd(Number(b, b.cast(x, float64))).value


def _to_odd(x: Number) -> Number:
    """As `graphc.ir.rounding` does it: toward zero, with the last bit set if anything was lost."""
    near = x.cast(float32)
    back = near.cast(float64)
    bits = near.bits - (abs(back) > abs(x)).cast(int32)
    return (bits | back.differs(x).cast(int32)).as_float(float32)


def _whole_to_odd(x: Number) -> Number:
    """64-bit integers, those beyond f64's digits with their low bits put together in one."""
    low = x & 0xFFF
    odd = x - low + (low.differs(0).cast(int64).cast(x.dtype) << 11)
    if x.dtype is uint64:
        return (x > EXACT).choose(odd, x)
    return (abs(x) > EXACT).choose(odd, x)
