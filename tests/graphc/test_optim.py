"""Optimizers against their formulas, step by step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import AttributeValueError

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


def loop(rule: Callable[[int, Any, dict[str, Any]], Any], steps: int) -> list[Any]:
    """The weights after each of some steps of `rule(t, gradient, state)`, which gives the step."""
    w, state, weights = START, {"m": np.zeros(3), "v": np.zeros(3), "w": START}, []
    for t in range(steps):
        w = w - rule(t, w - TARGET, state)
        state["w"] = w
        weights.append(w)
    return weights


def adam_step(t: int, g: Any, state: dict[str, Any]) -> Any:
    state["m"] = 0.9 * state["m"] + 0.1 * g
    state["v"] = 0.999 * state["v"] + 0.001 * g**2
    corrected = np.sqrt(state["v"] / (1 - 0.999 ** (t + 1))) + 1e-8
    return 0.05 * state["m"] / (1 - 0.9 ** (t + 1)) / corrected


def adamw_step(t: int, g: Any, state: dict[str, Any]) -> Any:
    return adam_step(t, g, state) + 0.05 * 0.1 * state["w"]


def rmsprop_step(t: int, g: Any, state: dict[str, Any]) -> Any:
    state["v"] = 0.8 * state["v"] + 0.2 * g**2
    state["m"] = 0.5 * state["m"] + g / (np.sqrt(state["v"]) + 1e-8)
    return 0.05 * state["m"]


def adagrad_step(t: int, g: Any, state: dict[str, Any]) -> Any:
    state["v"] = state["v"] + g**2
    return 0.05 * g / (np.sqrt(state["v"]) + 1e-10)


def lion_step(t: int, g: Any, state: dict[str, Any]) -> Any:
    direction = np.sign(0.9 * state["m"] + 0.1 * g)
    state["m"] = 0.99 * state["m"] + 0.01 * g
    return 0.05 * (direction + 0.1 * state["w"])


OPTIMIZERS: dict[str, tuple[Any, Any]] = {
    "adamw": (gc.optim.AdamW(0.05, decay=0.1), adamw_step),
    "rmsprop": (gc.optim.RMSProp(0.05, rho=0.8, momentum=0.5), rmsprop_step),
    "adagrad": (gc.optim.Adagrad(0.05), adagrad_step),
    "lion": (gc.optim.Lion(0.05, decay=0.1), lion_step),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer(name: str) -> None:
    optimizer, rule = OPTIMIZERS[name]
    np.testing.assert_allclose(run(optimizer, 20), loop(rule, 20), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_16_bit_parameters_are_remembered_in_f32(name: str) -> None:
    w = gc.param("w", START.astype("float16"))
    updates = OPTIMIZERS[name][0].updates((w * w).sum(), [w])
    for parameter, new in updates.items():
        assert new.dtype is parameter.dtype
        assert parameter.dtype is (gc.float16 if parameter is w else gc.float32)


def test_clipping() -> None:
    gradient = START - TARGET
    by_value = run(gc.optim.SGD(0.1, clip=gc.optim.clip_by_value(1.0)), 1)[0]
    np.testing.assert_allclose(by_value, START - 0.1 * np.clip(gradient, -1, 1), rtol=1e-12)
    norm = np.linalg.norm(gradient)
    for bound in (0.5, 100.0):
        found = run(gc.optim.SGD(0.1, clip=gc.optim.clip_by_global_norm(bound)), 1)[0]
        wanted = START - 0.1 * gradient * min(1, bound / norm)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_norm_is_of_all_gradients_and_zero_is_no_trouble() -> None:
    u, w = gc.param("u", np.array([3.0])), gc.param("w", np.array([[4.0]]))
    clip = gc.optim.clip_by_global_norm(1.0)
    loss = 0.5 * ((u * u).sum() + (w * w).sum())
    step = gc.compile([], loss, gc.optim.SGD(1.0, clip=clip).updates(loss, [u, w]))
    step()
    np.testing.assert_allclose([u.value[0], w.value[0, 0]], [3 - 0.6, 4 - 0.8])
    u.value, w.value = np.zeros(1), np.zeros((1, 1))
    step()
    assert u.value[0] == 0


SCHEDULES: dict[str, tuple[Any, Callable[[int], float]]] = {
    "exponential": (gc.schedules.exponential(0.1, 0.5, 10), lambda t: 0.1 * 0.5 ** (t / 10)),
    "cosine": (
        gc.schedules.cosine(0.1, 10, 0.02),
        lambda t: 0.02 + 0.04 * (1 + math.cos(math.pi * min(t / 10, 1))),
    ),
    "linear": (gc.schedules.linear(0.1, 10), lambda t: 0.1 * max(1 - t / 10, 0)),
    "constant_between": (
        gc.schedules.constant_between([0.3, 0.2, 0.1], [4, 8]),
        lambda t: 0.3 if t < 4 else 0.2 if t < 8 else 0.1,
    ),
    "warmup": (gc.schedules.warmup(5, 0.1), lambda t: 0.1 * min(t / 5, 1)),
    "warmup, cosine": (
        gc.schedules.warmup(5, gc.schedules.cosine(0.1, 10)),
        lambda t: 0.1 * t / 5 if t < 5 else 0.05 * (1 + math.cos(math.pi * min((t - 5) / 10, 1))),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule(name: str) -> None:
    schedule, rate = SCHEDULES[name]
    wanted = loop(lambda t, g, _: rate(t) * g, 18)
    np.testing.assert_allclose(run(gc.optim.SGD(schedule), 18), wanted, rtol=1e-9)


def test_schedules_of_other_optimizers_count_the_same_steps() -> None:
    schedule = gc.schedules.exponential(0.05, 0.5, 10)
    wanted = loop(lambda t, g, state: adam_step(t, g, state) * 0.5 ** (t / 10), 10)
    np.testing.assert_allclose(run(gc.optim.Adam(schedule), 10), wanted, rtol=1e-9)
    w = gc.param("w", np.ones(2, "float32"))
    for optimizer in (gc.optim.SGD, gc.optim.RMSProp, gc.optim.Adagrad, gc.optim.Lion):
        updates = optimizer(schedule).updates((w * w).sum(), [w])
        assert "w.steps" in {each.name for each in updates}
        assert optimizer(schedule).updates(gc.input("loss"), []) == {}


def test_schedules_refuse_nonsense() -> None:
    nonsense: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (gc.schedules.exponential, (0.1, -1)),
        (gc.schedules.cosine, (0.1, 0)),
        (gc.schedules.warmup, (-3, 0.1)),
        (gc.schedules.constant_between, ([1, 2], [3, 4])),
        (gc.schedules.constant_between, ([1, 2, 3], [4, 3])),
    ]
    for make, arguments in nonsense:
        with pytest.raises(AttributeValueError):
            make(*arguments)
