"""Softmax cross-entropy over many classes, with its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import Workspace, of_jax


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    scores = generator.standard_normal((sizes["batch"], sizes["classes"])).astype("float32")
    labels = generator.integers(0, sizes["classes"], sizes["batch"]).astype("int32")
    return Data({"scores": scores}, {"labels": labels})


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    return gc.nn.softmax_cross_entropy(params["scores"], inputs["labels"]).mean()


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    chosen = jax.nn.log_softmax(params["scores"])
    return -jax.numpy.take_along_axis(chosen, inputs["labels"][:, None], 1).mean()


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    return torch.nn.functional.cross_entropy(params["scores"], inputs["labels"])


def by_pytensor(pt: Any, params: Any, inputs: Any) -> Any:
    chosen = pt.special.log_softmax(params["scores"], axis=1)
    return -chosen[pt.arange(chosen.shape[0]), inputs["labels"]].mean()


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch, "pytensor": by_pytensor}

ROW = Row(
    "Value and gradient of softmax cross-entropy",
    (
        Case(
            "32 000 classes, batch 64",
            {"batch": 64, "classes": 32_000},
            data,
            frameworks.gradient(MODELS),
            (of_jax(0.6), Workspace()),
            work=lambda s: Work(bytes=8.0 * s["batch"] * s["classes"], kind="bandwidth"),
        ),
    ),
)
