"""Functions from outside that fail, or that a call cannot be made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import graphc as gc

Array = np.ndarray[Any, Any]

X = np.array([0.5, -1.5, 2.0], "float32")


class BoomError(Exception):
    """What a function of the user's raises."""


def fail_at(value: float) -> Callable[[Array], Array]:
    def f(a: Array) -> Array:
        if a.flat[0] == value:
            raise BoomError(f"at {value}")
        return a + 1

    return f


def test_an_exception_ends_the_step_and_is_raised() -> None:
    x, w = gc.input("x", 3), gc.param("w", np.zeros(3, "float32"))
    after = []

    def later(a: Array) -> Array:
        after.append(a)
        return a + 0

    y = gc.call(later, gc.call(fail_at(7), x + w, like=x), like=x)
    step = gc.compile([x], y, updates={w: w + 1})
    assert_array_equal(step(X), X + 1)
    after.clear()
    for _ in range(2):
        with pytest.raises(BoomError, match="at 7") as caught:
            step(np.full(3, 6, "float32"))
        assert [entry.name for entry in caught.traceback][-1] == "f"
        assert_array_equal(w.value, np.ones(3))
    assert after == []
    assert_array_equal(step(X), X + 2)
    with pytest.raises(gc.errors.ArgumentShapeError):
        step(X[:2])


def test_an_exception_ends_loops() -> None:
    w, x = gc.param("w", np.zeros(3, "float32")), gc.input("x", 3)
    calls = []

    def f(a: Array) -> Array:
        calls.append(1)
        return fail_at(3)(a)

    last, _ = gc.scan(lambda c, _: (gc.call(f, c, like=c), None), w, None, length=10)
    step = gc.compile([], last, updates={w: last})
    with pytest.raises(BoomError):
        step()
    assert len(calls) == 4
    assert_array_equal(w.value, np.zeros(3))
    goes_on = gc.while_loop(lambda v: v[0] >= 0, lambda v: gc.call(fail_at(3), v, like=v), x)
    with pytest.raises(BoomError):
        gc.compile([x], goes_on)(np.ones(3, "float32"))
    chosen = gc.cond(x.sum() > 0, lambda x: gc.call(fail_at(3), x, like=x), lambda x: x, x)
    after = gc.while_loop(lambda v: v[0] < 100, lambda v: v * 2, chosen)
    with pytest.raises(BoomError):
        gc.compile([x], after)(np.full(3, 3, "float32"))


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda a: a.sum(), "of shape (3,), got float32 of shape ()"),
        (lambda a: a.astype("float64"), "is declared float32 of shape (3,), got float64"),
        (lambda a: (a, a), "returned 2 results, 1 are declared"),
        (lambda a: None, "got object of shape ()"),
    ],
)
def test_results_are_checked(f: Callable[[Array], Any], message: str) -> None:
    x = gc.input("x", 3)
    step = gc.compile([x], gc.call(f, x, like=x))
    with pytest.raises(gc.errors.CallbackResultError) as caught:
        step(X)
    assert message in str(caught.value)
    assert str(caught.value).startswith("GC116")


def test_operands_are_read_only() -> None:
    def f(a: Array) -> Array:
        a[0] = 1
        return a

    x = gc.input("x", 3)
    with pytest.raises(ValueError, match="read-only"):
        gc.compile([x], gc.call(f, x, like=x))(X)
    assert X[0] == 0.5


def test_a_step_cannot_be_called_from_itself() -> None:
    x = gc.input("x", 3)
    step: Any = gc.compile([x], gc.call(lambda a: step(a), x, like=x))
    with pytest.raises(gc.errors.ReentryError, match="GC117"):
        step(X)
    inner = gc.compile([x], gc.call(fail_at(0.5), x, like=x))
    outer = gc.compile([x], gc.call(lambda a: inner(a), x, like=x))
    with pytest.raises(BoomError):
        outer(X)
    assert_array_equal(outer(X + 1), X + 2)


def test_without_a_derivative_there_is_no_gradient() -> None:
    x = gc.input("x", 3)
    y = gc.call(np.sin, x, like=x)
    with pytest.raises(gc.errors.GradientError, match="vjp=") as caught:
        gc.grad(y.sum(), x)
    assert "'sin' is called without a derivative" in str(caught.value)
    with pytest.raises(gc.errors.GradientError, match="jvp="):
        gc.jvp(y, x, gc.ones(3))
    only_forward = gc.call(np.sin, x, like=x, jvp=lambda given, y, t: t[0] * gc.cos(given[0]))
    with pytest.raises(gc.errors.GradientError, match="vjp="):
        gc.grad(only_forward.sum(), x)
    along = gc.compile([x], gc.jvp(only_forward, x, gc.ones(3)))
    assert_allclose(along(X), np.cos(X), rtol=1e-5)
    assert_array_equal(gc.compile([x], gc.grad((x * gc.stop_gradient(y)).sum(), x))(X), np.sin(X))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({}, "GC014"),
        ({"shape": 3, "like": X}, "GC014"),
        ({"results": []}, "GC014"),
        ({"like": 3.0}, "GC014"),
        ({"shape": -1}, "GC012"),
        ({"shape": 3, "dtype": "complex64"}, "GC013"),
        ({"function": "sin", "shape": 3}, "GC014"),
        ({"function": 0, "shape": 3}, "GC014"),
        ({"function": 4096, "shape": 3, "vectorized": True}, "GC014"),
        ({"shape": 3, "vjp": lambda given, y, d_y: (d_y, d_y)}, "GC020"),
        ({"shape": 3, "vjp": lambda given, y, d_y: d_y.sum()}, "GC020"),
        ({"shape": 3, "jvp": lambda given, y, moving: moving[0].sum()}, "GC020"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: dict[str, Any], error: str) -> None:
    x = gc.input("x", 3)
    options = {"function": np.sin, **arguments}
    with pytest.raises(gc.errors.GraphError) as caught:
        gc.call(options.pop("function"), x, **options)
    assert str(caught.value).startswith(error)


def test_a_derivative_uses_operands_alone() -> None:
    x, w = gc.input("x", 3), gc.input("w", 3)
    with pytest.raises(gc.errors.GradientError, match="uses w, which sin does not take"):
        gc.call(np.sin, x, like=x, vjp=lambda given, y, d_y: d_y * w)
