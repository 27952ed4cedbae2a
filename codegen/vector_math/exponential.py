"""exp, expm1, and the logistic and hyperbolic tangent made from them.

Owns the reduction x = k ln 2 + r and the polynomial for exp(r). Imports `number`. Invariant: every
function here is within 2 ULP, subnormal results included.

Method: Tang, "Table-driven implementation of the exponential function in IEEE floating-point
arithmetic", ACM TOMS 15(2), 1989, without the table; ln 2 is split as in Cody & Waite, Software
Manual for the Elementary Functions, 1980.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import e, log2
from typing import TYPE_CHECKING

from graphc.codegen.emit import Value
from graphc.codegen.vector_math.number import Number, polynomial, power_of_two
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    ln2_high: float
    ln2_low: float
    tail: tuple[float, ...]
    """exp(r) = 1 + r + r**2 * tail(r) for |r| <= ln 2 / 2, minimax relative to expm1(r)."""
    lowest: float
    """exp of this and of everything below is 0."""
    highest: float
    """exp of this and of everything above is infinite."""
    saturation: float
    """tanh of this and expm1(-2 * this) differ from 1 and -1 by less than half an ULP."""
    tiny: float
    """Below this expm1(x) rounds to x."""


_CONSTANTS = {
    # Error 2**-26.1 of expm1(r).
    float32: _Constants(
        ln2_high=0.693147182464599609375,
        ln2_low=-1.904654299957767878541823431924500011926579e-9,
        tail=(0.49999997, 0.16666546, 0.041667435, 0.00836626, 0.0013870656),
        lowest=-104.0,
        highest=89.0,
        saturation=9.1,
        tiny=2.0**-25,
    ),
    # Error 2**-55.6 of expm1(r).
    float64: _Constants(
        ln2_high=0.69314718055994530941723212145817656807550,
        ln2_low=2.319046813846299558417771e-17,
        tail=(
            0.5000000000000006,
            0.16666666666666646,
            0.04166666666657612,
            0.00833333333336187,
            0.0013888888931455879,
            0.00019841269766842295,
            2.4801505522513988e-05,
            2.7557372234469164e-06,
            2.7625925307895925e-07,
            2.5063248773267188e-08,
        ),
        lowest=-746.0,
        highest=710.0,
        saturation=19.1,
        tiny=2.0**-54,
    ),
}


def reduce(x: Number) -> tuple[Number, Number]:
    """k and r of x = k ln 2 + r with |r| <= ln 2 / 2; k in the low bits of an integer."""
    constants = _CONSTANTS[x.dtype]
    rounder = x.format.rounder
    shifted = x.times_plus(log2(e), rounder)
    k = shifted - rounder
    r = k.times_plus(-constants.ln2_high, x)
    return shifted.bits, k.times_plus(-constants.ln2_low, r)


def exp_reduced(r: Number) -> Number:
    """exp(r) for |r| <= ln 2 / 2."""
    return polynomial(r, (1.0, 1.0, *_CONSTANTS[r.dtype].tail))


def scaled(x: Number, k: Number) -> Number:
    """x * 2**k with k in the low bits of an integer, correct where the result is subnormal.

    2**k itself may be out of range, so its two halves are multiplied in, the second with rounding.
    """
    half = k >> 1
    return x * power_of_two(half, x.dtype) * power_of_two(k - half, x.dtype)


def exp_bounded(x: Number) -> Number:
    """exp(x) for `lowest` <= x <= `highest`."""
    k, r = reduce(x)
    return scaled(exp_reduced(r), k)


def _expm1_parts(x: Number) -> tuple[Number, Number]:
    """expm1(r) and k - 1 for x = k ln 2 + r."""
    k, r = reduce(x)
    return (r * r).times_plus(polynomial(r, _CONSTANTS[x.dtype].tail), r), k - 1


def exp(b: VectorScalars, value: Value) -> Value:
    """e**x."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    return exp_bounded(x.clamped(constants.lowest, constants.highest)).value


def expm1(b: VectorScalars, value: Value) -> Value:
    """e**x - 1, exact in the limit of small x."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    fraction, k = _expm1_parts(x.clamped(-2.0 * constants.saturation, constants.highest))
    # Half the result first: 2**k would overflow before the result does.
    scale = power_of_two(k, x.dtype)
    half = fraction.times_plus(scale, scale - 0.5)
    return (abs(x) < constants.tiny).choose(x, half + half).value


def sigmoid(b: VectorScalars, value: Value) -> Value:
    """1 / (1 + e**-x), with full relative accuracy where it is small."""
    x = Number(b, value)
    power = exp_bounded((-abs(x)).clamped(low=_CONSTANTS[x.dtype].lowest))
    return ((x < 0.0).choose(power, 1.0) / (power + 1.0)).value


def tanh(b: VectorScalars, value: Value) -> Value:
    """(e**2x - 1) / (e**2x + 1)."""
    x = Number(b, value)
    doubled = abs(x).clamped(high=_CONSTANTS[x.dtype].saturation) * 2.0
    fraction, k = _expm1_parts(doubled)
    scale = power_of_two(k + 1, x.dtype)
    power = fraction.times_plus(scale, scale - 1.0)
    return (power / (power + 2.0)).with_sign_of(x).value
