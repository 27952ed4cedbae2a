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
    """A step that trains on a batch, one that classifies `examples` images, and their state."""

    train: Step
    accuracy: Step
    params: list[Parameter]


def declare(examples: int, seed: int = 0) -> Digits:
    """Declare the network and compile its steps."""
    model = gc.nn.Sequential(gc.nn.Dense(HIDDEN, gc.nn.relu), gc.nn.Dense(10), seed=seed)

    images = gc.input("images", (BATCH, 64))
    labels = gc.input("labels", (BATCH,), gc.int32)
    logits = model(images)
    loss = gc.nn.softmax_cross_entropy(logits, labels).mean()
    updates = gc.optim.Adam(RATE).updates(loss, model.params)
    train = gc.compile([images, labels], loss, updates)

    some_images = gc.input("images", (examples, 64))
    some_labels = gc.input("labels", (examples,), gc.int32)
    hits = model(some_images).argmax(axis=1) == some_labels
    accuracy = gc.compile([some_images, some_labels], hits.astype(gc.float32).mean())

    return Digits(train, accuracy, model.params)
