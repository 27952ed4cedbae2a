"""Elementwise ops on dtypes and bools: comparisons, logic, where, cast and copy.

Owns their records. Invariant: comparisons and logic give bools, which have no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import DTypeError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import NO_GRADIENT, Array, Op, Sample
from graphc.ir.ops.algebra import cast as cast_to
from graphc.ir.ops.combinators import elementwise
from graphc.ir.ops.samples import (
    BROADCASTS,
    SHAPES,
    draw,
    drawn,
    edges_of,
    elementwise_samples,
    refused_dtypes,
)
from graphc.ir.rounding import rounded
from graphc.ir.scalar import Comparison, ScalarBuilder, Value
from graphc.ir.types import ALL_DTYPES, DType, Shape, bool_, float32, float64

ANY = (-4.0, 4.0)
BOOLS = (bool_,)


def _comparison(name: Comparison, function: Callable[..., Any], doc: str) -> Op:
    return elementwise(
        name,
        ("x", "y"),
        doc=doc,
        reference=function,
        result=lambda dtype, attrs: bool_,
        partials=NO_GRADIENT,
        lower=lambda b, x, y: b.compare(name, x, y),
        dtypes=ALL_DTYPES,
        samples=elementwise_samples(ALL_DTYPES, ANY, ANY),
        commutative=name in ("eq", "ne"),
        numpy=(function.__name__,),
    )


eq = _comparison("eq", np.equal, "Whether x equals y; NaN equals nothing.")
ne = _comparison("ne", np.not_equal, "Whether x differs from y; NaN differs from itself.")
lt = _comparison("lt", np.less, "Whether x is below y; false of NaN.")
le = _comparison("le", np.less_equal, "Whether x is not above y; false of NaN.")
gt = _comparison("gt", np.greater, "Whether x is above y; false of NaN.")
ge = _comparison("ge", np.greater_equal, "Whether x is not below y; false of NaN.")


def _logical(name: str, operands: tuple[str, ...], doc: str, lower: Callable[..., Value]) -> Op:
    return elementwise(
        name,
        operands,
        doc=doc,
        reference=getattr(np, name),
        partials=NO_GRADIENT,
        lower=lower,
        dtypes=BOOLS,
        samples=elementwise_samples(BOOLS, *[ANY] * len(operands)),
        commutative=len(operands) == 2,
        numpy=(name,),
    )


logical_and = _logical(
    "logical_and", ("x", "y"), "Both of two bools.", lambda b, x, y: b.logical_and(x, y)
)
logical_or = _logical(
    "logical_or", ("x", "y"), "Either of two bools.", lambda b, x, y: b.logical_or(x, y)
)
logical_xor = _logical(
    "logical_xor", ("x", "y"), "One of two bools.", lambda b, x, y: b.compare("ne", x, y)
)
logical_not = _logical("logical_not", ("x",), "The other bool.", lambda b, x: b.logical_not(x))


def _where_sample(shapes: tuple[Shape, Shape, Shape], **fields: Any) -> Sample:
    return Sample(
        lambda rng, dtype: (
            draw(rng, bool_, shapes[0]),
            draw(rng, dtype, shapes[1], ANY),
            draw(rng, dtype, shapes[2], ANY),
        ),
        label=" ".join(map(str, shapes)),
        **fields,
    )


def _where_edges(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    return tuple(np.meshgrid(edges_of(bool_), edges_of(dtype), edges_of(dtype)))


where = elementwise(
    "where",
    ("condition", "x", "y"),
    doc="x where the condition holds, y elsewhere. The derivative goes to the chosen operand "
    "alone: NaN in the other one does not leak.",
    reference=np.where,
    agree=1,
    partials=lambda z, condition, x, y: [
        None,
        lambda g: condition.where(g, 0),
        lambda g: condition.where(0, g),
    ],
    lower=lambda b, condition, x, y: b.select(condition, x, y),
    stored=True,
    dtypes=BOOLS,
    sample_dtypes=ALL_DTYPES,
    samples=(
        *(_where_sample((shape, shape, shape)) for shape in SHAPES),
        *(_where_sample((a, b, b)) for a, b in BROADCASTS),
        *(_where_sample((a, a, b)) for a, b in BROADCASTS),
        Sample(_where_edges, label="edges", differentiable=False),
        _where_sample(((3,), (4,), (3,)), refuse=ShapeError),
        _where_sample(((3,), (3,), (4,)), refuse=ShapeError),
        Sample(
            lambda rng, dtype: (draw(rng, bool_, (3,)), np.ones(3), np.ones(3, np.float32)),
            refuse=DTypeError,
            label="two dtypes",
        ),
        *refused_dtypes(BOOLS, 3),
    ),
    numpy=("where",),
)


@dataclass(frozen=True)
class CastAttrs(Attrs):
    """`dtype`: the element type to convert to."""

    dtype: DType


def _cast_vjp(node: Node, g: Node, i: int) -> Node | None:
    (operand,) = node.operands
    return cast_to(g, operand.dtype) if node.dtype.is_float and operand.dtype.is_float else None


def _cast_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    (tangent,) = tangents
    if tangent is None or not node.dtype.is_float:
        return None
    return node.op.build((tangent,), node.attrs)


def _lower_cast(b: ScalarBuilder, x: Value, dtype: DType) -> Value:
    return x if b.dtype(x) == dtype else b.cast(x, dtype)


def _cast_samples() -> tuple[Sample, ...]:
    """To every dtype; edge cases only to floats, since what does not fit an integer has no
    specified result."""
    shaped = [
        Sample(
            drawn(shape, (0, 4)),
            {"dtype": target},
            label=f"{shape} to {target}",
            differentiable=target == float64,
        )
        for target in ALL_DTYPES
        for shape in ((), (0,), (17,), (3, 5))
    ]
    edges = [
        Sample(
            lambda rng, dtype: (edges_of(dtype),),
            {"dtype": target},
            label=f"edges to {target}",
            differentiable=False,
        )
        for target in (float32, float64, bool_)
    ]
    return (*shaped, *edges)


cast = elementwise(
    "cast",
    ("x",),
    doc="The same numbers in another dtype, as NumPy's astype: floats go toward zero to integers "
    "(what does not fit gives an unspecified number), non-zero is true. Linear between floats; "
    "from or to anything else the derivative stops.",
    reference=rounded,
    attrs=CastAttrs,
    result=lambda dtype, attrs: attrs.dtype,
    partials=NO_GRADIENT,
    vjp=_cast_vjp,
    jvp=_cast_jvp,
    lower=_lower_cast,
    stored=True,
    dtypes=ALL_DTYPES,
    samples=_cast_samples(),
    numpy=("astype",),
)

copy = elementwise(
    "copy",
    ("x",),
    doc="x itself, in a buffer of its own.",
    reference=np.copy,
    partials=lambda y, x: [1],
    lower=lambda b, x: x,
    stored=True,
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY),
    analytic=True,
    cost=0,
    numpy=("copy",),
)

stop_gradient = elementwise(
    "stop_gradient",
    ("x",),
    doc="x itself, taken as a constant by differentiation.",
    reference=np.copy,
    partials=NO_GRADIENT,
    lower=lambda b, x: x,
    stored=True,
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY),
    cost=0,
)
