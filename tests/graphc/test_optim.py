"""Optimizers against their formulas, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc

START, TARGET = np.array([1.0, -2.0, 3.0]), np.array([0.5, 0.5, 0.5])


def run(optimizer: Any, steps: int, dtype: str = "float64") -> list[Any]:
    """The weights after each of some steps on a quadratic loss, whose gradient is w - TARGET."""
    w = gc.param("w", START.astype(dtype))
    loss = 0.5 * gc.square(w - TARGET.astype(dtype)).sum()
    step = gc.compile([], loss, optimizer.updates(loss, [w]))
    weights = []
    for _ in range(steps):
        step()
        weights.append(w.value.copy())
    return weights


def test_gradient_descent() -> None:
    w = START
    for found in run(gc.optim.SGD(0.1), 5):
        w = w - 0.1 * (w - TARGET)
        np.testing.assert_allclose(found, w, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov: bool) -> None:
    w, velocity = START, np.zeros(3)
    for found in run(gc.optim.SGD(0.1, momentum=0.9, nesterov=nesterov), 5):
        gradient = w - TARGET
        velocity = 0.9 * velocity + gradient
        w = w - 0.1 * (0.9 * velocity + gradient if nesterov else velocity)
        np.testing.assert_allclose(found, w, rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
def test_adam(dtype: str, tolerance: float) -> None:
    w, m, v = START, np.zeros(3), np.zeros(3)
    for t, found in enumerate(run(gc.optim.Adam(0.05), 50, dtype), start=1):
        gradient = w - TARGET
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        w = w - 0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        np.testing.assert_allclose(found, w, rtol=tolerance, atol=tolerance)


def test_rate_may_be_an_input() -> None:
    w, rate = gc.param("w", np.ones(2)), gc.input("rate")
    loss = (w * w).sum()
    step = gc.compile([rate], loss, gc.optim.SGD(rate).updates(loss, [w]))
    step(np.float32(0))
    assert w.value.tolist() == [1, 1]
    step(np.float32(0.25))
    assert w.value.tolist() == [0.5, 0.5]
    adam = gc.optim.Adam(rate).updates(loss, [w])
    assert {each.name for each in adam} == {"w", "w.m", "w.v", "w.steps"}


def test_no_parameters() -> None:
    assert gc.optim.Adam().updates(gc.input("loss"), []) == {}
    assert gc.optim.SGD().updates(gc.input("loss"), []) == {}
