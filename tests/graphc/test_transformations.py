"""Transformations of functions and tensors: what they compute, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.autodiff.operands import name_of

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("order", range(6))
def test_gradients_compose_to_any_order(order: int) -> None:
    def cube(x: Any) -> Any:
        return x**5

    wanted = 2.0 ** (5 - order) * np.prod(np.arange(6 - order, 6))
    transformed: Callable[..., Any] = cube
    for _ in range(order):
        transformed = gc.grad(transformed)
    assert transformed(2.0) == wanted


def test_arguments_are_variables_of_their_own() -> None:
    """What a function takes from outside is constant, even if it is the argument's own value."""
    outer = gc.grad(lambda x: x * gc.grad(lambda y: x * y)(x))
    assert outer(3.0) == 6.0
    assert gc.jvp(lambda x: gc.jvp(lambda y: x * y, (x,), (1.0,))[1] * x, (3.0,), (1.0,))[1] == 6.0


def test_symbolic_arguments_give_symbolic_results(value: Any) -> None:
    x = gc.input("x", 3, gc.float64)
    gradient = gc.grad(lambda t: (t * t).sum())(x + 1)
    assert isinstance(gradient, gc.Tensor)
    assert value(gradient, {x: [1, 2, 3]}).tolist() == [4, 6, 8]


def test_nested_arguments_and_argnums() -> None:
    def loss(params: Any, x: Any, scale: float) -> Any:
        return scale * (params["w"] * x + params["b"][0]).sum()

    params = {"w": np.ones(3), "b": (np.float64(2.0),)}
    x = np.arange(3.0)
    found = gc.grad(loss)(params, x, 2.0)
    assert found["w"].tolist() == [0, 2, 4]
    assert found["b"] == (6.0,)
    by_params, by_x = gc.grad(loss, argnums=(0, 1))(params, x, scale=2.0)
    assert by_params["w"].tolist() == [0, 2, 4]
    assert by_x.tolist() == [2, 2, 2]
    assert gc.grad(loss, -1)(params, x, 2.0) == 9.0


def test_auxiliary_results() -> None:
    def loss(x: Any) -> Any:
        return (x * x).sum(), {"twice": 2 * x, "none": None}

    x = np.arange(3.0)
    gradient, aux = gc.grad(loss, has_aux=True)(x)
    (total, same), again = gc.value_and_grad(loss, has_aux=True)(x)
    assert gradient.tolist() == again.tolist() == [0, 2, 4]
    assert aux["twice"].tolist() == same["twice"].tolist() == [0, 2, 4]
    assert aux["none"] is None
    assert total == 5.0


def test_vjp_of_a_function() -> None:
    outputs, pullback = gc.vjp(lambda x, y: {"p": x * y, "s": x + y}, 3.0, 4.0)
    assert outputs == {"p": 12.0, "s": 7.0}
    assert pullback({"p": 1.0, "s": 10.0}) == (14.0, 13.0)
    outputs, pullback, aux = gc.vjp(lambda x: (x**2, x), np.float64(3.0), has_aux=True)
    assert (outputs, pullback(1.0), aux) == (9.0, (6.0,), 3.0)


def test_vjp_of_several_tensors(value: Any) -> None:
    x = gc.input("x", 3, gc.float64)
    found = gc.vjp([x**2, x.sum()], {"x": x}, [np.array([1, 0, 2]), 5.0])["x"]
    assert value(found, {x: [1, 2, 3]}).tolist() == [7, 5, 17]
    symbolic, pullback = gc.vjp(lambda t: t**2, x)
    assert value(symbolic, {x: [1, 2, 3]}).tolist() == [1, 4, 9]
    (found,) = pullback(np.ones(3))
    assert value(found, {x: [1, 2, 3]}).tolist() == [2, 4, 6]


def test_jvp_of_a_function() -> None:
    outputs, moved = gc.jvp(lambda x, y: (x * y, y), (2.0, np.ones(2)), (1.0, np.zeros(2)))
    assert [part.tolist() for part in outputs] == [[2, 2], [1, 1]]
    assert [part.tolist() for part in moved] == [[1, 1], [0, 0]]


def test_hessian_vector_product_is_linear_in_size() -> None:
    n = 300
    x = gc.input("x", n, gc.float64)
    f = gc.exp(gc.sin(x).sum())
    product = gc.hvp(f, x, np.ones(n))
    graph = gc.build_graph([x], product)
    assert max(node.type.size for node in graph.nodes) == n
    point = np.linspace(0, 1, n)
    size = np.exp(np.sin(point).sum())
    wanted = size * (np.cos(point) * np.cos(point).sum() - np.sin(point))
    np.testing.assert_allclose(gc.compile([x], product)(point), wanted, rtol=1e-12)


def test_hvp_of_a_function_of_several_arguments() -> None:
    found = gc.hvp(lambda x, p: (x * p["a"]).sum(), (np.ones(2), {"a": np.ones(2)}),
                   (np.array([1.0, 2.0]), {"a": np.zeros(2)}))  # fmt: skip
    assert found[0].tolist() == [0, 0]
    assert found[1]["a"].tolist() == [1, 2]
    assert gc.hvp(lambda x: x**3, (2.0,), (1.0,)) == 12.0


@pytest.mark.parametrize("transform", [gc.jacobian, gc.jacfwd, gc.jacrev])
def test_jacobian(transform: Any) -> None:
    matrix = np.random.default_rng(0).normal(size=(2, 3))
    point = np.array([0.1, 0.2, 0.3])
    found = transform(lambda x: gc.tanh(gc.const(matrix) @ x))(point)
    wanted = (1 - np.tanh(matrix @ point) ** 2)[:, None] * matrix
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_has_the_axes_of_both(mode: Any) -> None:
    x = np.random.default_rng(0).normal(size=(2, 3))
    found = gc.jacobian(lambda p: {"g": p["x"] @ p["x"].T, "n": p["x"].sum()}, mode=mode)({"x": x})
    eye, other = np.eye(2), np.eye(3)
    wanted = np.einsum("ai,bk->abik", eye, x) + np.einsum("bi,ak->abik", eye, x)
    np.testing.assert_allclose(found["g"]["x"], wanted, rtol=1e-13)
    assert found["n"]["x"].tolist() == np.ones((2, 3)).tolist()
    assert other.shape == (3, 3)


def test_hessian_nests_as_the_arguments_do() -> None:
    found = gc.hessian(lambda p: (p["a"] ** 2).sum() * p["b"])({"a": np.arange(2.0), "b": 3.0})
    assert found["a"]["a"].tolist() == [[6, 0], [0, 6]]
    assert found["a"]["b"].tolist() == found["b"]["a"].tolist() == [0, 2]
    assert found["b"]["b"] == 0
    x = gc.input("x", 3, gc.float64)
    symbolic = gc.compile([x], gc.hessian((x[0] * x[1] ** 2 + gc.exp(x[2])), x))
    wanted = [[0, 4, 0], [4, 2, 0], [0, 0, 1]]
    assert symbolic(np.array([1.0, 2.0, 0.0])).tolist() == wanted


def test_jacobian_of_rectifier_stores_nothing_quadratic_but_itself() -> None:
    n = 4096
    x = gc.input("x", n)
    matrix = gc.jacobian(gc.nn.relu(x), x)
    step = gc.compile([x], matrix)
    assert step.manifest.workspace_bytes <= 4 * n
    values = np.random.default_rng(0).normal(size=n).astype("float32")
    found = step(values)
    assert np.array_equal(np.diagonal(found), values > 0)
    assert np.count_nonzero(found) == np.count_nonzero(values > 0)


def test_diagonal_of_that_jacobian_stores_nothing_quadratic() -> None:
    n = 4096
    x = gc.input("x", n)
    step = gc.compile([x], gc.diagonal(gc.jacobian(gc.nn.relu(x), x)))
    assert step.manifest.workspace_bytes <= 4 * n
    values = np.random.default_rng(0).normal(size=n).astype("float32")
    assert np.array_equal(step(values), values > 0)


def test_derivatives_of_derivatives_by_values_above_naive_formulas() -> None:
    """A value that a first derivative was taken for can be one for a second."""
    z = gc.input("z", 3, gc.float64)
    p = gc.log(gc.exp(z) / gc.exp(z).sum())
    gradient = gc.grad((p**3).sum(), p)
    second = gc.compile([z], (p, gc.grad(gradient.sum(), p)))
    value, found = second(np.arange(3.0))
    np.testing.assert_allclose(found, 6 * value, rtol=1e-12)


def test_compiled_derivatives_are_kept() -> None:
    traces: list[None] = []

    def f(x: Any) -> Any:
        traces.append(None)
        return x * x

    for number in (1.0, 2.0, 3.0):
        assert gc.grad(f)(number) == 2 * number
    assert len(traces) == 1


SIDEWAYS: Any = "sideways"
NO_NUMBER: Any = "x"


class TestRefusals:
    """Each mistake gets one error, at the user's line, that says what is expected."""

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda x: gc.grad(lambda t: 2 * t)(x), r"returns .*f64\[3\].* only a scalar"),
            (
                lambda x: gc.grad(lambda t: (t.sum(), t))(x),
                r"returns \(\*, \*\), but only a scalar",
            ),
            (lambda x: gc.grad(lambda t: "no")(x), "returns a str"),
            (lambda x: gc.grad(lambda t: t.sum(), has_aux=True)(x), "must return a pair"),
            (lambda x: gc.grad(lambda t: t, 1)(x), "called with 1 arguments"),
            (lambda x: gc.grad(lambda t: t)(3), r"argument 0 is .*i64.* only floats"),
            (lambda x: gc.grad(lambda t: t.sum(), NO_NUMBER), "argnums must be numbers"),
            (lambda x: gc.value_and_grad(lambda t: t.sum(), NO_NUMBER), "must be numbers"),
            (lambda x: gc.jvp(gc.sin, x, x), "must be a tuple"),
            (lambda x: gc.jvp(gc.sin, (x,), (x, x)), "nested as"),
            (lambda x: gc.jvp(gc.sin, (x,), (np.ones(2),)), "direction is f64"),
            (lambda x: gc.vjp(gc.sin, x)[1](np.ones(2)), r"seed has shape \[2\]"),
            (lambda x: gc.jacobian(gc.sin, mode=SIDEWAYS)(x), "'sideways'"),
        ],
    )
    def test_of_functions(self, call: Callable[[Array], object], message: str) -> None:
        with pytest.raises(gc.errors.GradientError, match=f"(?s){message}.*test_transformations"):
            call(np.ones(3))

    def test_of_tensors(self, x: gc.Tensor) -> None:
        with pytest.raises(gc.errors.GradientError, match="seed is nested as"):
            gc.vjp([x], [x], {"x": x})
        with pytest.raises(gc.errors.GradientError, match="no scalar"):
            gc.hvp(x, x, x)
        with pytest.raises(gc.errors.GradientError, match="no tensor to differentiate for"):
            gc.grad(x.sum(), None)
        with pytest.raises(gc.errors.GradientError, match="without seed"):
            gc.grad(gc.sin, seed=x)  # type: ignore[call-overload]


def test_functions_without_names_have_that_of_their_class() -> None:
    class Doubled:
        def __call__(self, x: Any) -> Any:
            return 2 * x

    assert name_of(Doubled()) == "Doubled"
    assert gc.grad(Doubled())(1.0) == 2.0
