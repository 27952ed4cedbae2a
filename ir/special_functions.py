"""Special functions that NumPy lacks, on arrays.

Owns erfc, erfinv, lgamma, digamma and polygamma, and the exact numbers that their series need.
Imports NumPy only. Invariant: they compute in NumPy's widest float, so that where it has the 64
bits of x86 a result in f64 is within an ULP; the result has the argument's dtype. They are what
compiled code is held against and are not made for speed.

Formulas: NIST Digital Library of Mathematical Functions, chapters 5, 7 and 25.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache, wraps
from math import comb, factorial
from typing import Any

import numpy as np

Wide = Any
"""An array of the widest floats, or one of them."""

_PI = np.longdouble(np.pi) + np.longdouble(1.2246467991473532e-16)
_EULER = np.longdouble(0.5772156649015329) - np.longdouble(4.942915152430645e-18)
_DIGAMMA_ZERO = np.longdouble(1.4616321449683622), np.longdouble(9.549995429965697e-17)
_SERIES, _FRACTION = 40, 250
"""Terms of the series of erf and the continued fraction of erfc, enough where they meet."""

_SHIFT, _STIRLING = 24, 12
"""Asymptotic series are used from here on, with this many terms."""


def _widely(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of the widest floats as one of any floats."""

    @wraps(function)
    def computed(x: Any, *rest: Any, **named: Any) -> Any:
        x = np.asarray(x)
        with np.errstate(all="ignore"):
            result = function(x.astype(np.longdouble), *rest, **named)
            return np.asarray(result).astype(x.dtype)

    return computed


def _erf_series(x: Wide) -> Wide:
    """erf(x), for small x (7.6.2)."""
    term, total = x.copy(), x.copy()
    for n in range(1, _SERIES):
        term = term * (2 * x * x / (2 * n + 1))
        total = total + term
    return 2 / np.sqrt(_PI) * np.exp(-x * x) * total


def _erfc_scaled(x: Wide) -> Wide:
    """exp(x**2) erfc(x), for x >= 1, by its continued fraction (7.9.1)."""
    tail = x
    for n in range(_FRACTION, 0, -1):
        tail = x + n / (2 * tail)
    return 1 / (np.sqrt(_PI) * tail)


def _exp_of_square(x: Wide) -> Wide:
    """exp(-x**2), with the square split so that its rounding does not matter."""
    leading = x.astype(np.float32).astype(x.dtype)
    return np.exp(-leading * leading) * np.exp((leading - x) * (leading + x))


@_widely
def erfc(x: Wide) -> Wide:
    """1 - erf(x)."""
    near = 1 - _erf_series(np.clip(x, -1, 1))
    distant = np.clip(np.abs(x), 1, 200)
    far = _exp_of_square(distant) * _erfc_scaled(distant)
    return np.where(np.abs(x) > 1, np.where(x > 0, far, 2 - far), near)


@_widely
def erfinv(x: Wide) -> Wide:
    """The y with erf(y) = x: infinite at -1 and 1, NaN beyond."""
    magnitude = np.abs(x)
    inside = np.where(magnitude < 1, magnitude, 0.5)
    # Winitzki's approximation, then Newton's method; for log erfc(y) where erfc is small.
    logarithm = np.log1p(-inside * inside)
    half = 2 / (_PI * 0.147) + logarithm / 2
    y = np.sqrt(np.sqrt(half * half - logarithm / 0.147) - half)
    slope = np.sqrt(_PI) / 2
    for _ in range(5):
        near = y - (_erf_series(np.minimum(y, 1.2)) - inside) * slope * np.exp(y * y)
        distant = np.maximum(y, 1)
        scaled = _erfc_scaled(distant)
        error = np.log(scaled / (1 - inside)) - distant * distant
        y = np.where(inside < 0.9, near, distant + scaled * slope * error)
    limit = np.where(magnitude == 1, np.inf, np.nan)
    return np.copysign(np.where(magnitude < 1, y, limit), x)


@_widely
def lgamma(x: Wide) -> Wide:
    """log |Gamma(x)|; infinite at 0, at negative integers and at infinities."""
    reflected = x < 0.5
    z = np.where(reflected, 1 - x, x)
    positive = _lgamma_positive(z)
    r = x - np.rint(x)
    small = np.abs(x) < 0.5
    # Near 0 the recurrence is used, since there the reflection formula cancels.
    sine = np.abs(np.sin(_PI * r))
    negative = np.log(_PI / sine) - positive
    near_zero = _lgamma_positive(np.where(small, 1 + x, 1)) - np.log(np.abs(x))
    result = np.where(small, near_zero, np.where(reflected, negative, positive))
    pole = (x <= 0) & (x == np.floor(x)) | (np.abs(x) == np.inf)
    return np.where(pole, np.inf, result)


def _lgamma_positive(x: Wide) -> Wide:
    """For x >= 1/2: a series at 2, or Stirling's (5.7.3, 5.11.1)."""
    below = x < 1.5
    t = np.where(x < 2.5, x - np.where(below, 1, 2), 0)
    near = (1 - _EULER) * t
    for k in range(2, 40):
        near = near + (-t) ** k * (_zeta_tail(k) / k)
    near = np.where(below, near - np.log1p(t), near)
    shifted = x < _SHIFT
    y = np.where(shifted, x + _SHIFT, x)
    tail = sum(
        _ratio(bernoulli(2 * k) / (2 * k * (2 * k - 1))) * y ** (1 - 2 * k)
        for k in range(1, _STIRLING)
    )
    far = (y - 0.5) * np.log(y) - y + np.log(2 * _PI) / 2 + tail
    product = np.ones_like(x)
    for k in range(_SHIFT):
        product = product * np.where(shifted, x + k, 1)
    return np.where(x < 2.5, near, far - np.log(product))


@cache
def _zeta_tail(k: int) -> Any:
    """zeta(k) - 1."""
    return _zeta(np.full(1, 2, np.longdouble), k)[0]


@_widely
def digamma(x: Wide) -> Wide:
    """The derivative of lgamma; NaN at negative integers, -inf at 0 and inf at -0."""
    reflected = x < 0
    z = np.where(reflected, 1 - x, x)
    y = z + _SHIFT
    result = np.log(y) - 1 / (2 * y)
    for k in range(1, _STIRLING):
        result = result - _ratio(bernoulli(2 * k) / (2 * k)) * y ** (-2 * k)
    for k in reversed(range(_SHIFT)):
        result = result - 1 / (z + k if k else z)
    r = x - np.rint(x)
    negative = result - np.where(r == 0, np.nan, _PI / np.tan(_PI * r))
    distance = (x - _DIGAMMA_ZERO[0]) - _DIGAMMA_ZERO[1]
    near = np.abs(distance) < 0.25
    positive = np.where(near, _digamma_series(np.where(near, distance, 0)), result)
    return np.where(reflected, negative, positive)


def _digamma_series(t: Wide) -> Wide:
    """digamma at the distance t from its positive zero, by Taylor's series (5.15.1)."""
    result = np.zeros_like(t)
    for k in range(28, 0, -1):
        result = t * (-_zeta_at_zero(k + 1) * (-1) ** k + result)
    return result


@cache
def _zeta_at_zero(s: int) -> Any:
    return _zeta(np.full(1, sum(_DIGAMMA_ZERO)), s)[0]


@_widely
def polygamma(x: Wide, order: int) -> Wide:
    """The derivative of digamma of an order from 1 on.

    At the poles of an even order but 0, NaN.
    """
    reflected = x < 0
    sign = 1 if order % 2 else -1
    positive = sign * factorial(order) * _zeta(np.where(reflected, 1 - x, x), order + 1)
    r = x - np.rint(x)
    parity, *coefficients = cotangent_derivative(order)
    cotangent = _PI / np.tan(_PI * r)
    derivative = cotangent**parity * np.polyval(coefficients[::-1], cotangent * cotangent)
    negative = -sign * positive - derivative
    pole = np.inf if order % 2 else np.nan
    return np.where(reflected, np.where(r == 0, pole, negative), positive)


def _zeta(x: Wide, s: int) -> Wide:
    """Hurwitz' zeta function by Euler-Maclaurin summation (25.11.5)."""
    shift = _SHIFT + s
    y = x + shift
    bracket = np.longdouble(1) / (s - 1) + 1 / (2 * y)
    for j, ratio in enumerate(euler_maclaurin(s, _STIRLING), start=1):
        bracket = bracket + _ratio(ratio) * y ** (-2 * j)
    total = y ** (1 - s) * bracket
    for k in reversed(range(shift)):
        total = total + (x + k if k else x) ** -s
    return total


def _ratio(fraction: Fraction) -> Any:
    return np.longdouble(fraction.numerator) / np.longdouble(fraction.denominator)


@cache
def bernoulli(n: int) -> Fraction:
    """The n-th Bernoulli number (24.5.3)."""
    if n == 0:
        return Fraction(1)
    rest = sum((comb(n + 1, k) * bernoulli(k) for k in range(n)), Fraction(0))
    return -rest / (n + 1)


def euler_maclaurin(s: int, terms: int) -> list[Fraction]:
    """What multiplies y**(1 - s - 2 j) in the sum of (y + k)**-s over k, for j = 1, 2, ..."""
    result = []
    rising = Fraction(s)
    for j in range(1, terms + 1):
        result.append(bernoulli(2 * j) / factorial(2 * j) * rising)
        rising *= (s + 2 * j - 1) * (s + 2 * j)
    return result


@cache
def cotangent_derivative(order: int) -> tuple[Any, ...]:
    """The derivative of g(x) = pi cot(pi x) as a polynomial in g, from g' = -(pi**2 + g**2).

    The parity of its powers, and the coefficients of every other power from there, lowest first.
    """
    # Integers, without the powers of pi**2 that make up each term's degree.
    coefficients = {1: 1}
    for _ in range(order):
        after: dict[int, int] = {}
        for power, factor in coefficients.items():
            for changed in (power - 1, power + 1) if power else ():
                after[changed] = after.get(changed, 0) - power * factor
        coefficients = after
    parity = (order + 1) % 2
    return parity, *(
        np.longdouble(coefficients.get(power, 0)) * _PI ** (order + 1 - power)
        for power in range(parity, order + 2, 2)
    )
