"""The derivatives of digamma of any order.

Owns polygamma. Imports the reflection of `gamma` and exact coefficients. Invariant: for positive
arguments the error is a few ULP, half an ULP more with each order; for negative ones it is that
of the larger of the two terms of the reflection formula.

Method: polygamma of order n is (-1)**(n + 1) n! zeta(n + 1, x), and Hurwitz' zeta function is a
sum of powers of 1 / (x + k) and the Euler-Maclaurin series of what remains (NIST Digital Library
of Mathematical Functions, 25.11.5, 5.15). All terms have one sign, so nothing cancels.
"""

from __future__ import annotations

from functools import cache
from itertools import count
from math import factorial, inf, nan
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.gamma import cotangent_of_pi
from graphc.codegen.vector_math.number import Number, polynomial, rounded
from graphc.ir.special_functions import cotangent_derivative, euler_maclaurin
from graphc.ir.types import DType, float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

# Terms of the Euler-Maclaurin series.
_TERMS = {float32: 4, float64: 9}


def polygamma(b: VectorScalars, value: Value, order: int) -> Value:
    """The derivative of digamma of an order from 1 on."""
    given = Number(b, value)
    # In double precision, where no factorial or power of pi overflows.
    x = given.cast(float64)
    reflected = x < 0.0
    z = reflected.choose(1.0 - x, x)
    magnitude = _zeta(z, order + 1, given.dtype) * float(factorial(order))
    positive = magnitude if order % 2 else -magnitude
    reflection = cotangent_of_pi(x - rounded(x))
    cotangent = reflection.high + reflection.low
    parity, *coefficients = (float(c) for c in cotangent_derivative(order))
    derivative = polynomial(cotangent * cotangent, coefficients)
    if parity:
        derivative = derivative * cotangent
    negative = (positive if order % 2 == 0 else -positive) - derivative
    if order % 2 == 0:
        # To both sides of a pole it goes to opposite infinities.
        negative = x.equals(rounded(x)).choose(x.of(nan), negative)
    return reflected.choose(negative, positive).cast(given.dtype).value


def _zeta(x: Number, s: int, wanted: DType) -> Number:
    """sum of (x + k)**-s over k >= 0, in double precision, as accurate as `wanted` needs."""
    terms = _TERMS[wanted]
    shift = _shift(s, terms, 24 if wanted is float32 else 53)
    y = x + float(shift)
    reciprocal = 1.0 / y
    ratios = [float(ratio) for ratio in euler_maclaurin(s, terms)]
    series = polynomial(reciprocal * reciprocal, [1 / (s - 1), *ratios])
    total = _power(reciprocal, s - 1) * reciprocal.times_plus(0.5, series)
    for k in reversed(range(shift)):
        total = total + _inverse_power(x, float(k), s)
    return x.equals(inf).choose(x.of(0.0), total)


def _inverse_power(x: Number, k: float, s: int) -> Number:
    """(x + k)**-s, with the roundings of the sum and the reciprocal made up for."""
    y = x + k if k else x
    reciprocal = 1.0 / y
    lost = (k - (y - x)) if k else None
    power = _power(reciprocal, s)
    error = reciprocal.times_plus(-y, 1.0)
    if lost is not None:
        error = lost.times_plus(-reciprocal, error)
    corrected = power.times_plus(error * float(s), power)
    return (abs(power) < inf).choose(corrected, power)


def _power(x: Number, exponent: int) -> Number:
    """By repeated squaring."""
    result: Number | None = None
    while exponent:
        if exponent & 1:
            result = x if result is None else result * x
        exponent >>= 1
        if exponent:
            x = x * x
    assert result is not None
    return result


@cache
def _shift(s: int, terms: int, digits: int) -> int:
    """How many terms are summed before the series, so that what it leaves out is negligible."""
    omitted = abs(euler_maclaurin(s, terms + 1)[-1]) * (s - 1)
    return next(n for n in count(1) if omitted * 2 ** (digits + 4) < n ** (2 * terms + 2))
