"""Activations, losses and layers: values, gradients, saturated inputs, refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import DTypeError, ShapeError

POINTS = np.array([-40.0, -3.0, -0.5, 0.0, 0.5, 3.0, 40.0])

ACTIVATIONS: dict[str, tuple[Callable[..., gc.Tensor], Callable[[float], float], float]] = {
    "relu": (gc.nn.relu, lambda x: max(x, 0), 0),
    "leaky_relu": (gc.nn.leaky_relu, lambda x: x if x > 0 else 0.01 * x, 0.01),
    "leaky_relu 0.1": (lambda x: gc.nn.leaky_relu(x, 0.1), lambda x: max(x, 0.1 * x), 0.1),
    "elu": (gc.nn.elu, lambda x: x if x > 0 else math.expm1(x), 1),
    "elu 2": (lambda x: gc.nn.elu(x, 2), lambda x: x if x > 0 else 2 * math.expm1(x), 2),
    "gelu": (gc.nn.gelu, lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))), 0.5),
    "softplus": (gc.nn.softplus, lambda x: math.log1p(math.exp(x)), 0.5),
    "softplus 3": (
        lambda x: gc.nn.softplus(x, 3),
        lambda x: math.log1p(math.exp(3 * x)) / 3,
        0.5,
    ),
    "sigmoid": (gc.nn.sigmoid, lambda x: 1 / (1 + math.exp(-x)), 0.25),
    "tanh": (gc.nn.tanh, math.tanh, 1),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str, value: Any) -> None:
    function, reference, slope_at_zero = ACTIVATIONS[name]
    x = gc.input("x", len(POINTS), gc.float64)
    y = function(x)
    slope = gc.grad(y.sum(), x)
    given = {x: POINTS}
    np.testing.assert_allclose(value(y, given), [reference(p) for p in POINTS], rtol=1e-12)
    step = 1e-6
    slopes = [(reference(p + step) - reference(p - step)) / (2 * step) for p in POINTS]
    slopes[3] = slope_at_zero
    np.testing.assert_allclose(value(slope, given), slopes, rtol=1e-6, atol=1e-9)
    assert np.isfinite(value(gc.grad(slope.sum(), x), given)).all()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_extremes(name: str, value: Any) -> None:
    function = ACTIVATIONS[name][0]
    x = gc.input("x", 3)
    y = function(x)
    results = value(y, {x: [-1e30, 1e30, np.nan]})
    slopes = value(gc.grad(y.sum(), x), {x: [-1e30, 1e30, 0]})
    assert np.isfinite(results[:2]).all()
    assert np.isnan(results[2])
    assert np.isfinite(slopes).all()


def test_activations_of_integers_are_floats() -> None:
    assert gc.nn.relu(gc.input("n", 3, gc.int32)).dtype is gc.float64


class TestSoftmaxCrossEntropy:
    """From logits, with integer labels and with probabilities."""

    LOGITS = np.array([[1.0, 2.0, 3.0], [1e4, 0.0, -1e4], [0.0, 0.0, 0.0]])
    LABELS = np.array([2, 1, 0])

    def wanted(self) -> Any:
        z = self.LOGITS - self.LOGITS.max(1, keepdims=True)
        return (np.log(np.exp(z).sum(1)) - z[range(3), self.LABELS]).tolist()

    def test_both_forms_agree(self, value: Any) -> None:
        z = gc.input("z", (3, 3), gc.float64)
        sparse = gc.nn.softmax_cross_entropy(z, self.LABELS)
        dense = gc.nn.softmax_cross_entropy(z, np.eye(3)[self.LABELS])
        given = {z: self.LOGITS}
        np.testing.assert_allclose(value(sparse, given), self.wanted(), rtol=1e-12)
        np.testing.assert_allclose(value(dense, given), self.wanted(), rtol=1e-12)
        slopes = value(gc.softmax(z), given) - np.eye(3)[self.LABELS]
        for loss in (sparse, dense):
            np.testing.assert_allclose(value(gc.grad(loss.sum(), z), given), slopes, atol=1e-15)

    def test_classes_on_another_axis(self, value: Any) -> None:
        z = gc.input("z", (3, 3), gc.float64)
        loss = gc.nn.softmax_cross_entropy(z, self.LABELS, axis=0)
        np.testing.assert_allclose(value(loss, {z: self.LOGITS.T}), self.wanted(), rtol=1e-12)

    def test_refusals(self) -> None:
        z = gc.input("z", (5, 3))
        with pytest.raises(ShapeError, match=r"one label an example"):
            gc.nn.softmax_cross_entropy(z, gc.input("labels", 4, gc.int32))
        with pytest.raises(DTypeError, match="integer labels"):
            gc.nn.softmax_cross_entropy(z, gc.input("labels", 5))


def test_binary_cross_entropy(value: Any) -> None:
    p, z = gc.input("p", 4), gc.input("z", 4, gc.float64)
    targets = np.array([0, 1, 0, 1])
    given = np.array([0.2, 0.7, 0.9, 0.5], "float32")
    wanted = -np.log(np.where(targets == 1, given, 1 - given))
    loss = gc.nn.binary_cross_entropy(p, targets)
    np.testing.assert_allclose(value(loss, {p: given}), wanted, rtol=1e-6)
    saturated = {p: [0, 1, 1, 0]}
    assert np.isfinite(value(loss, saturated)).all()
    assert np.isfinite(value(gc.grad(loss.sum(), p), saturated)).all()
    assert value(loss, saturated)[:2].tolist() == [0, 0]

    from_logits = gc.nn.sigmoid_cross_entropy(z, targets)
    logits = {z: [-800.0, 800.0, 800.0, 0.3]}
    np.testing.assert_allclose(
        value(from_logits, logits), [0, 0, 800, math.log1p(math.exp(-0.3))], atol=1e-12
    )
    slopes = value(gc.grad(from_logits.sum(), z), logits)
    np.testing.assert_allclose(slopes, [0, 0, 1, 1 / (1 + math.exp(-0.3)) - 1], atol=1e-12)


def test_mean_squared_error(value: Any) -> None:
    x = gc.input("x", (2, 2))
    loss = gc.nn.mean_squared_error(x, [[1, 2], [3, 4]])
    given = {x: [[1, 1], [1, 1]]}
    assert value(loss, given) == 14 / 4
    assert value(gc.grad(loss, x), given).tolist() == [[0, -0.5], [-1, -1.5]]
    with pytest.raises(ShapeError, match="one shape"):
        gc.nn.mean_squared_error(x, np.zeros(2))


def test_hinge(value: Any) -> None:
    s = gc.input("s", 3)
    given = {s: [2, 0.5, -1]}
    assert value(gc.nn.hinge(s, [1, 1, 1]), given).tolist() == [0, 0.5, 2]
    scores = gc.input("scores", (2, 3))
    table = {scores: [[3.2, 5.1, -1.7], [1.3, 4.9, 2.0]]}
    loss = gc.nn.multiclass_hinge(scores, np.array([0, 1]))
    np.testing.assert_allclose(value(loss, table), [2.9, 0], atol=1e-6)
    slopes = value(gc.grad(loss.sum(), scores), table)
    assert slopes.tolist() == [[-1, 1, 0], [0, 0, 0]]


class TestLayers:
    """Parameters are declared once, named and seeded."""

    def test_dense(self, value: Any) -> None:
        layer = gc.nn.Dense(2, gc.nn.relu, name="hidden")
        x = gc.input("x", (3, 4))
        assert layer.params == []
        y = layer(x)
        w, b = layer.params
        assert (w.name, b.name, y.name) == ("hidden.w", "hidden.b", "y")
        given = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
        wanted = np.maximum(given @ w.value + b.value, 0)
        np.testing.assert_allclose(value(y, {x: given}), wanted, rtol=1e-5, atol=1e-6)
        layer(gc.input("more", (7, 4)))
        assert layer.params[0] is w

    def test_dense_follows_the_dtype_of_what_it_is_given(self) -> None:
        layer = gc.nn.Dense(2)
        assert layer(gc.input("x", (3, 4), gc.float64)).dtype is gc.float64

    def test_dense_refuses_other_widths(self) -> None:
        layer = gc.nn.Dense(2)
        layer(gc.input("x", (3, 4)))
        with pytest.raises(ShapeError, match=r"dense\.w is f32\[4,2\]"):
            layer(gc.input("y", (3, 5)))
        with pytest.raises(ShapeError, match="takes rows"):
            gc.nn.Dense(2)(gc.input("s"))

    def test_sequential(self) -> None:
        model = gc.nn.Sequential(gc.nn.Dense(5), gc.tanh, gc.nn.Dense(5), seed=1)
        logits = model(gc.input("x", (3, 5)))
        names = [each.name for each in model.params]
        assert names == ["dense1.w", "dense1.b", "dense2.w", "dense2.b"]
        assert logits.name == "logits"
        first, second = model.params[0].value, model.params[2].value
        assert not np.array_equal(first, second)

    def test_seeds(self) -> None:
        def weights(seed: int) -> Any:
            model = gc.nn.Sequential(gc.nn.Dense(5), seed=seed)
            model(gc.input("x", (3, 5)))
            return model.params[0].value

        np.testing.assert_array_equal(weights(3), weights(3))
        assert not np.array_equal(weights(3), weights(4))


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal"])
def test_initializers(name: str) -> None:
    values = getattr(gc.init, name)((300, 100), seed=0)
    variance = 2 / 400 if "glorot" in name else 2 / 300
    assert values.dtype == np.float32
    assert values.var() == pytest.approx(variance, rel=0.05)
    assert abs(values.mean()) < 0.01
    np.testing.assert_array_equal(values, getattr(gc.init, name)((300, 100), seed=0))


def test_constant_initializers() -> None:
    assert gc.init.zeros((2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert gc.init.ones(2).tolist() == [1, 1]  # type: ignore[arg-type]
