"""Integer-array indexing, masks, updates with `at`, and slices that begin where a tensor says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphc as gc

ARRAY = np.random.default_rng(0).normal(size=(4, 5, 6, 3)).astype("float32")
PICKS, COLUMN = np.array([0, -1, 2]), np.array([[1], [0]])
ROWS = np.array([True, False, True, True])
MASK = np.random.default_rng(1).random((4, 5)) > 0.5

ENTRIES = (0, -1, slice(1, 4), slice(None, None, -2), PICKS, COLUMN, [1, 1], None, ...)


def indices() -> Iterator[Any]:
    """Every mix of one or two entries, and some of three and four."""
    rng = np.random.default_rng(2)
    yield from (
        PICKS,
        ROWS,
        MASK,
        ROWS.tolist(),
        (ROWS, 0),
        (MASK, PICKS[:1]),
        (..., COLUMN),
        [],
        (PICKS, []),
    )
    yield from (
        (0, PICKS),
        (PICKS, None, COLUMN),
        (slice(1, 3), PICKS, 0, COLUMN),
        (PICKS, slice(None), PICKS),
        (0, ..., PICKS),
    )
    for count in (1, 2, 3, 4):
        for chosen in itertools.product(ENTRIES, repeat=count):
            if sum(entry is ... for entry in chosen) < 2 and rng.random() < 6 / 9 ** (count - 1):
                yield chosen


def with_tensors(index: Any) -> Any:
    """Integer arrays made tensors, so that their values are not known."""
    entries = index if isinstance(index, tuple) else (index,)
    return tuple(
        gc.const(entry) if isinstance(entry, np.ndarray) and entry.dtype != bool else entry
        for entry in entries
    )


def test_shapes_and_elements_are_numpys(value: Any) -> None:
    tensor, count = gc.const(ARRAY), 0
    for index in indices():
        try:
            wanted = ARRAY[index]
        except IndexError:
            with pytest.raises(gc.errors.AttributeValueError):
                tensor[index]
            continue
        for given in (index, with_tensors(index)):
            np.testing.assert_array_equal(value(tensor[given]), wanted, str(index))
        count += 1
    assert count > 50


def test_updates_are_numpys(value: Any) -> None:
    tensor, rng = gc.const(ARRAY), np.random.default_rng(3)
    for index in indices():
        try:
            shape = ARRAY[index].shape
        except IndexError:
            continue
        new = rng.normal(size=shape).astype("float32")
        for given in (index, with_tensors(index)):
            wanted = ARRAY.copy()
            wanted[index] = new
            np.testing.assert_array_equal(value(tensor.at[given].set(new)), wanted, str(index))
            wanted = ARRAY.copy()
            np.add.at(wanted, index, new)
            np.testing.assert_array_equal(value(tensor.at[given].add(new)), wanted, str(index))


@pytest.mark.parametrize(
    "index", [slice(1, 3), ([0, 2, 0],), (slice(None), 1), (PICKS, slice(1, 2))]
)
@pytest.mark.parametrize(
    ("method", "ufunc"),
    [("max", np.maximum), ("min", np.minimum), ("multiply", np.multiply)],
)
@pytest.mark.parametrize("dtype", ["float32", "int8", "bool"])
def test_every_update(index: Any, method: str, ufunc: np.ufunc, dtype: str, value: Any) -> None:
    array = np.random.default_rng(4).normal(size=(4, 3)) * 3
    array = array.astype(dtype)
    new = array[index][..., :1] * array.dtype.type(3 if dtype != "bool" else 0)
    wanted = array.copy()
    ufunc.at(wanted, index, new)
    changed = getattr(gc.const(array).at[index], method)(new)
    np.testing.assert_array_equal(value(changed), wanted)


def test_what_is_read_again_is_what_was_set(value: Any) -> None:
    place = gc.const(ARRAY).at[1:3, PICKS]
    np.testing.assert_array_equal(value(place.get()), ARRAY[1:3, PICKS])
    np.testing.assert_array_equal(value(place.set(7)[1:3, PICKS]), np.full((2, 3, 6, 3), 7.0))


def test_compiled_updates() -> None:
    x, i, v = gc.input("x", (7, 5)), gc.input("i", 4, gc.int32), gc.input("v", (4, 5))
    step = gc.compile(
        [x, i, v], {"rows": x.at[i].add(v), "one": x.at[i, 2].set(9), "cut": x.at[1:4, ::2].set(0)}
    )
    rng = np.random.default_rng(5)
    array, new = rng.normal(size=(7, 5)).astype("f"), rng.normal(size=(4, 5)).astype("f")
    rows, one, cut = array.copy(), array.copy(), array.copy()
    index = np.array([3, -1, 3, 0], "int32")
    np.add.at(rows, index, new)
    one[index, 2], cut[1:4, ::2] = 9, 0
    result = step(array, index, new)
    np.testing.assert_array_equal(result["rows"], rows)
    np.testing.assert_array_equal(result["one"], one)
    np.testing.assert_array_equal(result["cut"], cut)


def test_positions_from_inputs_are_checked_on_every_axis() -> None:
    x, i, j = gc.input("x", (4, 5)), gc.input("i", 2, gc.int64), gc.input("j", 2, gc.int64)
    v = gc.input("v", 2)
    array, good = np.ones((4, 5), "f"), np.array([0, -4])
    for step in (
        gc.compile([x, i, j, v], x[i, j] + v),
        gc.compile([x, i, j, v], x.at[i, j].add(v)),
    ):
        step(array, good, good, np.ones(2, "f"))
        with pytest.raises(IndexError, match="i"):
            step(array, np.array([0, 4]), good, np.ones(2, "f"))
        with pytest.raises(IndexError, match="j"):
            step(array, good, np.array([-6, 0]), np.ones(2, "f"))


def test_derivatives_of_reading_and_changing() -> None:
    rng = np.random.default_rng(6)
    x, v, rows = rng.normal(size=(4, 2)), rng.normal(size=(3, 2)), np.array([2, 0, 2])

    def read(x: gc.Tensor, i: gc.Tensor) -> list[gc.Tensor]:
        return [gc.sin(x[rows, ::-1]), gc.sin(x[i]) * x[0], gc.sin(x[i, i // 2])]

    def changed(x: gc.Tensor, v: gc.Tensor, i: gc.Tensor) -> list[gc.Tensor]:
        places = [x.at[i], x.at[1:4]]
        methods = ("set", "add", "multiply", "max", "min")
        return [gc.sin(getattr(at, method)(v)) for at in places for method in methods]

    gc.check_grad(read, (x, rows), order=2)
    gc.check_grad(changed, (x, v, rows), order=2)


def test_an_overwritten_element_has_no_derivative(value: Any) -> None:
    x, v = gc.input("x", 3), gc.input("v", 3)
    changed = gc.sqrt(x).at[gc.const([0, 0, 1])].set(v)
    by_x, by_v = gc.grad(changed.sum(), (x, v))
    given = {x: [0.0, 0.0, 4.0], v: [1.0, 2.0, 3.0]}
    np.testing.assert_array_equal(value(by_v, given), [0, 1, 1])
    np.testing.assert_array_equal(value(by_x, given)[2], 0.25)


def test_elements_that_tie_share_the_derivative(value: Any) -> None:
    x, v = gc.input("x", 2), gc.input("v", 3)
    largest = x.at[gc.const([0, 0, 1])].max(v)
    by_x, by_v = gc.grad(largest.sum(), (x, v))
    given = {x: [2.0, 1.0], v: [2.0, 1.0, 5.0]}
    np.testing.assert_array_equal(value(by_x, given), [0.5, 0])
    np.testing.assert_array_equal(value(by_v, given), [0.5, 0, 1])


def test_examples_are_updated_each_by_itself() -> None:
    x, i = np.arange(12.0).reshape(3, 4), np.array([[0, 1], [3, 3], [-1, 2]])
    result = gc.vmap(lambda x, i: x.at[i].add(1.0) * x[i].sum())(x, i)
    for row, index, found in zip(x, i, result, strict=True):
        wanted = row.copy()
        np.add.at(wanted, index, 1)
        np.testing.assert_allclose(found, wanted * row[index].sum())


@pytest.mark.parametrize("batch", [1, 300])
def test_embedding(batch: int) -> None:
    rng = np.random.default_rng(7)
    table, ids = rng.normal(size=(50, 19)).astype("f"), rng.integers(0, 50, (batch, 2))
    w, i = gc.param("w", table), gc.input("i", (batch, 2), gc.int64)
    picked = gc.nn.embedding(w, i)
    loss = (picked * picked).sum() / 2
    step = gc.compile([i], {"picked": picked, "gradient": gc.grad(loss, w)})
    result, wanted = step(ids), np.zeros_like(table)
    np.add.at(wanted, ids, table[ids])
    np.testing.assert_array_equal(result["picked"], table[ids])
    np.testing.assert_allclose(result["gradient"], wanted, rtol=1e-5)
    with pytest.raises(gc.errors.ShapeError, match="matrix"):
        gc.nn.embedding(gc.input("v", 3), i)
    with pytest.raises(gc.errors.DTypeError, match="integer"):
        gc.nn.embedding(w, gc.input("f", 3))


def test_put_along_axis(value: Any) -> None:
    wanted, order = ARRAY[0].copy(), np.argsort(ARRAY[0], 1)[:, :2]
    np.put_along_axis(wanted, order, 9, 1)
    changed = gc.put_along_axis(gc.const(ARRAY[0]), gc.const(order), 9, 1)
    np.testing.assert_array_equal(value(changed), wanted)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (np.zeros(4, "f"), gc.errors.ShapeError, r"\[4\] do not broadcast to the \[2, 3\]"),
        (np.zeros((1, 2, 3), "f"), gc.errors.ShapeError, "do not broadcast"),
    ],
)
def test_values_that_do_not_fit(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        gc.input("t", (4, 3)).at[1:3].set(values)


def test_values_of_another_kind_are_refused(value: Any) -> None:
    whole = gc.input("n", 3, gc.int32)
    with pytest.raises(gc.errors.DTypeError, match="f32 do not fit in a tensor of i32"):
        whole.at[0].set(1.5)
    with pytest.raises(gc.errors.AttributeValueError, match="modes set, add, max, min, mul"):
        gc.update_at(whole, 0, 1, "div")  # type: ignore[arg-type]
    half = gc.const(np.zeros(2, "float64")).at[0].set(0.1)
    assert value(half)[0] == 0.1


STARTS = [(0, 0), (2, 3), (5, -2), (100, -100)]


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("kind", ["numbers", "tensors", "vector"])
def test_dynamic_slices(start: tuple[int, int], kind: str, value: Any) -> None:
    array = ARRAY[0, :, :, 0]
    first = [
        min(max(s + whole if s < 0 else s, 0), whole - size)
        for s, whole, size in zip(start, array.shape, (3, 2), strict=True)
    ]
    here = (slice(first[0], first[0] + 3), slice(first[1], first[1] + 2))
    starts: Any = list(start)
    if kind != "numbers":
        starts = gc.const(starts) if kind == "vector" else [gc.const(s) for s in starts]
    part = gc.dynamic_slice(gc.const(array), starts, (3, 2))
    np.testing.assert_array_equal(value(part), array[here])
    wanted = array.copy()
    wanted[here] = [[1], [2], [3]]
    update = np.broadcast_to(np.array([[1], [2], [3]], "f"), (3, 2))
    changed = gc.dynamic_update_slice(gc.const(array), update, starts)
    np.testing.assert_array_equal(value(changed), wanted)


def test_dynamic_slices_compiled_and_differentiated() -> None:
    x, i, u = gc.input("x", (5, 6)), gc.input("i", (), gc.int32), gc.input("u", (2, 6))
    step = gc.compile(
        [x, i, u],
        {"part": gc.dynamic_slice(x, (i, 1), (2, 3)), "new": gc.dynamic_update_slice(x, u, (i, 0))},
    )
    array, update = ARRAY[0, :, :, 0].copy(), ARRAY[1, :2, :, 0].copy()
    result = step(array, np.int32(2), update)
    np.testing.assert_array_equal(result["part"], array[2:4, 1:4])
    np.testing.assert_array_equal(result["new"][2:4], update)
    gc.check_grad(
        lambda x, u, i: gc.sin(
            gc.dynamic_slice(gc.dynamic_update_slice(x, u, (i, 1)), (1, i), (3, 4))
        ),
        (array, update[:, :3], np.array(2)),
        order=2,
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda x: gc.dynamic_slice(x, (0, 0), (5, 3)),
        lambda x: gc.dynamic_slice(x, (0, 0), (1,)),
        lambda x: gc.dynamic_slice(x, (0,), (1, 1)),
        lambda x: gc.dynamic_slice(x, (0.5, 0), (1, 1)),
        lambda x: gc.dynamic_update_slice(x, np.ones((5, 3), "f"), (0, 0)),
    ],
)
def test_slices_that_are_refused(call: Any) -> None:
    with pytest.raises(gc.errors.GraphError):
        call(gc.input("x", (4, 3)))


@pytest.mark.parametrize("name", ["nonzero", "flatnonzero", "argwhere", "unique"])
def test_shapes_that_depend_on_data_are_refused(name: str) -> None:
    with pytest.raises(gc.errors.ShapeError, match=rf"(?s){name} has a shape.*gc\.where"):
        getattr(gc, name)(gc.input("x", 3))
    for chosen in (gc.compress, gc.extract):
        with pytest.raises(gc.errors.ShapeError, match="depends on the data"):
            chosen([True], gc.input("x", 3))
