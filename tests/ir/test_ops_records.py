"""Every record against its own reference: inference, lowering, monoid, access map, refusals.

Nothing here names an op: adding a record adds its tests.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator

import numpy as np
import pytest

from graphc.ir.build import constant
from graphc.ir.graph import Attrs, Node
from graphc.ir.interpreter import apply
from graphc.ir.op import AccessMap, Affine, Array, Family, Indirect, Op, Sample
from graphc.ir.ops import OPS
from graphc.ir.ops.registry import register
from graphc.ir.scalar import NumpyScalars
from graphc.ir.types import DType, TensorType, TupleType, float32

SCALARS = NumpyScalars()


def cases(op: Op, dtype: DType, refused: bool = False) -> Iterator[tuple[Sample, list[Node]]]:
    """Samples of an op at a dtype, with their operands as constants."""
    rng = np.random.default_rng(zlib.crc32(f"{op.name} {dtype}".encode()))
    for sample in op.samples:
        if (sample.refuse is not None) == refused:
            yield sample, [constant(array) for array in sample.arrays(rng, dtype)]


def operands_of(node: Node) -> list[Array]:
    return [operand.op.reference(**vars(operand.attrs)) for operand in node.operands]


def by_dtype(*families: Family) -> pytest.MarkDecorator:
    """Parametrise over the records of some families, at the dtypes they take."""
    return pytest.mark.parametrize(
        ("op", "dtype"),
        [
            pytest.param(op, dtype, id=f"{op.name}-{dtype}")
            for op in OPS.values()
            if op.family in families
            for dtype in op.tested_dtypes
        ],
    )


def assert_equal(
    actual: Array, expected: Array, ulp: float, label: str, scale: Array | None = None
) -> None:
    """Equal dtype, shape and elements, or elements within `ulp` units of the last place of
    `scale` (of the expected elements if not given)."""
    assert actual.dtype == expected.dtype, label
    assert actual.shape == expected.shape, label
    if not ulp or expected.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected, label)
        return
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(actual[~finite], expected[~finite], label)
    size = np.abs(expected if scale is None else scale)[finite]
    unit = np.maximum(size - np.nextafter(size, 0), np.finfo(size.dtype).smallest_subnormal)
    apart = np.abs(actual[finite] - expected[finite]) / unit
    assert np.all(apart <= ulp), f"{label}: {np.max(apart)} ulp"


@by_dtype(*Family)
def test_reference_gives_the_inferred_type(op: Op, dtype: DType) -> None:
    for sample, operands in cases(op, dtype):
        node = op(*operands, **sample.attrs)
        value = apply(node, operands_of(node))
        several = isinstance(node.type, TupleType)
        types = node.type.results if isinstance(node.type, TupleType) else (node.type,)
        for result, type_ in zip(value if several else [value], types, strict=True):
            assert TensorType(DType.of(result.dtype), result.shape) == type_, sample.label


@by_dtype(*Family)
def test_bad_operands_are_refused(op: Op, dtype: DType) -> None:
    for sample, operands in cases(op, dtype, refused=True):
        assert sample.refuse is not None
        with pytest.raises(sample.refuse) as caught:
            op(*operands, **sample.attrs)
        assert type(caught.value) is sample.refuse, sample.label
        assert str(caught.value).startswith(sample.refuse.code), sample.label


@by_dtype(Family.ELEMENTWISE)
def test_lowering_agrees_with_the_reference(op: Op, dtype: DType) -> None:
    assert op.lower is not None
    for sample, operands in cases(op, dtype):
        node = op(*operands, **sample.attrs)
        with np.errstate(all="ignore"):
            lowered = np.asarray(op.lower(SCALARS, *operands_of(node), **vars(node.attrs)))
        assert_equal(
            np.broadcast_to(lowered, node.shape),
            apply(node, operands_of(node)),
            op.ulp,
            sample.label,
        )


@by_dtype(Family.REDUCTION)
def test_monoid_agrees_with_the_reference(op: Op, dtype: DType) -> None:
    for sample, operands in cases(op, dtype):
        node = op(*operands, **sample.attrs)
        (x,) = operands_of(node)
        rows = _rows(x, sample.attrs["axes"])
        expected = apply(node, [x])
        for folded in (_fold_in_order(op, rows), _fold_in_lanes(op, rows)):
            scale = apply(node, [np.abs(x)]) if op.ulp else expected
            assert_equal(folded.reshape(node.shape), expected, op.ulp, sample.label, scale)


def _rows(x: Array, axes: tuple[int, ...]) -> Array:
    """The reduced axes last and flat, row-major."""
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    count = int(np.prod([x.shape[axis] for axis in axes], dtype=int))
    return np.transpose(x, [*kept, *axes]).reshape(*(x.shape[axis] for axis in kept), count)


def _identity(op: Op, dtype: DType, shape: tuple[int, ...]) -> tuple[Array, ...]:
    assert op.monoid is not None
    return tuple(
        np.full(shape, value, state.numpy)
        for value, state in zip(op.monoid.identity(dtype), op.monoid.state(dtype), strict=True)
    )


def _fold_in_order(op: Op, rows: Array) -> Array:
    assert op.monoid is not None
    state = _identity(op, DType.of(rows.dtype), rows.shape[:-1])
    with np.errstate(all="ignore"):
        for i in range(rows.shape[-1]):
            lifted = op.monoid.lift(SCALARS, rows[..., i], np.int64(i))
            state = op.monoid.combine(SCALARS, state, lifted)
        return np.asarray(op.monoid.result(SCALARS, state))


def _fold_in_lanes(op: Op, rows: Array, lanes: int = 4) -> Array:
    """As a vector loop does it: one state a lane, joined at the end from the last to the first,
    with an identity left over in each lane that got nothing."""
    assert op.monoid is not None
    dtype = DType.of(rows.dtype)
    states = [_identity(op, dtype, rows.shape[:-1]) for _ in range(lanes)]
    with np.errstate(all="ignore"):
        for i in range(rows.shape[-1]):
            lifted = op.monoid.lift(SCALARS, rows[..., i], np.int64(i))
            states[i % lanes] = op.monoid.combine(SCALARS, states[i % lanes], lifted)
        total = states.pop()
        while states:
            total = op.monoid.combine(SCALARS, total, states.pop())
        return np.asarray(op.monoid.result(SCALARS, total))


@by_dtype(Family.LAYOUT)
def test_access_map_agrees_with_the_reference(op: Op, dtype: DType) -> None:
    assert op.access is not None
    for sample, operands in cases(op, dtype):
        node = op(*operands, **sample.attrs)
        maps = op.access(node)
        arrays = operands_of(node)
        result = apply(node, arrays)
        # Without maps it is a view: the first operand's elements as they lie in memory.
        read = arrays[0].reshape(result.shape) if maps is None else _read(node, maps, arrays)
        assert_equal(read, result, 0, sample.label)


def _read(node: Node, maps: tuple[AccessMap | None, ...], arrays: list[Array]) -> Array:
    """Gather the result through the maps: from the first operand in whose bounds an index lies,
    else the fill value."""
    fill = node.op.fill
    result = np.full(node.shape, fill(node.attrs) if fill else 0, node.dtype.numpy)
    missing = np.ones(node.shape, bool)
    grid = np.indices(node.shape)
    for access, array in zip(maps, arrays, strict=True):
        if access is None:
            continue
        assert len(access) == array.ndim
        index = [
            _position(entry, grid, arrays, size).reshape(node.shape)
            for entry, size in zip(access, array.shape, strict=True)
        ]
        inside = missing.copy()
        for position, size in zip(index, array.shape, strict=True):
            inside &= (position >= 0) & (position < size)
        result[inside] = array[tuple(position[inside] for position in index)]
        missing &= ~inside
    assert fill or not missing.any()
    return result


def _position(entry: Affine | Indirect, grid: Array, arrays: list[Array], size: int) -> Array:
    if isinstance(entry, Indirect):
        raw = [int(i) for i in arrays[entry.operand].ravel()]
        wrapped = [i + size if i < 0 else i for i in raw]
        return np.array([min(max(i, 0), size - 1) for i in wrapped], np.int64)
    position = np.full(grid.shape[1:], entry.offset, np.int64)
    for axis, scale in entry.terms:
        position += scale * grid[axis]
    return position


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_records_are_complete(op: Op) -> None:
    assert op.doc.endswith(".")
    assert op.samples or op.family is Family.ITEM or op.reference is OPS["input"].reference
    assert issubclass(op.attrs, Attrs)
    assert (op.lower is not None) == (op.family is Family.ELEMENTWISE)
    assert (op.monoid is not None) == (op.family is Family.REDUCTION)
    assert (op.access is not None) == (op.family is Family.LAYOUT)
    assert op.dtypes or op.stored or op.family is Family.SOURCE


def test_names_for_numpy_are_not_shared() -> None:
    names = list(itertools.chain.from_iterable(op.numpy for op in OPS.values()))
    assert len(names) == len(set(names))


def test_commutative_ops_commute() -> None:
    for op in OPS.values():
        if not op.commutative:
            continue
        for sample, (x, y) in cases(op, op.dtypes[-1]):
            one, other = op(x, y), op(y, x)
            np.testing.assert_array_equal(
                apply(one, operands_of(one)), apply(other, operands_of(other)), sample.label
            )


def test_a_second_record_of_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="two op records are named tanh"):
        register(OPS["tanh"])


def test_wrong_number_of_operands_is_refused() -> None:
    x = constant(np.zeros(3, float32.numpy))
    with pytest.raises(Exception, match="add takes 2 operands, got 1"):
        OPS["add"](x)
