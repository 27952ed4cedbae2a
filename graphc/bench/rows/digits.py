"""The demonstration's training step, beside the same step written by hand in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench.case import Arrays, Case, Data, Program, Row, Sizes
from graphc.bench.frameworks import with_graphc

RATE = 0.003


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    inputs, hidden, classes = sizes["inputs"], sizes["hidden"], sizes["classes"]
    params = {
        "w": (generator.standard_normal((inputs, hidden)) / np.sqrt(inputs)).astype("float32"),
        "b": np.zeros(hidden, np.float32),
        "v": (generator.standard_normal((hidden, classes)) / np.sqrt(hidden)).astype("float32"),
        "c": np.zeros(classes, np.float32),
    }
    images = generator.uniform(0, 1, (sizes["batch"], inputs)).astype("float32")
    labels = generator.integers(0, classes, sizes["batch"]).astype("int32")
    return Data(params, {"images": images, "labels": labels})


def by_graphc(gc: Any, data: Data) -> Program:
    params = {name: gc.param(name, array) for name, array in data.params.items()}
    inputs = with_graphc.declared(gc, data.inputs)
    w, b, v, c = params.values()
    scores = gc.nn.relu(inputs["images"] @ w + b) @ v + c
    loss = gc.nn.softmax_cross_entropy(scores, inputs["labels"]).mean()
    updates = gc.optim.Adam(RATE).updates(loss, list(params.values()))
    step = gc.compile(list(inputs.values()), loss, updates, name="program")
    return with_graphc.stepped(step, list(data.inputs.values()), params)


def by_numpy(demo: Any, data: Data) -> Program:
    step = demo.NumpyStep(list(data.params.values()), RATE)
    images, labels = data.inputs.values()

    def read(loss: Any) -> Arrays:
        params = {name: np.array(p) for name, p in zip(data.params, step.params, strict=True)}
        return {"loss": np.asarray(loss)} | params

    return Program(lambda: step(images, labels), read)


ROW = Row(
    "Training step of the demonstration, Adam",
    (
        Case(
            "64-64-10, batch 32",
            {"batch": 32, "inputs": 64, "hidden": 64, "classes": 10},
            data,
            {"graphc": by_graphc, "graphc.demo.numpy_step": by_numpy},
        ),
    ),
)
