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

from graphc.codegen.emit import Value
from graphc.codegen.vector_math.double_number import DoubleNumber, sum_ordered
from graphc.codegen.vector_math.exponential import expm1_reduced, one_plus_scaled
from graphc.codegen.vector_math.logarithm import split_any
from graphc.codegen.vector_math.number import Number, polynomial
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    """log2((1 + s) / (1 - s)) / s = leading + tail, a polynomial in s**2, |s| < 0.172."""

    leading: tuple[tuple[float, float], ...]
    """Coefficients as pairs, lowest power first."""
    tail: tuple[float, ...]
    saturation: float
    """2 to this power is infinite; to its negative, 0."""


_CONSTANTS = {
    # Relative error 2**-36.4.
    float32: _Constants(
        leading=((2.885390043258667, 3.851926067000022e-08),),
        tail=(0.9617967, 0.5770789, 0.41192147, 0.33662462),
        saturation=200.0,
    ),
    # Relative error 2**-73.4.
    float64: _Constants(
        leading=(
            (2.8853900817779268, 4.0710547481862066e-17),
            (0.9617966939259756, 5.0577616648125907e-17),
        ),
        tail=(
            0.5770780163555851,
            0.4121985831113461,
            0.3205988979126235,
            0.26230819868366495,
            0.221952268280165,
            0.19240141226378188,
            0.16844951672684025,
            0.1728351464213547,
        ),
        saturation=1200.0,
    ),
}


def _log2(x: Number) -> DoubleNumber:
    """log2 of a positive finite number."""
    constants = _CONSTANTS[x.dtype]
    f, e = split_any(x)
    s = _half_angle(f)
    z = s * s
    term = polynomial(z.high, constants.tail) * z.high
    *inner, (high, low) = constants.leading
    series = sum_ordered(term.of(high), term, term.of(low))
    for high, low in reversed(inner):
        product = series * z
        series = sum_ordered(product.high.of(high), product.high, product.low + low)
    fraction = series * s
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
    """2**x; x may be anything, NaN and infinities included."""
    limit = _CONSTANTS[x.high.dtype].saturation
    low = (abs(x.high) < limit).choose(x.low, 0.0)
    high = x.high.clamped(-limit, limit)
    shifted = high + high.format.rounder
    fraction = (high - (shifted - high.format.rounder)) + low
    return one_plus_scaled(expm1_reduced(fraction * log(2.0)), shifted.bits)


def pow(b: VectorScalars, base: Value, exponent: Value) -> Value:
    """x**y."""
    x, y = Number(b, base), Number(b, exponent)
    magnitude = abs(x)
    # A huge y saturates any power; as a finite number it also gives (-1)**inf = 1.
    bounded = y.clamped(-(2.0**64), 2.0**64)
    logarithm = _log2(magnitude)
    high = (magnitude < inf).choose(logarithm.high, magnitude)
    high = magnitude.equals(0.0).choose(high.of(-inf), high)
    product = bounded * high
    error = bounded.times_plus(high, -product)
    power = _exp2(DoubleNumber(product, bounded.times_plus(logarithm.low, error)))

    half = y * 0.5
    whole, even = _is_whole(y), _is_whole(half)
    sign = (whole & even.differs(whole)).choose(x.bits & x.format.sign_bit, 0)
    signed = (power.bits ^ sign).as_float(x.dtype)
    negative = (x < 0.0) & (x > -inf)
    result = (negative & y.differs(_rounded(y))).choose(signed.of(nan), signed)
    return (x.equals(1.0) | y.equals(0.0)).choose(x.of(1.0), result).value


def _rounded(x: Number) -> Number:
    return Number(x.b, x.b.round_even(x.value))


def _is_whole(x: Number) -> Number:
    """Whether x is an integer; infinities are."""
    return _rounded(x).equals(x)
