"""Elementwise functions of floats: exponential, logarithm, trigonometric, sigmoidal.

Owns their records. Invariant: derivatives are written in terms of the result where that is
cheaper, so the backward pass reuses what the forward pass computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.op import Array, Op
from graphc.ir.ops.combinators import Partials, accurate, elementwise
from graphc.ir.ops.samples import EDGES, Domain, elementwise_samples
from graphc.ir.types import FLOATS

NEAR_ZERO = (1e-8, -1e-8)


def function(
    name: str,
    reference: Callable[..., Any],
    partials: Partials,
    *,
    domain: Domain = (-4, 4),
    edges: Sequence[float] = (),
    common: Sequence[float] = EDGES,
    extremes: bool = True,
    **fields: Any,
) -> Op:
    """A function of one float: references are computed in f64, compiled ones are 2 ulp away.

    `edges` are edge cases of its own, besides the `common` ones of all floats.
    """
    return elementwise(
        name,
        ("x",),
        reference=accurate(reference),
        partials=partials,
        samples=elementwise_samples(
            FLOATS, domain, floats=(*common, *NEAR_ZERO, *edges), extremes=extremes
        ),
        dtypes=FLOATS,
        **{"cost": 10, "ulp": 2, "analytic": True, **fields},
    )


exp = function(
    "exp",
    np.exp,
    lambda y, x: [y],
    doc="e to the power x.",
    lower=lambda b, x: b.exp(x),
    numpy=("exp",),
)

expm1 = function(
    "expm1",
    np.expm1,
    lambda y, x: [y + 1],
    doc="exp(x) - 1, accurate near 0.",
    lower=lambda b, x: b.expm1(x),
    numpy=("expm1",),
)

log = function(
    "log",
    np.log,
    lambda y, x: [1 / x],
    domain=(0.1, 5),
    doc="Natural logarithm; -inf of 0, NaN of a negative number.",
    lower=lambda b, x: b.log(x),
    numpy=("log",),
)

log1p = function(
    "log1p",
    np.log1p,
    lambda y, x: [1 / (1 + x)],
    domain=(-0.9, 4),
    doc="log(1 + x), accurate near 0; -inf of -1, NaN below.",
    lower=lambda b, x: b.log1p(x),
    numpy=("log1p",),
)

tanh = function(
    "tanh",
    np.tanh,
    lambda y, x: [1 - y * y],
    doc="Hyperbolic tangent.",
    lower=lambda b, x: b.tanh(x),
    numpy=("tanh",),
)


def _sigmoid(x: Array) -> Array:
    """By the branch in which exp cannot overflow; of complex numbers too."""
    positive = np.real(x) >= 0
    small = np.exp(np.where(positive, -x, x))
    return np.asarray(np.where(positive, 1, small) / (1 + small))


sigmoid = function(
    "sigmoid",
    _sigmoid,
    lambda y, x: [y * (1 - y)],
    doc="The logistic function 1 / (1 + exp(-x)).",
    lower=lambda b, x: b.sigmoid(x),
)

erf = function(
    "erf",
    np.vectorize(math.erf, otypes=[np.float64]),
    lambda y, x: [2 / math.sqrt(math.pi) * (-(x * x)).exp()],
    doc="The error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x.",
    lower=lambda b, x: b.erf(x),
    analytic=False,
)

sin = function(
    "sin",
    np.sin,
    lambda y, x: [x.cos()],
    extremes=False,
    doc="Sine of an angle in radians; NaN of an infinity.",
    lower=lambda b, x: b.sin(x),
    numpy=("sin",),
)

cos = function(
    "cos",
    np.cos,
    lambda y, x: [-x.sin()],
    extremes=False,
    doc="Cosine of an angle in radians; NaN of an infinity.",
    lower=lambda b, x: b.cos(x),
    numpy=("cos",),
)
