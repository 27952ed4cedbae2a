"""Worked examples of training: what a model costs, learns and converges to."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.rooms import ROOT
from tests.test_docs import load_example
from tests.worked import run

close = np.testing.assert_allclose


@pytest.mark.parametrize("widths", [[64, 32, 10], [7, 7, 7, 7], [784, 100, 100, 10]])
def test_cost_of_backpropagation(widths: list[int]) -> None:
    """Forward one multiply-add for each weight; backward two, less the first layer's input."""
    x = gc.input("x", (1, widths[0]))
    weights = [
        gc.param(f"w{i}", np.zeros(shape, "float32")) for i, shape in enumerate(pairwise(widths))
    ]
    h = x
    for w in weights:
        h = gc.sigmoid(h @ w)
    loss = h.sum()
    count = sum(w.size for w in weights)
    assert gc.cost(loss).multiply_adds == count
    step = gc.compile([x], loss, dict(zip(weights, gc.grad(loss, weights), strict=True)))
    assert step.cost().multiply_adds == count + 2 * count - weights[0].size


def test_jacobian_of_relu_is_not_stored_on_the_way() -> None:
    size = 4096
    x = gc.input("x", size)
    jacobian = gc.jacobian(gc.nn.relu(x), x)
    given = np.random.default_rng(0).normal(size=size).astype("float32")
    step = gc.compile([x], jacobian)
    found = step(given)
    np.testing.assert_array_equal(found, np.diag((given > 0).astype("float32")))
    assert step.artifact.manifest.workspace_bytes < 64 * size


def test_the_backward_pass_of_relu_takes_one_adjoint_an_element() -> None:
    x, g = gc.input("x", 4096), gc.input("g", 4096)
    adjoint = gc.grad(gc.nn.relu(x), x, seed=g)
    assert gc.cost(adjoint).bytes < 64 * 4096


def test_two_layers_with_hinge_loss_and_penalty() -> None:
    """f = W2 max(0, W1 x), 3072-100-10, as of images of 32 by 32 in three colours."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(20, 3072)).astype("float32")
    classes = rng.integers(0, 10, 20).astype("int32")
    x, labels = gc.input("x", (20, 3072)), gc.input("labels", 20, gc.int32)
    w1 = gc.param("w1", gc.init.he_normal((3072, 100), seed=0))
    w2 = gc.param("w2", gc.init.he_normal((100, 10), seed=1))

    def objective(x: Any, labels: Any, w1: Any, w2: Any) -> Any:
        scores = gc.nn.relu(x @ w1) @ w2
        penalty = (w1 * w1).sum() + (w2 * w2).sum()
        return gc.nn.multiclass_hinge(scores, labels).mean() + 1e-4 * penalty

    loss = objective(x, labels, w1, w2)
    step = gc.compile([x, labels], loss, gc.optim.SGD(0.02).updates(loss, [w1, w2]))
    losses = [float(step(images, classes)) for _ in range(30)]
    assert losses[-1] < 0.2 * losses[0]

    few = rng.normal(size=(3, 12))
    small = [rng.normal(size=(12, 5)), rng.normal(size=(5, 4))]
    gc.check_grad(lambda w1, w2: objective(few, np.array([0, 3, 1]), w1, w2), small)


class TestLeastSquares:
    """lambda |w|^2 + sum (y - w^T x)^2."""

    PENALTY = 0.3

    def data(self) -> tuple[Any, Any, Any]:
        rng = np.random.default_rng(4)
        x, y = rng.normal(size=(40, 5)), rng.normal(size=40)
        solution = np.linalg.solve(x.T @ x + self.PENALTY * np.eye(5), x.T @ y)
        return x, y, solution

    def declare(self) -> tuple[gc.Parameter, gc.Tensor]:
        x, y, _ = self.data()
        w = gc.param("w", np.zeros(5))
        return w, self.PENALTY * (w * w).sum() + ((y - x @ w) ** 2).sum()

    def test_descent_converges_to_the_closed_form(self) -> None:
        w, loss = self.declare()
        step = gc.compile([], loss, {w: w - 0.008 * gc.grad(loss, w)})
        for _ in range(400):
            step()
        close(w.value, self.data()[2], rtol=1e-6)

    def test_one_newton_step_solves_it(self) -> None:
        w, loss = self.declare()
        gradient, hessian = gc.grad(loss, w), gc.hessian(loss, w)
        move = gc.linalg.solve(hessian, gradient)
        gc.compile([], loss, {w: w - move})()
        close(w.value, self.data()[2], rtol=1e-10)
        close(run([hessian], {})[0], 2 * (self.data()[0].T @ self.data()[0] + 0.3 * np.eye(5)))


def test_hessian_vector_product_of_two_layers() -> None:
    rng = np.random.default_rng(5)
    x, t = rng.normal(size=3), rng.normal(size=2)
    w1, w2 = gc.param("w1", rng.normal(size=(4, 3))), gc.param("w2", rng.normal(size=(2, 4)))
    loss = gc.nn.half_squared_error(w2 @ gc.sigmoid(w1 @ x), t)
    directions = [rng.normal(size=(4, 3)), rng.normal(size=(2, 4))]
    products = run(gc.hvp(loss, [w1, w2], directions), {})
    hessian = gc.hessian(loss, [w1, w2])
    for i, product in enumerate(products):
        parts = zip(run(hessian[i], {}), directions, strict=True)
        wanted = sum(np.tensordot(part, along, along.ndim) for part, along in parts)
        close(product, wanted, rtol=1e-10)


class TestPerceptron:
    """Rosenblatt: u = sign(W x + b), output 1 where z > lambda."""

    def test_forward(self) -> None:
        rng = np.random.default_rng(6)
        x = gc.input("x", (50, 3), gc.float64)
        w, b, v = rng.normal(size=(3, 8)), rng.normal(size=8), rng.normal(size=8)
        threshold = 0.5
        u = gc.sign(x @ w + b)
        predict = gc.compile([x], gc.nn.unit_step(u @ v - threshold))
        given = rng.normal(size=(50, 3))
        wanted = np.sign(given @ w + b) @ v > threshold
        np.testing.assert_array_equal(predict(given), wanted)
        assert 0 < wanted.sum() < 50


@pytest.mark.parametrize("size", [1, 32, 200])
def test_stochastic_gradient_descent(size: int) -> None:
    """One example at a time, 32, or all: the same code."""
    rng = np.random.default_rng(7)
    x, true = rng.normal(size=(200, 4)).astype("float32"), np.array([1, -2, 0.5, 3], "float32")
    y = x @ true
    features, target = gc.input("features", (size, 4)), gc.input("target", size)
    w = gc.param("w", np.zeros(4, "float32"))
    loss = gc.nn.mean_squared_error(features @ w, target)
    step = gc.compile([features, target], loss, gc.optim.SGD(0.05).updates(loss, [w]))
    for epoch in range(10 if size == 1 else 200):
        for batch in gc.training.batches(x, y, size=size, seed=epoch):
            step(*batch)
    close(w.value, true, atol=1e-3)


def test_the_network_that_read_zip_codes() -> None:
    """Its 9760 parameters learn handwritten digits, one image at a time."""
    example = load_example(ROOT / "examples" / "zip_codes.py")
    assert sum(param.size for param in example.params) == 9760
    losses = [example.learn(epoch) for epoch in range(3)]
    assert losses[2] < losses[1] < losses[0]
    assert example.test_accuracy() > 0.95


class TestSequential:
    """Sequential, compile, fit."""

    def test_a_set_that_no_line_separates(self) -> None:
        rng = np.random.default_rng(8)
        labels = np.arange(1000, dtype="int32") % 2
        angle, radius = rng.uniform(0, 2 * np.pi, 1000), 1 + labels + rng.normal(0, 0.1, 1000)
        points = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).astype("float32")
        model = gc.nn.Sequential(gc.nn.Dense(16, gc.nn.sigmoid), gc.nn.Dense(2, gc.nn.softmax))
        model.compile(gc.optim.Adam(0.03), gc.nn.sparse_categorical_cross_entropy, [gc.nn.accuracy])
        held_out = points[800:], labels[800:]
        history = model.fit(
            points[:800], labels[:800], epochs=60, batch_size=32, validation_data=held_out
        )
        assert history["val_accuracy"][-1] > 0.97
        assert history["loss"][-1] < 0.2 * history["loss"][0]
        assert model.evaluate(*held_out)["accuracy"] == history["val_accuracy"][-1]

    def test_handwritten_digits(self) -> None:
        images, labels, *others = gc.datasets.held_out(*gc.datasets.digits())
        held_out = others[0], others[1]
        model = gc.nn.Sequential(gc.nn.Dense(64, gc.nn.sigmoid), gc.nn.Dense(10, gc.nn.softmax))
        model.compile(
            gc.optim.Adam(0.001), gc.nn.sparse_categorical_cross_entropy, [gc.nn.accuracy]
        )
        history = model.fit(images, labels, epochs=30, batch_size=100, validation_data=held_out)
        assert len(history.epochs) == 30
        assert history["val_accuracy"][-1] > 0.85
        predicted = model.predict(held_out[0])
        assert predicted.shape == (359, 10)
        hits = predicted.argmax(1) == held_out[1]
        assert hits.mean() == pytest.approx(history["val_accuracy"][-1])
