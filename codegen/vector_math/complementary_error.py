"""erfc and erfinv.

Owns the polynomials for both formats. Imports `exponential` and `logarithm`. Invariant: within
2 ULP everywhere, where erfc is subnormal and where erfinv grows without bound included.

Methods: erfc(x) = exp(-x**2) * erfcx(x), with x**2 as a pair and erfcx a polynomial in
(x - c) / (x + c) over 1 + 2 x (Shepherd & Laframboise, "Chebyshev approximation of
(1 + 2x) exp(x**2) erfc x in 0 <= x < inf", Mathematics of Computation 36, 1981). erfinv(x) is x
times a function of w = -log(1 - x**2) (Giles, "Approximating the erfinv function", GPU Computing
Gems Jade Edition, 2011).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import logarithm
from graphc.codegen.vector_math.double_number import polynomial_pair, sum_ordered
from graphc.codegen.vector_math.exponential import expm1_reduced, reduced
from graphc.codegen.vector_math.number import (
    Number,
    blend,
    power_of_two,
    square_root,
)
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Piece:
    """erfinv(x) = x * series(v - center) from w = start on.

    v is w in the first piece and sqrt(w) beyond.
    """

    start: float
    center: float
    series: tuple[float, ...]


@dataclass(frozen=True)
class _Constants:
    center: float
    scaled: tuple[float, ...]
    """(1 + 2 x) exp(x**2) erfc(x) = scaled((x - center) / (x + center)), x >= 0."""
    near: tuple[float, ...]
    """erf(x) = x + x * near(x**2) for |x| <= 3/4."""
    last: float
    """erfc of this and of everything above is 0."""
    inverse: tuple[_Piece, ...]


_CONSTANTS = {
    # Relative errors 2**-27.2, 2**-29.2, 2**-26.0 and 2**-27.1.
    float32: _Constants(
        center=2.0,
        scaled=(
            1.2769784,
            -0.092763826,
            -0.16602986,
            0.16405132,
            -0.05422586,
            -0.008034859,
            0.008743459,
            0.0012733103,
            -0.0014809588,
            -0.00044278146,
            0.00020577166,
            0.00010777032,
        ),
        near=(
            0.12837917,
            -0.3761262,
            0.11283379,
            -0.026834335,
            0.005113157,
            -0.00067375845,
        ),
        last=10.2,
        inverse=(
            _Piece(
                start=0.0,
                center=1.0,
                series=(
                    1.1273744,
                    0.24783288,
                    0.0042504934,
                    -0.0023763594,
                    0.0001005512,
                    3.800735e-05,
                    -4.477308e-06,
                    -3.8310597e-07,
                    8.1519254e-08,
                    2.2800628e-09,
                    -7.619988e-10,
                ),
            ),
            _Piece(
                start=5.0,
                center=3.0,
                series=(
                    2.8329768,
                    1.0016752,
                    0.009444447,
                    -0.007643148,
                    0.00569456,
                    -0.0035656635,
                    0.0014564977,
                    -0.00012007411,
                    -0.00025874106,
                    0.0001581325,
                    -3.4264263e-05,
                ),
            ),
        ),
    ),
    # Relative errors 2**-54.6, 2**-56.3, 2**-54.4, 2**-55.0 and 2**-55.7.
    float64: _Constants(
        center=4.0,
        scaled=(
            1.2329951186255526,
            -0.13962111684056244,
            0.015379652102606452,
            0.06809705425468629,
            -0.10103906603566319,
            0.09373283499852385,
            -0.06633036582429806,
            0.03716751553527879,
            -0.01619773394045737,
            0.005031969992936617,
            -0.0007577739615530338,
            -0.00019925675160549136,
            0.00015062414133059827,
            -2.4399084179627954e-05,
            -1.122809069946243e-05,
            5.709462216714951e-06,
            3.0405125505419145e-07,
            -8.245998989532328e-07,
            6.291697716207293e-08,
            1.0802729765966228e-07,
            -9.635473709893914e-09,
            -1.1530342417038378e-08,
            -8.852259638434199e-10,
        ),
        near=(
            0.1283791670955126,
            -0.37612638903183754,
            0.11283791670955115,
            -0.0268661706451241,
            0.0052239776252670286,
            -0.0008548327002171428,
            0.00012055331514526773,
            -1.49255877787403e-05,
            1.6460361602920731e-06,
            -1.6332944186326406e-07,
            1.4406709538268518e-08,
            -9.43709371472684e-10,
        ),
        last=27.3,
        inverse=(
            _Piece(
                start=0.0,
                center=1.0,
                series=(
                    1.1273743936892278,
                    0.24783287028621093,
                    0.004250709244823434,
                    -0.002376369955578794,
                    0.00010012177623738055,
                    3.820187248562466e-05,
                    -4.27558572977383e-06,
                    -5.652252210903839e-07,
                    1.2231717001942107e-07,
                    6.040117295664319e-09,
                    -3.024193391257779e-09,
                    1.660759009271268e-11,
                    6.758568193114404e-11,
                    -3.739568229232991e-12,
                    -1.352882751551578e-12,
                    1.4981598605383057e-13,
                    2.179667408924111e-14,
                    -2.1089097709879325e-15,
                    -1.650127696676888e-15,
                    5.449564502474753e-16,
                    -8.623653156376528e-17,
                    8.385741816811999e-18,
                    -5.14893346184509e-19,
                    1.8525744752021968e-20,
                    -3.00077461325295e-22,
                ),
            ),
            _Piece(
                start=6.25,
                center=3.25,
                series=(
                    3.0838856104922208,
                    1.0052589676941652,
                    0.0053709145535112395,
                    -0.00375120850821058,
                    0.0024914421015966195,
                    -0.0016882755356661804,
                    0.000953289223130658,
                    -0.0003550378179292605,
                    2.4033504124162667e-05,
                    6.82872648181226e-05,
                    -4.7340430196974897e-05,
                    1.2463286028857789e-05,
                    3.0567498883432525e-06,
                    -3.9746224213854355e-06,
                    9.676583672928522e-07,
                    -7.00610424530669e-08,
                    1.1736258254020366e-06,
                    2.3236510722827559e-07,
                    -2.6094396284172816e-06,
                    -1.6066367596115513e-07,
                    3.002337718313141e-06,
                    1.1674242558745636e-07,
                    -1.9905598657620582e-06,
                    -4.006233152253982e-08,
                    5.789816167251009e-07,
                ),
            ),
            _Piece(
                start=16.0,
                center=5.0,
                series=(
                    4.849906401408584,
                    1.0103004648645448,
                    -0.00013871931839987766,
                    -0.0002150301197991066,
                    7.599527889759097e-05,
                    -1.9681771165453875e-05,
                    4.526039820664824e-06,
                    -9.930259770988578e-07,
                    2.291567235671466e-07,
                    -6.757014252991113e-08,
                    2.851874499303537e-08,
                    -1.5217416400657526e-08,
                    9.340276957717315e-09,
                    -3.5504455723988583e-09,
                    -1.7063244496176365e-09,
                    -2.9787722548017964e-10,
                    4.054272319707756e-09,
                    -1.471354216552083e-10,
                    -3.458586653953851e-09,
                    1.7154591658735845e-10,
                    1.8577769747146492e-09,
                    -8.788787024438919e-11,
                    -5.6659841828219e-10,
                    1.9101663528729e-11,
                    7.371123222457532e-11,
                ),
            ),
        ),
    ),
}


def erfc(b: VectorScalars, value: Value) -> Value:
    """1 - erf(x), accurate where it is small."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    magnitude = abs(x).clamped(high=constants.last)
    near = magnitude < 0.75
    square = magnitude * magnitude
    t = (magnitude - constants.center) / (magnitude + constants.center)
    # One chain for both polynomials; the shorter one has zeros for its highest coefficients.
    shorter = constants.near + (0.0,) * (len(constants.scaled) - len(constants.near))
    coefficients = blend(near, shorter, constants.scaled, x)
    series = polynomial_pair(near.choose(square, t), coefficients)
    # The quotient series / (1 + 2 |x|) as a pair.
    divisor = magnitude.times_plus(2.0, 1.0)
    lost = magnitude.times_plus(2.0, 1.0 - divisor)
    reciprocal = 1.0 / divisor
    quotient = series.high * reciprocal
    error = quotient.times_plus(-divisor, series.high) + series.low
    low = quotient.times_plus(-lost, error) * reciprocal

    rest = magnitude.times_plus(magnitude, -square)
    k, r, r_lost = reduced(-square)
    exponent = sum_ordered(r, r_lost - rest, x.of(0.0))
    power = expm1_reduced(exponent.high)
    rest = quotient.times_plus(exponent.low, low)
    mantissa = quotient + quotient.times_plus(power, rest.times_plus(power, rest))
    half = k >> 1
    tail = mantissa * power_of_two(half, x.dtype) * power_of_two(k - half, x.dtype)
    distant = (x < 0.0).choose(2.0 - tail, tail)
    return near.choose(1.0 - x.times_plus(series.high, x), distant).value


def erfinv(b: VectorScalars, value: Value) -> Value:
    """The inverse of erf: infinite at -1 and 1, NaN beyond."""
    x = Number(b, value)
    near, *distant = _CONSTANTS[x.dtype].inverse
    w = -Number(b, logarithm.log(b, ((1.0 - x) * (1.0 + x)).value))
    root = square_root(w)
    variable, series = w - near.center, [x.of(each) for each in near.series]
    for piece in distant:
        beyond = w >= piece.start
        variable = beyond.choose(root - piece.center, variable)
        series = blend(beyond, piece.series, series, x)
    ratio = polynomial_pair(variable, series)
    result = x.times_plus(ratio.high, x * ratio.low)
    return abs(x).equals(1.0).choose(x.of(inf).with_sign_of(x), result).value
