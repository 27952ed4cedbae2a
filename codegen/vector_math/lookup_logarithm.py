"""Logarithms by a table of reciprocals, on processors that look up in a register.

Owns the table and the split x = 2**e * (1 + f) / reciprocal. Imports `number` and `avx512`.
Invariant: within 1.2 ulp; subnormal arguments, zeros, infinities and negative numbers are no
special cases, for the instructions that take exponent and mantissa apart know them.

Method: Tang, "Table-driven implementation of the logarithm function in IEEE floating-point
arithmetic", ACM TOMS 16(4), 1990. Around 1 the reciprocal is 1, so that f is exact; logarithms
of the others are nearly short numbers (Gal & Bachelis, ACM TOMS 17(1), 1991).
"""

from __future__ import annotations

from functools import cache
from math import log
from typing import Literal

from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.number import Number, polynomial
from graphc.ir.types import DType, float32, float64

# log(1 + f) = f + f**2 * P(f) on [-1 / 64, 1 / 32], relative error 2**-26.9, and on
# [-1 / 32, 1 / 16], relative error 2**-56.6.
_TAIL = {
    float32: (-0.50000125, 0.3333657, -0.24391712),
    float64: (
        -0.5000000000000003,
        0.33333333333347476,
        -0.24999999999819073,
        0.19999999927314527,
        -0.16666666220858478,
        0.1428582123869514,
        -0.1250184946987,
        0.11070605526724503,
        -0.08738858739849609,
    ),
}

_CHOOSING_BITS = {float32: 5, float64: 4}
"""Those of the mantissa that choose a reciprocal."""

LN2 = {
    float32: (0.693145751953125, 1.428606765330187e-06),
    float64: (0.6931471803691238, 1.9082149292705877e-10),
}
"""ln 2 as a pair, the first with so few bits that its product with an exponent is exact."""

_FRACTION_BITS = {float32: 16, float64: 41}
"""Of the logarithms of the reciprocals, which are so short that they are added without error."""

Base = Literal[2, 10] | None
"""None is e."""

# For each value of the first bits of a mantissa, close to the inverse of those, or twice it;
# `benchmarks/lookup_tables.py` finds them.
# fmt: off
_RECIPROCALS = {
    None: {
        float32: (
            1.0, 0.95578045, 0.92800117, 0.9011943, 0.8764313, 0.8535852, 0.8311697, 0.8096764,
            0.78983486, 0.7707147, 0.752976, 0.7354323, 0.71898824, 0.7033839, 0.68844384,
            0.6738828, 1.3188952, 1.292478, 1.2677113, 1.2427363, 1.2195926, 1.1969163, 1.1736226,
            1.1536304, 1.1333905, 1.112402, 1.0946546, 1.0754822, 1.0583562, 1.0400894, 1.0239799,
            1.0,
        ),
        float64: (
            1.0, 0.9142857142831524, 0.8648648648596853, 0.8205128205827275, 0.7804878048755541,
            0.7441860464489911, 0.7111111111144438, 0.6808510638236177, 1.3061224489664416,
            1.2549019607983085, 1.2075471698060718, 1.1636363635478608, 1.1228070176395695,
            1.0847457628070736, 1.0491803277917033, 1.0,
        ),
    },
    2: {
        float32: (
            1.0, 0.9548625, 0.92785275, 0.9015975, 0.8765764, 0.85325086, 0.8308623, 0.8099773,
            0.7900266, 0.7708934, 0.7531072, 0.7355602, 0.7189921, 0.70313925, 0.6880215,
            0.67361337, 1.3199909, 1.292991, 1.2672805, 1.2422913, 1.2190965, 1.1963475, 1.1744328,
            1.1534805, 1.132375, 1.1126437, 1.0939965, 1.0756732, 1.0577575, 1.0408665, 1.0239094,
            1.0,
        ),
        float64: (
            1.0, 0.9142857142732946, 0.8648648648909528, 0.8205128205146893, 0.7804878048513321,
            0.7441860465569197, 0.7111111111550916, 0.6808510638068248, 1.3061224490158574,
            1.2549019607284715, 1.2075471698031213, 1.1636363635806763, 1.1228070175892677,
            1.0847457626448553, 1.0491803278954213, 1.0,
        ),
    },
    10: {
        float32: (
            1.0, 0.9546477, 0.928645, 0.9005302, 0.87554, 0.8537293, 0.8315557, 0.81106865,
            0.789254, 0.77200305, 0.75237495, 0.7352581, 0.7183035, 0.70341843, 0.6888176,
            0.67383295, 1.3194467, 1.2939216, 1.2670637, 1.2444307, 1.2187285, 1.196076, 1.1738033,
            1.1544574, 1.1326811, 1.1114718, 1.0933837, 1.0751365, 1.058346, 1.0412688, 1.0252954,
            1.0,
        ),
        float64: (
            1.0, 0.9142857141075442, 0.8648648649237292, 0.820512820576324, 0.7804878047231656,
            0.7441860464508929, 0.7111111110653182, 0.6808510639091099, 1.3061224489969014,
            1.2549019608362322, 1.2075471699382792, 1.1636363637521059, 1.1228070173474567,
            1.0847457627246333, 1.049180327869531, 1.0,
        ),
    },
}
# fmt: on


def logarithm(x: Number) -> Number:
    """The natural logarithm: -inf at 0, NaN below."""
    exponent, of_piece, f = _by_pieces(x, None)
    whole, rest = LN2[x.dtype]
    square = f * f
    fraction = square.times_plus(polynomial(f, _TAIL[x.dtype], square), f)
    return exponent.times_plus(whole, of_piece) + exponent.times_plus(rest, fraction)


def logarithm_to_base(
    x: Number, base: Base, scale: tuple[float, float], doubling: tuple[float, float]
) -> Number:
    """log(x) * scale, a pair; `doubling` is that of 2, whose first part is exact in a multiple."""
    exponent, of_piece, f = _by_pieces(x, base)
    # The series times the second part of the scale is too small to matter.
    tail = [coefficient * scale[0] for coefficient in _TAIL[x.dtype]]
    series = f.times_plus(polynomial(f, tail, f * f), scale[1])
    fraction = f.times_plus(scale[0], f * series)
    if doubling[1]:
        fraction = exponent.times_plus(doubling[1], fraction)
    return exponent.times_plus(doubling[0], of_piece) + fraction


def _by_pieces(x: Number, base: Base) -> tuple[Number, Number, Number]:
    """The exponent e as a float, the logarithm of the inverse of the reciprocal, and f."""
    exponent, place, mantissa = split(x)
    reciprocal = avx512.lookup(place, reciprocals(base, x.dtype), x.dtype)
    of_piece = avx512.lookup(place, logarithms(base, x.dtype), x.dtype)
    return exponent, of_piece, mantissa.times_plus(reciprocal, -1.0)


def split(x: Number) -> tuple[Number, Number, Number]:
    """The exponent as a float, what chooses the reciprocal, and the mantissa in [3/4, 3/2)."""
    mantissa, exponent = avx512.mantissa(x), avx512.exponent(x)
    # The exponent is that of a mantissa of at least 1.
    exponent = (mantissa < 1.0).choose(exponent + 1.0, exponent)
    return exponent, mantissa.bits >> (x.format.mantissa - _CHOOSING_BITS[x.dtype]), mantissa


def reciprocals(base: Base, dtype: DType) -> tuple[float, ...]:
    """Those whose logarithms to a base are nearly short numbers."""
    return _RECIPROCALS[base][dtype]


@cache
def logarithms(base: Base, dtype: DType) -> tuple[float, ...]:
    """Those of the inverses of the reciprocals."""
    unit = 2.0 ** -_FRACTION_BITS[dtype]
    scale = 1.0 if base is None else log(base)
    exact = (float(dtype.numpy.type(x)) for x in reciprocals(base, dtype))
    return tuple(round(-log(x) / scale / unit) * unit for x in exact)
