"""Gradients: what they are, of what, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphc as gc


def test_scalar_function(value: Any) -> None:
    x = gc.input("x", (), gc.float64)
    r = -x
    q = r + 3
    f = q**2
    df_dx, df_dq = gc.grad(f, (x, q))
    given = {x: 5.0}
    assert value(f, given) == 4
    assert value(df_dq, given) == -4
    assert value(df_dx, given) == 4


def test_uses_of_one_value_sum(value: Any) -> None:
    x = gc.input("x", (), gc.float64)
    assert value(gc.grad((x - 3) * (x - 3), x), {x: 5.0}) == 4


def test_intermediate_values_and_structures(value: Any) -> None:
    x, y, z = (gc.input(name, (), gc.float64) for name in "xyz")
    q = x + y
    f = q * z
    found = gc.grad(f, {"inputs": [x, y], "z": z, "q": (q,)})
    given = {x: -2.0, y: 5.0, z: -4.0}
    assert [value(each, given) for each in found["inputs"]] == [-4, -4]
    assert value(found["z"], given) == 3
    assert value(found["q"][0], given) == -4


def test_intermediate_adjoint_crosses_stabilised_formulas(value: Any) -> None:
    z = gc.input("z", 3, gc.float64)
    p = gc.exp(z) / gc.exp(z).sum()
    loss = -gc.log(p)[1]
    assert value(gc.grad(loss, p), {z: [0.0, 0.0, 0.0]}).tolist() == [0, -3, 0]
    np.testing.assert_allclose(
        value(gc.grad(loss, z), {z: [1e4, 1e4 - 800, 0]}), [1, -1, 0], atol=1e-12
    )


def test_value_and_grad(value: Any) -> None:
    x = gc.input("x", 3)
    y = (x * x).sum()
    same, gradient = gc.value_and_grad(y, x)
    assert same is y
    assert value(gradient, {x: [1, 2, 3]}).tolist() == [2, 4, 6]


def test_seed_weighs_elements(value: Any) -> None:
    x = gc.input("x", 3)
    gradient = gc.grad(x * x, x, seed=np.array([1, 10, 100]))
    assert value(gradient, {x: [1, 2, 3]}).tolist() == [2, 40, 600]


def test_gradient_of_gradient(value: Any) -> None:
    x = gc.input("x", (), gc.float64)
    y = gc.sin(x)
    for wanted in (np.cos, lambda t: -np.sin(t), lambda t: -np.cos(t)):
        y = gc.grad(y, x)
        np.testing.assert_allclose(value(y, {x: 0.7}), wanted(0.7), rtol=1e-12)


def test_no_dependence_is_zero(value: Any) -> None:
    x, w = gc.input("x", 3), gc.param("w", np.ones((2, 2)))
    gradient = gc.grad(x.sum(), w)
    assert gradient.dtype is gc.float64
    np.testing.assert_array_equal(value(gradient), np.zeros((2, 2)))


def test_softmax_cross_entropy_gradient_is_exact(value: Any) -> None:
    z = gc.input("z", (2, 3))
    targets = np.eye(3, dtype="float32")[[2, 0]]
    loss = gc.nn.softmax_cross_entropy(z, targets).sum()
    logits = np.array([[1e4, -1e4, 0], [1, 1, 1]], "float32")
    np.testing.assert_array_equal(
        value(gc.grad(loss, z), {z: logits}), value(gc.softmax(z), {z: logits}) - targets
    )


def test_jvp_agrees_with_grad(value: Any) -> None:
    x = gc.input("x", (3, 2), gc.float64)
    y = gc.tanh(x) * gc.exp(-x)
    rng = np.random.default_rng(0)
    point, direction, seed = rng.normal(size=(3, 3, 2))
    forward = value(gc.jvp(y, x, direction), {x: point})
    backward = value(gc.grad(y, x, seed=seed), {x: point})
    np.testing.assert_allclose((forward * seed).sum(), (backward * direction).sum(), rtol=1e-12)
    with pytest.raises(gc.errors.GradientError, match="direction"):
        gc.jvp(y, x, np.ones(3))


def test_derived_nodes_say_where_they_come_from() -> None:
    w = gc.param("w", np.ones((4, 2), "float32"))
    x = gc.input("x", (3, 4))
    h = x @ w
    gradient = gc.grad(gc.tanh(h).sum(), w)
    assert gradient.name == "d_w"
    assert str(gradient.node.origin) == "d/d%w of matmul"
    assert gradient.node.loc == h.node.loc


class TestRefusals:
    """Each mistake gets one error that names what is at fault."""

    def test_not_scalar(self, x: gc.Tensor) -> None:
        with pytest.raises(gc.errors.GradientError, match=r"x \(f32\[3,4\]\).*needs a seed"):
            gc.grad(x, x)

    def test_seed_of_another_shape(self, x: gc.Tensor) -> None:
        with pytest.raises(gc.errors.GradientError, match=r"seed has shape \[3\]"):
            gc.grad(x, x, seed=np.ones(3))

    def test_integer_output(self) -> None:
        n = gc.input("n", (), gc.int32)
        with pytest.raises(gc.errors.GradientError, match=r"n \(i32\[\]\) has no gradient"):
            gc.grad(n, n)

    def test_integer_wrt(self, x: gc.Tensor) -> None:
        n = gc.input("n", 4, gc.int32)
        with pytest.raises(gc.errors.GradientError, match=r"n \(i32\[4\]\) has no gradient"):
            gc.grad((x * n.astype(gc.float32)).sum(), n)

    def test_bool(self, x: gc.Tensor) -> None:
        with pytest.raises(gc.errors.GradientError, match="bool"):
            gc.grad((x > 0)[0, 0], x)

    def test_not_a_tensor(self, x: gc.Tensor) -> None:
        with pytest.raises(gc.errors.GradientError, match="got ndarray"):
            gc.grad(x.sum(), [x, np.ones(3)])
        with pytest.raises(gc.errors.GradientError, match="argnums must be numbers"):
            gc.grad(lambda t: t, x)  # type: ignore[call-overload]


def test_deep_chain() -> None:
    x = gc.input("x", 3)
    y = x
    for _ in range(100_000):
        y = -y
    gradient = gc.grad(y.sum(), x)
    assert gradient.shape == (3,)
    assert len(gc.build_graph([x], y).nodes) == 100_001


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
def test_every_derivative_of_a_whole_power_at_zero(exponent: int, value: Any) -> None:
    x = gc.input("x", (), gc.float64)
    derivative = x**exponent
    for order in range(1, 6):
        derivative = gc.grad(derivative, x)
        expected = math.factorial(exponent) if order == exponent else 0
        assert value(derivative, {x: 0.0}) == expected


def test_mixed_derivative_of_a_power_where_the_exponent_is_zero(value: Any) -> None:
    x, y = gc.input("x", (), gc.float64), gc.input("y", (), gc.float64)
    mixed = gc.grad(gc.grad(x**y, x), y)
    assert value(mixed, {x: 4.0, y: 0.0}) == 0.25
