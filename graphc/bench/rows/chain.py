"""Value and gradient of a chain of elementwise operations and a sum."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import Workspace, of_jax


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    return Data({"x": generator.standard_normal(sizes["elements"]).astype("float32")}, {})


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    x = params["x"]
    return (gc.tanh(x * gc.sigmoid(x)) ** 2).sum()


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    x = params["x"]
    return (jax.numpy.tanh(x * jax.nn.sigmoid(x)) ** 2).sum()


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    x = params["x"]
    return (torch.tanh(x * torch.sigmoid(x)) ** 2).sum()


def by_pytensor(pt: Any, params: Any, inputs: Any) -> Any:
    x = params["x"]
    return (pt.tanh(x * pt.sigmoid(x)) ** 2).sum()


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch, "pytensor": by_pytensor}

ROW = Row(
    "Value and gradient of sum(tanh(x * sigmoid(x))**2)",
    (
        Case(
            "1M elements",
            {"elements": 1_000_000},
            data,
            frameworks.gradient(MODELS),
            (of_jax(0.45), Workspace()),
            work=lambda sizes: Work(bytes=8.0 * sizes["elements"], kind="bandwidth"),
        ),
    ),
)
