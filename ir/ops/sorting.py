"""Order along an axis.

Owns the record of `argsort`. Invariant: NaN is larger than all numbers, zeros are equal whatever
their sign, and equal elements keep their order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, GraphError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import NO_GRADIENT, Array, Family, Op, Sample
from graphc.ir.ops.batching import batch_along_axis
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, edges_of
from graphc.ir.routine import ArrayView, Index, Number, RoutineBuilder
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

_FEW = 16
"""So many positions are found by keeping the first ones in order; for more all are sorted."""

_DIGITS = 256
"""A radix sort distributes keys by one byte after the other, from the lowest."""

_KEYS = {1: uint8, 2: uint16, 4: uint32, 8: uint64}


@dataclass(frozen=True)
class ArgsortAttrs(Attrs):
    """`axis`: along which is sorted, from 0; `descending`: the largest first; `count`: how many
    positions are given, all if None."""

    axis: int
    descending: bool = False
    count: int | None = None


def _attrs(node: Node) -> ArgsortAttrs:
    assert isinstance(node.attrs, ArgsortAttrs)
    return node.attrs


def _argsort_type(types: Sequence[TensorType], attrs: ArgsortAttrs) -> TensorType:
    (x,) = types
    if not 0 <= attrs.axis < x.rank:
        raise AttributeValueError(
            f"argsort along axis {attrs.axis}", operand=0, detail=f"which has {x.rank} axes"
        )
    size = x.shape[attrs.axis]
    count = size if attrs.count is None else attrs.count
    if not 0 <= count <= size:
        raise AttributeValueError(
            f"argsort of {count} elements along axis {attrs.axis}",
            operand=0,
            detail=f"which has {size} there",
        )
    return TensorType(int64, (*x.shape[: attrs.axis], count, *x.shape[attrs.axis + 1 :]))


def _argsort_reference(x: Array, axis: int, descending: bool, count: int | None) -> Array:
    if descending:
        turned = np.argsort(np.flip(x, axis), axis, kind="stable")
        order = np.asarray(x.shape[axis] - 1 - np.flip(turned, axis))
    else:
        order = np.argsort(x, axis, kind="stable")
    return order if count is None else order.take(range(count), axis)


def _key_dtype(x: ArrayView | Node) -> DType:
    return _KEYS[x.dtype.bytes]


def _place_dtype(count: int) -> DType:
    return int32 if count <= np.iinfo(np.int32).max else int64


def _scratch(node: Node) -> tuple[TensorType, ...]:
    """Keys and the places they come from, twice each, and of each byte how often it is what."""
    (x,), axis = node.operands, _attrs(node).axis
    count, key = x.shape[axis], _key_dtype(x)
    count = node.shape[axis] if _is_few(node.shape[axis], count) else count
    return (
        TensorType(key, (2, count)),
        TensorType(_place_dtype(count), (2, count)),
        TensorType(int64, (key.bytes, _DIGITS)),
    )


def _is_few(wanted: int, count: int) -> bool:
    return wanted < count and wanted <= _FEW


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
    """A few of many by keeping them in order; short rows by insertion, others by radix: as many
    rounds as a key has bytes."""
    axis = attrs.axis
    count, wanted = x.shape[axis], y.shape[axis]
    is_few = _is_few(wanted, count)
    if not y.type.size:
        return
    with b.each(*x.shape[:axis], *x.shape[axis + 1 :]) as outer:
        before, after = outer[:axis], outer[axis:]

        def key_at(i: Number) -> Number:
            return _key(b, x[(*before, i, *after)], attrs.descending)

        with b.loop(wanted if is_few else count) as i:
            keys[0, i] = key_at(i)
            places[0, i] = i.astype(places.dtype)
        current = b.variable(b.number(0, int64))
        if is_few or count <= 16 * keys.dtype.bytes:
            with b.loop(1, keys.shape[1]) as i:
                _insert(b, keys.at(0), places.at(0), i, keys[0, i], places[0, i])
        else:
            _distribute(b, keys, places, counts, lambda side: current.set(side), current.get)
        if is_few:
            _keep_first(b, keys.at(0), places.at(0), count, key_at)
        with b.loop(wanted) as i:
            y[(*before, i, *after)] = places[current.get(), i].astype(int64)


def _insert(
    b: RoutineBuilder, keys: ArrayView, places: ArrayView, end: Index, key: Number, place: Number
) -> None:
    """Put a key behind those before `end` that are not larger; what was at `end` is lost."""
    gap = b.variable(end)
    with b.repeat() as leave_unless:
        leave_unless(gap.get() > 0)
        before = gap.get() - 1
        leave_unless(keys[before] > key)
        keys[gap.get()], places[gap.get()] = keys[before], places[before]
        gap.set(before)
    keys[gap.get()], places[gap.get()] = key, place


def _keep_first(
    b: RoutineBuilder,
    keys: ArrayView,
    places: ArrayView,
    count: int,
    key_at: Callable[[Number], Number],
) -> None:
    """Compare all further keys with the last of those that are kept."""
    last = keys.shape[0] - 1
    with b.loop(last + 1, count) as i:
        key = key_at(i)
        with b.when(key < keys[last]):
            _insert(b, keys, places, b.number(last, int64), key, i.astype(places.dtype))


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
    shape: Shape,
    axis: int,
    count: int | None = None,
    *,
    descending: bool = False,
    refuse: type[GraphError] | None = None,
) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, shape),),
        {"axis": axis, "descending": descending, "count": count},
        refuse=refuse,
        label=f"{count or 'all'} of {shape} along {axis}{' descending' if descending else ''}",
    )


def _edges(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    return (rng.permutation(np.tile(edges_of(dtype), 9)),)


def _wide(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    """Numbers that differ in every byte."""
    if dtype.is_float or dtype is bool_:
        return (draw(rng, dtype, (333,), (-6e4, 6e4)),)
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
        doc="Along an axis the positions, i64, of the elements in ascending or descending order, "
        "or the first of them. Equal elements keep their order; NaN is larger than all numbers.",
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
            _argsort_sample((67,), 0, 1),
            _argsort_sample((5, 41), 1, 7, descending=True),
            _argsort_sample((300, 3), 0, 17),
            _argsort_sample((3, 5), 1, 5),
            _argsort_sample((3, 5), 1, 0),
            _argsort_sample((0,), 0),
            _argsort_sample((3, 0), 0),
            Sample(_edges, {"axis": 0}, label="edges"),
            Sample(_edges, {"axis": 0, "descending": True}, label="edges descending"),
            Sample(_wide, {"axis": 0}, label="every byte"),
            Sample(_edges, {"axis": 0, "count": 9}, label="few of edges"),
            _argsort_sample((3,), 0, 4, refuse=AttributeValueError),
            _argsort_sample((3,), 0, -1, refuse=AttributeValueError),
            _argsort_sample((3,), 1, refuse=AttributeValueError),
            _argsort_sample((), 0, refuse=AttributeValueError),
        ),
    )
)
