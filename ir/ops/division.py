"""Elementwise ops of whole division: floor_divide, remainder, fmod and gcd.

Owns their records. Invariant: results are NumPy's to the bit, of floats of any magnitude and of
all integers: a zero divisor gives 0, and the smallest integer divided by -1 itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.op import NO_GRADIENT, Array, Sample
from graphc.ir.ops.algebra import Expression
from graphc.ir.ops.combinators import Partial, elementwise
from graphc.ir.ops.samples import draw, elementwise_samples
from graphc.ir.scalar import ScalarBuilder, State, Value
from graphc.ir.types import DTYPES_BY_NAME, INTEGERS, NUMBERS, DType, float32


def _of_any_sign(rng: np.random.Generator, dtype: DType) -> tuple[Array, Array]:
    return draw(rng, dtype, (67,), (-20, 20)), draw(rng, dtype, (67,), (-5, 5))


def _far_apart(rng: np.random.Generator, dtype: DType) -> tuple[Array, Array]:
    """Of all magnitudes, so that quotients have many digits."""
    if not dtype.is_float:
        return _of_any_sign(rng, dtype)
    powers = int(-np.log2(dtype.smallest_normal))
    x, y = (np.ldexp(rng.uniform(-1, 1, 500), rng.integers(-powers, powers, 500)) for _ in range(2))
    return x.astype(dtype.numpy), y.astype(dtype.numpy)


# No quotient of the first samples is whole, where the remainder jumps.
SAMPLES = (
    *elementwise_samples(NUMBERS, (6.6, 7.4), (2.7, 3.2)),
    Sample(_of_any_sign, label="of any sign", differentiable=False),
    Sample(_far_apart, label="far apart", differentiable=False),
)


def _opposite(b: ScalarBuilder, x: Value, y: Value) -> Value:
    """Whether just one of two numbers is negative."""
    zero = b.const(0, b.dtype(x))
    return b.compare("ne", b.compare("lt", x, zero), b.compare("lt", y, zero))


def _lower_fmod(b: ScalarBuilder, x: Value, y: Value) -> Value:
    if not b.dtype(x).is_float:
        left = _lower_remainder(b, x, y)
        inexact = b.compare("ne", left, b.const(0, b.dtype(x)))
        return b.select(b.logical_and(inexact, _opposite(b, left, x)), b.sub(left, y), left)
    return _float_remainder(b, x, y)


def _float_remainder(b: ScalarBuilder, x: Value, y: Value) -> Value:
    """The remainder of x / y with the sign of x, by long division: each round takes off the
    quotient's leading digits, times the divisor, which leaves an exact difference. It may be
    negative by the rounding of the quotient; then its magnitude goes on, `flipped`."""
    dtype = b.dtype(x)
    zero, one, infinite = (b.const(value, dtype) for value in (0, 1, float("inf")))
    # Quotients below `far` squared times this do not overflow; larger ones are brought there.
    far = 2.0**100 if dtype is float32 else 2.0**700
    dividend, divisor = b.abs(x), b.abs(y)
    divides = b.logical_and(b.compare("lt", dividend, infinite), b.compare("gt", divisor, zero))
    divisor = b.select(divides, divisor, one)

    def going(left: Value, flipped: Value) -> Value:
        return b.compare("ge", left, divisor)

    def step(left: Value, flipped: Value) -> State:
        multiple = divisor
        for _ in range(2):
            is_far = b.compare("ge", b.mul(left, b.const(1 / far, dtype)), multiple)
            multiple = b.select(is_far, b.mul(multiple, b.const(far, dtype)), multiple)
        digits = b.trunc(b.div(left, multiple))
        taken = _difference(b, left, digits, multiple)
        # No digits of an infinite divisor would be 0 * inf.
        rest = b.select(going(left, flipped), taken, left)
        negative = b.compare("lt", rest, zero)
        return b.abs(rest), b.compare("ne", flipped, negative)

    start = b.select(divides, dividend, zero)
    left, flipped = b.iterate(going, step, (start, b.compare("ne", start, start)))
    back = b.logical_and(flipped, b.compare("gt", left, zero))
    left = b.copysign(b.select(back, b.sub(divisor, left), left), x)
    return b.select(divides, left, b.const(float("nan"), dtype))


def _difference(b: ScalarBuilder, left: Value, digits: Value, multiple: Value) -> Value:
    """left - digits * multiple, exactly. Processors without an instruction for it split factors,
    which the largest numbers do not survive."""
    dtype = b.dtype(left)
    if dtype is float32:
        return b.fma(b.neg(digits), multiple, left)
    one, near = b.const(1, dtype), b.const(2.0**-100, dtype)
    is_large = b.compare("gt", left, b.const(2.0**800, dtype))
    scale, back = b.select(is_large, near, one), b.select(is_large, b.const(2.0**100, dtype), one)
    rest = b.fma(b.neg(digits), b.mul(multiple, scale), b.mul(left, scale))
    return b.mul(rest, back)


def _lower_remainder(b: ScalarBuilder, x: Value, y: Value) -> Value:
    zero = b.const(0, b.dtype(x))
    if not b.dtype(x).is_float:
        left = b.sub(x, b.mul(b.div(x, y), y))
        return b.select(b.compare("eq", y, zero), zero, left)
    left = _float_remainder(b, x, y)
    moved = b.select(_opposite(b, left, y), b.add(left, y), left)
    return b.select(b.compare("eq", left, zero), b.copysign(zero, y), moved)


def _lower_floor_divide(b: ScalarBuilder, x: Value, y: Value) -> Value:
    """As NumPy's `npy_divmod`: the quotient is made whole before it is divided out."""
    dtype = b.dtype(x)
    if not dtype.is_float:
        return b.div(x, y)
    zero, one = b.const(0, dtype), b.const(1, dtype)
    left = _float_remainder(b, x, y)
    quotient = b.div(b.sub(x, left), y)
    below = b.logical_and(b.compare("ne", left, zero), _opposite(b, left, y))
    quotient = b.select(below, b.sub(quotient, one), quotient)
    whole = b.floor(quotient)
    above = b.compare("gt", b.sub(quotient, whole), b.const(0.5, dtype))
    whole = b.select(above, b.add(whole, one), whole)
    exact = b.div(x, y)
    whole = b.select(b.compare("eq", quotient, zero), b.copysign(zero, exact), whole)
    return b.select(b.compare("eq", y, zero), exact, whole)


def _remainder_partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
    return [1, -x.floor_divide(y)]


def _fmod_partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
    return [1, -((x - z) / y).round()]


floor_divide = elementwise(
    "floor_divide",
    ("x", "y"),
    doc="The largest whole number not above x / y. Of integers 0 where y is 0, and the smallest "
    "integer by -1 is itself. Its derivative is 0 everywhere.",
    reference=np.floor_divide,
    partials=lambda z, x, y: [None, None],
    lower=_lower_floor_divide,
    dtypes=NUMBERS,
    samples=SAMPLES,
    cost=20,
    numpy=("floor_divide",),
)

remainder = elementwise(
    "remainder",
    ("x", "y"),
    doc="x - floor(x / y) * y, exactly, with the sign of y. Of integers 0 where y is 0. The "
    "derivative by x is 1, by y -floor(x / y).",
    reference=np.remainder,
    partials=_remainder_partials,
    lower=_lower_remainder,
    dtypes=NUMBERS,
    samples=SAMPLES,
    cost=20,
    numpy=("remainder", "mod"),
)

fmod = elementwise(
    "fmod",
    ("x", "y"),
    doc="x - trunc(x / y) * y, exactly, with the sign of x. Of integers 0 where y is 0. The "
    "derivative by x is 1, by y -trunc(x / y).",
    reference=np.fmod,
    partials=_fmod_partials,
    lower=_lower_fmod,
    dtypes=NUMBERS,
    samples=SAMPLES,
    cost=20,
    numpy=("fmod",),
)


def _lower_gcd(b: ScalarBuilder, x: Value, y: Value) -> Value:
    """Euclid's algorithm on unsigned magnitudes."""
    dtype = b.dtype(x)
    unsigned = DTYPES_BY_NAME[f"u{dtype.bits}"]
    zero, one = b.const(0, unsigned), b.const(1, unsigned)

    def step(larger: Value, smaller: Value) -> State:
        done = b.compare("eq", smaller, zero)
        left = _lower_remainder(b, larger, b.select(done, one, smaller))
        return b.select(done, larger, smaller), b.select(done, zero, left)

    magnitudes = tuple(b.cast(b.abs(value), unsigned) for value in (x, y))
    larger, _ = b.iterate(lambda x, y: b.compare("ne", y, zero), step, magnitudes)
    return b.cast(larger, dtype)


gcd = elementwise(
    "gcd",
    ("x", "y"),
    doc="The greatest common divisor of two integers' magnitudes; that of 0 and x is |x|.",
    reference=np.gcd,
    partials=NO_GRADIENT,
    lower=_lower_gcd,
    dtypes=INTEGERS,
    samples=elementwise_samples(INTEGERS, (-90, 90), (-90, 90)),
    commutative=True,
    cost=100,
    numpy=("gcd",),
)
