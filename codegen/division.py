"""Division of integers, for processors without an instruction for it.

Owns `divide`. Imports the arithmetic of vector math. Invariant: quotients are rounded toward zero,
as by the instructions; no library is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.codegen.values import Value, constant
from graphc.ir.types import DType, bool_, int32, int64, uint32, uint64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


def has_division(b: VectorScalars, dtype: DType) -> bool:
    """Whether the target divides such integers by an instruction."""
    return b.function.module.has("divide", int64 if dtype.bits > int32.bits else int32)


def divide(b: VectorScalars, x: Value, y: Value) -> tuple[Value, Value]:
    """The quotient and the remainder of x by y, which is not zero."""
    dtype, is_wide = x.dtype, x.dtype.bits > int32.bits
    unsigned = uint64 if is_wide else uint32
    if dtype.kind != "int":
        quotient, remainder = _of_unsigned(b, b.cast(x, unsigned), b.cast(y, unsigned))
        return b.cast(quotient, dtype), b.cast(remainder, dtype)
    signed = int64 if is_wide else int32
    x, y = b.cast(x, signed), b.cast(y, signed)
    # The magnitude of the least integer is one as an unsigned number.
    sizes = (b.cast(b.abs(value), unsigned) for value in (x, y))
    quotient, remainder = (b.cast(value, signed) for value in _of_unsigned(b, *sizes))
    zero = b.const(0, signed)
    x_negative, y_negative = b.compare("lt", x, zero), b.compare("lt", y, zero)
    opposite = b.integer("xor", x_negative, y_negative)
    quotient = b.select(opposite, b.neg(quotient), quotient)
    remainder = b.select(x_negative, b.neg(remainder), remainder)
    return b.cast(quotient, dtype), b.cast(remainder, dtype)


def _of_unsigned(b: VectorScalars, x: Value, y: Value) -> tuple[Value, Value]:
    """Digit by digit, from the highest that the quotient may have."""
    x, y = b.align(x, y)
    zero, one = b.const(0, x.dtype), b.const(1, x.dtype)
    digit = b.sub(leading_zeros(b, y), leading_zeros(b, x))
    # Where x is shorter than y, the quotient is 0, and a shift by the difference would be poison.
    is_shorter = b.compare("lt", x, y)
    digit = b.select(is_shorter, zero, digit)
    weight = b.select(is_shorter, zero, b.shift_left(one, digit))

    def going(*state: Value) -> Value:
        return b.compare("ne", state[0], zero)

    def step(*state: Value) -> tuple[Value, ...]:
        weight, shifted, quotient, rest = state
        # The weight of a lane that is done is 0: nothing changes there any more.
        fits = b.logical_and(b.compare("ge", rest, shifted), b.compare("ne", weight, zero))
        rest = b.select(fits, b.sub(rest, shifted), rest)
        quotient = b.bit_or(quotient, b.select(fits, weight, zero))
        return b.shift_right(weight, one), b.shift_right(shifted, one), quotient, rest

    start = (weight, b.shift_left(y, digit), b.integer("xor", x, x), x)
    _, _, quotient, rest = b.iterate(going, step, start)
    return quotient, rest


def leading_zeros(b: VectorScalars, x: Value) -> Value:
    """How many zeros are before an integer's first digit; all for 0."""
    return b.function.intrinsic("ctlz", x, constant(False, bool_))
