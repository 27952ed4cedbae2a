"""A network that learns to tell two spirals apart, to be built into a Rust program."""

from __future__ import annotations

import graphc as gc

BATCH = 64

network = gc.nn.Sequential(
    gc.nn.Dense(24, gc.tanh), gc.nn.Dense(24, gc.tanh), gc.nn.Dense(1), seed=0
)

points = gc.input("points", (BATCH, 2))
labels = gc.input("labels", (BATCH, 1))
loss = gc.nn.binary_cross_entropy(gc.sigmoid(network(points)), labels).mean()
train = gc.compile([points, labels], loss, gc.optim.Adam(0.01).updates(loss, network.params))
predict = gc.compile([points], gc.sigmoid(network(points)))
