"""A deep chain on many elements: sine, product and sum, again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes
from graphc.bench.target import Workspace, of_jax

Model = Callable[[Any, Any, Any], Any]


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    factors = generator.uniform(0.9, 1.1, (sizes["rounds"], 2)).astype("float32")
    x = generator.standard_normal(sizes["elements"]).astype("float32")
    return Data({"x": x}, {"factors": factors})


def model(find: Callable[[Any], Any]) -> Model:
    """The chain, of a module in which sin is found."""

    def chained(library: Any, params: Any, inputs: Any) -> Any:
        x, sin, factors = params["x"], find(library), inputs["factors"]
        for place in range(_rounds(factors)):
            x = sin(x) * factors[place, 0] + factors[place, 1]
        return x.sum()

    return chained


def _rounds(factors: Any) -> int:
    """The length of the first axis; PyTensor's shapes are symbols with a static shape beside."""
    shape = factors.type.shape if hasattr(factors, "type") and hasattr(factors, "owner") else None
    return int((shape or factors.shape)[0])


MODELS = {
    "graphc": model(lambda gc: gc.sin),
    "jax": model(lambda jax: jax.numpy.sin),
    "torch": model(lambda torch: torch.sin),
    "pytensor": model(lambda pt: pt.sin),
}

ROW = Row(
    "Value and gradient of 100 x (sin, multiply, add)",
    (
        Case(
            "100 000 elements",
            {"elements": 100_000, "rounds": 100},
            data,
            frameworks.gradient(MODELS),
            (of_jax(0.12), Workspace()),
        ),
    ),
)
