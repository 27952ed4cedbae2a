"""The running extremum along an axis, which cumulative maxima and minima are taken by.

Owns the record of `running_argmax`. Invariant: it gives positions, so that elements come out as
they are and derivatives are those of take_along_axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, GraphError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import NO_GRADIENT, Array, Family, Op, Sample
from graphc.ir.ops.batching import batch_along_axis
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, edges_of
from graphc.ir.routine import ArrayView, Number, RoutineBuilder
from graphc.ir.types import ALL_DTYPES, DType, Shape, TensorType, int64


@dataclass(frozen=True)
class RunningAttrs(Attrs):
    """`axis`: along which it runs, counted from 0."""

    axis: int


def _axis(node: Node) -> int:
    assert isinstance(node.attrs, RunningAttrs)
    return node.attrs.axis


def _running_type(types: Sequence[TensorType], attrs: RunningAttrs) -> TensorType:
    (x,) = types
    if not 0 <= attrs.axis < x.rank:
        raise AttributeValueError(
            f"running_argmax along axis {attrs.axis}", operand=0, detail=f"which has {x.rank} axes"
        )
    return TensorType(int64, x.shape)


def _running_reference(x: Array, axis: int) -> Array:
    """Where the running maximum became what it is."""
    rows = np.moveaxis(x, axis, -1)
    largest = np.maximum.accumulate(rows, axis=-1)
    is_new = np.ones(rows.shape, bool)
    is_new[..., 1:] = largest[..., 1:] != largest[..., :-1]
    if x.dtype.kind == "f":
        is_new[..., 1:] &= ~np.isnan(largest[..., :-1])
    counted = np.where(is_new, np.arange(rows.shape[-1]), 0)
    return np.moveaxis(np.maximum.accumulate(counted, axis=-1), -1, axis)


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """The largest elements of one row so far, and where they are."""
    last = node.shape[-1] if _axis(node) < len(node.shape) - 1 else 1
    return TensorType(node.operands[0].dtype, (last,)), TensorType(int64, (last,))


def _running(
    b: RoutineBuilder,
    attrs: RunningAttrs,
    x: ArrayView,
    y: ArrayView,
    largest: ArrayView,
    position: ArrayView,
) -> None:
    """One number after the other along the last axis, one row after the other along another."""
    *before, count = y.shape[: attrs.axis + 1]
    between = y.shape[attrs.axis + 1 : -1]

    def is_larger(new: Number, old: Number) -> Number:
        if x.dtype.kind == "bool":
            return ~old & new
        return new > old if not x.dtype.is_float else (new > old) | (new.ne(new) & old.eq(old))

    def begin(lane: object, *place: object) -> None:
        largest[lane] = x[place]
        position[lane] = y[place] = b.number(0, int64)

    def step(i: Number, lane: object, *place: object) -> None:
        old, new = largest[lane], x[place]
        larger = is_larger(new, old)
        largest[lane] = b.select(larger, new, old)
        position[lane] = found = b.select(larger, i, position[lane])
        y[place] = found

    def along_the_last_axis(*lead: object) -> None:
        best, found = b.variable(x[(*lead, 0)]), b.variable(b.number(0, int64))
        y[(*lead, 0)] = found.get()
        with b.loop(1, count) as i:
            new = x[(*lead, i)]
            larger = is_larger(new, best.get())
            best.set(b.select(larger, new, best.get()))
            found.set(b.select(larger, i, found.get()))
            y[(*lead, i)] = found.get()

    if not y.type.size:
        return
    with b.each(*before, *between) as outer:
        lead, middle = outer[: len(before)], outer[len(before) :]
        if attrs.axis == len(y.shape) - 1:
            along_the_last_axis(*lead)
            return
        width = y.shape[-1]
        b.lanes(0, width, int64, lambda j: begin(j, *lead, 0, *middle, j))
        with b.loop(1, count) as i:
            b.lanes(0, width, int64, lambda j: step(i, j, *lead, i, *middle, j))


def _sample(shape: Shape, axis: int, refuse: type[GraphError] | None = None) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, shape),),
        {"axis": axis},
        refuse=refuse,
        label=f"{shape} along {axis}",
    )


def _edges(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    """Edge cases in several orders, so that NaN comes late in some."""
    rows = [rng.permutation(edges_of(dtype)) for _ in range(9)]
    return (np.stack(rows, axis=1),)


running_argmax = register(
    Op(
        name="running_argmax",
        family=Family.ROUTINE,
        operands=("x",),
        attrs=RunningAttrs,
        infer=_running_type,
        reference=_running_reference,
        doc="Along an axis at each place the position, i64, of the largest element so far: of "
        "equal ones the first, and NaN is the largest.",
        vjp=NO_GRADIENT,
        jvp=NO_GRADIENT,
        batch=batch_along_axis,
        routine=_running,
        scratch=_scratch,
        dtypes=ALL_DTYPES,
        cost=3,
        samples=(
            _sample((1,), 0),
            _sample((67,), 0),
            _sample((5, 3), 0),
            _sample((7, 35), 0),
            _sample((3, 17), 1),
            _sample((2, 5, 3, 19), 1),
            _sample((0,), 0),
            _sample((3, 0), 0),
            Sample(_edges, {"axis": 0}, label="edges"),
            _sample((3,), 1, AttributeValueError),
        ),
    )
)
