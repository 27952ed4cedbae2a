"""Worked examples of activations and losses: values and derivatives at 0, at +-40 and saturated.

References are SciPy's and mpmath's; the points are those where naive formulas lose their value or
their derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import special

import graphc as gc
from tests.worked import run

close = np.testing.assert_allclose
POINTS = np.array([-40.0, -2.5, -0.5, 0.0, 0.5, 2.5, 40.0])
SIGMOID = special.expit(POINTS)
NORMAL = np.exp(-(POINTS**2) / 2) / np.sqrt(2 * np.pi)
NOT_POSITIVE = POINTS <= 0

Activation = tuple[Callable[[gc.Tensor], gc.Tensor], Any, Any]

ACTIVATIONS: dict[str, Activation] = {
    "unit step": (gc.nn.unit_step, POINTS > 0, np.zeros(7)),
    "sign": (gc.sign, np.sign(POINTS), np.zeros(7)),
    "sigmoid": (gc.nn.sigmoid, SIGMOID, SIGMOID * special.expit(-POINTS)),
    "tanh": (gc.nn.tanh, np.tanh(POINTS), 1 / np.cosh(POINTS) ** 2),
    "relu": (gc.nn.relu, np.maximum(POINTS, 0), ~NOT_POSITIVE),
    "leaky relu 0.01": (
        gc.nn.leaky_relu,
        np.where(NOT_POSITIVE, 0.01 * POINTS, POINTS),
        np.where(NOT_POSITIVE, 0.01, 1),
    ),
    "leaky relu 0.1": (
        lambda x: gc.nn.leaky_relu(x, 0.1),
        np.where(NOT_POSITIVE, 0.1 * POINTS, POINTS),
        np.where(NOT_POSITIVE, 0.1, 1),
    ),
    "elu 1": (
        gc.nn.elu,
        np.where(NOT_POSITIVE, np.expm1(POINTS), POINTS),
        np.where(NOT_POSITIVE, np.exp(POINTS), 1),
    ),
    "elu 0.5": (
        lambda x: gc.nn.elu(x, 0.5),
        np.where(NOT_POSITIVE, 0.5 * np.expm1(POINTS), POINTS),
        np.where(NOT_POSITIVE, 0.5 * np.exp(POINTS), 1),
    ),
    "gelu": (
        gc.nn.gelu,
        POINTS * special.ndtr(POINTS),
        special.ndtr(POINTS) + POINTS * NORMAL,
    ),
    "softplus 1": (gc.nn.softplus, np.logaddexp(0, POINTS), SIGMOID),
    "softplus 2": (
        lambda x: gc.nn.softplus(x, 2),
        np.logaddexp(0, 2 * POINTS) / 2,
        special.expit(2 * POINTS),
    ),
}
"""The function, its values and its derivatives at the points."""


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [gc.float32, gc.float64], ids=str)
def test_activation(name: str, dtype: Any) -> None:
    function, values, slopes = ACTIVATIONS[name]
    x = gc.input("x", len(POINTS), dtype)
    y = function(x)
    found, slope = run([y, gc.grad(y.sum(), x)], {x: POINTS})
    precision = 2e-6 if dtype is gc.float32 else 1e-12
    close(found, values, rtol=precision, atol=precision * 1e-3)
    close(slope, slopes, rtol=precision, atol=precision * 1e-3)


def test_maxout_of_two() -> None:
    x = gc.input("x", (2, 4), gc.float64)
    y = gc.nn.maxout(x)
    given = [[1, 5, -40, 40], [0, 0, 2, -3]]
    found, slope = run([y, gc.grad(y.sum(), x)], {x: given})
    assert found.tolist() == [[5, 40], [0, 2]]
    assert slope.tolist() == [[0, 1, 0, 1], [0.5, 0.5, 1, 0]]
    with pytest.raises(gc.errors.ShapeError, match="neighbours"):
        gc.nn.maxout(gc.input("x", 5))


class TestSquaredErrors:
    """The mean, and half the sum."""

    GIVEN, WANTED = np.array([[1.0, -2.0], [0.5, 40.0]]), np.array([[0.0, 1.0], [0.5, -40.0]])

    def test_mean(self) -> None:
        y = gc.input("y", (2, 2), gc.float64)
        loss = gc.nn.mean_squared_error(y, self.WANTED)
        value, slope = run([loss, gc.grad(loss, y)], {y: self.GIVEN})
        assert value == (1 + 9 + 0 + 6400) / 4
        close(slope, (self.GIVEN - self.WANTED) / 2)

    def test_half(self) -> None:
        y = gc.input("y", (2, 2), gc.float64)
        loss = gc.nn.half_squared_error(y, self.WANTED)
        value, slope = run([loss, gc.grad(loss.sum(), y)], {y: self.GIVEN})
        assert value.tolist() == [5, 3200]
        close(slope, self.GIVEN - self.WANTED)


class TestBinaryCrossEntropy:
    """-y log f - (1 - y) log(1 - f)."""

    LOGITS = np.array([-1e4, -40.0, -2.5, 0.0, 2.5, 40.0, 1e4])

    @pytest.mark.parametrize("dtype", [gc.float32, gc.float64], ids=str)
    @pytest.mark.parametrize("target", [0, 1])
    @pytest.mark.parametrize("form", ["of the logits", "of their sigmoid"])
    def test_does_not_saturate(self, form: str, target: int, dtype: Any) -> None:
        z = gc.input("z", 7, dtype)
        t = np.full(7, target)
        loss = (
            gc.nn.sigmoid_cross_entropy(z, t)
            if form == "of the logits"
            else gc.nn.binary_cross_entropy(gc.sigmoid(z), t)
        )
        value, slope = run([loss, gc.grad(loss.sum(), z)], {z: self.LOGITS})
        signed = self.LOGITS * (1 - 2 * target)
        exact = [float(mpmath.log1p(mpmath.exp(mpmath.mpf(each)))) for each in signed]
        precision = 2e-6 if dtype is gc.float32 else 1e-12
        close(value, exact, rtol=precision, atol=1e-37)
        close(slope, (1 - 2 * target) * special.expit(signed), rtol=precision, atol=1e-37)

    def test_of_probabilities(self) -> None:
        f = gc.input("f", 4, gc.float64)
        t = np.array([1, 0, 1, 0])
        loss = gc.nn.binary_cross_entropy(f, t)
        given = np.array([0.25, 0.25, 1.0, 0.0])
        value, slope = run([loss, gc.grad(loss.sum(), f)], {f: given})
        close(value, [np.log(4), -np.log(0.75), 0, 0], rtol=1e-15)
        close(slope, [-4, 4 / 3, -1, 1], rtol=1e-15)

    def test_of_certainty_that_is_wrong(self) -> None:
        f = gc.input("f", 2)
        loss = gc.nn.binary_cross_entropy(f, np.array([1, 0]))
        value, slope = run([loss, gc.grad(loss.sum(), f)], {f: [0, 1]})
        assert np.isfinite(value).all()
        assert np.isfinite(slope).all()
        assert (value > 80).all()


class TestCategoricalCrossEntropy:
    """-sum t log p, and -log p at the label."""

    LOGITS = np.array([[1.0, 2.0, 3.0], [1e4, 0.0, -1e4], [-40.0, 0.0, 40.0]])
    LABELS = np.array([2, 1, 0])

    @pytest.mark.parametrize("form", ["sparse", "one-hot"])
    def test_of_softmax_does_not_saturate(self, form: str) -> None:
        z = gc.input("z", (3, 3), gc.float64)
        p = gc.softmax(z)
        loss = (
            gc.nn.sparse_categorical_cross_entropy(p, self.LABELS)
            if form == "sparse"
            else gc.nn.categorical_cross_entropy(p, np.eye(3)[self.LABELS])
        )
        value, slope = run([loss, gc.grad(loss.sum(), z)], {z: self.LOGITS})
        chosen = self.LOGITS[range(3), self.LABELS]
        close(value, special.logsumexp(self.LOGITS, axis=1) - chosen, rtol=1e-12)
        wanted = special.softmax(self.LOGITS, axis=1) - np.eye(3)[self.LABELS]
        close(slope, wanted, rtol=1e-12, atol=1e-15)

    def test_of_probabilities(self) -> None:
        p = gc.input("p", (2, 3), gc.float64)
        given = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
        labels = np.array([1, 0])
        sparse = gc.nn.sparse_categorical_cross_entropy(p, labels)
        dense = gc.nn.categorical_cross_entropy(p, np.eye(3)[labels])
        found = run([sparse, dense, gc.grad(sparse.sum(), p), gc.grad(dense.sum(), p)], {p: given})
        close(found[0], [np.log(4), -np.log(np.finfo(float).tiny)])
        close(found[1], found[0])
        close(found[2][0], [0, -4, 0])
        assert np.isfinite(found[2:]).all()

    def test_labels_that_do_not_fit(self) -> None:
        p = gc.input("p", (4, 3))
        with pytest.raises(gc.errors.ShapeError, match="one label an example"):
            gc.nn.sparse_categorical_cross_entropy(p, np.zeros(3, int))


class TestHinge:
    """max(0, 1 - t s), and summed over classes."""

    def test_of_two_classes(self) -> None:
        s = gc.input("s", 5, gc.float64)
        loss = gc.nn.hinge(s, np.array([1, 1, -1, -1, 1]))
        value, slope = run([loss, gc.grad(loss.sum(), s)], {s: [-40, 40, 0, -40, 0.5]})
        assert value.tolist() == [41, 0, 1, 0, 0.5]
        assert slope.tolist() == [-1, 0, 1, 0, -1]

    def test_of_several_classes(self) -> None:
        s = gc.input("s", (2, 3), gc.float64)
        loss = gc.nn.multiclass_hinge(s, np.array([0, 2]))
        given = [[3.2, 5.1, -1.7], [2.2, 2.5, -3.1]]
        value, slope = run([loss, gc.grad(loss.sum(), s)], {s: given})
        close(value, [2.9, 12.9], rtol=1e-12)
        assert slope.tolist() == [[-1, 1, 0], [1, 1, -2]]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_limits_of_differences_agree(name: str) -> None:
    gc.check_grad(ACTIVATIONS[name][0], [np.array([-3.0, -0.7, 0.4, 2.0])])
