"""Layers on images: parameters, shapes, and a small network that learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import ShapeError


def test_parameters_and_shapes() -> None:
    x = gc.input("x", (2, 4, 9, 9))
    layer = gc.nn.Conv2d(6, (3, 2), stride=2, padding=1, groups=2, name="c")
    assert layer.params == []
    assert layer(x).shape == (2, 6, 5, 5)
    assert [(each.name, each.shape) for each in layer.params] == [
        ("c.w", (6, 2, 3, 2)),
        ("c.b", (6,)),
    ]
    first = layer.params[0]
    layer(x)
    assert layer.params[0] is first
    plain = gc.nn.Conv(6, 3, bias=False)
    plain(x)
    assert [each.name for each in plain.params] == ["conv.w"]


def test_initial_weights_see_inputs_and_outputs() -> None:
    """Bounds of Glorot's are sqrt(6 / (inputs + outputs)), each times the elements of a kernel."""
    layer = gc.nn.Conv(8, 5)
    layer(gc.input("x", (1, 4, 9, 9)))
    largest = np.abs(layer.params[0].value).max()
    bound = np.sqrt(6 / (25 * (4 + 8)))
    assert 0.9 * bound < largest <= bound


def test_a_layer_is_its_function() -> None:
    rng = np.random.default_rng(0)
    x = gc.input("x", (2, 4, 7, 8))
    image = rng.normal(size=x.shape).astype(np.float32)
    conv = gc.nn.Conv(6, 3, gc.nn.relu, stride=2, padding="same", groups=2)
    turned = gc.nn.ConvTranspose(6, 3, stride=2, padding=1, output_padding=1, groups=2)
    pairs = [(layer(x), layer) for layer in (conv, turned)]
    for layer in (conv, turned):
        layer.params[1].value[:] = rng.normal(size=6)
    (w, b), (v, c) = conv.params, turned.params
    by_hand = (
        gc.nn.relu(gc.nn.conv(x, w, 2, "same", 1, 2) + b.reshape((6, 1, 1))),
        gc.nn.conv_transpose(x, v, 2, 1, 1, 1, 2) + c.reshape((6, 1, 1)),
    )
    for (layered, _), function in zip(pairs, by_hand, strict=True):
        one, other = gc.compile([x], (layered, function))(image)
        np.testing.assert_array_equal(one, other)
    assert gc.nn.MaxPool(3, 2, 1)(x).shape == gc.nn.max_pool(x, 3, 2, 1).shape
    assert gc.nn.AvgPool(2, count_include_pad=False)(x).shape == gc.nn.avg_pool(x, 2).shape


def test_layers_of_another_rank_are_refused() -> None:
    for rank, layer in enumerate((gc.nn.Conv1d, gc.nn.Conv2d, gc.nn.Conv3d), start=1):
        assert layer(2, 3)(gc.input("x", (1, 3, *(5,) * rank))).shape == (1, 2, *(3,) * rank)
        with pytest.raises(ShapeError, match="layer conv takes images"):
            layer(2, 3)(gc.input("x", (1, 3, *(5,) * (rank % 3 + 1))))
    with pytest.raises(ShapeError, match="cut 3 channels into 2 equal groups"):
        gc.nn.Conv(4, 3, groups=2)(gc.input("x", (1, 3, 5)))
    with pytest.raises(ShapeError, match="layer flatten takes a batch"):
        gc.nn.Flatten()(gc.const(1.0))


def network() -> gc.nn.Sequential:
    """LeNet-5's arrangement, with fewer channels."""
    return gc.nn.Sequential(
        gc.nn.Conv(4, 5, gc.nn.relu, padding="same"),
        gc.nn.MaxPool(2),
        gc.nn.Conv(6, 3, gc.nn.relu),
        gc.nn.AvgPool(2),
        gc.nn.Flatten(),
        gc.nn.Dense(16, gc.nn.relu),
        gc.nn.Dense(3),
    )


def images(rng: Any, count: int) -> tuple[Any, Any]:
    """Noisy horizontal, vertical and diagonal stripes, at random offsets."""
    labels = rng.integers(0, 3, count).astype(np.int32)
    rows, columns = np.indices((12, 12))
    phase = np.choose(labels[:, None, None], (rows, columns, rows + columns))
    bright = np.sin((phase + rng.integers(0, 4, (count, 1, 1))) * np.pi / 2)
    noisy = bright + 0.3 * rng.normal(size=bright.shape)
    return noisy[:, None].astype(np.float32), labels


def test_a_small_convolutional_network_learns() -> None:
    model = network()
    x, y = gc.input("x", (16, 1, 12, 12)), gc.input("y", (16,), gc.int32)
    logits = model(x)
    assert [each.name for each in model.params] == [
        *("conv1.w", "conv1.b", "conv2.w", "conv2.b"),
        *("dense1.w", "dense1.b", "dense2.w", "dense2.b"),
    ]
    loss = gc.nn.softmax_cross_entropy(logits, y).mean()
    updates = gc.optim.Adam(0.01).updates(loss, model.params)
    step = gc.compile([x, y], (loss, logits), updates=updates)
    rng = np.random.default_rng(0)
    losses, right = [], []
    for _ in range(60):
        pictures, labels = images(rng, 16)
        value, scores = step(pictures, labels)
        losses.append(float(value))
        right.append(float((scores.argmax(1) == labels).mean()))
    assert np.mean(losses[:5]) > 0.8
    assert np.mean(losses[-10:]) < 0.2
    assert np.mean(right[-10:]) > 0.9
