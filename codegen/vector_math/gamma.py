"""lgamma and digamma.

Owns the polynomials for both formats. Imports `logarithm`. Invariant: digamma is within 2 ULP and
lgamma within 4, near the zeros of positive arguments too. For negative arguments both have zeros
between any two poles, and near those the error is that of their largest term: a few ULP of it.

Methods: near a zero the function is the distance from it times a polynomial; from 3 on, Stirling's
series in 1 / (x - 1/2), with a polynomial fitted in its place (NIST Digital Library of
Mathematical Functions, 5.11); the recurrence below 1/2 and 1, the reflection formulas below 0
(5.5.3, 5.5.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, nan
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import logarithm
from graphc.codegen.vector_math.double_number import DoubleNumber, polynomial_pair, two_sum
from graphc.codegen.vector_math.logarithm import log_pair
from graphc.codegen.vector_math.number import Number, blend, polynomial, rounded
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

_HALF_LOG_TWO_PI = 0.9189385332046728

_FAR = 3.0
"""Stirling's series serves from here on."""

_AT_TWO = 0.25
"""lgamma(1 + t) is found from its zero at 1 below this t, and from the one at 2 above."""


@dataclass(frozen=True)
class _Constants:
    at_one: tuple[float, ...]
    """lgamma(1 + t) = t * at_one(t) for -1/2 <= t <= 1/4."""
    at_two: tuple[float, ...]
    """lgamma(2 + t) = t * at_two(t) for -3/4 <= t <= 1."""
    stirling: tuple[float, ...]
    """lgamma(y + 1/2) = y (log y - 1) + log(2 pi) / 2 + stirling(1 / y**2) / y for y >= 5/2."""
    sine: tuple[float, ...]
    """sin(pi r) = pi r (1 + r**2 * sine(r**2)) for |r| <= 1/2."""
    zero: tuple[float, float]
    """The positive zero of digamma as a pair."""
    near: tuple[float, ...]
    """digamma(x) = (x - zero) * near(x - 2) for 1 <= x <= 3."""
    far: tuple[float, ...]
    """digamma(y + 1/2) = log y + far(w) * w, w = 1 / y**2, for y >= 5/2."""
    cotangent: tuple[float, ...]
    """pi cot(pi r) = 1 / r + r * cotangent(r**2) for |r| <= 1/2."""


_CONSTANTS = {
    # Relative errors of lgamma 2**-26.4, 2**-25.9, 2**-32.6, 2**-33.6;
    # of digamma 2**-25.9, 2**-34.7, 2**-26.1.
    float32: _Constants(
        at_one=(
            -0.5772157,
            0.822467,
            -0.40068215,
            0.27058142,
            -0.20767792,
            0.16932787,
            -0.13535178,
            0.13855821,
            -0.2154522,
            -0.13537528,
            0.27025235,
            1.4090264,
            0.74768674,
        ),
        at_two=(
            0.42278433,
            0.32246703,
            -0.06735179,
            0.02058111,
            -0.0073920307,
            0.0028874618,
            -0.0011627859,
            0.00052018615,
            -0.00028522173,
            8.3911684e-05,
            1.3018691e-05,
            3.196599e-05,
            -3.0015037e-05,
        ),
        stirling=(
            -0.041666638,
            0.0024290327,
            -0.0007412547,
            0.00036949117,
        ),
        sine=(
            -1.644934,
            0.811742,
            -0.19074538,
            0.026104743,
            -0.00221548,
        ),
        zero=(1.4616321325302124, 1.243815006546356e-08),
        near=(
            0.7853075,
            -0.26073894,
            0.10900021,
            -0.049551155,
            0.023448301,
            -0.011340388,
            0.0055274703,
            -0.0027194675,
            0.0014597715,
            -0.00074210536,
            0.00016621995,
            -6.809848e-05,
            0.0002037237,
            -0.00010673732,
        ),
        far=(
            0.041666646,
            -0.0072899465,
            0.0037954892,
            -0.0034783585,
            0.002821088,
        ),
        cotangent=(
            -3.289868,
            -2.164638,
            -2.0354297,
            -1.988584,
            -2.2290285,
            -0.72719413,
            -5.19799,
        ),
    ),
    # Relative errors of lgamma 2**-56.7, 2**-56.2, 2**-61.0, 2**-63.5;
    # of digamma 2**-54.8, 2**-60.3, 2**-55.6.
    float64: _Constants(
        at_one=(
            -0.5772156649015329,
            0.8224670334241132,
            -0.40068563438652466,
            0.2705808084277812,
            -0.207385551030128,
            0.1695571770007754,
            -0.14404989666919515,
            0.12550966882694453,
            -0.11133426744689623,
            0.10009952824936869,
            -0.09095408150934808,
            0.08334981908545065,
            -0.07693220189508579,
            0.07156566800103066,
            -0.06649947018323395,
            0.060019942005272366,
            -0.065504016984832,
            0.0780446845324458,
            0.05716405850056264,
            0.03568765120929463,
            -0.8483201800033452,
            -1.2311661540172023,
            1.2813842966391187,
            6.4768506690676455,
            7.751568725875609,
            3.516827477030582,
        ),
        at_two=(
            0.42278433509846713,
            0.3224670334241132,
            -0.06735230105319633,
            0.020580808427787,
            -0.007385551028779546,
            0.002890510330646401,
            -0.001192753909224662,
            0.0005096695262128967,
            -0.0002231547886303618,
            9.945750227119406e-05,
            -4.492601987156318e-05,
            2.0507243132983997e-05,
            -9.440471404056855e-06,
            4.374904940958509e-06,
            -2.0363190767580535e-06,
            9.545977588873221e-07,
            -4.5481098826869756e-07,
            2.1374342962620712e-07,
            -9.360236938833371e-08,
            4.523454596793611e-08,
            -2.78990385312853e-08,
            1.2535476663425098e-08,
            -2.6705184261218657e-09,
            2.1131160574009105e-09,
            -2.208019742229866e-09,
            6.591639582923607e-10,
        ),
        stirling=(
            -0.041666666666665436,
            0.002430555555021829,
            -0.0007688491205707342,
            0.0005905805556129203,
            -0.0008397321728860084,
            0.0019036115547413006,
            -0.006089333441503488,
            0.023634239610318963,
            -0.09316932772814628,
            0.31682639712835103,
            -0.8074349297159222,
            1.316634093092454,
            -1.0104005186260447,
        ),
        sine=(
            -1.6449340668482264,
            0.8117424252833498,
            -0.1907518241219199,
            0.026147847814209833,
            -0.002346080995309501,
            0.00014842851912183876,
            -6.9747832004773485e-06,
            2.5076240987348405e-07,
            -5.104243623360133e-09,
        ),
        zero=(1.4616321449683622, 9.549995429965697e-17),
        near=(
            0.7853075386041053,
            -0.2607389546830014,
            0.10899991701761935,
            -0.049551032917670046,
            0.02344730959811703,
            -0.011338432553493516,
            0.005552254162696323,
            -0.002739572879521004,
            0.001358142288485686,
            -0.0006753134135567207,
            0.0003364317207986021,
            -0.0001678148731970683,
            8.378244524857391e-05,
            -4.184768412998858e-05,
            2.0883907939361803e-05,
            -1.0436511329425226e-05,
            5.283440017546459e-06,
            -2.6437241402129963e-06,
            1.1934475870990516e-06,
            -5.908691319010718e-07,
            4.7664854136275464e-07,
            -2.4687255821535056e-07,
            -6.31523489440299e-08,
            3.983023286564181e-08,
            1.1627305133541069e-07,
            -6.317885262922825e-08,
            -3.517302067135706e-08,
            1.9360347019408755e-08,
            1.0020345621150322e-08,
            -5.284219506767891e-09,
        ),
        far=(
            0.04166666666666292,
            -0.007291666664655149,
            0.0038442456376041184,
            -0.004134074310020543,
            0.007558447462672446,
            -0.020977426989127305,
            0.08019093410022006,
            -0.37315597379062543,
            1.8142263146722606,
            -7.973709681988696,
            28.15998685678312,
            -71.7925501203028,
            114.97989801345072,
            -85.93339840980293,
        ),
        cotangent=(
            -3.289868133696453,
            -2.1646464674222763,
            -2.034686123977495,
            -2.008154710966634,
            -2.0019892497984637,
            -2.0004883066189003,
            -2.0002170827784598,
            -1.9984750696638094,
            -2.017843173093446,
            -1.8548559327249203,
            -2.8403827095711427,
            1.4140198355561455,
            -11.378983921368567,
            14.076527104353364,
            -16.045026442329522,
        ),
    ),
}


def lgamma(b: VectorScalars, value: Value) -> Value:
    """log |Gamma(x)|; infinite at 0, at negative integers and at infinities."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    # Arguments down to -1/2 need no reflection; below, the positive ones are those of |x|.
    reflected = x <= -0.5
    z = reflected.choose(-x, x)
    small, far = z < 0.5, z > _FAR
    y = far.choose(z - 0.5, abs(z))
    log_y = log_pair(y)

    from_one = small.choose(z, z - 1.0)
    from_two = small.choose(z - 1.0, z - 2.0)
    at_one = from_one < _AT_TWO
    distance = at_one.choose(from_one, from_two)
    # The sum turns -0, a negative slope times the distance 0, into 0.
    near = (
        distance * polynomial(distance, blend(at_one, constants.at_one, constants.at_two, x)) + 0.0
    )
    near = small.choose((near - log_y.low) - log_y.high, near)

    reciprocal = 1.0 / y
    correction = reciprocal * polynomial(reciprocal * reciprocal, constants.stirling)
    low = y.times_plus(log_y.low, correction + _HALF_LOG_TWO_PI)
    distant = y.times_plus(log_y.high - 1.0, low)
    positive = far.choose(distant, near)

    r = z - rounded(z)
    square = r * r
    sine = abs(r) * square.times_plus(polynomial(square, constants.sine), 1.0)
    negative = -(Number(b, logarithm.log(b, (sine * z).value)) + positive)
    result = reflected.choose(negative, positive)
    pole = x.equals(0.0) | (reflected & r.equals(0.0)) | abs(x).equals(inf)
    return pole.choose(x.of(inf), result).value


def digamma(b: VectorScalars, value: Value) -> Value:
    """The derivative of lgamma; NaN at negative integers, -inf at 0 and inf at -0."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    reflected = x < 0.0
    z = reflected.choose(1.0 - x, x)
    small, far = z < 1.0, z > _FAR
    # digamma(z) = digamma(1 + z) - 1 / z, with the quotient as a pair.
    shift = small.choose(x.of(1.0), 0.0)
    zero_high, zero_low = constants.zero
    distance = z - (zero_high - shift)
    slope = polynomial_pair(z - (2.0 - shift), constants.near)
    rest = distance.times_plus(slope.low, slope.high * -zero_low)
    near = distance.times_plus(slope.high, rest)
    reciprocal, rest = _reciprocal(z)
    near = small.choose((near - rest) - reciprocal, near)

    y = far.choose(z - 0.5, 3.0)
    w = 1.0 / (y * y)
    distant = w.times_plus(polynomial(w, constants.far), Number(b, logarithm.log(b, y.value)))
    positive = far.choose(distant, near)
    cotangent = cotangent_of_pi(x - rounded(x))
    total, lost = two_sum(positive, -cotangent.high)
    lost = (abs(lost) < inf).choose(lost, 0.0)
    negative = total + (lost - cotangent.low)
    pole = reflected & x.equals(rounded(x))
    result = pole.choose(x.of(nan), reflected.choose(negative, positive))
    return x.equals(0.0).choose(x.of(-inf).with_sign_of(-x), result).value


def cotangent_of_pi(r: Number) -> DoubleNumber:
    """pi cot(pi r) for |r| <= 1/2; the low part is small but may exceed an ULP."""
    square = r * r
    reciprocal, rest = _reciprocal(r)
    series = polynomial(square, _CONSTANTS[r.dtype].cotangent)
    return DoubleNumber(reciprocal, r.times_plus(series, rest))


def _reciprocal(x: Number) -> tuple[Number, Number]:
    """1 / x as a pair."""
    high = 1.0 / x
    low = high.times_plus(-x, 1.0) * high
    return high, (abs(low) < inf).choose(low, 0.0)
