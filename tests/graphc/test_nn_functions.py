"""Activations, normalization, losses, similarity and attention against their formulas in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
import scipy.stats

import graphc as gc
from graphc.errors import AttributeValueError, DTypeError, ShapeError

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(1)
POINTS = np.array([-40.0, -3.5, -3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0, 4.0, 6.0, 40.0])


def sigmoid(x: Array) -> Array:
    return np.asarray(scipy.special.expit(x))


def exponential(x: Array, alpha: float) -> Array:
    return np.asarray(np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))))


ACTIVATIONS: dict[str, tuple[Callable[[gc.Tensor], gc.Tensor], Callable[[Array], Array]]] = {
    "relu6": (gc.nn.relu6, lambda x: np.clip(x, 0, 6)),
    "hard_tanh": (gc.nn.hard_tanh, lambda x: np.clip(x, -1, 1)),
    "hard_sigmoid": (gc.nn.hard_sigmoid, lambda x: np.clip(x + 3, 0, 6) / 6),
    "hard_swish": (gc.nn.hard_swish, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    "silu": (gc.nn.silu, lambda x: x * sigmoid(x)),
    "mish": (gc.nn.mish, lambda x: x * np.tanh(np.logaddexp(x, 0))),
    "celu": (gc.nn.celu, lambda x: exponential(x, 1)),
    "celu 2": (lambda x: gc.nn.celu(x, 2), lambda x: 2 * exponential(x / 2, 1)),
    "selu": (gc.nn.selu, lambda x: 1.0507009873554805 * exponential(x, 1.6732632423543772)),
    "soft_sign": (gc.nn.soft_sign, lambda x: x / (1 + np.abs(x))),
    "gelu": (gc.nn.gelu, lambda x: x * scipy.special.ndtr(x)),
    "gelu_tanh": (
        lambda x: gc.nn.gelu(x, approximate=True),
        lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str, value: Any) -> None:
    function, reference = ACTIVATIONS[name]
    x = gc.input("x", len(POINTS), gc.float64)
    y = function(x)
    np.testing.assert_allclose(value(y, {x: POINTS}), reference(POINTS), rtol=1e-12, atol=1e-15)
    smooth = ~np.isin(POINTS, [-3, -1, 0, 1, 3, 6])
    slopes = (reference(POINTS + 1e-6) - reference(POINTS - 1e-6)) / 2e-6
    found = value(gc.grad(y.sum(), x), {x: POINTS})
    np.testing.assert_allclose(found[smooth], slopes[smooth], rtol=1e-6, atol=1e-8)
    gc.check_grad(function, (POINTS[smooth],), order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [gc.float32, gc.float16])
def test_activation_of_extremes(name: str, dtype: Any, value: Any) -> None:
    function, far = ACTIVATIONS[name][0], 1e30 if dtype is gc.float32 else 6e4
    x = gc.input("x", 3, dtype)
    y = function(x)
    results = value(y, {x: [-far, far, np.nan]})
    assert np.isfinite(results[:2]).all()
    assert np.isnan(results[2])
    assert np.isfinite(value(gc.grad(y.sum(), x), {x: [-far, far, 0]})).all()


def test_slopes_at_bounds(value: Any) -> None:
    x = gc.input("x", 2)
    for function, points, slopes in [
        (gc.nn.relu6, [0, 6], [0, 0]),
        (gc.nn.hard_tanh, [-1, 1], [1, 1]),
        (gc.nn.hard_sigmoid, [-3, 3], [0, 0]),
        (gc.nn.hard_swish, [-3, 3], [0, 1]),
        (gc.nn.celu, [0, -0.0], [1, 1]),
    ]:
        assert value(gc.grad(function(x).sum(), x), {x: points}).tolist() == slopes


def test_glu(value: Any) -> None:
    x = RNG.normal(size=(3, 4))
    gate = gc.nn.glu(gc.const(x), axis=-1)
    np.testing.assert_allclose(value(gate), x[:, :2] * sigmoid(x[:, 2:]), rtol=1e-12)
    with pytest.raises(ShapeError, match="equal parts"):
        gc.nn.glu(x, axis=0)


class TestWhere:
    """Softmax and its relatives of some elements only."""

    X = np.array([[1.0, 2.0, np.nan], [1e4, -1e4, 0.0], [5.0, 5.0, 5.0]])
    MASK = np.array([[True, True, False], [True, False, True], [False, False, False]])

    def test_values(self, value: Any) -> None:
        x = gc.input("x", (3, 3), gc.float64)
        given = {x: self.X}
        chosen = np.where(self.MASK, self.X, -np.inf)[:2]
        found = value(gc.softmax(x, where=self.MASK), given)
        np.testing.assert_allclose(found[:2], scipy.special.softmax(chosen, -1), rtol=1e-12)
        assert found[2].tolist() == [0, 0, 0]
        logs = value(gc.log_softmax(x, where=self.MASK), given)
        np.testing.assert_allclose(logs[:2], scipy.special.log_softmax(chosen, -1), rtol=1e-12)
        total = value(gc.logsumexp(x, -1, where=self.MASK), given)
        np.testing.assert_allclose(total[:2], scipy.special.logsumexp(chosen, -1), rtol=1e-12)
        assert total[2] == -np.inf

    def test_derivatives(self, value: Any) -> None:
        x = gc.input("x", (3, 3), gc.float64)
        weights = RNG.normal(size=(3, 3))
        for loss in (
            (gc.softmax(x, where=self.MASK) * weights).sum(),
            gc.where(self.MASK, gc.log_softmax(x, where=self.MASK) * weights, 0).sum(),
            gc.logsumexp(x, -1, where=self.MASK)[:2].sum(),
        ):
            slopes = value(gc.grad(loss, x), {x: self.X})
            assert np.isfinite(slopes).all()
            assert (slopes[~self.MASK] == 0).all()
        gc.check_grad(
            lambda x: gc.softmax(x, where=self.MASK[0]), (np.array([0.3, -0.2, 0.9]),), order=2
        )


class TestNormalization:
    """Formulas, groups, layers, constants."""

    X = RNG.normal(size=(2, 6, 5)) * 3 + 1

    def test_standardize(self, value: Any) -> None:
        x = gc.input("x", self.X.shape, gc.float64)
        for axis in (-1, (1, 2), None):
            mean, var = self.X.mean(axis, keepdims=True), self.X.var(axis, keepdims=True)
            wanted = (self.X - mean) / np.sqrt(var + 1e-5)
            found = value(gc.nn.standardize(x, axis), {x: self.X})
            np.testing.assert_allclose(found, wanted, rtol=1e-12)

    def test_normalize(self, value: Any) -> None:
        x = gc.input("x", (2, 3), gc.float64)
        y = gc.nn.normalize(x)
        given = {x: [[3, 0, 4], [0, 0, 0]]}
        assert value(y, given).tolist() == [[0.6, 0, 0.8], [0, 0, 0]]
        assert np.isfinite(value(gc.grad((y * y).sum(), x), given)).all()

    def test_rms_and_layer_norm(self, value: Any) -> None:
        x, scale, offset = self.X, RNG.normal(size=5), RNG.normal(size=5)
        found = value(gc.nn.rms_norm(gc.const(x), scale))
        wanted = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * scale
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        found = value(gc.nn.layer_norm(gc.const(x), scale, offset))
        wanted = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        np.testing.assert_allclose(found, wanted * scale + offset, rtol=1e-12)

    def test_group_norm(self, value: Any) -> None:
        x, scale, offset = self.X, RNG.normal(size=6), RNG.normal(size=6)
        rows = x.reshape(2, 3, 10)
        whitened = (rows - rows.mean(-1, keepdims=True)) / np.sqrt(
            rows.var(-1, keepdims=True) + 1e-5
        )
        wanted = whitened.reshape(x.shape) * scale[:, None] + offset[:, None]
        found = value(gc.nn.group_norm(gc.const(x), 3, scale, offset))
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        with pytest.raises(ShapeError, match="multiple of the number of groups"):
            gc.nn.group_norm(x, 4)

    def test_batch_norm_with_running_statistics(self) -> None:
        batch = RNG.normal(size=(8, 3)).astype("float32")
        x = gc.input("x", (8, 3))
        running = gc.param("running", np.zeros(3, "float32"))
        mean, var = x.mean(0), x.var(0)
        y = gc.nn.batch_norm(x, mean, var, np.full(3, 2.0), np.ones(3))
        step = gc.compile([x], y, updates={running: 0.9 * running + 0.1 * mean})
        wanted = (batch - batch.mean(0)) / np.sqrt(batch.var(0) + 1e-5) * 2 + 1
        np.testing.assert_allclose(step(batch), wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(running.value, 0.1 * batch.mean(0), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize(
        "function",
        [
            gc.nn.layer_norm,
            gc.nn.rms_norm,
            gc.nn.normalize,
            lambda x: gc.nn.group_norm(x, 2),
            lambda x: gc.nn.batch_norm(x, x.mean(0), x.var(0)),
        ],
    )
    def test_derivatives(self, function: Any) -> None:
        gc.check_grad(function, (RNG.normal(size=(3, 4)),), order=2)

    def test_constants_have_finite_slopes(self, value: Any) -> None:
        x = gc.input("x", (2, 4))
        for function in (gc.nn.layer_norm, gc.nn.rms_norm, gc.nn.standardize):
            slopes = value(gc.grad((function(x) ** 2).sum(), x), {x: np.zeros((2, 4))})
            assert np.isfinite(slopes).all()

    def test_layers(self, value: Any) -> None:
        x = gc.input("x", self.X.shape)
        names = {"norm.w": "ones", "norm.b": "zeros"}
        for layer, plain in [
            (gc.nn.LayerNorm(), gc.nn.layer_norm(x)),
            (gc.nn.RMSNorm(), gc.nn.rms_norm(x)),
            (gc.nn.GroupNorm(2), gc.nn.group_norm(x, 2)),
        ]:
            y = layer(x)
            assert {each.name for each in layer.params} <= set(names)
            np.testing.assert_allclose(
                value(y, {x: self.X}), value(plain, {x: self.X}), rtol=1e-6, atol=1e-6
            )


class TestLosses:
    """Losses of numbers and of vectors."""

    P, T = RNG.normal(size=(4, 3)) * 2, RNG.normal(size=(4, 3))

    def check(self, loss: Any, wanted: Array, value: Any) -> None:
        found = value(loss(gc.const(self.P), gc.const(self.T)))
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14)
        gc.check_grad(loss, (self.P, self.T))

    def test_errors(self, value: Any) -> None:
        e = self.P - self.T
        self.check(gc.nn.absolute_error, np.abs(e), value)
        for delta in (1.0, 0.3):
            self.check(
                lambda p, t, d=delta: gc.nn.huber(p, t, d), scipy.special.huber(delta, e), value
            )
        self.check(
            lambda p, t: gc.nn.smooth_l1(p, t, 0.5), scipy.special.huber(0.5, e) / 0.5, value
        )
        self.check(gc.nn.log_cosh, np.log(np.cosh(e)), value)
        self.check(
            lambda p, t: gc.nn.quantile_loss(p, t, 0.2),
            np.maximum(0.2 * -e, (0.2 - 1) * -e),
            value,
        )

    def test_log_cosh_is_accurate_near_zero_and_far_away(self, value: Any) -> None:
        found = value(gc.nn.log_cosh(gc.const(np.array([1e-6, 800.0])), np.zeros(2)))
        np.testing.assert_allclose(found, [5e-13, 800 - math.log(2)], rtol=1e-9)

    def test_likelihoods(self, value: Any) -> None:
        counts = np.arange(12.0).reshape(4, 3)
        found = value(gc.nn.poisson_loss(gc.const(self.P), counts))
        constant = scipy.special.gammaln(counts + 1)
        wanted = -scipy.stats.poisson.logpmf(counts, np.exp(self.P)) - constant
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
        spread = np.full((4, 3), 0.4)
        found = value(gc.nn.gaussian_loss(gc.const(self.P), self.T, spread))
        density = scipy.stats.norm.logpdf(self.T, self.P, np.exp(0.2))
        wanted = np.asarray(-density - math.log(2 * math.pi) / 2)
        np.testing.assert_allclose(found, wanted, rtol=1e-10)

    def test_kl_divergence(self, value: Any) -> None:
        p, t = scipy.special.softmax(self.P, -1), np.eye(3)[[0, 1, 2, 1]]
        for targets in (t, scipy.special.softmax(self.T, -1)):
            found = value(gc.nn.kl_divergence(gc.const(np.log(p)), targets))
            wanted = scipy.special.rel_entr(targets, p)
            np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-14)

    def test_cosine_similarity(self, value: Any) -> None:
        norms = np.linalg.norm(self.P, axis=-1) * np.linalg.norm(self.T, axis=-1)
        self.check(gc.nn.cosine_similarity, (self.P * self.T).sum(-1) / norms, value)
        x = gc.input("x", 3)
        slope = gc.grad(gc.nn.cosine_similarity(x, np.ones(3, "float32")), x)
        assert np.isfinite(value(slope, {x: [0, 0, 0]})).all()

    def test_margins(self, value: Any) -> None:
        signs = np.sign(self.T)
        found = value(gc.nn.margin_ranking(gc.const(self.P), self.T, signs, 0.5))
        np.testing.assert_allclose(found, np.maximum(0, 0.5 - signs * (self.P - self.T)))
        far = np.roll(self.T, 1, 0)
        near, apart = (np.linalg.norm(self.P - each, axis=-1) for each in (self.T, far))
        found = value(gc.nn.triplet(gc.const(self.P), self.T, far, 0.7))
        np.testing.assert_allclose(found, np.maximum(0, near - apart + 0.7), rtol=1e-12)
        same = np.array([1, 0, 1, 0])
        found = value(gc.nn.contrastive(gc.const(self.P), self.T, same, 3.0))
        wanted = np.where(same == 1, near**2, np.maximum(0, 3 - near) ** 2)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)
        with pytest.raises(ShapeError, match="one shape"):
            gc.nn.triplet(self.P, self.T, self.T[0])


def test_gelu_keeps_one_number_an_element_for_its_adjoint() -> None:
    x, w, v = inputs = [gc.input("x", (9, 8)), gc.input("w", (8, 16)), gc.input("v", (16, 4))]
    y = gc.nn.gelu(x @ w) @ v
    kernels = (
        gc.compile(inputs, [y, *gc.grad((y * y).sum(), [w, v])]).ir("kernels").split("kernel ")
    )
    (writes,) = (line for line in kernels[1].splitlines() if "writes" in line)
    assert "erf" in kernels[1]
    assert writes.count("f32[9,16]") == 2


class TestAttention:
    """Scaled dot products, masks, heads."""

    Q, K, V = (RNG.normal(size=shape) for shape in ((2, 3, 4), (2, 5, 4), (2, 5, 6)))

    def wanted(self, mask: Array) -> Array:
        scores = np.where(mask, self.Q @ self.K.mT / 2, -np.inf)
        return np.asarray(scipy.special.softmax(scores, -1) @ self.V)

    def test_values(self, value: Any) -> None:
        attend = gc.nn.scaled_dot_product_attention
        q, k, v = gc.const(self.Q), gc.const(self.K), gc.const(self.V)
        full = np.ones((3, 5), bool)
        np.testing.assert_allclose(value(attend(q, k, v)), self.wanted(full), rtol=1e-12)
        past = value(attend(q, k, v, causal=True))
        np.testing.assert_allclose(past, self.wanted(np.tri(3, 5, dtype=bool)), rtol=1e-12)
        mask = np.arange(5) < 3
        found = value(attend(q, k, v, mask, causal=True))
        np.testing.assert_allclose(found, self.wanted(np.tri(3, 5, dtype=bool) & mask), rtol=1e-12)
        with pytest.raises(DTypeError, match="mask of bools"):
            attend(q, k, v, np.zeros((3, 5)))

    def test_derivatives(self) -> None:
        gc.check_grad(
            lambda q, k, v: gc.nn.scaled_dot_product_attention(q, k, v, causal=True),
            (self.Q[0], self.K[0], self.V[0]),
            order=2,
        )

    def test_nothing_seen_is_zero(self, value: Any) -> None:
        q = gc.input("q", (2, 3))
        y = gc.nn.scaled_dot_product_attention(q, q, q, [[True, False], [False, False]])
        given = {q: [[1, 2, 3], [4, 5, 6]]}
        assert value(y, given)[1].tolist() == [0, 0, 0]
        assert np.isfinite(value(gc.grad(y.sum(), q), given)).all()

    def test_heads(self, value: Any) -> None:
        layer = gc.nn.MultiHeadAttention(2, causal=True, seed=3)
        data = RNG.normal(size=(2, 5, 6)).astype("float32")
        x = gc.input("x", data.shape)
        y = layer(x)
        arrays = [each.value for each in layer.params]
        q, k, v = (data @ w + b for w, b in zip(arrays[:6:2], arrays[1:6:2], strict=True))
        heads = []
        for part in (slice(0, 3), slice(3, 6)):
            scores = q[..., part] @ k[..., part].mT / math.sqrt(3)
            scores = np.where(np.tri(5, dtype=bool), scores, -np.inf)
            heads.append(scipy.special.softmax(scores, -1) @ v[..., part])
        wanted = np.concatenate(heads, -1) @ arrays[6] + arrays[7]
        np.testing.assert_allclose(value(y, {x: data}), wanted, rtol=1e-4, atol=1e-5)
        assert [each.name for each in layer.params][:2] == [
            "attention.query.w",
            "attention.query.b",
        ]
        assert layer(x, gc.input("context", (2, 7, 6))).shape == (2, 5, 6)
        with pytest.raises(AttributeValueError, match="equal heads"):
            gc.nn.MultiHeadAttention(4)(x)
