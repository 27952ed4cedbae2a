"""sinh, cosh and the inverse hyperbolic functions.

Owns how they are made of the exponential and the logarithm. Imports those and pairs of floats.
Invariant: within 2 ULP, also where results vanish, and infinite only where the true value is
beyond the largest number.

Method: with x = k ln 2 + r the addition theorems need only sinh(r) and cosh(r), besides cosh and
sinh of k ln 2, which are sums of two powers of 2. The inverse functions are logarithms of
arguments kept in pairs (compare Muller, Elementary Functions, 3rd ed., section 11.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.double_number import DoubleNumber, sum_ordered, two_sum
from graphc.codegen.vector_math.exponential import hyperbolic_reduced, reduced
from graphc.codegen.vector_math.logarithm import log_of_sum
from graphc.codegen.vector_math.number import Number, power_of_two, square_root
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

# Beyond these sinh and cosh are infinite; at them the scale 2**(k - 2) is still in range.
_HIGHEST = {float32: 89.5, float64: 710.5}

# 2 to this power makes 1 negligible, and a quarter of its inverse is normal.
_WIDEST_SHIFT = {float32: 64, float64: 512}


def sinh(b: VectorScalars, value: Value) -> Value:
    """The hyperbolic sine: infinite only where the true value overflows."""
    x = Number(b, value)
    cosine, sine, r, lost = _halved(abs(x))
    cubic, square = hyperbolic_reduced(r)
    # sinh(k ln 2) cosh(r) + cosh(k ln 2) sinh(r); its leading terms cancel where k is 1.
    leading = cosine.high.times_plus(r, sine)
    error = cosine.high.times_plus(r, sine - leading)
    half = leading + cosine.high.times_plus(cubic + lost, sine.times_plus(square, error))
    tiny = 2.0 ** -(x.format.mantissa // 2 + 1)
    return (abs(x) < tiny).choose(x, (half + half).with_sign_of(x)).value


def cosh(b: VectorScalars, value: Value) -> Value:
    """The hyperbolic cosine: infinite only where the true value overflows."""
    cosine, sine, r, lost = _halved(abs(Number(b, value)))
    cubic, square = hyperbolic_reduced(r)
    leading = sine.times_plus(r, cosine.high)
    error = sine.times_plus(r, cosine.high - leading) + cosine.low
    half = leading + cosine.high.times_plus(square, sine.times_plus(cubic + lost, error))
    return (half + half).value


def _halved(x: Number) -> tuple[DoubleNumber, Number, Number, Number]:
    """cosh(k ln 2) / 2, sinh(k ln 2) / 2, r and what r lost, of a positive k ln 2 + r.

    Halves, because twice as much would overflow before the result does.
    """
    k, r, lost = reduced(x.clamped(high=_HIGHEST[x.dtype]))
    widest = x.format.rounder_bits + _WIDEST_SHIFT[x.dtype]
    shift = (k < widest).choose(k, widest)
    rising, falling = power_of_two(k - 2, x.dtype), power_of_two(-shift - 2, x.dtype)
    cosine = rising + falling
    return DoubleNumber(cosine, falling - (cosine - rising)), rising - falling, r, lost


def asinh(b: VectorScalars, value: Value) -> Value:
    """The inverse hyperbolic sine, exact in the limit of small x."""
    x = Number(b, value)
    magnitude = abs(x)
    under = magnitude.times_plus(magnitude, 1.0)
    # What the sum lost: the difference is exact.
    lost = magnitude.times_plus(magnitude, 1.0 - under)
    root, root_low = _root(DoubleNumber(under, lost))
    total = sum_ordered(root, magnitude, root_low)
    return _log_unless_large(total, magnitude).with_sign_of(x).value


def acosh(b: VectorScalars, value: Value) -> Value:
    """The inverse hyperbolic cosine: NaN below 1."""
    x = Number(b, value)
    # x**2 - 1 is (x - 1)**2 + 2 (x - 1), in which nothing cancels; it is -1 for everything below 1,
    # so that no square of a negative x overflows to a result.
    bounded = (x < 1.0).choose(x.of(0.0), x)
    above = bounded - 1.0
    double = above + above
    under = above.times_plus(above, double)
    lost = above.times_plus(above, double - under)
    root, root_low = _root(DoubleNumber(under, lost))
    return _log_unless_large(sum_ordered(bounded, root, root_low), bounded).value


def _root(x: DoubleNumber) -> tuple[Number, Number]:
    """The root of a pair, and what it lost: a step of Newton's method, of 0 from 0."""
    root = square_root(x.high)
    divisor = (root + root).clamped(low=root.format.least_normal)
    return root, ((-root).times_plus(root, x.high) + x.low) / divisor


def _log_unless_large(total: DoubleNumber, x: Number) -> Number:
    """The logarithm of a total that is x plus a root; of 2 x where both are the same."""
    # Beyond this 1 makes no difference to x**2, which may overflow.
    large = x > 2.0 ** (x.format.mantissa // 2 + 1)
    doubling = large.choose(x.bits.of(1), 0)
    return log_of_sum(large.choose(x, total.high), large.choose(0.0, total.low), doubling)


def atanh(b: VectorScalars, value: Value) -> Value:
    """The inverse hyperbolic tangent: infinite at 1 and -1, NaN beyond."""
    x = Number(b, value)
    quotient = _quotient(abs(x))
    high, error = two_sum(x.of(1.0), quotient.high)
    return (log_of_sum(high, error + quotient.low) * 0.5).with_sign_of(x).value


def _quotient(x: Number) -> DoubleNumber:
    """2 x / (1 - x): artanh(x) is half the logarithm of one more than that."""
    divisor = 1.0 - x
    divisor_low = (1.0 - divisor) - x
    reciprocal = 1.0 / divisor
    double = x + x
    quotient = double * reciprocal
    rest = quotient.times_plus(-divisor, double)
    rest = quotient.times_plus(-divisor_low, rest)
    return DoubleNumber(quotient, rest * reciprocal)
