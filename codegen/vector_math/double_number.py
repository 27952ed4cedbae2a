"""Unevaluated sums of two floats, for intermediate results wider than the format.

Owns `DoubleNumber`, the error-free sum and polynomials with a pair as result. Imports `number`.
Invariant: |low| is at most about an ULP of high, so a pair carries about twice the format's
precision.

Source: Dekker, "A floating-point technique for extending the available precision", Numerische
Mathematik 18, 1971; Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., chapter 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.vector_math.number import Number, polynomial


@dataclass(frozen=True, eq=False, slots=True)
class DoubleNumber:
    """high + low."""

    high: Number
    low: Number

    def __mul__(self, other: DoubleNumber) -> DoubleNumber:
        product = self.high * other.high
        error = self.high.times_plus(other.high, -product)
        cross = self.high.times_plus(other.low, self.low * other.high)
        return DoubleNumber(product, error + cross)


def sum_ordered(larger: Number | float, smaller: Number, low: Number) -> DoubleNumber:
    """larger + smaller + low, for |larger| >= |smaller| or larger = 0 (Dekker's Fast2Sum)."""
    total = larger + smaller
    return DoubleNumber(total, (larger - total) + smaller + low)


def two_sum(x: Number, y: Number) -> tuple[Number, Number]:
    """The rounded sum and its exact error (Knuth)."""
    total = x + y
    part = total - x
    return total, (x - (total - part)) + (y - part)


def polynomial_pair(x: Number, coefficients: Sequence[float | Number]) -> DoubleNumber:
    """A polynomial with what it lost to its last rounding, where no other term is much larger than
    the constant one."""
    first, *higher = coefficients
    slope = polynomial(x, higher)
    total = slope.times_plus(x, first)
    return DoubleNumber(total, slope.times_plus(x, first - total))
