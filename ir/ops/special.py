"""Elementwise functions of floats: other bases, roots, and the error and gamma functions.

Owns their records. Imports `transcendental` for what a function of one float has in common.
Invariant: derivatives are records of this family too, so they go to any order (polygamma counts
it).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphc.ir import special_functions
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Attrs
from graphc.ir.op import Sample
from graphc.ir.ops.algebra import Expression
from graphc.ir.ops.combinators import Partial, accurate, elementwise
from graphc.ir.ops.samples import elementwise_samples
from graphc.ir.ops.transcendental import function
from graphc.ir.types import FLOATS, DType

ANY = (-4.0, 4.0)

AWAY_FROM_ZEROS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.25, -1.25, 30.0, np.inf, -np.inf, np.nan)
"""Edge cases that are no near zeros of lgamma or digamma, where their error is an absolute one."""

HIGHEST_ORDER = 30
"""Of polygamma: beyond, its values at 1 are out of the range of f32."""


exp2 = function(
    "exp2",
    np.exp2,
    lambda y, x: [math.log(2) * y],
    edges=(127.5, -140.0),
    doc="2 to the power x; exact for whole numbers.",
    lower=lambda b, x: b.exp2(x),
    cost=10,
    numpy=("exp2",),
)

log2 = function(
    "log2",
    np.log2,
    lambda y, x: [1 / math.log(2) / x],
    domain=(0.1, 5),
    edges=(2.0,),
    doc="Logarithm to base 2; -inf of 0, NaN of a negative number, exact for powers of 2.",
    lower=lambda b, x: b.log2(x),
    numpy=("log2",),
    cost=12,
)

log10 = function(
    "log10",
    np.log10,
    lambda y, x: [1 / math.log(10) / x],
    domain=(0.1, 5),
    edges=(1000.0,),
    doc="Logarithm to base 10; -inf of 0, NaN of a negative number.",
    lower=lambda b, x: b.log10(x),
    numpy=("log10",),
    cost=12,
)

cbrt = function(
    "cbrt",
    np.cbrt,
    lambda y, x: [1 / (3 * (y * y))],
    domain=(0.1, 5),
    edges=(27.0, -64.0),
    doc="The real cube root, of negative numbers too. Its derivative at 0 is infinite.",
    lower=lambda b, x: b.cbrt(x),
    numpy=("cbrt",),
    analytic=False,
    cost=12,
)


def _hypot_partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
    # At the origin the divisor is made 1, so that neither order of derivative divides by 0.
    origin = z.eq(0)
    divisor = origin.where(1, z)
    return [x / divisor, y / divisor]


hypot = elementwise(
    "hypot",
    ("x", "y"),
    doc="sqrt(x*x + y*y) without overflow on the way; infinite if either is, even beside NaN. "
    "Its derivative at the origin is 0.",
    reference=accurate(np.hypot),
    partials=_hypot_partials,
    lower=lambda b, x, y: b.hypot(x, y),
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, ANY, ANY),
    commutative=True,
    cost=8,
    ulp=2,
    numpy=("hypot",),
)

erfc = function(
    "erfc",
    special_functions.erfc,
    lambda y, x: [-2 / math.sqrt(math.pi) * (-(x * x)).exp()],
    domain=(-2, 4),
    edges=(8.0,),
    doc="The complementary error function 1 - erf(x), accurate where it is small.",
    lower=lambda b, x: b.erfc(x),
    cost=25,
    analytic=False,
)

erfinv = function(
    "erfinv",
    special_functions.erfinv,
    lambda y, x: [math.sqrt(math.pi) / 2 * (y * y).exp()],
    domain=(-0.95, 0.95),
    edges=(0.999,),
    doc="The inverse of erf; infinite at -1 and 1, with its derivative, and NaN beyond.",
    lower=lambda b, x: b.erfinv(x),
    cost=30,
    analytic=False,
)

lgamma = function(
    "lgamma",
    special_functions.lgamma,
    lambda y, x: [x.digamma()],
    domain=(0.1, 6),
    edges=(2.0, 100.0),
    common=AWAY_FROM_ZEROS,
    doc="log |Gamma(x)|; infinite at 0, at negative integers and at infinities. Below -2 it has "
    "zeros between its poles; near those the error is 4 ulp of the larger of 1 and "
    "lgamma(-x).",
    lower=lambda b, x: b.lgamma(x),
    cost=50,
    ulp=4,
    analytic=False,
)

digamma = function(
    "digamma",
    special_functions.digamma,
    lambda y, x: [x.polygamma(order=1)],
    domain=(0.1, 6),
    edges=(2.0, 100.0),
    common=AWAY_FROM_ZEROS,
    doc="The derivative of lgamma; -inf at 0, inf at -0, NaN at negative integers and -inf. Below "
    "0 it has zeros between its poles; near those the error is 2 ulp of the larger of 2 and "
    "digamma(1 - x).",
    lower=lambda b, x: b.digamma(x),
    cost=50,
    analytic=False,
)


@dataclass(frozen=True)
class PolygammaAttrs(Attrs):
    """`order`: how often digamma is differentiated, from 1 on."""

    order: int


def _polygamma_dtype(dtype: DType, attrs: PolygammaAttrs) -> DType:
    if not 1 <= attrs.order <= HIGHEST_ORDER:
        raise AttributeValueError(
            f"polygamma of order {attrs.order}",
            help=f"the order is from 1 to {HIGHEST_ORDER}; that of order 0 is digamma",
        )
    return dtype


def _polygamma_partials(y: Expression, x: Expression) -> Sequence[Partial]:
    attrs = y.node.attrs
    assert isinstance(attrs, PolygammaAttrs)
    return [x.polygamma(order=attrs.order + 1)]


def _polygamma_samples() -> tuple[Sample, ...]:
    edges = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 30.0, np.inf, np.nan, 1e-8, 2.0, 100.0)
    samples = elementwise_samples(FLOATS, (0.1, 6), floats=edges, extremes=False)
    refused = replace(samples[0], refuse=AttributeValueError)
    return (
        *(replace(sample, attrs={"order": order}) for sample in samples for order in (1, 2, 5)),
        *(replace(refused, attrs={"order": order}) for order in (0, HIGHEST_ORDER + 1)),
    )


polygamma = elementwise(
    "polygamma",
    ("x",),
    doc="The derivative of digamma of the given order, from 1 on. At 0 and negative integers inf "
    "for odd orders; for even ones NaN, but at 0 -inf and at -0 inf. The error grows with the "
    "order, to about 4 + order / 2 ulp.",
    reference=accurate(special_functions.polygamma),
    attrs=PolygammaAttrs,
    result=_polygamma_dtype,
    partials=_polygamma_partials,
    lower=lambda b, x, order: b.polygamma(x, order),
    dtypes=FLOATS,
    samples=_polygamma_samples(),
    cost=100,
    ulp=6,
)
