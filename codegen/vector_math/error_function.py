"""erf.

Owns the polynomials for both formats. Imports `number`. Invariant: within 2 ULP everywhere, and
never beyond 1. Both polynomials are evaluated in one chain, with the coefficients chosen lane by
lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.number import Number, blend, polynomial
from graphc.codegen.vector_math.piecewise import ERF, piecewise
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class _Constants:
    split: float
    near: tuple[float, ...]
    """erf(x) = x + x * near(x**2) below the split."""
    far: tuple[float, ...]
    """erf(x) = 1 - far(x - center)**(2**squarings) beyond: a root of erfc is almost a line."""
    center: float
    squarings: int
    saturation: float
    """erf rounds to 1 from here on."""


_CONSTANTS = {
    # Relative errors 2**-27.2 and 2**-27.1.
    float32: _Constants(
        split=1.125,
        near=(
            0.12837917,
            -0.37612602,
            0.11283256,
            -0.026839225,
            0.005160268,
            -0.00077659084,
            7.063925e-05,
        ),
        far=(
            1.0011436,
            -0.14620055,
            -0.059706084,
            -0.012730975,
            0.013516103,
            -0.002603736,
            0.00016225243,
        ),
        center=0.0,
        squarings=3,
        saturation=3.95,
    ),
    # Relative errors 2**-56.3 and 2**-56.0.
    float64: _Constants(
        split=1.375,
        near=(
            0.1283791670955126,
            -0.37612638903183754,
            0.11283791670954867,
            -0.026866170645080942,
            0.005223977625015832,
            -0.0008548327002491913,
            0.00012055332313783776,
            -1.4925635739470048e-05,
            1.6461887513819763e-06,
            -1.636330565929012e-07,
            1.4786579912795616e-08,
            -1.216980658403137e-09,
            8.921422723585566e-11,
            -5.28702622812176e-12,
            1.858425957260573e-13,
        ),
        far=(
            0.6138983277406616,
            -0.20537511012252915,
            -0.0018625678271223297,
            0.007868271496180657,
            -0.0004155117006008755,
            -0.0001954980048884275,
            2.369144852977519e-05,
            1.5903371482245035e-06,
            -3.192273940543214e-07,
            -1.977011934018035e-08,
            3.512322136747798e-09,
            8.545099817946103e-10,
            -2.887625489325718e-10,
            5.895120578473214e-11,
            -8.274297664443839e-12,
        ),
        center=2.5,
        squarings=4,
        saturation=5.93,
    ),
}


def erf(b: VectorScalars, value: Value) -> Value:
    """The error function."""
    x = Number(b, value)
    if x.dtype is float32 and avx512.available(x):
        return piecewise(x, ERF).value
    constants = _CONSTANTS[x.dtype]
    magnitude = abs(x).clamped(high=constants.saturation)
    near = magnitude < constants.split
    centered = magnitude - constants.center if constants.center else magnitude
    variable = near.choose(magnitude * magnitude, centered)
    coefficients = blend(near, constants.near, constants.far, x)
    series = polynomial(variable, coefficients)
    power = series
    for _ in range(constants.squarings - 1):
        power = power * power
    distant = (-power).times_plus(power, 1.0)
    return near.choose(magnitude.times_plus(series, magnitude), distant).with_sign_of(x).value
