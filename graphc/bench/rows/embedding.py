"""Rows of a table and their gradient: a step that changes only those that were picked."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import Workspace, of_jax


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    table = generator.standard_normal((sizes["rows"], sizes["width"])).astype("float32")
    ids = generator.integers(0, sizes["rows"], sizes["batch"]).astype("int32")
    y = generator.standard_normal((sizes["batch"], sizes["width"])).astype("float32")
    return Data({"table": table}, {"ids": ids, "y": y})


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    picked = gc.nn.embedding(params["table"], inputs["ids"])
    return ((picked - inputs["y"]) ** 2).sum(1).mean()


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    return ((params["table"][inputs["ids"]] - inputs["y"]) ** 2).sum(1).mean()


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    picked = torch.nn.functional.embedding(inputs["ids"], params["table"], sparse=False)
    return ((picked - inputs["y"]) ** 2).sum(1).mean()


def by_pytensor(pt: Any, params: Any, inputs: Any) -> Any:
    return ((params["table"][inputs["ids"]] - inputs["y"]) ** 2).sum(1).mean()


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch, "pytensor": by_pytensor}

ROW = Row(
    "Training step of an embedding, SGD",
    (
        Case(
            "50 000 x 64, batch 4096",
            {"rows": 50_000, "width": 64, "batch": 4096},
            data,
            frameworks.training(MODELS, 1.0),
            (of_jax(0.6), Workspace()),
            # Reads the rows that are picked and what they are compared with, and writes the rows.
            work=lambda s: Work(bytes=12.0 * s["batch"] * s["width"], kind="bandwidth"),
        ),
    ),
)
