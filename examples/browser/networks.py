"""The networks of the page, as graphs: they learn, are judged, and show what they have learned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import graphc as gc

BATCH, POINTS, SIDE = 64, 256, 48
"""Rows of a training step; points of training and of test; pixels of an edge of the surface."""

ACTIVATIONS: dict[str, Callable[[Any], gc.Tensor]] = {
    "tanh": gc.tanh,
    "relu": gc.nn.relu,
    "sigmoid": gc.sigmoid,
}


def declare(layers: int, units: int, activation: str) -> dict[str, gc.Step]:
    """The functions of one network. They work on the same parameters."""
    hidden = [gc.nn.Dense(units, ACTIVATIONS[activation]) for _ in range(layers)]
    # With this seed no network of relus begins with a layer that gives zeros alone.
    network = gc.nn.Sequential(*hidden, gc.nn.Dense(2), seed=2)
    network(gc.input("points", (BATCH, 2)))

    rate = gc.input("rate", ())
    steps = [
        learn("learn_adam", network, rate, gc.optim.Adam(rate)),
        learn("learn_sgd", network, rate, gc.optim.SGD(rate)),
        judge(network),
        look(network, hidden),
    ]
    return {step.name: step for step in steps}


def learn(name: str, network: gc.nn.Sequential, rate: gc.Tensor, optimizer: Any) -> gc.Step:
    """Forward pass, gradient and update for one batch; gives the loss before the update."""
    points = gc.input("points", (BATCH, 2))
    labels = gc.input("labels", (BATCH,), gc.int32)
    loss = gc.nn.softmax_cross_entropy(network(points), labels).mean()
    updates = optimizer.updates(loss, network.params)
    return gc.compile([points, labels, rate], loss, updates, name=name)


def judge(network: gc.nn.Sequential) -> gc.Step:
    """The mean loss, and the share of the points whose class is found."""
    points = gc.input("points", (POINTS, 2))
    labels = gc.input("labels", (POINTS,), gc.int32)
    scores = network(points)
    loss = gc.nn.softmax_cross_entropy(scores, labels).mean()
    right = gc.nn.accuracy(scores, labels).mean()
    return gc.compile([points, labels], {"loss": loss, "right": right}, name="judge")


def look(network: gc.nn.Sequential, hidden: list[gc.nn.Dense]) -> gc.Step:
    """For each pixel the chance of class 1, and what each hidden unit gives, layer by layer."""
    seen = pixels()
    chance = gc.softmax(network(seen), axis=1)[:, 1]
    features = []
    for layer in hidden:
        seen = layer(seen)
        features.append(seen.T)
    return gc.compile([], {"surface": chance, "features": gc.concatenate(features)}, name="look")


def pixels() -> gc.Tensor:
    """The middles of the pixels, row by row from the top left; both coordinates from -1 to 1."""
    steps = gc.const((np.arange(SIDE, dtype="float32") + 0.5) / SIDE * 2 - 1)
    x = gc.broadcast_to(steps, (SIDE, SIDE))
    y = gc.broadcast_to(-steps.reshape((SIDE, 1)), (SIDE, SIDE))
    return gc.stack([x.reshape((-1,)), y.reshape((-1,))], axis=1)
