"""A parameter whose gradient is a few rows is updated at those rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.tensor import Tensor

IDS = np.array([3, 1, 3, -1], np.int32)


def trained(update: Callable[[Tensor, Tensor], Tensor]) -> tuple[gc.Step, np.ndarray[Any, Any]]:
    """A step of an embedding of 50 rows, and the embedding after one run of it."""
    w = gc.param("w", np.arange(150.0).reshape(50, 3))
    ids = gc.input("ids", 4, gc.int32)
    loss = (gc.take(w, ids, axis=0) ** 2).sum()
    step = gc.compile([ids], loss, updates={w: update(w, gc.grad(loss, w))})
    step(IDS)
    return step, np.array(w.value)


@pytest.mark.parametrize(
    ("update", "rate"),
    [
        (lambda w, g: w - 0.1 * g, 0.1),
        (lambda w, g: w - g * 0.5 * 0.25, 0.125),
        (lambda w, g: w + -(0.1 * g), 0.1),
        (lambda w, g: 2 * g + w, -2.0),
        (lambda w, g: w - g, 1.0),
    ],
)
def test_only_rows_that_are_hit_are_touched(
    update: Callable[[Tensor, Tensor], Tensor], rate: float
) -> None:
    step, found = trained(update)
    start = np.arange(150.0).reshape(50, 3)
    gradient = np.zeros_like(start)
    np.add.at(gradient, IDS, 2 * start[IDS])
    np.testing.assert_allclose(found, start - rate * gradient, rtol=1e-12)
    assert step.artifact.manifest.workspace_bytes < 50 * 3 * 8


@pytest.mark.parametrize(
    "update",
    [
        lambda w, g: w - 0.1 * gc.tanh(g),
        lambda w, g: 0.9 * w - 0.1 * g,
        lambda w, g: w - 0.1 * g - 0.01 * (g * g).sum(),
        lambda w, g: g - w,
    ],
)
def test_other_updates_stay_as_they_are(update: Callable[[Tensor, Tensor], Tensor]) -> None:
    _, found = trained(update)
    start = np.arange(150.0).reshape(50, 3)
    gradient = np.zeros_like(start)
    np.add.at(gradient, IDS, 2 * start[IDS])
    w, g = gc.input("w", (50, 3), gc.float64), gc.input("g", (50, 3), gc.float64)
    expected = gc.compile([w, g], update(w, g))(start, gradient)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_parameter_scattered_twice() -> None:
    w = gc.param("w", np.zeros((5, 2)))
    ids, more = gc.input("ids", 4, gc.int32), gc.input("more", 4, gc.int32)
    loss = gc.take(w, ids, axis=0).sum() + 3 * gc.take(w, more, axis=0).sum()
    step = gc.compile([ids, more], loss, updates={w: w - gc.grad(loss, w)})
    step(np.array([0, 1, 1, 4], np.int32), np.array([4, 4, 2, 0], np.int32))
    expected = -np.array([4.0, 2, 3, 0, 7])
    np.testing.assert_array_equal(w.value, np.stack([expected, expected], axis=1))
