"""Derivatives at kinks, poles and branches: what docs/branch_points.md says, in both modes.

A branch that is not taken adds nothing, whatever its slope: no NaN in any derivative below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.printer import print_graph

Array = np.ndarray[Any, Any]
Function = Callable[[gc.Tensor], Any]
Numbers = Array | Sequence[float] | float
POINTS = np.array([0.0, 1.0, -1.0, 4.0])


def derivatives(function: Function, at: Array) -> dict[str, Array]:
    """Compiled: the gradient of the sum, its tangent, and both differentiated again, by ones."""
    x = gc.input("x", at.shape, gc.float64)
    ones = gc.const(np.ones(at.shape))
    y = function(x)
    gradient = gc.grad(y.sum(), x)
    tangent = _tangent(y.sum(), x, ones)
    results = {
        "gradient": gradient,
        "tangent": tangent,
        "gradient of gradient": gc.grad(gradient.sum(), x),
        "tangent of gradient": _tangent(gradient, x, ones),
        "gradient of tangent": gc.grad(tangent, x),
        "zero": 0 * x,
    }
    found: dict[str, Array] = gc.compile([x], results)(at)
    return found


def _tangent(y: gc.Tensor, x: gc.Tensor, direction: gc.Tensor) -> Any:
    result = gc.jvp(y, x, direction)
    return result[1] if isinstance(result, tuple) else result


def assert_derivatives(function: Function, at: Array, first: Numbers, second: Numbers) -> None:
    """Both modes give `first`, every combination of them `second`."""
    found = derivatives(function, at)
    np.testing.assert_allclose(found["gradient"], first, rtol=1e-12)
    np.testing.assert_allclose(found["tangent"], np.sum(first), rtol=1e-12)
    for name in ("gradient of gradient", "tangent of gradient", "gradient of tangent"):
        np.testing.assert_allclose(found[name], second, rtol=1e-12, err_msg=name)


LOG: tuple[list[float], list[float]] = ([0, 1, 0, 0.25], [0, -1, 0, -0.0625])


def square(x: gc.Tensor) -> Any:
    return x.reshape(2, 2)


UNTAKEN: dict[str, Function] = {
    "log": lambda x: gc.where(x > 0, gc.log(x), 0),
    "in the other branch": lambda x: gc.where(x <= 0, 0, gc.log(x)),
    "negated": lambda x: -gc.where(~(x > 0), 0, gc.log(1 / x)),
    "nested": lambda x: gc.where(x > -2, gc.where(x > 0, gc.log(x), 0), gc.sqrt(x)),
    "chained": lambda x: gc.where(x > 0, gc.log(gc.sqrt(x) ** 2), 0),
    "reshaped before": lambda x: gc.where(square(x) > 0, gc.log(square(x)), 0),
    "reshaped after": lambda x: gc.where(square(x) > 0, square(gc.log(x)), 0),
    "transposed after": lambda x: gc.where(square(x).T > 0, square(gc.log(x)).T, 0),
    "sliced after": lambda x: gc.where(x[::-1] > 0, gc.log(x)[::-1], 0),
    "sliced in the other branch": lambda x: gc.where(x[1:] <= 0, 0, gc.log(x)[1:]),
    "padded": lambda x: gc.where(x > 0, gc.pad(gc.log(x[1:]), (1, 0)), 0),
    "concatenated": lambda x: gc.where(
        gc.concatenate([x, x]) > 0, gc.concatenate([gc.log(x), 0 * gc.log(x)]), 0
    ),
    "broadcast": lambda x: gc.where(
        x.reshape(4, 1) > 0, gc.broadcast_to(gc.log(x).reshape(4, 1), (4, 2)), 0
    ).mean(axis=1),
    "broadcast by an operand": lambda x: gc.where(
        x.reshape(4, 1) > 0, gc.log(x).reshape(4, 1) * gc.const([[0.5, 0.5]]), 0
    ),
    "used twice": lambda x: _twice(x, gc.log(x) / 2),
    "under two conditions": lambda x: _under_two(x, gc.log(x) / 2),
    "squared under one": lambda x: gc.where(x > 0, gc.exp(gc.log(gc.log(x) + 9)) - 9, 0),
    "cast": lambda x: gc.where(x > 0, gc.log(x).astype("float64"), 0),
    "scaled": lambda x: 3 * gc.where(x > 0, gc.log(x), 0) / 3,
    "of both signs": lambda x: gc.where(x > 0, gc.log(gc.maximum(x, 0)), 0),
    "in a clip": lambda x: gc.where(x > 0, gc.log(gc.clip(x, 0, 9)), 0),
    "of a magnitude": lambda x: gc.where(x > 0, gc.log(gc.abs(x)), 0),
}


def _twice(x: gc.Tensor, half: gc.Tensor) -> Any:
    return gc.where(x > 0, half, 0) + gc.where(x > 0, half, 0)


def _under_two(x: gc.Tensor, half: gc.Tensor) -> Any:
    return gc.where(x > 0, half, 0) + gc.where(x > 0.5, half, 0)


@pytest.mark.parametrize("name", UNTAKEN)
def test_a_branch_not_taken_adds_nothing(name: str) -> None:
    assert_derivatives(UNTAKEN[name], POINTS, *LOG)


def test_both_branches_of_a_select_have_poles() -> None:
    at = np.array([1.0, 4.0, -1.0, -4.0])
    first, second = [1, 0.25, -0.5, -0.25], [-1, -0.0625, -0.25, -0.03125]
    assert_derivatives(lambda x: gc.where(x > 0, gc.log(x), gc.sqrt(-x)), at, first, second)


def test_a_condition_that_does_not_vary_along_a_sum() -> None:
    def function(s: gc.Tensor) -> Any:
        return gc.where(s > 0, (gc.log(s) * gc.const(np.ones(4))).mean(), 0)

    assert_derivatives(function, np.array(0.0), 0, 0)
    assert_derivatives(function, np.array(2.0), 0.5, -0.25)


def test_a_maximum_under_a_condition() -> None:
    def function(x: gc.Tensor) -> Any:
        return gc.where(x.max() > 9, gc.sqrt(x.max() - 4), 0)

    assert_derivatives(function, POINTS, [0, 0, 0, 0], [0, 0, 0, 0])


def test_forward_mode_goes_by_the_branch_taken() -> None:
    """The tangent of a constant branch stays zero where a pole comes after it."""
    found = derivatives(lambda x: gc.sqrt(gc.where(x > 0, x, 0)), np.array([-1.0, 4.0]))
    np.testing.assert_array_equal(found["gradient"], [0, 0.25])
    assert found["tangent"] == 0.25


def test_norm_at_zero() -> None:
    def norm(x: gc.Tensor) -> Any:
        squared = (x * x).sum()
        return gc.where(squared > 0, gc.sqrt(squared), 0)

    def direction(x: gc.Tensor) -> Any:
        squared = (x * x).sum()
        return gc.where(squared > 0, x / gc.sqrt(squared), 0)

    nothing = np.zeros(3)
    assert_derivatives(norm, nothing, nothing, nothing)
    assert_derivatives(direction, nothing, nothing, nothing)
    np.testing.assert_allclose(derivatives(norm, np.array([3.0, 4.0]))["gradient"], [0.6, 0.8])


@pytest.mark.parametrize(
    ("function", "at", "expected"),
    [
        (lambda x: gc.maximum(x, 1), [0, 1, 2], [0, 0.5, 1]),
        (lambda x: gc.minimum(x, 1), [0, 1, 2], [1, 0.5, 0]),
        (lambda x: gc.fmax(x, 1), [0, 1, np.nan], [0, 0.5, 0]),
        (lambda x: gc.fmin(x, np.nan), [0, 1, 2], [1, 1, 1]),
        (lambda x: x.max(), [5, 3, 5], [0.5, 0, 0.5]),
        (lambda x: gc.clip(x, -1, 1), [-1, 1, 1.5], [1, 1, 0]),
        (lambda x: gc.clip(x, None, 1), [-9, 1, 1.5], [1, 1, 0]),
        (lambda x: gc.sqrt(gc.clip(x, 0, 1)), [-1, 0.25, 2], [0, 1, 0]),
        (gc.nn.relu, [-1, 0, 1], [0, 0, 1]),
        (lambda x: gc.sqrt(gc.nn.relu(x)), [-1, 0, 1], [0, 0, 0.5]),
        (gc.abs, [-2, 0, 2], [-1, 0, 1]),
        (lambda x: gc.sqrt(gc.abs(x)), [-4, 0, 4], [-0.25, 0, 0.25]),
        (lambda x: gc.copysign(x, -1), [-2, 0, 2], [1, 0, -1]),
        (gc.sqrt, [0, 1, 4], [np.inf, 0.5, 0.25]),
        (lambda x: x + gc.floor(x) + gc.ceil(x) + gc.trunc(x), [-1, 0, 0.5], [1, 1, 1]),
        (lambda x: x + gc.round(x) + x // 2, [0.5, 1, 2], [1, 1, 1]),
        (lambda x: x % 2, [-1, 2, 3], [1, 1, 1]),
        (lambda x: 7 % x, [-2, 2, 3], [4, -3, -2]),
        (lambda x: gc.fmod(7, x), [-2, 2, 3], [3, -3, -2]),
        (lambda x: gc.nan_to_num(x), [np.nan, np.inf, 2], [0, 0, 1]),
        (lambda x: gc.heaviside(x, 2 * x), [-1, 0, 1], [0, 2, 0]),
        (lambda x: x**0, [0, 1, -1], [0, 0, 0]),
        (lambda x: x**1, [0, 1, -1], [1, 1, 1]),
        (lambda x: x**3, [0, 1, -1], [0, 3, 3]),
        (lambda x: x**0.5, [0, 1, 4], [np.inf, 0.5, 0.25]),
        (lambda x: 0.0**x, [1, 2, 3], [0, 0, 0]),
        (lambda x: (-2.0) ** x, [1, 2, 3], [0, 0, 0]),
    ],
)
def test_conventions(function: Function, at: list[float], expected: list[float]) -> None:
    points = np.array(at, float)
    found = derivatives(function, points)
    np.testing.assert_allclose(found["gradient"], expected, rtol=1e-12)
    total = np.sum(np.where(np.isfinite(expected), expected, 0))
    if np.isfinite(expected).all():
        np.testing.assert_allclose(found["tangent"], total, rtol=1e-12)


def test_bounds_of_a_clip_have_the_derivative_outside() -> None:
    x, low, high = (gc.input(name, 4, gc.float64) for name in ("x", "low", "high"))
    gradients = gc.grad(gc.clip(x, low, high).sum(), [x, low, high])
    run = gc.compile([x, low, high], gradients)
    by_x, by_low, by_high = run(
        np.array([-3.0, -1, 1, 3]), np.full(4, -1.0), np.array([1.0, 1, 1, 2])
    )
    np.testing.assert_array_equal(by_x, [0, 1, 1, 0])
    np.testing.assert_array_equal(by_low, [1, 0, 0, 0])
    np.testing.assert_array_equal(by_high, [0, 0, 0, 1])


def test_adjoints_of_one_condition_meet_in_one_select() -> None:
    x = gc.input("x", 4)
    y = gc.where(x > 0, gc.log(x), gc.exp(x))
    graph = gc.build_graph([x], gc.grad(y.sum(), x))
    assert print_graph(graph).count("where") == 1


def test_a_long_chain_of_selects_is_differentiated_in_linear_time() -> None:
    def nodes(length: int) -> int:
        x = gc.input("x", 2)
        h = x
        for _ in range(length):
            h = h + gc.where(h > 0, gc.sqrt(h), h * h)
        seed = gc.const(np.ones(2, "float32")).node
        (adjoint,) = adjoints([h.node], [seed], [x.node])
        assert adjoint is not None
        reached, pending = {adjoint}, [adjoint]
        while pending:
            fresh = [node for node in pending.pop().operands if node not in reached]
            reached.update(fresh)
            pending += fresh
        return len(reached)

    assert nodes(400) < 2.1 * nodes(200)
