"""Recurrent layers against plain loops, their derivatives, and embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

import graphc as gc
from graphc.errors import ShapeError

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(2)
DATA = RNG.normal(size=(2, 5, 3))


def sigmoid(x: Array) -> Array:
    return np.asarray(scipy.special.expit(x))


def rnn(x: Array, h: Array, c: Array, w: Array, b: Array, u: Array) -> tuple[Array, Array]:
    return np.tanh(x @ w + b + h @ u), c


def gru(x: Array, h: Array, c: Array, w: Array, b: Array, u: Array) -> tuple[Array, Array]:
    (r, z, n), (ur, uz, un) = np.split(x @ w + b, 3, -1), np.split(h @ u, 3, -1)
    z = sigmoid(z + uz)
    return z * h + (1 - z) * np.tanh(n + sigmoid(r + ur) * un), c


def lstm(x: Array, h: Array, c: Array, w: Array, b: Array, u: Array) -> tuple[Array, Array]:
    i, f, g, o = np.split(x @ w + b + h @ u, 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


CELLS: dict[str, Any] = {"RNN": rnn, "GRU": gru, "LSTM": lstm}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_layer(name: str, reverse: bool, value: Any) -> None:
    layer = getattr(gc.nn, name)(4, reverse=reverse, seed=1)
    x = gc.input("x", DATA.shape, gc.float64)
    y = layer(x)
    weights = [each.value for each in layer.params]
    weights[1][:] = RNG.normal(size=weights[1].shape)
    assert [each.name.split(".")[1] for each in layer.params] == ["w", "b", "u"]
    h = c = np.zeros((2, 4))
    outputs = np.zeros((2, 5, 4))
    for step in reversed(range(5)) if reverse else range(5):
        h, c = CELLS[name](DATA[:, step], h, c, *weights)
        outputs[:, step] = h
    np.testing.assert_allclose(value(y, {x: DATA}), outputs, rtol=1e-10)
    layer.last = True
    np.testing.assert_allclose(value(layer(x), {x: DATA}), h, rtol=1e-10)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_derivatives_through_time(name: str) -> None:
    cell = getattr(gc.nn, f"{name}_cell")
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[name]
    given, u = RNG.normal(size=(3, 2, gates * 2)), RNG.normal(size=(2, gates * 2))

    def run(given: gc.Tensor, u: gc.Tensor, h: gc.Tensor) -> Any:
        first = (h, h) if name == "lstm" else h
        return gc.scan(lambda state, each: (cell(each, state, u), None), first, given)[0]

    gc.check_grad(run, (given, u, RNG.normal(size=(2, 2))))


def test_refusal() -> None:
    with pytest.raises(ShapeError, match=r"takes \[batch, steps, inputs\]"):
        gc.nn.LSTM(4)(gc.input("x", (3, 4)))


def test_in_sequential_with_embedding() -> None:
    ids = RNG.integers(0, 7, (64, 5))
    labels = (ids == 3).any(1).astype("int64")
    model = gc.nn.Sequential(gc.nn.Embedding(7, 4), gc.nn.GRU(8, last=True), gc.nn.Dense(2))
    model.compile(gc.optim.Adam(0.05), gc.nn.softmax_cross_entropy, [gc.nn.accuracy])
    history = model.fit(ids, labels, epochs=25, batch_size=32)
    assert history["loss"][-1] < 0.2 * history["loss"][0]
    names = [each.name for each in model.params]
    assert names == ["embedding1.w", "gru1.w", "gru1.b", "gru1.u", "dense1.w", "dense1.b"]
    table = model.params[0]
    assert table.dtype is gc.float32
