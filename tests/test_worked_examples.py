"""Worked examples of backpropagation by hand: values, adjoints, steps, all as compiled code.

The numbers are those of the usual lecture examples, or closed forms that stand beside the test.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from tests.worked import run, sigmoid, slope_of_sigmoid

close = np.testing.assert_allclose


class TestOneVariable:
    """f(x) = (-x + 3)^2, whose derivative is 2x - 6."""

    def test_in_three_steps(self) -> None:
        x = gc.input("x", (), gc.float64)
        r = -x
        q = r + 3
        f = q * q
        by_q, by_r, by_x = gc.grad(f, [q, r, x])
        assert run([f, q, by_q, by_r, by_x], {x: 5}) == [4, -2, -4, -4, 4]
        for at in (-2.0, 0.0, 3.0, 8.0):
            assert run([by_x], {x: at}) == [2 * at - 6]

    def test_adjoints_of_two_uses_sum(self) -> None:
        x = gc.input("x", (), gc.float64)
        one, other = x - 3, x - 3
        f = one * other
        by_one, by_other, by_x = gc.grad(f, [one, other, x])
        for at in (-2.0, 0.0, 3.0, 5.0):
            left, right, total = run([by_one, by_other, by_x], {x: at})
            assert left + right == total == 2 * at - 6


def test_sum_times_z() -> None:
    x, y, z = (gc.input(name, (), gc.float64) for name in "xyz")
    q = x + y
    f = q * z
    found = run([q, f, *gc.grad(f, [x, y, z])], {x: -2, y: 5, z: -4})
    assert found == [3, -12, -4, -4, 3]


def test_gradient_descent_on_a_parabola() -> None:
    w = gc.param("w", 0.0, gc.float64)
    loss = (w - 6) ** 2
    slope = gc.grad(loss, w)
    step = gc.compile([], [w + 0, loss, slope], {w: w - slope / 4})
    assert [[float(each) for each in step()] for _ in range(3)] == [
        [0, 36, -12],
        [3, 9, -6],
        [4.5, 2.25, -3],
    ]
    assert w.value == 5.25


class TestSigmoidNeuron:
    """1 / (1 + exp(-(w0 x0 + w1 x1 + w2))) at w = (2, -3, -3), x = (-1, -2)."""

    W, X = np.array([2.0, -3.0, -3.0]), np.array([-1.0, -2.0])
    BY_W, BY_X = [-0.196612, -0.393224, 0.196612], [0.393224, -0.589836]

    def declare(self) -> tuple[gc.Tensor, gc.Tensor, gc.Tensor]:
        w, x = gc.input("w", 3, gc.float64), gc.input("x", 2, gc.float64)
        return w, x, w[0] * x[0] + w[1] * x[1] + w[2]

    def test_from_arithmetic(self) -> None:
        w, x, z = self.declare()
        f = 1 / (1 + gc.exp(-z))
        found = run([f, *gc.grad(f, [w, x])], {w: self.W, x: self.X})
        close(found[0], 0.731059, atol=5e-7)
        close(found[1], self.BY_W, atol=1e-6)
        close(found[2], self.BY_X, atol=1e-6)

    def test_the_op_gives_the_same(self) -> None:
        w, x, z = self.declare()
        by_hand, by_op = 1 / (1 + gc.exp(-z)), gc.sigmoid(z)
        given = {w: self.W, x: self.X}
        one = run([by_hand, *gc.grad(by_hand, [w, x])], given)
        other = run([by_op, *gc.grad(by_op, [w, x])], given)
        for left, right in zip(one, other, strict=True):
            close(left, right, rtol=1e-12)
        s = other[0]
        close(other[1], (1 - s) * s * np.array([*self.X, 1]), rtol=1e-12)


def test_squared_error_of_a_neuron() -> None:
    x, t, w, b = (gc.input(name, (), gc.float64) for name in "xtwb")
    z = w * x + b
    y = gc.sigmoid(z)
    loss = (y - t) ** 2 / 2
    given = {x: 0.7, t: 0.25, w: -1.3, b: 0.4}
    by_w, by_b, by_y, by_z = run(gc.grad(loss, [w, b, y, z]), given)
    s = sigmoid(-1.3 * 0.7 + 0.4)
    close(by_y, s - 0.25, rtol=1e-12)
    close(by_z, (s - 0.25) * s * (1 - s), rtol=1e-12)
    close(by_w, (s - 0.25) * s * (1 - s) * 0.7, rtol=1e-12)
    close(by_b, (s - 0.25) * s * (1 - s), rtol=1e-12)


@pytest.mark.parametrize("at", [-1.5, 0.0, 0.8, 2.0])
def test_total_derivative_along_a_curve(at: float) -> None:
    t = gc.input("t", (), gc.float64)
    x, y = gc.cos(t), t**2
    f = y + gc.exp(x * y)
    (found,) = run([gc.grad(f, t)], {t: at})
    x_, y_ = np.cos(at), at * at
    power = np.exp(x_ * y_)
    close(found, y_ * power * -np.sin(at) + (1 + x_ * power) * 2 * at, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_multiclass_logistic_regression(scale: float) -> None:
    rng = np.random.default_rng(0)
    w, b = gc.param("w", rng.normal(size=(4, 3))), gc.param("b", np.zeros(4))
    x, t = gc.input("x", 3, gc.float64), gc.input("t", 4, gc.float64)
    z = w @ x + b
    y = gc.softmax(z)
    loss = -(t * gc.log(y)).sum()
    given = {x: scale * np.array([1.0, -2.0, 0.5]), t: np.eye(4)[2]}
    value, by_z, by_b, found = run([loss, *gc.grad(loss, [z, b]), y], given)
    logits = w.value @ given[x]
    close(value, logits.max() - logits[2] + np.log(np.exp(logits - logits.max()).sum()), rtol=1e-12)
    close(by_z, found - given[t], rtol=1e-12, atol=1e-15)
    close(by_b, by_z, rtol=0)
    assert np.isfinite(by_z).all()


class TestTwoLayers:
    """z = W1 x + b1, h = sigmoid z, y = W2 h + b2, half the squared error."""

    def arrays(self) -> dict[str, Any]:
        rng = np.random.default_rng(1)
        shapes = {"w1": (3, 2), "b1": (3,), "w2": (2, 3), "b2": (2,), "x": (2,), "t": (2,)}
        return {name: rng.normal(size=shape) for name, shape in shapes.items()}

    def expected(self, a: dict[str, Any]) -> dict[str, Any]:
        z = a["w1"] @ a["x"] + a["b1"]
        h = sigmoid(z)
        by_y = a["w2"] @ h + a["b2"] - a["t"]
        by_h = a["w2"].T @ by_y
        by_z = by_h * slope_of_sigmoid(z)
        return {
            "w1": np.outer(by_z, a["x"]), "b1": by_z, "w2": np.outer(by_y, h), "b2": by_y,
            "h": by_h, "z": by_z, "y": by_y,
        }  # fmt: skip

    def test_in_vectors(self) -> None:
        arrays = self.arrays()
        leaves = {name: gc.input(name, a.shape, gc.float64) for name, a in arrays.items()}
        z = leaves["w1"] @ leaves["x"] + leaves["b1"]
        h = gc.sigmoid(z)
        y = leaves["w2"] @ h + leaves["b2"]
        loss = gc.nn.half_squared_error(y, leaves["t"])
        wrt = {**{name: leaves[name] for name in ("w1", "b1", "w2", "b2")}, "h": h, "z": z, "y": y}
        given = {leaves[name]: array for name, array in arrays.items()}
        found = run(list(gc.grad(loss, wrt).values()), given)
        for name, value in zip(wrt, found, strict=True):
            close(value, self.expected(arrays)[name], rtol=1e-12, err_msg=name)

    def test_with_an_index_for_every_scalar(self) -> None:
        arrays = self.arrays()
        leaves = {name: gc.input(name, a.shape, gc.float64) for name, a in arrays.items()}
        w1, b1, w2, b2, x, t = leaves.values()
        z = [sum((w1[i, j] * x[j] for j in range(2)), b1[i]) for i in range(3)]
        h = [1 / (1 + gc.exp(-each)) for each in z]
        y = [sum((w2[k, i] * h[i] for i in range(3)), b2[k]) for k in range(2)]
        loss = sum(((y[k] - t[k]) ** 2 for k in range(2)), gc.const(0.0, gc.float64)) / 2
        wrt = [w1, b1, w2, b2]
        given = {leaves[name]: array for name, array in arrays.items()}
        *by_leaf, by_h, by_z = run([*gc.grad(loss, wrt), gc.grad(loss, h[1]), gc.grad(loss, z[1])],
                                   given)  # fmt: skip
        expected = self.expected(arrays)
        for name, value in zip(("w1", "b1", "w2", "b2"), by_leaf, strict=True):
            close(value, expected[name], rtol=1e-12, err_msg=name)
        close([by_h, by_z], [expected["h"][1], expected["z"][1]], rtol=1e-12)


class TestThreeLayers:
    """a, b -> c, d, e -> f, g, h -> z, with a weight on every edge and sigmoids."""

    LAYERS = (2, 3, 3, 1)

    def weights(self) -> list[Any]:
        rng = np.random.default_rng(2)
        pairs = zip(self.LAYERS[:-1], self.LAYERS[1:], strict=True)
        return [rng.normal(size=pair) for pair in pairs]

    def by_hand(self, x: Any) -> tuple[list[Any], list[Any]]:
        """Adjoints of pre-activations (v bar) and of weights (Delta), from the recursion."""
        weights, values, sums = self.weights(), [x], []
        for w in weights:
            sums.append(values[-1] @ w)
            values.append(sigmoid(sums[-1]))
        bar = slope_of_sigmoid(sums[-1])
        bars, deltas = [bar], [np.outer(values[-2], bar)]
        for i in (1, 0):
            bar = slope_of_sigmoid(sums[i]) * (weights[i + 1] @ bar)
            bars.insert(0, bar)
            deltas.insert(0, np.outer(values[i], bar))
        return bars, deltas

    def test_matrix_form(self) -> None:
        x = gc.input("x", 2, gc.float64)
        weights = [gc.param(f"w{i}", w) for i, w in enumerate(self.weights())]
        v, sums = x, []
        for w in weights:
            sums.append(v @ w)
            v = gc.sigmoid(sums[-1])
        given = np.array([0.3, -1.2])
        found = run(gc.grad(v.sum(), [*sums, *weights]), {x: given})
        bars, deltas = self.by_hand(given)
        for value, wanted in zip(found, [*bars, *deltas], strict=True):
            close(value, wanted, rtol=1e-12)

    def test_scalar_form(self) -> None:
        nodes = [gc.input(name, (), gc.float64) for name in "ab"]
        given = np.array([0.3, -1.2])
        at: dict[Any, Any] = dict(zip(nodes, given, strict=True))
        edges = []
        for i, layer in enumerate(self.weights()):
            rows = [
                [gc.input(f"w{i}_{j}{k}", (), gc.float64) for k in range(layer.shape[1])]
                for j in range(layer.shape[0])
            ]
            at |= {w: layer[j, k] for j, row in enumerate(rows) for k, w in enumerate(row)}
            edges += [w for row in rows for w in row]
            nodes = [
                gc.sigmoid(sum(v * row[k] for v, row in zip(nodes, rows, strict=True)))
                for k in range(layer.shape[1])
            ]
        found = run(gc.grad(nodes[0], edges), at)
        _, deltas = self.by_hand(given)
        close(found, np.concatenate([delta.ravel() for delta in deltas]), rtol=1e-12)


class TestHowAdjointsAreRouted:
    """Add distributes, multiply switches, max routes."""

    def adjoints(self, f: Any, *at: float) -> list[float]:
        leaves = [gc.input(f"x{i}", (), gc.float64) for i in range(len(at))]
        found = gc.grad(f(*leaves), leaves, seed=2.0)
        return [float(v) for v in run(found, dict(zip(leaves, at, strict=True)))]

    def test_add_distributes(self) -> None:
        assert self.adjoints(lambda x, y: x + y, 3, 4) == [2, 2]

    def test_multiply_switches(self) -> None:
        assert self.adjoints(lambda x, y: x * y, 3, 4) == [8, 6]

    def test_max_routes_and_shares_a_tie(self) -> None:
        assert self.adjoints(gc.maximum, 3, 4) == [0, 2]
        assert self.adjoints(gc.maximum, 4, 4) == [1, 1]


def test_layers_without_activation_are_one() -> None:
    rng = np.random.default_rng(3)
    x = gc.input("x", 4, gc.float64)
    w1, w2 = gc.param("w1", rng.normal(size=(5, 4))), gc.param("w2", rng.normal(size=(3, 5)))
    one, other = run([w2 @ (w1 @ x), (w2 @ w1) @ x], {x: rng.normal(size=4)})
    close(one, other, rtol=1e-12)
