"""compile, fit, evaluate and predict: sizes, seeds, what is measured, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import ShapeError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(70, 3)).astype("float32")
Y = (X.sum(1) > 0).astype("int32")


def model(seed: int = 0, rate: float = 0.1) -> gc.nn.Sequential:
    made = gc.nn.Sequential(gc.nn.Dense(4, gc.nn.tanh), gc.nn.Dense(2, gc.nn.softmax), seed=seed)
    loss = gc.nn.sparse_categorical_cross_entropy
    made.compile(gc.optim.SGD(rate), loss, [gc.nn.accuracy])
    return made


def weights(made: gc.nn.Sequential) -> list[Any]:
    return [param.value.copy() for param in made.params]


def test_the_same_seed_gives_the_same_weights() -> None:
    made = [model() for _ in range(3)]
    for each, seed in zip(made, (1, 1, 2), strict=True):
        each.fit(X, Y, epochs=2, batch_size=16, seed=seed)
    one, same, other = map(weights, made)
    for left, right in zip(one, same, strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(one[0], other[0])


def test_history_is_of_every_epoch() -> None:
    history = model().fit(X, Y, epochs=3, batch_size=10, validation_data=(X[:5], Y[:5]))
    assert [*history.epochs[0]] == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert len(history["loss"]) == 3
    assert history["loss"][2] < history["loss"][0]
    with pytest.raises(KeyError):
        history["recall"]


def test_without_shuffling_it_is_descent_by_hand() -> None:
    fitted, by_hand = model(), model()
    fitted.fit(X, Y, epochs=1, batch_size=32, seed=None)
    x, y = gc.input("x", (32, 3)), gc.input("y", 32, gc.int32)
    loss = gc.nn.sparse_categorical_cross_entropy(by_hand(x), y).mean()
    step = gc.compile([x, y], loss, gc.optim.SGD(0.1).updates(loss, by_hand.params))
    for start in (0, 32):
        step(X[start : start + 32], Y[start : start + 32])
    for left, right in zip(weights(fitted), weights(by_hand), strict=True):
        np.testing.assert_array_equal(left, right)


def test_a_batch_may_be_larger_than_the_set() -> None:
    made = model()
    assert len(made.fit(X, Y, batch_size=1000).epochs) == 1


def test_evaluation_counts_every_example_and_trains_nothing() -> None:
    many, labels = np.tile(X, (5, 1)), np.tile(Y, 5)
    made = model()
    made.predict(X[:1])
    before = weights(made)
    found = made.evaluate(many, labels)
    probabilities = made.predict(many)
    chosen = probabilities[range(350), labels]
    assert found["loss"] == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
    assert found["accuracy"] == pytest.approx((probabilities.argmax(1) == labels).mean())
    for left, right in zip(before, weights(made), strict=True):
        np.testing.assert_array_equal(left, right)


def test_one_hot_targets() -> None:
    made = model()
    made.compile(gc.optim.Adam(0.01), gc.nn.categorical_cross_entropy, [gc.nn.accuracy])
    history = made.fit(X, np.eye(2, dtype="float32")[Y], epochs=2)
    assert history["loss"][1] < history["loss"][0]


def test_a_bar_is_shown_on_demand(capsys: Any) -> None:
    model().fit(X, Y, progress=True)
    assert "1/1" in capsys.readouterr().err


def test_refusals() -> None:
    with pytest.raises(ValueError, match="not compiled"):
        gc.nn.Sequential(gc.nn.Dense(2)).fit(X, Y)
    with pytest.raises(ShapeError, match="one label an example"):
        gc.nn.accuracy(gc.input("p", (3, 2)), gc.input("y", 4, gc.int32))
    with pytest.raises(ValueError, match="one length"):
        model().fit(X, Y[:-1])
