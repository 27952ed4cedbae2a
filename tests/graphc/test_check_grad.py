"""`gc.check_grad`: it passes what is right and catches what is wrong by a thousandth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.build import OPS, Expression
from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.numerical import directional

RNG = np.random.default_rng(0)
POINT = RNG.uniform(0.2, 0.9, size=(2, 3))

SMOOTH: dict[str, tuple[Callable[..., Any], Any]] = {
    "matmul": (lambda x, w: gc.tanh(x @ w), (POINT, RNG.normal(size=(3, 2)))),
    "tiny": (lambda x: 1e-30 * x**3, POINT),
    "huge": (lambda x: 1e30 * gc.exp(x), POINT),
    "steep": (lambda x: gc.log(x) + 1 / x, np.array([1e-4, 1e-2, 1.0, 1e3])),
    "cancelling": (lambda x: gc.softmax(x).sum(), np.arange(3.0)),
    "nested": (lambda p: {"y": p["a"] * p["b"], "z": p["a"].sum()}, {"a": POINT, "b": POINT}),
    "scalar": (lambda x: gc.sin(x), 0.3),
    "indices": (lambda x, i: gc.take(x, i) ** 2, (np.arange(3.0), np.array([2, 0, 2]))),
    "many": (lambda x: gc.sqrt(x).sum(), RNG.uniform(1, 2, size=3000)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_right_derivatives_pass(name: str) -> None:
    f, inputs = SMOOTH[name]
    gc.check_grad(f, inputs, order=1 if name == "many" else 2)


@contextmanager
def doctored(op: Op, rule: str, wrong: Callable[..., Any]) -> Iterator[None]:
    """`op` with its rule replaced by `wrong(result of the right rule, *its operands)`."""
    right = getattr(op, rule)

    def replaced(*operands: Any) -> Any:
        result = right(*operands)
        return None if result is None else wrong(result, *operands)

    object.__setattr__(op, rule, replaced)
    try:
        yield
    finally:
        object.__setattr__(op, rule, right)


def scaled(by: float) -> Callable[..., Node]:
    return lambda result, *operands: (Expression(result) * by).node


def without_second(result: Node, node: Node, g: Node, i: int) -> Node | None:
    return None if i == 1 else result


MISTAKES: dict[str, Callable[..., Any]] = {"off by 0.1 %": scaled(1.001), "sign": scaled(-1.0)}
RULES = ["exp", "tanh", "log", "sqrt", "sin", "neg", "abs"]
"""Ops of one operand, which `OPS` has under the name of the DSL's function or method."""


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("rule", ["vjp", "jvp"])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("size", [1.0, 1e-200])
def test_wrong_rules_are_caught(name: str, rule: str, mistake: str, size: float) -> None:
    def f(x: gc.Tensor) -> gc.Tensor:
        return size * gc.Tensor(OPS[name](x.node))

    with doctored(OPS[name], rule, MISTAKES[mistake]):
        mode = "reverse" if rule == "vjp" else "forward"
        for modes in ([mode], ["reverse", "forward"]):
            with pytest.raises(gc.errors.DerivativeError, match="differences of the function"):
                gc.check_grad(f, POINT, modes=modes)


@pytest.mark.parametrize("name", ["mul", "div", "matmul", "sub"])
def test_missing_terms_are_caught(name: str) -> None:
    def f(x: gc.Tensor, y: gc.Tensor) -> gc.Tensor:
        return gc.Tensor(OPS[name](x.node, y.node))

    square = RNG.uniform(0.2, 0.9, size=(2, 2))
    gc.check_grad(f, (square, square))
    with (
        doctored(OPS[name], "vjp", without_second),
        pytest.raises(gc.errors.DerivativeError, match=r"by y\["),
    ):
        gc.check_grad(f, (square, square))


def test_a_wrong_second_derivative_is_caught() -> None:
    def constant_slope(result: Node, node: Node, g: Node, i: int) -> Node:
        return Expression(result).stop_gradient().node

    gc.check_grad(gc.tanh, POINT, order=2)
    with doctored(OPS["tanh"], "vjp", constant_slope):
        gc.check_grad(gc.tanh, POINT, order=1)
        with pytest.raises(gc.errors.DerivativeError, match="second derivative of tanh"):
            gc.check_grad(gc.tanh, POINT, order=2)


def test_the_message_names_tensor_index_and_both_values() -> None:
    with (
        doctored(OPS["exp"], "vjp", scaled(1.001)),
        pytest.raises(gc.errors.DerivativeError) as caught,
    ):
        gc.check_grad(lambda a, weights: gc.exp(weights["w"]).sum() + a.sum(),
                      (POINT, {"w": np.array([[1.0, 2.0]])}))  # fmt: skip
    message = str(caught.value)
    assert "GC021" in message
    assert "by weights.w[0, 1] is " in message
    assert f"{np.exp(2) * 1.001:.9g}" in message
    assert f"{np.exp(2):.7g}" in message
    assert "test_check_grad.py" in message


def test_points_without_derivative() -> None:
    with pytest.raises(gc.errors.DerivativeError, match="differences of the function give"):
        gc.check_grad(lambda x: gc.where(x > 0, x, 0.0), np.array([1.0, 0.0]))
    with pytest.raises(gc.errors.DerivativeError, match="cannot be checked"):
        gc.check_grad(gc.log, np.array([1.0, 0.0]))


def test_what_is_refused() -> None:
    for options, message in [({"order": 3}, "order 1 or 2"), ({"modes": ["both"]}, "modes are")]:
        with pytest.raises(gc.errors.GradientError, match=message):
            gc.check_grad(gc.sin, 1.0, **options)  # type: ignore[arg-type]
    with pytest.raises(gc.errors.GradientError, match="no floats"):
        gc.check_grad(gc.negative, np.arange(3))


def test_differences_are_as_good_as_their_estimate() -> None:
    found, error = directional(lambda t: np.asarray(np.tanh(0.3 + t)))
    assert abs(found - (1 - np.tanh(0.3) ** 2)) <= error
    assert error <= 1e-10
