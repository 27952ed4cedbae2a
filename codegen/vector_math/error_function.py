"""erf.

Owns the polynomials for both formats. Imports `number`. Invariant: within 2 ULP everywhere, and
never beyond 1. Both polynomials are evaluated in one chain, with the coefficients chosen lane by
lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc.codegen.emit import Value
from graphc.codegen.vector_math.number import Number, blend, polynomial
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
    # Relative errors 2**-57.3 and 2**-56.9.
    float64: _Constants(
        split=1.5,
        near=(
            0.12837916709551256,
            -0.3761263890318366,
            0.11283791670952169,
            -0.026866170644752472,
            0.005223977622888598,
            -0.0008548326919341757,
            0.0001205533020074569,
            -1.4925599216867847e-05,
            1.6461446890483239e-06,
            -1.6359555204786265e-07,
            1.4764144036041894e-08,
            -1.207748300811007e-09,
            8.672558191331177e-11,
            -4.891355383687559e-12,
            1.5771396908318275e-13,
        ),
        far=(
            0.6138983277406624,
            -0.2053751101225157,
            -0.0018625678271424978,
            0.007868271495738433,
            -0.0004155117011410335,
            -0.0001954980022745097,
            2.369145358156587e-05,
            1.5903329882973775e-06,
            -3.1923993206069834e-07,
            -1.9769378872102023e-08,
            3.524696653141332e-09,
            8.564135843410756e-10,
            -2.9412380981724636e-10,
            5.815482379541156e-11,
            -7.368959569869395e-12,
        ),
        center=2.5,
        squarings=4,
        saturation=5.93,
    ),
}


def erf(b: VectorScalars, value: Value) -> Value:
    """The error function."""
    x = Number(b, value)
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
