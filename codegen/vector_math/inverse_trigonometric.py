"""asin, acos, atan and atan2.

Owns the polynomials for asin and atan. Imports `number`. Invariant: within 2 ULP for every argument
and, for atan2, the special values of C99, Annex F.9.1.4.

Method: an odd polynomial on [-1/2, 1/2] and asin(x) = pi/2 - 2 asin(sqrt((1 - x) / 2)) beyond; one
on [-1, 1] for the arctangent of a quotient or its inverse. Every result is a multiple of pi/2, as a
pair, plus a term t plus t times a small factor, added up from the smallest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.double_number import sum_ordered
from graphc.codegen.vector_math.number import Number, polynomial, square_root
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    half_pi: tuple[float, float]
    """pi / 2 rounded, and what that leaves."""
    sine: tuple[float, ...]
    """asin(x) = x + x**3 * sine(x**2) for |x| <= 1/2."""
    tangent: tuple[float, ...]
    """atan(x) = x + x**3 * tangent(x**2) for |x| <= 1."""


_CONSTANTS = {
    # Relative errors 2**-27.6 and 2**-28.3. The second is fitted up to 1.01, and then atan(1) is
    # pi / 4 correctly rounded.
    float32: _Constants(
        half_pi=(1.5707963705062866, -4.371139000186243e-08),
        sine=(
            0.16666752,
            0.074953094,
            0.045469154,
            0.02418474,
            0.042158406,
        ),
        tangent=(
            -0.33333296,
            0.19998412,
            -0.14262526,
            0.1094202,
            -0.08370652,
            0.057347544,
            -0.030524923,
            0.010541279,
            -0.0017053216,
        ),
    ),
    # Relative errors 2**-55.9 and 2**-57.5.
    float64: _Constants(
        half_pi=(1.5707963267948966, 6.123233995736766e-17),
        sine=(
            0.16666666666665408,
            0.07500000000337158,
            0.044642856828190726,
            0.030381959143215148,
            0.02237175789071885,
            0.017359707280782403,
            0.013885209814046489,
            0.012169383804818074,
            0.006527219178918172,
            0.019530355695756462,
            -0.016227553447253497,
            0.03191453833293917,
        ),
        tangent=(
            -0.3333333333333307,
            0.19999999999951687,
            -0.1428571428258237,
            0.1111111100714188,
            -0.090909070040268,
            0.07692279844462874,
            -0.06666404066706244,
            0.05880527752788227,
            -0.05253517967899697,
            0.04722319581257259,
            -0.04219170936922141,
            0.03664173138326651,
            -0.029903552938378743,
            0.021984453643211454,
            -0.013900159192260031,
            0.007196199480912902,
            -0.00288474998133889,
            0.0008312572166477601,
            -0.00015214553973440375,
            1.3223383805728244e-05,
        ),
    ),
}


def asin(b: VectorScalars, value: Value) -> Value:
    """The inverse sine, between -pi/2 and pi/2: NaN beyond 1 and -1."""
    x = Number(b, value)
    high, low = _CONSTANTS[x.dtype].half_pi
    near, square, root = _halves(x)
    term = near.choose(abs(x), root * -2.0)
    factor = square * polynomial(square, _CONSTANTS[x.dtype].sine)
    small = factor.times_plus(term, near.choose(x.of(0.0), low))
    # A large term cancels against pi / 2: what their sum loses counts.
    result = sum_ordered(near.choose(x.of(0.0), high), term, small)
    return (result.high + result.low).with_sign_of(x).value


def acos(b: VectorScalars, value: Value) -> Value:
    """The inverse cosine, between 0 and pi: NaN beyond 1 and -1."""
    x = Number(b, value)
    near, square, root = _halves(x)
    term = near.choose(-x, (root + root).with_sign_of(x))
    factor = square * polynomial(square, _CONSTANTS[x.dtype].sine)
    return _turned(term, factor, near, x < 0.0).value


def _halves(x: Number) -> tuple[Number, Number, Number]:
    """Whether |x| < 1/2, the argument of the polynomial, and the root of (1 - |x|) / 2."""
    magnitude = abs(x)
    near = magnitude < 0.5
    square = near.choose(x * x, (1.0 - magnitude) * 0.5)
    return near, square, square_root(square)


def atan(b: VectorScalars, value: Value) -> Value:
    """The inverse tangent, between -pi/2 and pi/2."""
    x = Number(b, value)
    magnitude = abs(x)
    inverse = magnitude > 1.0
    term = inverse.choose(-1.0, magnitude) / inverse.choose(magnitude, 1.0)
    return _arctangent(term, inverse, None).with_sign_of(x).value


def atan2(b: VectorScalars, ordinate: Value, abscissa: Value) -> Value:
    """The angle of the point (x, y) between -pi and pi; signs of zeros and infinities count."""
    y, x = Number(b, ordinate), Number(b, abscissa)
    height, width = abs(y), abs(x)
    inverse = height > width
    smaller, larger = inverse.choose(width, height), inverse.choose(height, width)
    quotient = smaller / larger
    # Neither 0 / 0 nor the quotient of two infinities is NaN here.
    equal = larger.equals(0.0).choose(larger, 1.0)
    quotient = smaller.equals(larger).choose(equal, quotient)
    sign = (x.bits ^ inverse.choose(x.bits.of(x.format.sign_bit), 0)) & x.format.sign_bit
    term = (quotient.bits ^ sign).as_float(x.dtype)
    return _arctangent(term, inverse, x.bits < 0).with_sign_of(y).value


def _arctangent(term: Number, quarter: Number, half: Number | None) -> Number:
    """atan(term) for |term| <= 1, and pi/2 more where `quarter`, else pi where `half`."""
    square = term * term
    # Signs of the coefficients alternate: even and odd powers summed apart would cancel.
    factor = square * polynomial(square, _CONSTANTS[term.dtype].tangent)
    return _turned(term, factor, quarter, half)


def _turned(term: Number, factor: Number, quarter: Number, half: Number | None) -> Number:
    """term + term * factor, and pi/2 more where `quarter`, else pi where `half`."""
    high, low = (
        quarter.choose(
            term.of(part), 0.0 if half is None else half.choose(term.of(2.0 * part), 0.0)
        )
        for part in _CONSTANTS[term.dtype].half_pi
    )
    return high + (term + factor.times_plus(term, low))
