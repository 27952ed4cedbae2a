"""Sorting and what is made of it, running sums and extrema, segments and counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

SHAPES = [(1,), (7,), (3, 4), (2, 3, 5)]
DTYPES = ["float32", "float64", "int32", "uint8", "bool"]


def drawn(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """With ties, a NaN and a negative zero."""
    array = np.random.default_rng(8).integers(0, 9, shape).astype(dtype)
    if array.dtype.kind == "f":
        array.flat[0], array.flat[array.size // 2] = -0.0, np.nan if array.size > 3 else 1
    return array


def places(shape: tuple[int, ...]) -> list[int | None]:
    return [None, *range(-1, len(shape))]


each_case = pytest.mark.parametrize("dtype", DTYPES)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@each_case
@each_shape
def test_sorting_is_numpys(shape: tuple[int, ...], dtype: str, value: Any) -> None:
    array = drawn(shape, dtype)
    tensor = gc.const(array)
    for axis in places(shape):
        np.testing.assert_array_equal(value(gc.sort(tensor, axis)), np.sort(array, axis))
        order = np.argsort(array, axis, kind="stable")
        np.testing.assert_array_equal(value(gc.argsort(tensor, axis)), order)
        np.testing.assert_array_equal(value(np.sort(tensor, axis)), np.sort(array, axis))


def test_descending_keeps_the_order_of_equal_elements(value: Any) -> None:
    x = gc.const(np.array([2, np.nan, 1, 2, np.nan, -np.inf], "f"))
    np.testing.assert_array_equal(value(gc.argsort(x, descending=True)), [1, 4, 0, 3, 2, 5])
    np.testing.assert_array_equal(value(gc.argsort(x)), [5, 2, 0, 3, 1, 4])


def test_top_k(value: Any) -> None:
    array = np.random.default_rng(9).normal(size=(4, 30, 3)).astype("f")
    for axis, k in ((1, 5), (-1, 3), (0, 0)):
        values, indices = gc.top_k(gc.const(array), k, axis)
        order = np.argsort(-array, axis).take(range(k), axis)
        np.testing.assert_array_equal(value(indices), order)
        np.testing.assert_array_equal(value(values), np.take_along_axis(array, order, axis))
    with pytest.raises(gc.errors.AttributeValueError, match="which has 3 there"):
        gc.top_k(gc.const(array), 4)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_searchsorted_and_digitize(side: Any, dtype: str, value: Any) -> None:
    rng = np.random.default_rng(10)
    table, values = rng.integers(-9, 9, 13).astype(dtype), rng.integers(-9, 9, (4, 3))
    values = values.astype(dtype)
    order = np.argsort(table)
    found = gc.searchsorted(gc.const(table), gc.const(values), side, gc.const(order))
    np.testing.assert_array_equal(value(found), np.searchsorted(table[order], values, side))
    bins = np.unique(table)
    for edges in (bins, bins[::-1].copy()):
        found = gc.digitize(gc.const(values), edges, side == "left")
        np.testing.assert_array_equal(value(found), np.digitize(values, edges, side == "left"))
    with pytest.raises(gc.errors.AttributeValueError, match="ascend or descend"):
        gc.digitize(gc.const(values), [1, 3, 2])


@each_shape
@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_are_numpys(shape: tuple[int, ...], method: Any, value: Any) -> None:
    array = np.random.default_rng(11).normal(size=shape)
    tensor = gc.const(array)
    for axis in [*places(shape), tuple(range(len(shape)))]:
        for q in (0.3, [0, 0.25, 1], [[0.5]]):
            wanted = np.quantile(array, q, axis, method=method)
            np.testing.assert_allclose(value(gc.quantile(tensor, q, axis, method=method)), wanted)
        kept = value(gc.percentile(tensor, 90, axis, True))
        np.testing.assert_allclose(kept, np.percentile(array, 90, axis, keepdims=True))
        np.testing.assert_allclose(value(gc.median(tensor, axis)), np.median(array, axis))


def test_quantiles_at_special_values(value: Any) -> None:
    array = np.array([[1, np.nan, 2], [-np.inf, 3, np.inf]])
    with np.errstate(invalid="ignore"):
        wanted = np.median(array, 1)
    np.testing.assert_array_equal(value(gc.median(gc.const(array), 1)), wanted)
    np.testing.assert_array_equal(value(gc.quantile(gc.const(array), 1, 1)), [np.nan, np.inf])
    whole = gc.median(gc.const(np.array([1, 2], "int8")))
    assert (value(whole), whole.dtype) == (1.5, gc.float64)
    with pytest.raises(gc.errors.ShapeError, match="no elements"):
        gc.median(gc.input("x", 0))
    with pytest.raises(gc.errors.AttributeValueError, match="between 0 and 100"):
        gc.percentile(gc.const(array), 101)
    with pytest.raises(gc.errors.AttributeValueError, match="must be known"):
        gc.quantile(gc.const(array), gc.input("q"))


@each_case
@each_shape
def test_running_functions_are_numpys(shape: tuple[int, ...], dtype: str, value: Any) -> None:
    array = drawn(shape, dtype)
    tensor = gc.const(array)
    for axis in places(shape):
        flat, place = (array.ravel(), 0) if axis is None else (array, axis)
        for ours, theirs in ((gc.cumsum, np.cumsum), (gc.cumprod, np.cumprod)):
            result, wanted = value(ours(tensor, axis)), theirs(array, axis)
            assert result.dtype == wanted.dtype
            np.testing.assert_allclose(result, wanted, rtol=1e-5)
        for extreme, ufunc in ((gc.cummax, np.maximum), (gc.cummin, np.minimum)):
            wanted = ufunc.accumulate(flat, place)
            np.testing.assert_array_equal(value(extreme(tensor, axis)), wanted)
        wide = flat if array.dtype.kind == "f" else flat.astype("float64")
        with np.errstate(invalid="ignore"):
            wanted = np.logaddexp.accumulate(wide, place)
        np.testing.assert_allclose(value(gc.logcumsumexp(tensor, axis)), wanted, rtol=1e-5)
        if axis is not None:
            options: Any = {"axis": axis, "include_initial": True}
            for name in ("cumulative_sum", "cumulative_prod"):
                wanted = getattr(np, name)(array, **options)
                np.testing.assert_allclose(
                    value(getattr(gc, name)(tensor, **options)), wanted, 1e-5
                )


def test_accumulate_of_a_ufunc(value: Any) -> None:
    array = np.random.default_rng(16).normal(size=(4, 3))
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logaddexp):
        cases: tuple[dict[str, Any], ...] = ({}, {"axis": 1})
        for options in cases:
            found = value(ufunc.accumulate(gc.const(array), **options))
            np.testing.assert_allclose(found, ufunc.accumulate(array, **options))
    with pytest.raises(TypeError, match=r"np\.subtract\.accumulate"):
        np.subtract.accumulate(gc.const(array))


def test_log_sums_far_apart_neither_overflow_nor_vanish(value: Any) -> None:
    array = np.array([-np.inf, -np.inf, -800, 3, 900, -3, np.inf, 2], "f")
    x = gc.const(array)
    wanted = np.logaddexp.accumulate(array)
    np.testing.assert_allclose(value(gc.logcumsumexp(x)), wanted, rtol=1e-6)
    slope = value(gc.grad(gc.logcumsumexp(x)[:6].sum(), x))
    assert np.isfinite(slope[2:6]).all()


def test_sums_of_many_small_numbers_are_exact() -> None:
    x = gc.input("x", 3_000_000)
    ones = np.full(3_000_000, 0.1, "f")
    result = gc.compile([x], gc.cumsum(x))(ones)
    wanted = np.cumsum(ones.astype("float64")).astype("f")
    np.testing.assert_array_equal(result, wanted)


def test_only_vectors_go_without_axis() -> None:
    with pytest.raises(gc.errors.AttributeValueError, match="needs an axis"):
        gc.cumulative_sum(gc.input("x", (2, 3)))


@pytest.mark.parametrize("axis", [0, 1])
def test_derivatives(axis: int) -> None:
    x = np.random.default_rng(12).normal(size=(3, 4))

    def ordered(x: gc.Tensor) -> list[gc.Tensor]:
        results = [gc.sort(x, axis), gc.top_k(x, 2, axis)[0]]
        return [gc.sin(each) for each in (*results, gc.quantile(x, [0, 0.2, 0.5], axis))]

    def running(x: gc.Tensor) -> list[gc.Tensor]:
        functions = (gc.cumsum, gc.cumprod, gc.cummax, gc.cummin, gc.logcumsumexp)
        return [gc.sin(function(x, axis)) for function in functions]

    gc.check_grad(ordered, (x,))
    gc.check_grad(running, (x,), order=2)
    x[1, 2] = x[2, 2] = x[1, 3] = 0
    gc.check_grad(lambda x: gc.sin(gc.cumprod(x, axis)), (x,), order=2)


def test_compiled_order_is_the_interpreters(value: Any) -> None:
    x = gc.input("x", (41, 300))
    array = np.random.default_rng(13).normal(size=(41, 300)).astype("f")
    values, indices = gc.top_k(x, 7)
    outputs = {
        "sorted": gc.sort(x, 0),
        "values": values,
        "indices": indices,
        "median": gc.median(x, 1),
        "largest": gc.cummax(x, 1),
        "log": gc.logcumsumexp(x, 0),
        "found": gc.searchsorted(gc.sort(x.reshape(-1)), x),
        "slope": gc.grad((gc.sort(x, 0) * gc.cumsum(x, 1)).sum(), x),
    }
    result = gc.compile([x], outputs)(array)
    for name, tensor in outputs.items():
        wanted = value(tensor, {x: array})
        np.testing.assert_allclose(result[name], wanted, rtol=2e-5, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(
    ("name", "ufunc", "empty"),
    [
        ("segment_sum", np.add, 0),
        ("segment_prod", np.multiply, 1),
        ("segment_max", np.maximum, -np.inf),
        ("segment_min", np.minimum, np.inf),
    ],
)
def test_segments(name: str, ufunc: np.ufunc, empty: float, value: Any) -> None:
    rng = np.random.default_rng(14)
    data, ids = rng.normal(size=(6, 3)), np.array([0, 2, 1, 0, -1, 2])
    wanted = np.full((5, 3), float(empty))
    ufunc.at(wanted, ids, data)
    function = getattr(gc, name)
    np.testing.assert_allclose(value(function(gc.const(data), gc.const(ids), 5)), wanted)
    gc.check_grad(lambda data, ids: gc.sin(function(data, ids, 3)), (data, ids))
    with pytest.raises(gc.errors.ShapeError, match="one number for each part"):
        function(gc.const(data), gc.const(ids[:4]), 5)
    with pytest.raises(gc.errors.DTypeError, match="integer numbers"):
        function(gc.const(data), gc.const(data[:, 0]), 5)
    with pytest.raises(gc.errors.AttributeValueError, match="number of its results"):
        function(gc.const(data), gc.const(ids), gc.input("n", (), gc.int64))


def test_segment_mean(value: Any) -> None:
    data, ids = np.arange(6.0).reshape(3, 2), np.array([1, 1, 3])
    wanted = [[0, 0], [1, 2], [0, 0], [4, 5]]
    mean = gc.segment_mean(gc.const(data), gc.const(ids), 4)
    np.testing.assert_array_equal(value(mean), wanted)


def test_bincount_and_histogram(value: Any) -> None:
    rng = np.random.default_rng(15)
    numbers, weights = rng.integers(0, 6, 40), rng.normal(size=40)
    x, w = gc.const(numbers), gc.const(weights)
    np.testing.assert_array_equal(
        value(gc.bincount(x, length=9)), np.bincount(numbers, minlength=9)
    )
    np.testing.assert_allclose(value(gc.bincount(x, w, 7)), np.bincount(numbers, weights, 7))
    np.testing.assert_array_equal(value(gc.bincount(x - 2, length=3)), np.bincount(numbers)[2:5])
    with pytest.raises(gc.errors.AttributeValueError, match="shapes are static"):
        gc.bincount(x)
    array = rng.normal(size=200)
    for bins, limits in ((10, (-1, 1)), (7, None), (np.array([-2, -1, 0, 0.5]), None)):
        for density in (False, True):
            counts, edges = gc.histogram(gc.const(array), bins, limits, density)
            wanted, wanted_edges = np.histogram(array, bins, limits, density)
            np.testing.assert_allclose(value(counts), wanted)
            np.testing.assert_allclose(value(edges), wanted_edges)
    sums, _ = gc.histogram(gc.const(array[:40]), 5, weights=w)
    np.testing.assert_allclose(value(sums), np.histogram(array[:40], 5, weights=weights)[0])
