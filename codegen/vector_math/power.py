"""x to the power y.

Owns `pow`. Imports `exponential`, `logarithm` and pairs of floats. Invariant: within 4 ULP; every
special case is as C99, Annex F.9.4.4, and NumPy have it.

Method: log2 |x| is found to about 8 bits (single) or 12 bits (double) more than the format has,
as e + 2 / ln 2 * artanh(f / (2 + f)) with the leading terms in pairs; its product with y is split
into an integer and a rest for `exp`. Compare Tang 1990 and Muller et al., Elementary Functions,
3rd ed., section 11.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, log, nan
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.double_number import DoubleNumber, sum_ordered
from graphc.codegen.vector_math.exponential import expm1_reduced, one_plus_scaled
from graphc.codegen.vector_math.logarithm import split_any
from graphc.codegen.vector_math.lookup_power import power
from graphc.codegen.vector_math.number import Number, polynomial, rounded
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    """log2((1 + s) / (1 - s)) = first * s + s * z * (third + ...), z = s**2, |s| < 0.172."""

    first: tuple[float, float]
    """2 / ln 2 as a pair."""
    third: tuple[float, float] | None
    """The next coefficient as a pair, where a rounded one would not do."""
    tail: tuple[float, ...]
    """The coefficients after these."""
    saturation: float
    """2 to this power is infinite; to its negative, 0."""


_CONSTANTS = {
    # Relative error 2**-36.4.
    float32: _Constants(
        first=(2.885390043258667, 3.851926067000022e-08),
        third=None,
        tail=(0.9617967, 0.5770789, 0.41192147, 0.33662465),
        saturation=200.0,
    ),
    # Relative error 2**-73.4.
    float64: _Constants(
        first=(2.8853900817779268, 4.0710547481862066e-17),
        third=(0.9617966939259756, 5.0577616648125907e-17),
        tail=(
            0.5770780163555851,
            0.41219858311134633,
            0.3205988979125362,
            0.2623081986971429,
            0.2219522672248226,
            0.19240145681124754,
            0.16844854979520835,
            0.17284361875500348,
        ),
        saturation=1200.0,
    ),
}


def _log2(x: Number) -> DoubleNumber:
    """log2 of a positive finite number."""
    constants = _CONSTANTS[x.dtype]
    f, e = split_any(x)
    s = _half_angle(f)
    first = DoubleNumber(x.of(constants.first[0]), x.of(constants.first[1])) * s
    tail = polynomial(s.high * s.high, constants.tail)
    if constants.third is None:
        weight = s.high * s.high * tail
        # The cube of the pair s is s.high**3 + 3 * s.high**2 * s.low.
        low = (weight * 3.0).times_plus(s.low, first.low)
        fraction = sum_ordered(first.high, weight * s.high, low)
    else:
        square = s * s
        third = sum_ordered(x.of(constants.third[0]), tail * square.high, x.of(constants.third[1]))
        rest = third * (square * s)
        fraction = sum_ordered(first.high, rest.high, first.low + rest.low)
    return sum_ordered(e, fraction.high, fraction.low)


def _half_angle(f: Number) -> DoubleNumber:
    """f / (2 + f) as a pair."""
    divisor = f + 2.0
    divisor_low = f - (divisor - 2.0)
    reciprocal = 1.0 / divisor
    quotient = f * reciprocal
    rest = quotient.times_plus(-divisor, f)
    rest = quotient.times_plus(-divisor_low, rest)
    return DoubleNumber(quotient, rest * reciprocal)


def _exp2(x: DoubleNumber) -> Number:
    """2**x; x.high may be anything, and where it is not finite x.low may be too."""
    limit = _CONSTANTS[x.high.dtype].saturation
    high = x.high.clamped(-limit, limit)
    # The low part is far below 1 unless high was out of bounds; this turns a NaN there into 1.
    low = (x.low < 1.0).choose(x.low, 1.0).clamped(low=-1.0)
    shifted = high + high.format.rounder
    fraction = (high - (shifted - high.format.rounder)) + low
    return one_plus_scaled(expm1_reduced(fraction * log(2.0)), shifted.bits)


def pow(b: VectorScalars, base: Value, exponent: Value) -> Value:
    """x**y.

    NaN for a negative x and a y that is not an integer, 1 if x = 1 or y = 0 whatever the other is.
    """
    x, y = Number(b, base), Number(b, exponent)
    if x.dtype is float32 and avx512.available(x):
        return power(x, y).value
    fmt = x.format
    magnitude = abs(x)
    # A huge y saturates any power; as a finite, even number it also gives (-1)**inf = 1.
    bounded = y.clamped(-(2.0**64), 2.0**64)
    before = magnitude.bits - 1
    ordinary = before.unsigned_below(fmt.infinity_bits - 1)
    # log2 is -inf for 0, where `before` is negative; infinity and NaN stay.
    unusual = magnitude.bits | ((before >> (x.dtype.bits - 1)) & x.of(-inf).bits)
    logarithm = _log2(magnitude)
    high = ordinary.choose(logarithm.high, unusual.as_float(x.dtype))
    product = bounded * high
    error = bounded.times_plus(high, -product)
    of_magnitude = _exp2(DoubleNumber(product, bounded.times_plus(logarithm.low, error)))

    remainder = rounded(bounded * 0.5).times_plus(-2.0, bounded)
    odd = abs(remainder).equals(1.0)
    signed = (of_magnitude.bits ^ odd.choose(x.bits & fmt.sign_bit, 0)).as_float(x.dtype)
    invalid = ordinary & (x.bits < 0) & remainder.differs(0.0) & abs(remainder).differs(1.0)
    result = invalid.choose(x.of(nan), signed)
    return (x.equals(1.0) | y.equals(0.0)).choose(x.of(1.0), result).value
