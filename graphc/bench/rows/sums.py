"""The sum of an array that is larger than any cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Program, Row, Sizes, Work
from graphc.bench.target import OfLimit


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    return Data({}, {"x": generator.random(sizes["elements"], np.float32)})


def model(library: Any, params: Any, inputs: Any) -> Any:
    return inputs["x"].sum()


def by_numpy(numpy: Any, data: Data) -> Program:
    x = data.inputs["x"]
    return Program(x.sum, lambda found: {"value": np.asarray(found)})


ROW = Row(
    "Sum",
    (
        Case(
            "100M f32",
            {"elements": 100_000_000},
            data,
            frameworks.function({"graphc": model, "jax": model, "torch": model})
            | {"numpy": by_numpy},
            (OfLimit(0.9),),
            work=lambda sizes: Work(bytes=4.0 * sizes["elements"], kind="read bandwidth"),
        ),
    ),
)
