"""exp2, log2 and log10.

Owns the polynomial for 2**f and the conversion of a logarithm's base. Imports `exponential` and
`logarithm`. Invariant: within 2 ULP; exp2 of whole numbers and log2 of powers of 2 are exact.

Method: as for exp and log, except that the exponent needs no reduction by a rounded constant. The
fraction's logarithm is multiplied as a pair by a pair for 1 / log(base).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.exponential import one_plus_scaled
from graphc.codegen.vector_math.logarithm import guarded, log_of_fraction, split_any
from graphc.codegen.vector_math.lookup_logarithm import Base, logarithm_to_base
from graphc.codegen.vector_math.number import Number, polynomial
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    tail: tuple[float, ...]
    """2**f = 1 + f * tail(f) for |f| <= 1/2."""
    lowest: float
    """2 to this power and to everything below is 0."""
    highest: float
    """2 to this power and to everything above is infinite."""
    log2: tuple[float, float]
    """1 / ln 2 as a pair."""
    log10: tuple[float, float]
    """1 / ln 10 as a pair."""
    log10_of_2: tuple[float, float]
    """log10(2), the first with so few bits that its product with an exponent is exact."""


_CONSTANTS = {
    # Relative error 2**-28.3.
    float32: _Constants(
        tail=(0.6931472, 0.24022648, 0.0555036, 0.009618506, 0.0013390806, 0.00015326471),
        lowest=-151.0,
        highest=128.0,
        log2=(1.4426950216293335, 1.925963033500011e-08),
        log10=(0.4342944920063019, -1.0103049952192578e-08),
        log10_of_2=(0.301025390625, 4.605039066518657e-06),
    ),
    # Relative error 2**-57.8.
    float64: _Constants(
        tail=(
            0.6931471805599453,
            0.24022650695910108,
            0.05550410866482173,
            0.009618129107601604,
            0.0013333558146544809,
            0.0001540353044903614,
            1.5252733635195453e-05,
            1.3215438836206293e-06,
            1.0178159614985673e-07,
            7.073232960224022e-09,
            4.4389185877599605e-10,
        ),
        lowest=-1076.0,
        highest=1024.0,
        log2=(1.4426950408889634, 2.0355273740931033e-17),
        log10=(0.4342944819032518, 1.098319650216765e-17),
        log10_of_2=(0.301029995663157, 8.241712586023572e-13),
    ),
}


def exp2(b: VectorScalars, value: Value) -> Value:
    """2**x."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    bounded = x.clamped(constants.lowest, constants.highest)
    shifted = bounded + x.format.rounder
    f = bounded - (shifted - x.format.rounder)
    return one_plus_scaled(f * polynomial(f, constants.tail, f * f), shifted.bits).value


def log2(b: VectorScalars, value: Value) -> Value:
    """The logarithm to base 2: -inf at 0, NaN below."""
    x = Number(b, value)
    return _logarithm(x, 2, _CONSTANTS[x.dtype].log2, (1.0, 0.0))


def log10(b: VectorScalars, value: Value) -> Value:
    """The logarithm to base 10: -inf at 0, NaN below."""
    x = Number(b, value)
    constants = _CONSTANTS[x.dtype]
    return _logarithm(x, 10, constants.log10, constants.log10_of_2)


def _logarithm(
    x: Number, base: Base, scale: tuple[float, float], doubling: tuple[float, float]
) -> Value:
    """e * doubling + scale * log(1 + f) of x = 2**e * (1 + f)."""
    if avx512.available(x):
        return logarithm_to_base(x, base, scale, doubling).value
    f, e = split_any(x)
    fraction = log_of_fraction(f)
    high = fraction.high * scale[0]
    error = fraction.high.times_plus(scale[0], -high)
    low = fraction.high.times_plus(scale[1], fraction.low.times_plus(scale[0], error))
    # Dekker's Fast2Sum: e = 0, or its multiple is larger.
    whole = e * doubling[0]
    total = whole + high
    rest = (whole - total) + high
    return guarded(total + e.times_plus(doubling[1], low + rest), x).value
