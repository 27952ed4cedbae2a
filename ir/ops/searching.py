"""Where values belong in what is sorted.

Owns the record of `searchsorted`. Invariant: NaN is larger than all numbers, as `argsort` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from graphc.ir.diagnostics import DTypeError, GraphError, ShapeError
from graphc.ir.graph import Attrs
from graphc.ir.op import NO_GRADIENT, Array, Family, Op, Sample
from graphc.ir.ops.batching import batch_stacked
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, edges_of
from graphc.ir.routine import ArrayView, Number, RoutineBuilder
from graphc.ir.types import ALL_DTYPES, DType, Shape, TensorType, bool_, int32, int64


@dataclass(frozen=True)
class SearchsortedAttrs(Attrs):
    """`side`: whether a value belongs before those equal to it (left) or after them (right)."""

    side: Literal["left", "right"] = "left"


def _searchsorted_type(types: Sequence[TensorType], attrs: SearchsortedAttrs) -> TensorType:
    table, values = types
    if values.dtype != table.dtype:
        raise DTypeError(
            "searchsorted needs operands of one dtype", operand=1, detail=f"but {{0}} is {table}"
        )
    if not table.rank or values.shape[:-1] != table.shape[:-1] or values.rank != table.rank:
        raise ShapeError(
            "searchsorted needs operands of equal sizes on all axes but the last",
            operand=1,
            detail=f"but {{0}} is {table}",
        )
    return TensorType(int64, values.shape)


def _searchsorted_reference(table: Array, values: Array, side: Literal["left", "right"]) -> Array:
    result = np.zeros(values.shape, np.int64)
    for row in np.ndindex(values.shape[:-1]):
        result[row] = np.searchsorted(table[row], values[row], side)
    return result


def _searchsorted(
    b: RoutineBuilder, attrs: SearchsortedAttrs, table: ArrayView, values: ArrayView, y: ArrayView
) -> None:
    """Halving without branches: the steps depend on the length of the table alone."""

    def precedes(element: Number, value: Number) -> Number:
        ordered = element < value if attrs.side == "left" else element <= value
        if not table.dtype.is_float:
            return ordered
        last = value.ne(value)
        return ordered | (last & element.eq(element) if attrs.side == "left" else last)

    with b.each(*values.shape) as place:
        value, row = values[place], place[:-1]
        begin: Number = b.number(0, int64)
        left = table.shape[-1]
        while left > 1:
            half = left // 2
            ahead = begin + half
            begin = b.select(precedes(table[(*row, ahead - 1)], value), ahead, begin)
            left -= half
        if left:
            begin = begin + precedes(table[(*row, begin)], value).astype(int64)
        y[place] = begin


def _searchsorted_sample(
    table: Shape, values: Shape, side: str, refuse: type[GraphError] | None = None
) -> Sample:
    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        drawn = draw(rng, dtype, table)
        return np.sort(drawn, -1) if table else drawn, draw(rng, dtype, values)

    return Sample(
        arrays,
        {"side": side},
        refuse=refuse,
        label=f"{values} in {table} {side}",
    )


def _search_edges(side: str) -> Sample:
    return Sample(
        lambda rng, dtype: (np.sort(np.repeat(edges_of(dtype), 2)), edges_of(dtype)),
        {"side": side},
        label=f"edges {side}",
    )


searchsorted = register(
    Op(
        name="searchsorted",
        family=Family.ROUTINE,
        operands=("table", "values"),
        attrs=SearchsortedAttrs,
        infer=_searchsorted_type,
        reference=_searchsorted_reference,
        doc="For each value the position, i64, before which it belongs in a table that ascends "
        "along the last axis: before elements equal to it (left) or after them (right). NaN "
        "is larger than all numbers.",
        vjp=NO_GRADIENT,
        jvp=NO_GRADIENT,
        batch=batch_stacked,
        routine=_searchsorted,
        presumed=(0,),
        dtypes=ALL_DTYPES,
        cost=20,
        samples=(
            *(
                _searchsorted_sample(table, values, side)
                for side in ("left", "right")
                for table, values in (
                    ((7,), (11,)),
                    ((1,), (5,)),
                    ((0,), (3,)),
                    ((32,), (1,)),
                    ((5,), (0,)),
                    ((3, 6), (3, 4)),
                    ((2, 1, 17), (2, 1, 9)),
                )
            ),
            _search_edges("left"),
            _search_edges("right"),
            _searchsorted_sample((2, 3), (3, 2), "left", ShapeError),
            _searchsorted_sample((2, 3), (2,), "left", ShapeError),
            _searchsorted_sample((), (), "left", ShapeError),
            Sample(
                lambda rng, dtype: (
                    draw(rng, dtype, (3,)),
                    draw(rng, bool_ if dtype is int32 else int32, (3,)),
                ),
                refuse=DTypeError,
                label="two dtypes",
            ),
        ),
    )
)
