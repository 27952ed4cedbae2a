"""The tangent, the hyperbolic functions and the inverses of both families.

Owns their records. Imports `transcendental` for what a function of one float has in common.
Invariant: each document states the values at special points, and what the derivative is where the
function has a branch point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.ir.ops.algebra import Expression
from graphc.ir.ops.combinators import Partial, accurate, elementwise
from graphc.ir.ops.samples import elementwise_samples
from graphc.ir.ops.transcendental import function
from graphc.ir.types import FLOATS

INSIDE = (-0.95, 0.95)
ABOVE_ONE = (1.1, 5.0)
NEAR_ONE = (0.9999999, 1.0000001, -0.9999999, -1.0000001)
NEAR_OVERFLOW = (89.4, -89.4, 89.5, 710.4, -710.4, 710.5)
LARGE_ANGLES = (1.5707963267948966, 22.0, -1e5, 1e15)

tan = function(
    "tan",
    np.tan,
    lambda y, x: [1 + y * y],
    domain=(-1.5, 1.5),
    extremes=False,
    edges=LARGE_ANGLES,
    doc="Tangent of an angle in radians; NaN of an infinity.",
    lower=lambda b, x: b.tan(x),
    numpy=("tan",),
)

asin = function(
    "asin",
    np.arcsin,
    lambda y, x: [((1 - x) * (1 + x)).rsqrt()],
    domain=INSIDE,
    edges=NEAR_ONE,
    doc="Inverse sine, in [-pi/2, pi/2]; NaN beyond 1 and -1, where the derivative is infinite.",
    lower=lambda b, x: b.asin(x),
    numpy=("arcsin", "asin"),
)

acos = function(
    "acos",
    np.arccos,
    lambda y, x: [-((1 - x) * (1 + x)).rsqrt()],
    domain=INSIDE,
    edges=NEAR_ONE,
    doc="Inverse cosine, in [0, pi]; NaN beyond 1 and -1, where the derivative is -inf.",
    lower=lambda b, x: b.acos(x),
    numpy=("arccos", "acos"),
)

atan = function(
    "atan",
    np.arctan,
    lambda y, x: [1 / (1 + x * x)],
    doc="Inverse tangent, in [-pi/2, pi/2]; the ends are those of the infinities.",
    lower=lambda b, x: b.atan(x),
    numpy=("arctan", "atan"),
)


def _atan2_partials(z: Expression, y: Expression, x: Expression) -> Sequence[Partial]:
    """x and -y over x**2 + y**2, by the quotient of at most 1: no square over- or underflows."""
    wide = x.abs().ge(y.abs())
    larger, smaller = wide.where(x, y), wide.where(y, x)
    origin = larger.eq(0)
    divisor = origin.where(1, larger)
    quotient = smaller / divisor
    scale = origin.where(0, 1 / (divisor * (1 + quotient * quotient)))
    return [wide.where(1, quotient) * scale, -(wide.where(quotient, 1) * scale)]


atan2 = elementwise(
    "atan2",
    ("y", "x"),
    doc="Angle of the point (x, y) from the positive x axis, in [-pi, pi], as C99 has it: 0 of a "
    "positive x and y = 0, pi or -pi (by the sign of that 0) of a negative one, signed zeros and "
    "infinities included. At the origin both derivatives are 0; there, and where x < 0 and y = 0, "
    "it jumps.",
    reference=accurate(np.arctan2),
    partials=_atan2_partials,
    lower=lambda b, y, x: b.atan2(y, x),
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, (0.5, 3), (-4, 4)),
    cost=12,
    ulp=2,
    numpy=("arctan2", "atan2"),
)

sinh = function(
    "sinh",
    np.sinh,
    lambda y, x: [x.cosh()],
    edges=NEAR_OVERFLOW,
    doc="Hyperbolic sine, (exp(x) - exp(-x)) / 2; infinite where that overflows.",
    lower=lambda b, x: b.sinh(x),
    numpy=("sinh",),
)

cosh = function(
    "cosh",
    np.cosh,
    lambda y, x: [x.sinh()],
    edges=NEAR_OVERFLOW,
    doc="Hyperbolic cosine, (exp(x) + exp(-x)) / 2; infinite where that overflows.",
    lower=lambda b, x: b.cosh(x),
    numpy=("cosh",),
)

asinh = function(
    "asinh",
    np.arcsinh,
    lambda y, x: [(1 + x * x).rsqrt()],
    doc="Inverse hyperbolic sine, accurate near 0.",
    lower=lambda b, x: b.asinh(x),
    numpy=("arcsinh", "asinh"),
)

acosh = function(
    "acosh",
    np.arccosh,
    lambda y, x: [1 / ((x - 1).sqrt() * (x + 1).sqrt())],
    domain=ABOVE_ONE,
    edges=NEAR_ONE,
    doc="Inverse hyperbolic cosine; 0 of 1, where the derivative is infinite, NaN below.",
    lower=lambda b, x: b.acosh(x),
    numpy=("arccosh", "acosh"),
)

atanh = function(
    "atanh",
    np.arctanh,
    lambda y, x: [1 / ((1 - x) * (1 + x))],
    domain=INSIDE,
    edges=NEAR_ONE,
    doc="Inverse hyperbolic tangent; inf of 1 and -inf of -1, where the derivative is infinite, "
    "NaN beyond.",
    lower=lambda b, x: b.atanh(x),
    numpy=("arctanh", "atanh"),
)
