"""The program: two layers, cross-entropy, Adam.

Owns the declaration and its two compiled steps. Imports the public face alone. Invariant: it reads
as a user's program does, and its lines are what dumps show.
"""

from __future__ import annotations

from dataclasses import dataclass

import graphc as gc
from graphc.compilation import Step
from graphc.declare import Parameter

BATCH = 32
HIDDEN = 64
RATE = 0.003


@dataclass(frozen=True)
class Digits:
    """A step that trains on a batch, steps that give the accuracy, and the parameters of all."""

    train: Step
    validate: Step
    test: Step
    params: list[Parameter]


def declare(validation_size: int, test_size: int, seed: int = 0) -> Digits:
    """Declare the network and compile its steps; sizes are numbers of images."""
    model = gc.nn.Sequential(gc.nn.Dense(HIDDEN, gc.nn.relu), gc.nn.Dense(10), seed=seed)

    images = gc.input("images", (BATCH, 64))
    labels = gc.input("labels", (BATCH,), gc.int32)
    logits = model(images)
    loss = gc.nn.softmax_cross_entropy(logits, labels).mean()
    updates = gc.optim.Adam(RATE).updates(loss, model.params)
    train = gc.compile([images, labels], loss, updates)

    validate = accuracy(model, validation_size)
    test = accuracy(model, test_size)
    return Digits(train, validate, test, model.params)


def accuracy(model: gc.nn.Sequential, size: int) -> Step:
    """A step that says which part of `size` images the model gets right."""
    images = gc.input("images", (size, 64))
    labels = gc.input("labels", (size,), gc.int32)
    hits = model(images).argmax(axis=1) == labels
    return gc.compile([images, labels], hits.astype(gc.float32).mean(), name="accuracy")
