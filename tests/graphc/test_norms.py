"""Norms are those of `numpy.linalg`, and their derivatives are finite everywhere."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import graphc as gc

ORDERS = (None, 0, 1, 2, 3, 0.5, 2.5, -1, -2, math.inf, -math.inf)
MATRIX_ORDERS = (None, "fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)


def drawn(shape: Any, seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def agree(found: Any, wanted: Any, given: Any, value: Any) -> None:
    assert found.dtype.numpy == np.asarray(wanted).dtype
    np.testing.assert_allclose(value(found, given), wanted, rtol=1e-12)


@pytest.mark.parametrize("ord", ORDERS, ids=str)
def test_norms_of_vectors(ord: Any, value: Any) -> None:
    array = drawn((3, 5))
    array[1, 2] = 0
    tensor = gc.input("x", (3, 5), "float64")
    for axis, keepdims in itertools.product((0, 1, -1), (False, True)):
        with np.errstate(divide="ignore"):
            wanted = np.linalg.norm(array, ord, axis, keepdims)
        agree(gc.linalg.norm(tensor, ord, axis, keepdims), wanted, {tensor: array}, value)
        agree(np.linalg.norm(tensor, ord, axis, keepdims), wanted, {tensor: array}, value)


@pytest.mark.parametrize("ord", MATRIX_ORDERS, ids=str)
def test_norms_of_matrices(ord: Any, value: Any) -> None:
    array = drawn((2, 3, 4))
    tensor = gc.input("x", (2, 3, 4), "float64")
    given = {tensor: array}
    for axis, keepdims in itertools.product(((0, 1), (2, 1), (-1, 0)), (False, True)):
        wanted = np.linalg.norm(array, ord, axis, keepdims)
        agree(np.linalg.norm(tensor, ord, axis, keepdims), wanted, given, value)
    agree(gc.linalg.norm(tensor[0], ord), np.linalg.norm(array[0], ord), given, value)
    if ord is not None:
        wanted = np.linalg.matrix_norm(array, ord=ord)
        agree(gc.linalg.matrix_norm(tensor, ord=ord), wanted, given, value)


def test_norms_of_everything(value: Any) -> None:
    array = drawn((2, 3, 4))
    tensor = gc.input("x", (2, 3, 4), "float64")
    given = {tensor: array}
    agree(gc.linalg.norm(tensor), np.linalg.norm(array), given, value)
    for options in ({}, {"ord": 1}, {"axis": (0, 2), "ord": 3}, {"keepdims": True}):
        wanted = np.linalg.vector_norm(array, **options)
        agree(np.linalg.vector_norm(tensor, **options), wanted, given, value)
    whole = gc.input("n", 2, "int32")
    agree(gc.linalg.norm(whole), 5.0 * np.ones(()), {whole: [3, 4]}, value)
    for ord in (None, 0, 1, 3, math.inf):
        wanted = np.linalg.norm(array[0, 0, :0], ord)
        agree(gc.linalg.norm(tensor[0, 0, :0], ord), wanted, given, value)


@pytest.mark.parametrize("ord", ORDERS, ids=str)
def test_derivatives_at_zero_are_zero(ord: Any, value: Any) -> None:
    tensor = gc.input("x", (2, 3), "float64")
    given = {tensor: np.array([[0.0, 0, 0], [1, 0, -2]])}
    norms = gc.linalg.norm(tensor, ord, axis=1)
    slope = gc.grad(norms.sum(), tensor)
    found = value(slope, given)
    assert found[0].tolist() == [0, 0, 0]
    assert found[1, 1] == 0
    second = value(gc.grad((slope * [1, 2, 3]).sum(), tensor), given)
    assert np.isfinite(second).all()
    assert second[0].tolist() == [0, 0, 0]
    forward = value(gc.jvp(norms, tensor, gc.ones((2, 3), "float64")), given)
    np.testing.assert_allclose(forward, found.sum(1))


def test_compiled_norms_and_their_gradients() -> None:
    tensor = gc.input("x", (3, 5), "float64")
    array, step = drawn((2, 3, 5))
    cases: dict[str, tuple[Any, Any]] = {
        **{f"vector {ord}": (ord, 1) for ord in ORDERS},
        **{f"matrix {ord}": (ord, (0, 1)) for ord in MATRIX_ORDERS},
    }
    outputs = {}
    for name, (ord, axis) in cases.items():
        result = gc.linalg.norm(tensor, ord, axis)
        outputs[name] = result, gc.grad(result.sum(), tensor)
    found = gc.compile([tensor], outputs)(array)
    for name, (ord, axis) in cases.items():
        np.testing.assert_allclose(found[name][0], np.linalg.norm(array, ord, axis), rtol=1e-12)
        above, below = (np.linalg.norm(array + h * step, ord, axis).sum() for h in (1e-6, -1e-6))
        slope = (above - below) / 2e-6
        np.testing.assert_allclose((found[name][1] * step).sum(), slope, rtol=1e-5, atol=1e-6)


def test_norms_of_16_bits_do_not_overflow_on_the_way(value: Any) -> None:
    tensor = gc.input("x", 4, "float16")
    found = gc.linalg.norm(tensor)
    assert found.dtype is gc.float16
    assert value(found, {tensor: [3000, 4000, 0, 0]}) == 5000


def test_what_is_refused() -> None:
    tensor = gc.input("x", (2, 3, 4))
    with pytest.raises(gc.errors.AttributeValueError, match="matrices have no norm of order 3"):
        gc.linalg.norm(tensor, 3, (0, 1))
    with pytest.raises(gc.errors.AttributeValueError, match="vectors have no norm of order 'fro'"):
        gc.linalg.norm(tensor, "fro", 0)
    with pytest.raises(gc.errors.ShapeError, match="one axis or two"):
        gc.linalg.norm(tensor, 1)
    with pytest.raises(gc.errors.ShapeError, match="at least two axes"):
        gc.linalg.matrix_norm(tensor[0, 0])
    with pytest.raises(gc.errors.ShapeError, match="no elements"):
        gc.linalg.norm(tensor[0, 0, :0], -math.inf)
