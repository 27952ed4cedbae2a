"""x**y in single precision by tables, on processors that look up in a register.

Owns the logarithm as a pair that it takes. Imports the lookups of logarithm and exponential.
Invariant: within 3 ulp; what C99, Annex F.9.4.4, says of zeros, infinities, NaN and negative
numbers is code that runs only where a lane has such a number.

Method: as `lookup_logarithm`, where reciprocal times mantissa is kept as a pair and f - f**2 / 2 +
f**3 P(f) is added up with what roundings lose (Dekker's Fast2Sum), then as `lookup_exponential`.
"""

from __future__ import annotations

from functools import cache
from math import inf, log, nan

from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.double_number import DoubleNumber
from graphc.codegen.vector_math.lookup_exponential import exponential_of_sum
from graphc.codegen.vector_math.lookup_logarithm import LN2, logarithms, reciprocals, split
from graphc.codegen.vector_math.number import Number, polynomial, rounded
from graphc.ir.types import float32

# log(1 + f) = f - f**2 / 2 + f**3 * P(f) on [-1 / 62, 1 / 32], relative error 2**-33.2.
_TAIL = (-0.5, 0.3333348, -0.25002402, 0.1942909)

_LOWEST, _HIGHEST = -104.0, 89.0
"""e to these is 0 and infinite."""


def power(x: Number, y: Number) -> Number:
    """x**y; NaN for a negative x and a y that is not an integer, 1 if x = 1 or y = 0."""
    of_magnitude = _power_of_magnitude(abs(x), y)
    function = x.b.function
    before = function.block
    positive = (x.bits - 1).unsigned_below(x.format.infinity_bits - 1)
    special = positive.equals(0) | (abs(y) < inf).equals(0)
    with function.when(function.any_lane(special.value), hint="special"):
        mixed = _with_special_cases(x, y, of_magnitude).value
        last = function.block
    fast = of_magnitude.value
    joined = function.emit(
        f"phi {fast.type} [{fast.ref}, %{before}], [{mixed.ref}, %{last}]", fast.dtype, fast.lanes
    )
    return Number(x.b, joined)


def _power_of_magnitude(x: Number, y: Number) -> Number:
    """x**y for a positive x or 0, unless x = 1 or y = 0 stand beside an infinity or NaN."""
    logarithm = _logarithm(x)
    product = y * logarithm.high
    rest = y.times_plus(logarithm.low, y.times_plus(logarithm.high, -product))
    bounded = product.clamped(_LOWEST, _HIGHEST)
    # Out of bounds the rest may be anything.
    return exponential_of_sum(bounded, bounded.equals(product).choose(rest, 0.0))


def _logarithm(x: Number) -> DoubleNumber:
    """That of x as a pair; -inf of 0 and inf of infinity, with a low part that is NaN."""
    exponent, place, mantissa = split(x)
    reciprocal = avx512.lookup(place, reciprocals(None, float32), float32)
    product = mantissa * reciprocal
    lost = mantissa.times_plus(reciprocal, -product)
    f = product - 1.0
    square = f * f
    tail = square * polynomial(f, _TAIL, square)
    fraction = f + tail
    # The derivative of log(1 + f) is close to 1 - f.
    lost = lost.times_plus(-f, lost) + ((f - fraction) + tail)

    of_piece = avx512.lookup(place, logarithms(None, float32), float32)
    whole, rest = LN2[float32]
    high = exponent.times_plus(whole, of_piece)
    low = exponent.times_plus(rest, avx512.lookup(place, _logarithms_low(), float32))
    total = high + fraction
    return DoubleNumber(total, (high - total) + fraction + (low + lost))


@cache
def _logarithms_low() -> tuple[float, ...]:
    """What the short logarithms of the reciprocals' inverses lack."""
    exact = (float(float32.numpy.type(x)) for x in reciprocals(None, float32))
    short = logarithms(None, float32)
    return tuple(-log(x) - high for x, high in zip(exact, short, strict=True))


def _with_special_cases(x: Number, y: Number, of_magnitude: Number) -> Number:
    """x**y for any x and y, from |x|**y."""
    fmt = x.format
    infinite = abs(y).equals(inf)
    result = (abs(x).equals(1.0) & infinite).choose(1.0, of_magnitude)
    # A huge y is an even number.
    bounded = y.clamped(-(2.0**64), 2.0**64)
    remainder = rounded(bounded * 0.5).times_plus(-2.0, bounded)
    odd = abs(remainder).equals(1.0)
    signed = (result.bits ^ odd.choose(x.bits & fmt.sign_bit, 0)).as_float(x.dtype)
    fractional = remainder.differs(0.0) & abs(remainder).differs(1.0)
    invalid = (x < 0.0) & (x > -inf) & fractional
    result = invalid.choose(nan, signed)
    return (x.equals(1.0) | y.equals(0.0)).choose(1.0, result)
