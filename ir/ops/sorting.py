"""Order: argsort, and where a value belongs in what is sorted.

Owns the records of `argsort` and `searchsorted`. Invariant: NaN is larger than all numbers, zeros
are equal whatever their sign, and equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import NO_GRADIENT, Array, Family, Op, Sample
from graphc.ir.ops.batching import Batched, batch_along_axis, batch_size, repeated
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, edges_of
from graphc.ir.routine import ArrayView, Number, RoutineBuilder
from graphc.ir.types import (
    ALL_DTYPES,
    DType,
    Shape,
    TensorType,
    bool_,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
)

_DIGITS = 256
"""A radix sort distributes keys by one byte after the other, from the lowest."""

_KEYS = {1: uint8, 2: uint16, 4: uint32, 8: uint64}


@dataclass(frozen=True)
class ArgsortAttrs(Attrs):
    """`axis`: along which is sorted, from 0; `descending`: the largest first."""

    axis: int
    descending: bool = False


def _attrs(node: Node) -> ArgsortAttrs:
    assert isinstance(node.attrs, ArgsortAttrs)
    return node.attrs


def _argsort_type(types: Sequence[TensorType], attrs: ArgsortAttrs) -> TensorType:
    (x,) = types
    if not 0 <= attrs.axis < x.rank:
        raise AttributeValueError(
            f"argsort along axis {attrs.axis}", operand=0, detail=f"which has {x.rank} axes"
        )
    return TensorType(int64, x.shape)


def _argsort_reference(x: Array, axis: int, descending: bool) -> Array:
    if not descending:
        return np.argsort(x, axis, kind="stable")
    turned = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.asarray(x.shape[axis] - 1 - np.flip(turned, axis))


def _key_dtype(x: ArrayView | Node) -> DType:
    return _KEYS[x.dtype.bytes]


def _place_dtype(count: int) -> DType:
    return int32 if count <= np.iinfo(np.int32).max else int64


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """Keys and the places they come from, twice each, and of each byte how often it is what."""
    count, key = node.shape[_attrs(node).axis], _key_dtype(node.operands[0])
    return (
        TensorType(key, (2, count)),
        TensorType(_place_dtype(count), (2, count)),
        TensorType(int64, (key.bytes, _DIGITS)),
    )


def _key(b: RoutineBuilder, x: Number, descending: bool) -> Number:
    """An unsigned number that is ordered as x is."""
    dtype = x.dtype
    unsigned = _KEYS[dtype.bytes]
    sign = b.number(1 << (8 * dtype.bytes - 1), unsigned)
    if dtype is bool_:
        key = x.astype(unsigned)
    elif dtype.is_float:
        zero, nan = b.number(0.0, dtype), b.number(float("nan"), dtype)
        bits = b.bits(b.select(x.eq(zero), zero, b.select(x.ne(x), nan, x)), unsigned)
        key = b.select((bits & sign).ne(0), ~bits, bits | sign)
    else:
        key = x.astype(unsigned)
        key = key ^ sign if dtype.kind == "int" else key
    return ~key if descending else key


def _argsort(
    b: RoutineBuilder,
    attrs: ArgsortAttrs,
    x: ArrayView,
    y: ArrayView,
    keys: ArrayView,
    places: ArrayView,
    counts: ArrayView,
) -> None:
    """Short rows by insertion, others by radix: as many rounds as a key has bytes."""
    axis = attrs.axis
    count = x.shape[axis]
    if not x.type.size:
        return
    with b.each(*x.shape[:axis], *x.shape[axis + 1 :]) as outer:
        before, after = outer[:axis], outer[axis:]
        with b.loop(count) as i:
            keys[0, i] = _key(b, x[(*before, i, *after)], attrs.descending)
            places[0, i] = i.astype(places.dtype)
        current = b.variable(b.number(0, int64))
        if count <= 16 * keys.dtype.bytes:
            _insert_each(b, keys.at(0), places.at(0))
        else:
            _distribute(b, keys, places, counts, lambda side: current.set(side), current.get)
        with b.loop(count) as i:
            y[(*before, i, *after)] = places[current.get(), i].astype(int64)


def _insert_each(b: RoutineBuilder, keys: ArrayView, places: ArrayView) -> None:
    with b.loop(1, keys.shape[0]) as i:
        key, place = keys[i], places[i]
        gap = b.variable(i)
        with b.repeat() as leave_unless:
            leave_unless(gap.get() > 0)
            before = gap.get() - 1
            leave_unless(keys[before] > key)
            keys[gap.get()], places[gap.get()] = keys[before], places[before]
            gap.set(before)
        keys[gap.get()], places[gap.get()] = key, place


def _distribute(
    b: RoutineBuilder,
    keys: ArrayView,
    places: ArrayView,
    counts: ArrayView,
    set_side: Callable[[Number], None],
    side: Callable[[], Number],
) -> None:
    """Byte by byte from one side of the scratch arrays to the other; a byte that all keys have in
    common is passed over."""
    count, rounds = keys.shape[1], counts.shape[0]
    with b.loop(rounds) as byte:
        b.lanes(0, _DIGITS, int64, lambda d: counts.__setitem__((byte, d), 0))
    with b.loop(count) as i:
        for byte in range(rounds):
            digit = _digit(b, keys[0, i], byte)
            counts[byte, digit] = counts[byte, digit] + 1
    for byte in range(rounds):
        here = side()
        with b.when(counts[byte, _digit(b, keys[here, 0], byte)].ne(count)):
            start = b.variable(b.number(0, int64))
            with b.loop(_DIGITS) as d:
                size = counts[byte, d]
                counts[byte, d] = start.get()
                start.set(start.get() + size)
            other = 1 - here
            with b.loop(count) as i:
                key = keys[here, i]
                digit = _digit(b, key, byte)
                target = counts[byte, digit]
                keys[other, target], places[other, target] = key, places[here, i]
                counts[byte, digit] = target + 1
            set_side(other)


def _digit(b: RoutineBuilder, key: Number, byte: int) -> Number:
    return ((key >> 8 * byte) & (_DIGITS - 1)).astype(int64)


def _argsort_sample(
    shape: Shape, axis: int, *, descending: bool = False, refuse: type[GraphError] | None = None
) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, shape),),
        {"axis": axis, "descending": descending},
        refuse=refuse,
        label=f"{shape} along {axis}{' descending' if descending else ''}",
    )


def _edges(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    return (rng.permutation(np.tile(edges_of(dtype), 9)),)


def _wide(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    """Numbers that differ in every byte."""
    if dtype.is_float or dtype is bool_:
        return (draw(rng, dtype, (333,), (-1e9, 1e9)),)
    info = np.iinfo(str(dtype.numpy))
    return (rng.integers(info.min, info.max, 333, dtype.numpy, endpoint=True),)


argsort = register(
    Op(
        name="argsort",
        family=Family.ROUTINE,
        operands=("x",),
        attrs=ArgsortAttrs,
        infer=_argsort_type,
        reference=_argsort_reference,
        doc="Along an axis the positions, i64, of the elements in ascending or descending order. "
        "Equal elements keep their order; NaN is larger than all numbers.",
        vjp=NO_GRADIENT,
        jvp=NO_GRADIENT,
        batch=batch_along_axis,
        routine=_argsort,
        scratch=_scratch,
        dtypes=ALL_DTYPES,
        cost=20,
        samples=(
            _argsort_sample((1,), 0),
            _argsort_sample((7,), 0),
            _argsort_sample((7,), 0, descending=True),
            _argsort_sample((257,), 0),
            _argsort_sample((301,), 0, descending=True),
            _argsort_sample((5, 3), 0),
            _argsort_sample((3, 131), 1),
            _argsort_sample((2, 139, 3), 1, descending=True),
            _argsort_sample((0,), 0),
            _argsort_sample((3, 0), 0),
            Sample(_edges, {"axis": 0}, label="edges"),
            Sample(_edges, {"axis": 0, "descending": True}, label="edges descending"),
            Sample(_wide, {"axis": 0}, label="every byte"),
            _argsort_sample((3,), 1, refuse=AttributeValueError),
            _argsort_sample((), 0, refuse=AttributeValueError),
        ),
    )
)


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


def _searchsorted_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    size = batch_size(operands, batched)
    stacks = [repeated(x, each, size) for x, each in zip(operands, batched, strict=True)]
    return node.op.build(stacks, node.attrs)


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
        batch=_searchsorted_batch,
        routine=_searchsorted,
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
