"""The linear recurrence along an axis, which cumulative sums and products are made of.

Owns the record of `recurrence`. Invariant: it is closed under differentiation: adjoints are
recurrences that run the other way, tangents ones that run the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops.algebra import ops, resized, slice_along, zeros_like
from graphc.ir.ops.batching import batch_along_axis
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, refused_dtypes, refused_pair
from graphc.ir.routine import ArrayView, Index, RoutineBuilder
from graphc.ir.types import NUMBERS, DType, Shape, TensorType, float32, float64


@dataclass(frozen=True)
class RecurrenceAttrs(Attrs):
    """`axis`: along which it runs, counted from 0; `reverse`: from the end to the start."""

    axis: int
    reverse: bool = False


def _attrs(node: Node) -> RecurrenceAttrs:
    assert isinstance(node.attrs, RecurrenceAttrs)
    return node.attrs


def _recurrence_type(types: Sequence[TensorType], attrs: RecurrenceAttrs) -> TensorType:
    a, b = types
    if b.dtype != a.dtype:
        raise DTypeError(
            "recurrence needs operands of one dtype", operand=1, detail=f"but {{0}} is {a}"
        )
    if b.shape != a.shape:
        raise ShapeError(
            "recurrence needs operands of one shape", operand=1, detail=f"but {{0}} is {a}"
        )
    if not 0 <= attrs.axis < a.rank:
        raise AttributeValueError(
            f"recurrence along axis {attrs.axis}", operand=0, detail=f"which has {a.rank} axes"
        )
    return a


def _carried(dtype: DType) -> DType:
    """What the running value is kept in: f32 in f64, so that its rounding errors do not add up."""
    return float64 if dtype is float32 else dtype


def _recurrence_reference(a: Array, b: Array, axis: int, reverse: bool) -> Array:
    carried = _carried(DType.of(a.dtype)).numpy
    factors, terms = (np.moveaxis(each, axis, 0).astype(carried) for each in (a, b))
    result = terms.copy()
    order = range(len(terms))[::-1] if reverse else range(len(terms))
    for before, here in pairwise(order):
        result[here] = factors[here] * result[before] + terms[here]
    return np.moveaxis(result, 0, axis).astype(a.dtype)


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """The running values of one row."""
    last = node.shape[-1] if _attrs(node).axis < len(node.shape) - 1 else 1
    return (TensorType(_carried(node.dtype), (last,)),)


def _recurrence(
    builder: RoutineBuilder,
    attrs: RecurrenceAttrs,
    a: ArrayView,
    b: ArrayView,
    y: ArrayView,
    state: ArrayView,
) -> None:
    """One number after the other along the last axis, one row after the other along another."""
    if y.type.size:
        by = _by_numbers if attrs.axis == len(y.shape) - 1 else _by_rows
        by(builder, attrs, a, b, y, state)


def _by_numbers(
    builder: RoutineBuilder,
    attrs: RecurrenceAttrs,
    a: ArrayView,
    b: ArrayView,
    y: ArrayView,
    state: ArrayView,
) -> None:
    *outer, count = y.shape
    first, rest = _order(attrs, count)
    with builder.each(*outer) as place:
        value = builder.variable(b[(*place, first)].astype(state.dtype))
        y[(*place, first)] = b[(*place, first)]
        with builder.loop(*rest, backward=attrs.reverse) as i:
            factor, term = (x[(*place, i)].astype(state.dtype) for x in (a, b))
            value.set(factor * value.get() + term)
            y[(*place, i)] = value.get().astype(y.dtype)


def _by_rows(
    builder: RoutineBuilder,
    attrs: RecurrenceAttrs,
    a: ArrayView,
    b: ArrayView,
    y: ArrayView,
    state: ArrayView,
) -> None:
    """`state` holds the running values of a row."""
    *before, count = y.shape[: attrs.axis + 1]
    *between, width = y.shape[attrs.axis + 1 :]
    first, rest = _order(attrs, count)
    with builder.each(*before, *between) as outer:
        lead, middle = outer[: len(before)], outer[len(before) :]

        def begin(j: Index) -> None:
            place = (*lead, first, *middle, j)
            state[j] = b[place].astype(state.dtype)
            y[place] = b[place]

        builder.lanes(0, width, state.dtype, begin)
        with builder.loop(*rest, backward=attrs.reverse) as i:

            def step(j: Index) -> None:
                place = (*lead, i, *middle, j)
                factor, term = (x[place].astype(state.dtype) for x in (a, b))
                here = factor * state[j] + term
                state[j] = here
                y[place] = here.astype(y.dtype)

            builder.lanes(0, width, state.dtype, step)


def _order(attrs: RecurrenceAttrs, count: int) -> tuple[int, tuple[int, int]]:
    """The index that it begins with, and the range of the others."""
    return (count - 1, (0, count - 1)) if attrs.reverse else (0, (1, count))


def _previous(x: Node, attrs: RecurrenceAttrs) -> Node:
    """At each place the element that the recurrence met before it; 0 at the first."""
    return _moved(x, attrs.axis, -1 if attrs.reverse else 1)


def _moved(x: Node, axis: int, by: int) -> Node:
    """Elements one place further along an axis (`by` 1) or back (-1), 0 where none is."""
    size = x.shape[axis]
    if not size:
        return x
    part = slice_along(x, axis, int(by < 0), size - 1)
    none = (0,) * len(x.shape)
    one = resized(none, axis, 1)
    low, high = (one, none) if by > 0 else (none, one)
    return ops.pad(part, low=low, high=high, value=0)


def _recurrence_vjp(node: Node, g: Node, i: int) -> Node | None:
    """With y[t] = a[t] y[t-1] + b[t], the adjoint of b is s[t] = g[t] + a[t+1] s[t+1], that of a
    is s[t] y[t-1]."""
    if not node.dtype.is_float:
        return None
    attrs = _attrs(node)
    following = _moved(node.operands[0], attrs.axis, 1 if attrs.reverse else -1)
    adjoint = ops.recurrence(following, g, axis=attrs.axis, reverse=not attrs.reverse)
    return adjoint if i == 1 else ops.mul(adjoint, _previous(node, attrs))


def _recurrence_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    a, attrs = node.operands[0], _attrs(node)
    of_a, of_b = tangents
    term = of_b if of_b is not None else zeros_like(node)
    if of_a is not None:
        moved = ops.mul(of_a, _previous(node, attrs))
        term = moved if of_b is None else ops.add(moved, term)
    return ops.recurrence(a, term, axis=attrs.axis, reverse=attrs.reverse)


def _sample(
    shape: Shape, axis: int, *, reverse: bool = False, refuse: type[GraphError] | None = None
) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, shape, (-1, 1)), draw(rng, dtype, shape)),
        {"axis": axis, "reverse": reverse},
        refuse=refuse,
        label=f"{shape} along {axis}{' reversed' if reverse else ''}",
    )


recurrence = register(
    Op(
        name="recurrence",
        family=Family.ROUTINE,
        operands=("a", "b"),
        attrs=RecurrenceAttrs,
        infer=_recurrence_type,
        reference=_recurrence_reference,
        doc="y[t] = a[t] * y[t-1] + b[t] along an axis, y[0] = b[0]: with a = 1 the cumulative sum "
        "of b. f32 is carried in f64.",
        vjp=_recurrence_vjp,
        jvp=_recurrence_jvp,
        batch=batch_along_axis,
        routine=_recurrence,
        scratch=_scratch,
        dtypes=NUMBERS,
        ulp=4,
        cost=2,
        samples=(
            _sample((1,), 0),
            _sample((7,), 0),
            _sample((67,), 0, reverse=True),
            _sample((5, 3), 0),
            _sample((5, 35), 0, reverse=True),
            _sample((3, 5), 1),
            _sample((2, 3, 4), 1),
            _sample((2, 4, 3, 17), 1, reverse=True),
            _sample((0,), 0),
            _sample((3, 0), 0),
            _sample((3,), 1, refuse=AttributeValueError),
            Sample(
                lambda rng, dtype: (draw(rng, dtype, (3,)), draw(rng, dtype, (4,))),
                {"axis": 0},
                refuse=ShapeError,
                label="two shapes",
            ),
            refused_pair(axis=0),
            *refused_dtypes(NUMBERS, 2, axis=0),
        ),
    )
)
