"""What a call costs: a neuron with its gradient, which computes next to nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes
from graphc.bench.target import Within, of_jax


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    w, x = generator.standard_normal((2, sizes["inputs"])).astype("float32")
    return Data({"w": w}, {"x": x})


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    return gc.sigmoid(params["w"] @ inputs["x"])


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    return jax.nn.sigmoid(params["w"] @ inputs["x"])


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    return torch.sigmoid(params["w"] @ inputs["x"])


def by_pytensor(pt: Any, params: Any, inputs: Any) -> Any:
    return pt.sigmoid(params["w"] @ inputs["x"])


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch, "pytensor": by_pytensor}

ROW = Row(
    "A neuron with its gradient",
    (
        Case(
            "sigmoid(w . x), 3 inputs",
            {"inputs": 3},
            data,
            frameworks.gradient(MODELS),
            (Within(0.25e-6), of_jax(0.05)),
        ),
    ),
)
