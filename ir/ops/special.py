"""Elementwise functions of floats: other bases, roots, and the error and gamma functions.

Owns their records. Invariant: derivatives are records of this family too, so they go to any order
(polygamma counts it).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphc.ir import special_functions
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Attrs
from graphc.ir.op import Op, Sample
from graphc.ir.ops.algebra import Expression
from graphc.ir.ops.combinators import Partial, Partials, accurate, elementwise
from graphc.ir.ops.samples import EDGES, Domain, elementwise_samples
from graphc.ir.types import FLOATS, DType

NEAR_ZERO = (1e-8, -1e-8)
ANY = (-4.0, 4.0)

AWAY_FROM_ZEROS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.25, -1.25, 30.0, np.inf, -np.inf, np.nan)
"""Edge cases that are no near zeros of lgamma or digamma, where their error is an absolute one."""

HIGHEST_ORDER = 30
"""Of polygamma: beyond, its values at 1 are out of the range of f32."""


def _function(
    name: str,
    reference: Callable[..., Any],
    partials: Partials,
    domain: Domain,
    *further: float,
    edges: tuple[float, ...] = EDGES,
    **fields: Any,
) -> Op:
    """A function of one float, within 2 ulp; `further` are edge cases beside the common ones."""
    floats = (*edges, *NEAR_ZERO, *further)
    return elementwise(
        name,
        ("x",),
        reference=accurate(reference),
        partials=partials,
        samples=elementwise_samples(FLOATS, domain, floats=floats),
        dtypes=FLOATS,
        **{"cost": 12, "ulp": 2, **fields},
    )


exp2 = _function(
    "exp2",
    np.exp2,
    lambda y, x: [math.log(2) * y],
    ANY,
    127.5,
    -140.0,
    doc="2 to the power x; exact for whole numbers.",
    lower=lambda b, x: b.exp2(x),
    analytic=True,
    cost=10,
    numpy=("exp2",),
)

log2 = _function(
    "log2",
    np.log2,
    lambda y, x: [1 / math.log(2) / x],
    (0.1, 5),
    2.0,
    doc="Logarithm to base 2; -inf of 0, NaN of a negative number, exact for powers of 2.",
    lower=lambda b, x: b.log2(x),
    analytic=True,
    numpy=("log2",),
)

log10 = _function(
    "log10",
    np.log10,
    lambda y, x: [1 / math.log(10) / x],
    (0.1, 5),
    1000.0,
    doc="Logarithm to base 10; -inf of 0, NaN of a negative number.",
    lower=lambda b, x: b.log10(x),
    analytic=True,
    numpy=("log10",),
)

cbrt = _function(
    "cbrt",
    np.cbrt,
    lambda y, x: [1 / (3 * (y * y))],
    (0.1, 5),
    27.0,
    -64.0,
    doc="The real cube root, of negative numbers too. Its derivative at 0 is infinite.",
    lower=lambda b, x: b.cbrt(x),
    numpy=("cbrt",),
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

erfc = _function(
    "erfc",
    special_functions.erfc,
    lambda y, x: [-2 / math.sqrt(math.pi) * (-(x * x)).exp()],
    (-2, 4),
    8.0,
    doc="The complementary error function 1 - erf(x), accurate where it is small.",
    lower=lambda b, x: b.erfc(x),
    cost=25,
)

erfinv = _function(
    "erfinv",
    special_functions.erfinv,
    lambda y, x: [math.sqrt(math.pi) / 2 * (y * y).exp()],
    (-0.95, 0.95),
    0.999,
    doc="The inverse of erf; infinite at -1 and 1, with its derivative, and NaN beyond.",
    lower=lambda b, x: b.erfinv(x),
    cost=30,
)

lgamma = _function(
    "lgamma",
    special_functions.lgamma,
    lambda y, x: [x.digamma()],
    (0.1, 6),
    2.0,
    100.0,
    edges=AWAY_FROM_ZEROS,
    doc="log |Gamma(x)|; infinite at 0, at negative integers and at infinities. Below -2 it has "
    "zeros between its poles; near those the error is 4 ulp of the larger of 1 and "
    "lgamma(-x).",
    lower=lambda b, x: b.lgamma(x),
    cost=50,
    ulp=4,
)

digamma = _function(
    "digamma",
    special_functions.digamma,
    lambda y, x: [x.polygamma(order=1)],
    (0.1, 6),
    2.0,
    100.0,
    edges=AWAY_FROM_ZEROS,
    doc="The derivative of lgamma; -inf at 0, inf at -0, NaN at negative integers and -inf. Below "
    "0 it has zeros between its poles; near those the error is 2 ulp of the larger of 2 and "
    "digamma(1 - x).",
    lower=lambda b, x: b.digamma(x),
    cost=50,
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
