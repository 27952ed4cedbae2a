"""erf.

Owns the polynomials for both formats. Imports `exponential` for double precision. Invariant:
within 2 ULP everywhere. The single-precision code evaluates both of its polynomials in one chain,
with the coefficients chosen lane by lane.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.codegen.emit import Value
from graphc.codegen.vector_math.exponential import exp_bounded
from graphc.codegen.vector_math.number import Number, polynomial
from graphc.ir.types import float32

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

# erf(x) = x + x * P(x**2) for |x| < 2, relative error 2**-26.9.
_SINGLE_NEAR = (
    0.12837917,
    -0.3761261,
    0.112835325,
    -0.026857533,
    0.0052095214,
    -0.0008408312,
    0.00011212813,
    -1.1666181e-05,
    8.2567277e-07,
    -2.888659e-08,
)

# erf(x) = P(x - 4) for 2 <= x <= 4, relative error 2**-24.4.
_SINGLE_FAR = (
    0.99999994,
    -3.9878364e-06,
    -6.278037e-05,
    -0.00036055004,
    -0.0010529578,
    -0.0017011556,
    -0.0016117968,
    -0.00085759605,
    -0.00023421516,
    -1.6471002e-05,
)

# erf(x) = x + x * P(x**2) for |x| < 1, relative error 2**-56.
_DOUBLE_NEAR = (
    0.12837916709551256,
    -0.3761263890318352,
    0.11283791670944204,
    -0.026866170643111257,
    0.005223977606115855,
    -0.0008548325929224343,
    0.00012055293574457457,
    -1.4924712255379924e-05,
    1.6447130999199484e-06,
    -1.6206309422850978e-07,
    1.3710961884931921e-08,
    -7.779434719735725e-10,
)

# erf(x) = 1 - exp(P(x - 2)) for 1 <= x <= 6, relative error 2**-55.
_DOUBLE_FAR = (
    -5.364941264616636,
    -4.418160805994415,
    -0.92375084182395,
    -0.016465118137360034,
    0.0035707563479801243,
    -0.0007323993781039179,
    0.0001353093296986189,
    -2.0706470647074235e-05,
    1.9521899256067016e-06,
    2.0372813028212987e-07,
    -1.7317602034347129e-07,
    5.769478644653244e-08,
    -1.3986568555769974e-08,
    2.610292577894928e-09,
    -2.5839845526055817e-10,
    -7.155334089809256e-11,
    3.6922827696741084e-11,
    -4.9283830135224415e-12,
)


def erf(b: VectorScalars, value: Value) -> Value:
    """The error function."""
    x = Number(b, value)
    single = x.dtype is float32
    magnitude = abs(x).clamped(high=4.0 if single else 6.0)
    positive = _single(magnitude) if single else _double(magnitude)
    return positive.with_sign_of(x).value


def _single(x: Number) -> Number:
    near = x < 2.0
    variable = near.choose(x * x, x - 4.0)
    blended = [near.choose(x.of(a), c) for a, c in zip(_SINGLE_NEAR, _SINGLE_FAR, strict=True)]
    series = polynomial(variable, blended)
    return near.choose(x.times_plus(series, x), series)


def _double(x: Number) -> Number:
    near = x.times_plus(polynomial(x * x, _DOUBLE_NEAR), x)
    far = 1.0 - exp_bounded(polynomial(x - 2.0, _DOUBLE_FAR))
    return (x < 1.0).choose(near, far)
