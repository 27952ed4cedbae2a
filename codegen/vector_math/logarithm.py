"""log and log1p.

Owns the split x = 2**e * (1 + f) and the series for log(1 + f). Imports `number`. Invariant: both
functions are within 2 ULP, subnormal arguments included.

Method: single precision takes a polynomial in f; double precision one in s = f / (2 + f), from
log(1 + f) = 2 artanh(s), arranged so that f itself is never rounded (Tang, "Table-driven
implementation of the logarithm function", ACM TOMS 16(4), 1990; Muller et al., Handbook of
Floating-Point Arithmetic, 2nd ed., section 10.2).
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.double_number import DoubleNumber
from graphc.codegen.vector_math.lookup_logarithm import logarithm
from graphc.codegen.vector_math.number import Number, polynomial, power_of_two, small_integer
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

_SQRT_HALF_BITS = {float32: 0x3F3504F3, float64: 0x3FE6A09E667F3BCD}

# ln 2 in two parts, the first with so few bits that its product with an exponent is exact. In
# single precision the first alone is ln 2 to 28 bits, which is enough.
_LN2_SINGLE = 0.6931471824645996
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
_LN2_PAIRS = {float32: (0.693145751953125, 1.428606765330187e-06), float64: (_LN2_HIGH, _LN2_LOW)}

# log(1 + f) = f + f**2 * P(f) on [sqrt(1/2) - 1, sqrt(2) - 1], relative error 2**-27.3.
_SINGLE = (
    -0.5,
    0.3333333,
    -0.2500082,
    0.20001242,
    -0.16623409,
    0.14201581,
    -0.13159615,
    0.12762202,
    -0.07636397,
)

# log(1 + f) = 2 s + s * z * P(z), z = s**2, relative error 2**-59.5.
_DOUBLE = (
    0.6666666666666735,
    0.3999999999940936,
    0.28571428743685284,
    0.22222198429052703,
    0.18183572354029942,
    0.15313832117270512,
    0.14798259863241878,
)


def split(x: Number) -> tuple[Number, Number]:
    """f and the integer e of x = 2**e * (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1].

    For positive, finite, normal x.
    """
    fmt = x.format
    shifted = x.bits - _SQRT_HALF_BITS[x.dtype]
    mantissa = (shifted & ((1 << fmt.mantissa) - 1)) + _SQRT_HALF_BITS[x.dtype]
    return mantissa.as_float(x.dtype) - 1.0, shifted >> fmt.mantissa


def split_any(x: Number) -> tuple[Number, Number]:
    """`split` with e as a float, for subnormal x too."""
    subnormal = x < x.format.least_normal
    shift = x.format.mantissa + 1
    f, e = split(subnormal.choose(x * 2.0**shift, x))
    return f, small_integer(e, x.dtype) - subnormal.choose(x.of(float(shift)), 0.0)


def _sum(f: Number, e: Number, low: Number | None = None) -> Number:
    """e ln 2 + log(1 + f + low), for a low of at most an ULP of f."""
    square = f * f
    if f.dtype is float32:
        series = polynomial(f, _SINGLE, square)
        fraction = square.times_plus(series, f if low is None else low)
        return e.times_plus(_LN2_SINGLE, fraction if low is None else fraction + f)
    half_square = square * 0.5
    s = f / (f + 2.0)
    z = s * s
    small = e * _LN2_LOW if low is None else e.times_plus(_LN2_LOW, low)
    rest = s.times_plus(z.times_plus(polynomial(z, _DOUBLE), half_square), small)
    return e.times_plus(_LN2_HIGH, f - (half_square - rest))


def log_of_fraction(f: Number) -> DoubleNumber:
    """log(1 + f) for f as `split` gives it; the low part is small but may exceed an ULP."""
    square = f * f
    if f.dtype is float32:
        return DoubleNumber(f, square * polynomial(f, _SINGLE, square))
    half_square = square * 0.5
    high = f - half_square
    s = f / (f + 2.0)
    z = s * s
    rest = s.times_plus(z.times_plus(polynomial(z, _DOUBLE), half_square), (f - high) - half_square)
    return DoubleNumber(high, rest)


def log_pair(x: Number) -> DoubleNumber:
    """log of a positive, finite x as a pair."""
    f, e = split_any(x)
    fraction = log_of_fraction(f)
    high, low = _LN2_PAIRS[x.dtype]
    whole = e * high
    # Dekker's Fast2Sum: e = 0, or its multiple is larger.
    total = whole + fraction.high
    rest = (whole - total) + fraction.high
    return DoubleNumber(total, e.times_plus(low, rest + fraction.low))


def guarded(result: Number, x: Number) -> Number:
    """`result`, or the logarithm of an x that is not positive and finite."""
    not_positive = x.equals(0.0).choose(x.of(-inf), nan)
    finite = (x < inf).choose(result, x)
    return (x > 0.0).choose(finite, not_positive)


def log(b: VectorScalars, value: Value) -> Value:
    """The natural logarithm: -inf at 0, NaN below."""
    x = Number(b, value)
    if avx512.available(x):
        return logarithm(x).value
    return guarded(_sum(*split_any(x)), x).value


def log1p(b: VectorScalars, value: Value) -> Value:
    """log(1 + x), exact in the limit of small x."""
    x = Number(b, value)
    total = x + 1.0
    # What the sum lost, found without a branch (Knuth's TwoSum).
    less_one = total - 1.0
    lost = (1.0 - (total - less_one)) + (x - less_one)
    return log_of_sum(total, lost).with_sign_of(x).value


def log_of_sum(high: Number, low: Number, exponent: Number | int = 0) -> Number:
    """log((high + low) * 2**exponent), accurate relative to itself near 0.

    `high` is their rounded sum, not a subnormal number; the logarithm of 0 is -inf, that of a
    negative number NaN.
    """
    f, e = split(high)
    # Where e is large the low part hardly matters, and 2**-e could be out of range.
    largest = high.format.mantissa + 1
    scale = power_of_two(-(e < largest).choose(e, largest), high.dtype)
    whole = low.times_plus(scale, f)
    rest = low.times_plus(scale, f - whole)
    return guarded(_sum(whole, small_integer(e + exponent, high.dtype), rest), high)
