"""exp, expm1, and the logistic and hyperbolic tangent made from them.

Owns the reduction x = k ln 2 + r and the polynomials for expm1(r), which `hyperbolic` and `power`
use too. Imports `number`. Invariant:
every function here is within 2 ULP, subnormal results included.

Method: Tang, "Table-driven implementation of the exponential function in IEEE floating-point
arithmetic", ACM TOMS 15(2), 1989, without the table; ln 2 is split as in Cody & Waite, Software
Manual for the Elementary Functions, 1980.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import e, log2
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.lookup_exponential import exponential
from graphc.codegen.vector_math.number import Number, blend, polynomial, power_of_two
from graphc.codegen.vector_math.piecewise import TANH, piecewise
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    ln2: tuple[float, float]
    """ln 2 rounded, and what that leaves; a multiple of the first is subtracted exactly."""
    tail: tuple[float, ...]
    """expm1(r) = r + r**2 * tail(r) for |r| <= ln 2 / 2."""
    lowest: float
    """exp of this and of everything below is 0."""
    highest: float
    """exp of this and of everything above is infinite."""
    saturation: float
    """tanh of this and expm1(-2 * this) differ from 1 and -1 by less than half an ULP."""
    tiny: float
    """Below this expm1(x) rounds to x."""
    widest_shift: int
    """2 to this power makes 1 negligible, and its inverse is normal."""
    tanh_near: tuple[float, ...]
    """tanh(x) = x + x**3 * tanh_near(x**2) for |x| < tanh_split."""
    tanh_far: tuple[float, ...]
    """expm1(2 r) / 2 = r + r**2 * tanh_far(r) for |r| <= ln 2 / 4."""
    tanh_split: float


_CONSTANTS = {
    # Relative errors of the polynomials: 2**-26.1, 2**-27.1, 2**-26.1.
    float32: _Constants(
        ln2=(0.6931471824645996, -1.904654299957768e-09),
        tail=(0.49999997, 0.16666546, 0.041667435, 0.00836626, 0.0013870656),
        lowest=-104.0,
        highest=89.0,
        saturation=9.1,
        tiny=2.0**-25,
        widest_shift=64,
        tanh_near=(-0.3333326, 0.13330829, -0.053687904, 0.020469, -0.00551468),
        tanh_far=(0.99999994, 0.66666186, 0.33333948, 0.13386016, 0.0443861),
        tanh_split=0.65,
    ),
    # Relative errors of the polynomials: 2**-55.6, 2**-60.6, 2**-61.6.
    float64: _Constants(
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
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
        widest_shift=512,
        tanh_near=(
            -0.333333333333333,
            0.13333333333326577,
            -0.05396825396373414,
            0.021869488385067307,
            -0.008863232588060224,
            0.003592091890870206,
            -0.0014555419198147331,
            0.0005884405676334781,
            -0.00023337132392983007,
            8.330138788562437e-05,
            -1.948515988246432e-05,
        ),
        tanh_far=(
            1.0,
            0.6666666666666671,
            0.3333333333333335,
            0.13333333333314798,
            0.044444444444448415,
            0.01269841272668738,
            0.0031746031730130325,
            0.0007054654740515727,
            0.00014109347797832027,
            2.571130859766235e-05,
            4.279688259113114e-06,
        ),
        tanh_split=0.55,
    ),
}


def exp(b: VectorScalars, value: Value) -> Value:
    """e**x."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    bounded = x.clamped(constants.lowest, constants.highest)
    if avx512.available(x):
        return exponential(bounded).value
    k, r, _ = reduced(bounded)
    return one_plus_scaled(expm1_reduced(r), k).value


def expm1(b: VectorScalars, value: Value) -> Value:
    """e**x - 1, exact in the limit of small x."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    k, r, lost = reduced(x.clamped(-2.0 * constants.saturation, constants.highest))
    square = r * r
    fraction = r + square.times_plus(polynomial(r, constants.tail, square), lost)
    # Half the result first: 2**k would overflow before the result does.
    scale = power_of_two(k - 1, x.dtype)
    half = fraction.times_plus(scale, scale - 0.5)
    return (abs(x) < constants.tiny).choose(x, half + half).value


def sigmoid(b: VectorScalars, value: Value) -> Value:
    """1 / (1 + e**-x), with full relative accuracy where it is small.

    With x = k ln 2 + r it is 2**k / (2**k + e**-r). A very negative k is split: 2**k would
    underflow, and only the part that makes the sum matters there.
    """
    x = Number(b, value)
    fmt, constants = x.format, _CONSTANTS[x.dtype]
    bounded = x.clamped(constants.lowest, 2.0 * constants.saturation)
    k, r, _ = reduced(bounded)
    lowest = fmt.rounder_bits - constants.widest_shift
    shift = (k > lowest).choose(k, lowest)
    scale = power_of_two(shift, x.dtype)
    # Dekker's Fast2Sum: a scale below 1 is not lost bit by bit.
    leading = scale + 1.0
    rest = scale - (leading - 1.0)
    divisor = leading + expm1_reduced(-r, rest)
    if avx512.available(x):
        exponent = k.as_float(x.dtype) - fmt.rounder
        return avx512.scaled(avx512.reciprocal(divisor), exponent).value
    return (scale / divisor * power_of_two(k - shift, x.dtype)).value


def tanh(b: VectorScalars, value: Value) -> Value:
    """An odd polynomial near 0, and 1 - 2 / (e**2|x| + 1) beyond.

    Both polynomials are evaluated in one chain, with coefficients chosen lane by lane. Here
    |x| = k ln 2 / 2 + r.
    """
    x = Number(b, value)
    if x.dtype is float32 and avx512.available(x):
        return piecewise(x, TANH).value
    constants = _CONSTANTS[x.dtype]
    magnitude = abs(x).clamped(high=constants.saturation)
    near = magnitude < constants.tanh_split
    shifted = magnitude.times_plus(2.0 * log2(e), x.format.rounder)
    r = (shifted - x.format.rounder).times_plus(-0.5 * constants.ln2[0], magnitude)
    base = near.choose(magnitude, r)
    variable = near.choose(magnitude * magnitude, r)
    coefficients = blend(near, constants.tanh_near, constants.tanh_far, x)
    series = (variable * base).times_plus(polynomial(variable, coefficients), base)
    scale = power_of_two(shifted.bits, x.dtype)
    distant = 1.0 - 2.0 / series.times_plus(scale + scale, scale + 1.0)
    return near.choose(series, distant).with_sign_of(x).value


def expm1_reduced(r: Number, rest: Number | None = None) -> Number:
    """e**r - 1, plus a small rest, for |r| <= ln 2 / 2."""
    square = r * r
    linear = r if rest is None else r + rest
    return square.times_plus(polynomial(r, _CONSTANTS[r.dtype].tail, square), linear)


def hyperbolic_reduced(r: Number) -> tuple[Number, Number]:
    """sinh(r) - r and cosh(r) - 1 for |r| <= ln 2 / 2, by the powers of the same polynomial."""
    tail = _CONSTANTS[r.dtype].tail
    square = r * r
    return square * r * polynomial(square, tail[1::2]), square * polynomial(square, tail[0::2])


def one_plus_scaled(x: Number, k: Number) -> Number:
    """(1 + x) * 2**k with k in the low bits of an integer, right where the result is subnormal.

    2**k itself may be out of range, so its two halves are multiplied in, the second with rounding.
    """
    half = k >> 1
    scale = power_of_two(half, x.dtype)
    return x.times_plus(scale, scale) * power_of_two(k - half, x.dtype)


def reduced(x: Number) -> tuple[Number, Number, Number]:
    """k, r and what r lost to rounding, of x = k ln 2 + r with |r| <= ln 2 / 2.

    k stands in the low bits of an integer.
    """
    high, low = _CONSTANTS[x.dtype].ln2
    shifted = x.times_plus(log2(e), x.format.rounder)
    k = shifted - x.format.rounder
    exact = k.times_plus(-high, x)
    r = k.times_plus(-low, exact)
    return shifted.bits, r, k.times_plus(-low, exact - r)
