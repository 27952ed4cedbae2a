"""Reductions and statistics compute what NumPy's of the same name compute."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special

import graphc as gc

NAMES = ("sum", "prod", "max", "min", "any", "all", "mean", "var", "std", "ptp", "count_nonzero")
SHAPES = ((), (1,), (7,), (3, 5), (2, 3, 5), (0,), (2, 0, 3))
DTYPES = ("bool", "int8", "uint16", "int64", "float32", "float64")
ENDS = ("argmax", "argmin")


def drawn(shape: Any, dtype: str, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.startswith("float"):
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 6, shape).astype(dtype)


def axes_of(rank: int) -> list[Any]:
    several = [
        axes for count in range(rank + 1) for axes in itertools.combinations(range(rank), count)
    ]
    return [None, *several, *range(-rank, rank)]


def numpys(name: str, *operands: Any, **options: Any) -> Any:
    """NumPy's result without its warnings, or None where it refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(getattr(np, name)(*operands, **options))
        except (ValueError, TypeError):
            return None


def agree(found: Any, wanted: Any, given: Any, value: Any, rtol: float = 1e-5) -> None:
    assert found.dtype.numpy == wanted.dtype
    np.testing.assert_allclose(value(found, given), wanted, rtol=rtol, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_reduction_is_numpys(name: str, dtype: str, value: Any) -> None:
    for shape in SHAPES:
        tensor, array = gc.input("t", shape, dtype), drawn(shape, dtype)
        for axis in axes_of(len(shape)):
            for keepdims in (False, True):
                wanted = numpys(name, array, axis=axis, keepdims=keepdims)
                if wanted is None:
                    error = (gc.errors.ShapeError, gc.errors.DTypeError)
                    with pytest.raises(error):
                        getattr(gc, name)(tensor, axis=axis, keepdims=keepdims)
                else:
                    found = getattr(gc, name)(tensor, axis=axis, keepdims=keepdims)
                    agree(found, wanted, {tensor: array}, value)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ENDS)
def test_position_of_an_extremum_is_numpys(name: str, dtype: str, value: Any) -> None:
    for shape in ((1,), (7,), (3, 5), (2, 3, 5)):
        tensor, array = gc.input("t", shape, dtype), drawn(shape, dtype)
        for axis in (None, *range(-len(shape), len(shape))):
            wanted = numpys(name, array, axis=axis, keepdims=True)
            found = getattr(np, name)(tensor, axis=axis, keepdims=True)
            agree(found, wanted, {tensor: array}, value)


def test_smallest_of_extremes(value: Any) -> None:
    for array in (
        np.array([0, 127, -128, -128], "int8"),
        np.array([255, 0, 0], "uint8"),
        np.array([np.inf, -np.inf, np.nan, np.nan], "float32"),
        np.array([True, False]),
    ):
        tensor = gc.input("t", array.shape, array.dtype)
        assert value(gc.argmin(tensor), {tensor: array}) == np.argmin(array)


def test_truth_of_nan_and_nothing(value: Any) -> None:
    tensor = gc.input("t", 2)
    assert value(tensor.any(), {tensor: [np.nan, 0]})
    assert not value(tensor.all(), {tensor: [np.nan, 0]})
    assert value(gc.zeros(0).all())
    assert not value(gc.zeros(0).any())


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_initial_and_where(name: str, dtype: str, value: Any) -> None:
    array, mask = drawn((3, 5), dtype), drawn((5,), "bool", 3)
    tensor, chosen = gc.input("t", (3, 5), dtype), gc.input("mask", 5, "bool")
    given = {tensor: array, chosen: mask}
    for axis in (None, 0, 1):
        wanted = numpys(name, array, axis=axis, initial=2)
        agree(getattr(np, name)(tensor, axis=axis, initial=2), wanted, given, value)
        wanted = numpys(name, array, axis=axis, initial=1, where=mask)
        agree(getattr(gc, name)(tensor, axis, initial=1, where=chosen), wanted, given, value)
    nothing = getattr(gc, name)(tensor[:0], axis=0, initial=3)
    agree(nothing, numpys(name, array[:0], axis=0, initial=3), given, value)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "any", "all"])
def test_where(name: str, value: Any) -> None:
    array, mask = drawn((3, 5), "float32"), drawn((3, 1), "bool", 2)
    tensor, chosen = gc.input("t", (3, 5)), gc.input("mask", (3, 1), "bool")
    for axis in (None, 0, 1):
        wanted = numpys(name, array, axis=axis, where=mask)
        found = getattr(np, name)(tensor, axis=axis, where=chosen)
        agree(found, wanted, {tensor: array, chosen: mask}, value)


def test_dtype_of_the_result(value: Any) -> None:
    array = drawn((3, 5), "int8")
    tensor = gc.input("t", (3, 5), "int8")
    for name, dtype in itertools.product(("sum", "prod", "mean", "var"), ("int8", "float32")):
        wanted = numpys(name, array, axis=0, dtype=dtype)
        if np.dtype(dtype).kind == "f":
            agree(getattr(np, name)(tensor, axis=0, dtype=dtype), wanted, {tensor: array}, value)
    assert gc.sum(tensor, dtype="int8").dtype is gc.int8


def test_variance_with_corrections(value: Any) -> None:
    array = drawn((3, 5), "float32")
    tensor = gc.input("t", (3, 5))
    given = {tensor: array}
    for name in ("var", "std"):
        for options in ({"ddof": 1}, {"correction": 1.5}, {"ddof": 5}, {"ddof": 6}):
            wanted = numpys(name, array, axis=1, **options)
            agree(getattr(np, name)(tensor, axis=1, **options), wanted, given, value)
        known = tensor.mean(1, keepdims=True)
        agree(getattr(gc, name)(tensor, 1, mean=known), numpys(name, array, axis=1), given, value)
    with pytest.raises(gc.errors.AttributeValueError, match="not both"):
        gc.var(tensor, ddof=1, correction=1)


def test_variance_far_from_zero_is_accurate(value: Any) -> None:
    array = (drawn((1000,), "float64") + 1e4).astype("float32")
    tensor = gc.input("t", 1000)
    wanted = np.var(array.astype("float64"))
    np.testing.assert_allclose(value(tensor.var(), {tensor: array}), wanted, rtol=1e-4)


@pytest.mark.parametrize(
    "name", ["nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd"]
)
def test_reduction_without_nan_is_numpys(name: str, value: Any) -> None:
    array = drawn((4, 5), "float32")
    array[0, 1] = array[2, :] = array[3, 4] = np.nan
    array[1, 1], array[1, 2] = np.inf if name in ("nanmax", "nanmin") else 3, -2
    tensor = gc.input("t", (4, 5))
    for axis in (None, 0, 1, (0, 1)):
        wanted = numpys(name, array, axis=axis, keepdims=True)
        agree(getattr(np, name)(tensor, axis=axis, keepdims=True), wanted, {tensor: array}, value)
    slope = gc.grad(getattr(gc, name)(tensor[3:]).sum(), tensor)
    found = value(slope, {tensor: array})
    assert np.isfinite(found).all()
    assert found[3, 4] == 0
    whole = gc.input("n", 3, "int32")
    agree(
        getattr(gc, name)(whole),
        numpys(name, np.array([3, 1, 2], "int32")),
        {whole: [3, 1, 2]},
        value,
    )


def test_average(value: Any) -> None:
    array, column, row, full = (
        drawn(shape, "float32") for shape in ((3, 5, 2), (3,), (5, 3), (3, 5, 2))
    )
    tensor = gc.input("t", (3, 5, 2))
    for axis, weights in (
        *((None, None), (1, None), (0, column), (-3, column), (0, full), (None, full)),
        ((1, 0), row),
    ):
        options: dict[str, Any] = {"axis": axis, "weights": weights, "returned": True}
        dispatched: Any = np.average
        for found, wanted in zip(
            dispatched(tensor, **options), dispatched(array, **options), strict=True
        ):
            np.testing.assert_allclose(value(found, {tensor: array}), wanted, rtol=1e-5)
    whole = gc.input("n", 3, "int32")
    agree(gc.average(whole), numpys("average", [1, 2, 4]), {whole: [1, 2, 4]}, value)
    with pytest.raises(gc.errors.ShapeError, match="average needs weights"):
        gc.average(tensor, axis=1, weights=column)


def test_logsumexp_is_scipys(value: Any) -> None:
    array = drawn((3, 5), "float64") * 100
    array[0, 1], array[1, 2], array[2] = -np.inf, np.inf, -np.inf
    tensor = gc.input("t", (3, 5), "float64")
    for axis in (None, 0, 1, (0, 1)):
        for keepdims in (False, True):
            wanted = np.asarray(scipy.special.logsumexp(array, axis=axis, keepdims=keepdims))
            found = gc.logsumexp(tensor, axis, keepdims)
            agree(found, wanted, {tensor: array}, value, rtol=1e-14)
    assert value(gc.logsumexp(gc.zeros((2, 0)), 1)).tolist() == [-np.inf, -np.inf]


def test_derivatives_of_logsumexp_at_infinities(value: Any) -> None:
    tensor = gc.input("t", (4, 3))
    low, high = -np.inf, np.inf
    rows = np.array([[0, low, 0], [1, high, 5], [low, low, low], [1000, 1000, -1000]], "float32")
    slope = gc.grad(gc.logsumexp(tensor, axis=1).sum(), tensor)
    wanted = np.array([[3, 0, 3], [0, 6, 0], [2, 2, 2], [3, 3, 0]]) / 6
    np.testing.assert_allclose(value(slope, {tensor: rows}), wanted, rtol=1e-6)
    forward = gc.jvp(gc.logsumexp(tensor, axis=1), tensor, gc.ones((4, 3)))
    np.testing.assert_allclose(value(forward, {tensor: rows}), np.ones(4), rtol=1e-6)
    second = gc.grad((slope * [1, 2, 3]).sum(), tensor)
    assert np.isfinite(value(second, {tensor: rows})).all()
    assert np.isnan(value(gc.logsumexp(tensor, axis=1), {tensor: rows * np.nan})).all()


def test_compiled_logsumexp_finds_the_largest_element_once() -> None:
    tensor = gc.input("t", (4, 3))
    rows = np.array([[1, 2, 3], [np.inf, 0, 0], [-np.inf] * 3, [500, 500, 0]], "float32")
    step = gc.compile([tensor], gc.logsumexp(tensor, axis=1))
    assert step.ir("fused").count("= max ") == 1
    np.testing.assert_allclose(step(rows), scipy.special.logsumexp(rows, axis=1), rtol=1e-6)


def test_derivative_of_a_standard_deviation_of_zero(value: Any) -> None:
    tensor = gc.input("t", (2, 3))
    slope = gc.grad(tensor.std(axis=1).sum(), tensor)
    found = value(slope, {tensor: [[2, 2, 2], [1, 2, 3]]})
    np.testing.assert_allclose(
        found, np.array([[0, 0, 0], [-1, 0, 1]]) / np.sqrt(6), rtol=1e-5, atol=1e-7
    )


DIFFERENTIATED: dict[str, Callable[[Any, Any], Any]] = {
    "sum where": lambda m, t: m.sum(t, where=np.array([True, False, True])),
    "prod initial": lambda m, t: m.prod(t, axis=0, initial=2),
    "max initial": lambda m, t: m.max(t, axis=1, initial=0.25),
    "min where": lambda m, t: m.min(t, initial=9, where=np.array([True, False, True])),
    "mean": lambda m, t: m.mean(t, axis=1),
    "var": lambda m, t: m.var(t, axis=0, ddof=1),
    "std": lambda m, t: m.std(t, axis=1),
    "ptp": lambda m, t: m.ptp(t, axis=1),
    "average": lambda m, t: m.average(t, axis=1, weights=np.array([1.0, 2, 4])),
}


def test_compiled_reductions_and_their_gradients() -> None:
    """Gradients beside central differences of NumPy's function, gradients of those likewise."""
    tensor = gc.input("t", (4, 3), "float64")
    rng = np.random.default_rng(1)
    array, along, other = rng.normal(size=(3, 4, 3))
    outputs = {}
    for name, function in DIFFERENTIATED.items():
        result = function(gc, tensor)
        weights = np.linspace(1, 2, result.size).reshape(result.shape)
        slope = gc.grad((result * weights).sum(), tensor)
        outputs[name] = result, slope, gc.grad((slope * other).sum(), tensor)
    found = gc.compile([tensor], outputs)(array)
    for name, function in DIFFERENTIATED.items():
        value, slope, second = found[name]
        np.testing.assert_allclose(value, function(np, array), rtol=1e-13, err_msg=name)

        def weighed(point: Any, function: Any = function) -> float:
            result = function(np, point)
            return float((result * np.linspace(1, 2, result.size).reshape(result.shape)).sum())

        def moved(point: Any, step: Any, weighed: Callable[[Any], float] = weighed) -> float:
            return (weighed(point + 1e-4 * step) - weighed(point - 1e-4 * step)) / 2e-4

        np.testing.assert_allclose((slope * along).sum(), moved(array, along), rtol=1e-6)
        twice = (moved(array + 1e-4 * along, other) - moved(array - 1e-4 * along, other)) / 2e-4
        np.testing.assert_allclose((second * along).sum(), twice, rtol=1e-3, atol=1e-4)


def test_compiled_reductions_of_every_kind() -> None:
    arrays = {dtype: drawn((5, 17), dtype) for dtype in DTYPES}
    tensors = {dtype: gc.input(f"t_{dtype}", (5, 17), dtype) for dtype in DTYPES}
    outputs, wanted = {}, {}
    for name, (dtype, tensor) in itertools.product((*NAMES, *ENDS), tensors.items()):
        result = numpys(name, arrays[dtype], axis=1)
        if result is not None:
            outputs[f"{name} {dtype}"] = getattr(gc, name)(tensor, axis=1)
            wanted[f"{name} {dtype}"] = result
    found = gc.compile(list(tensors.values()), outputs)(*arrays.values())
    for name, result in wanted.items():
        np.testing.assert_allclose(found[name], result, rtol=1e-5, atol=1e-6, err_msg=name)


def test_what_is_refused() -> None:
    tensor = gc.input("t", (3, 4))
    with pytest.raises(gc.errors.ShapeError, match="no elements"):
        gc.max(tensor[:0], axis=0)
    with pytest.raises(gc.errors.AttributeValueError, match="needs initial="):
        gc.min(tensor, where=tensor > 0)
    with pytest.raises(gc.errors.AttributeValueError, match="keepdims"):
        gc.sum(tensor, 0, np.float64)  # type: ignore[arg-type]
    with pytest.raises(gc.errors.ShapeError, match="broadcast"):
        gc.sum(tensor, where=gc.zeros((2, 3, 4), "bool"))
