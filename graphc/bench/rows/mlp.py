"""Fully connected networks: a step of gradient descent."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import OfLimit, Target, Within, Workspace, of_jax, of_pytensor, of_torch


def widths(sizes: Sizes) -> list[int]:
    """Inputs, hidden layers, classes."""
    return [sizes["inputs"], *[sizes["hidden"]] * sizes["layers"], sizes["classes"]]


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    params = {}
    for layer, (n, m) in enumerate(zip(widths(sizes), widths(sizes)[1:], strict=False)):
        params[f"w{layer}"] = (generator.standard_normal((n, m)) / np.sqrt(n)).astype("float32")
        params[f"b{layer}"] = np.zeros(m, np.float32)
    x = generator.standard_normal((sizes["batch"], sizes["inputs"])).astype("float32")
    labels = generator.integers(0, sizes["classes"], sizes["batch"]).astype("int32")
    return Data(params, {"x": x, "labels": labels})


def _hidden(params: Any, x: Any, activate: Any) -> Any:
    """The scores: all layers, with an activation between them."""
    last = len(params) // 2 - 1
    for layer in range(last + 1):
        x = x @ params[f"w{layer}"] + params[f"b{layer}"]
        x = activate(x) if layer < last else x
    return x


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    scores = _hidden(params, inputs["x"], gc.nn.relu)
    return gc.nn.softmax_cross_entropy(scores, inputs["labels"]).mean()


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    scores = _hidden(params, inputs["x"], jax.nn.relu)
    chosen = jax.nn.log_softmax(scores)
    return -jax.numpy.take_along_axis(chosen, inputs["labels"][:, None], 1).mean()


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    scores = _hidden(params, inputs["x"], torch.relu)
    return torch.nn.functional.cross_entropy(scores, inputs["labels"])


def by_pytensor(pt: Any, params: Any, inputs: Any) -> Any:
    scores = _hidden(params, inputs["x"], lambda x: pt.maximum(x, 0))
    chosen = pt.special.log_softmax(scores, axis=1)
    labels = inputs["labels"]
    return -chosen[pt.arange(labels.shape[0]), labels].mean()


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch, "pytensor": by_pytensor}


def operations(sizes: Sizes) -> Work:
    """Each layer multiplies forward and for the gradient of its weights; all but the first also
    for the gradient of what they are given."""
    layers = list(zip(widths(sizes), widths(sizes)[1:], strict=False))
    products = [n * m * (3 if place else 2) for place, (n, m) in enumerate(layers)]
    return Work(operations=2.0 * sizes["batch"] * sum(products))


_training = partial(frameworks.training, MODELS, 0.1)


def case(name: str, sizes: Sizes, *targets: Target) -> Case:
    return Case(name, sizes, data, _training(), (*targets, Workspace()), work=operations)


def _sizes(batch: int, inputs: int, hidden: int, layers: int, classes: int) -> Sizes:
    given = {"batch": batch, "inputs": inputs, "hidden": hidden}
    return given | {"layers": layers, "classes": classes}


SMALL = _sizes(32, 4, 16, 1, 3)
WIDE = _sizes(256, 784, 512, 2, 10)

ROW = Row(
    "Training step of an MLP, SGD, f32",
    (
        case("784-128-10, batch 128", _sizes(128, 784, 128, 1, 10), of_jax(0.45), of_torch(0.35)),
        case("784-512-512-10, batch 256", WIDE, of_jax(0.75), of_torch(0.4), OfLimit(0.85)),
        case("4-16-3, batch 32", SMALL, of_jax(0.1), of_pytensor(0.35), Within(4e-6)),
    ),
)
