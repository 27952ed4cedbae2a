"""LeNet-5: two convolutions with max pooling, three layers, tanh."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import TimesPeer, Workspace


def _flat(sizes: Sizes) -> int:
    side = (sizes["side"] // 2 - 4) // 2
    return 16 * side * side


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    shapes: dict[str, tuple[int, ...]] = {"k1": (6, 1, 5, 5), "k2": (16, 6, 5, 5)}
    shapes |= {"w1": (_flat(sizes), 120), "w2": (120, 84), "w3": (84, 10)}
    params: dict[str, Any] = {}
    for name, shape in shapes.items():
        fan = np.prod(shape[1:]) if name[0] == "k" else shape[0]
        params[name] = (generator.standard_normal(shape) / np.sqrt(fan)).astype("float32")
        count = shape[0] if name[0] == "k" else shape[1]
        params[f"b{name}"] = np.zeros(count, np.float32)
    x = generator.standard_normal((sizes["batch"], 1, sizes["side"], sizes["side"]))
    labels = generator.integers(0, 10, sizes["batch"]).astype("int32")
    return Data(params, {"x": x.astype("float32"), "labels": labels})


def _dense(params: Any, x: Any, tanh: Any) -> Any:
    for name in ("w1", "w2"):
        x = tanh(x @ params[name] + params[f"b{name}"])
    return x @ params["w3"] + params["bw3"]


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    x = inputs["x"]
    for name, padding in (("k1", 2), ("k2", 0)):
        bias = params[f"b{name}"].reshape((-1, 1, 1))
        x = gc.nn.conv2d(x, params[name], padding=padding) + bias
        x = gc.nn.max_pool(gc.tanh(x), 2)
    scores = _dense(params, x.reshape((x.shape[0], -1)), gc.tanh)
    return gc.nn.softmax_cross_entropy(scores, inputs["labels"]).mean()


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    x = inputs["x"]
    for name, padding in (("k1", 2), ("k2", 0)):
        pads = [(padding, padding)] * 2
        x = jax.lax.conv_general_dilated(x, params[name], (1, 1), pads)
        x = jax.numpy.tanh(x + params[f"b{name}"][:, None, None])
        window = (1, 1, 2, 2)
        x = jax.lax.reduce_window(x, -np.inf, jax.lax.max, window, window, "VALID")
    scores = _dense(params, x.reshape(len(x), -1), jax.numpy.tanh)
    chosen = jax.nn.log_softmax(scores)
    return -jax.numpy.take_along_axis(chosen, inputs["labels"][:, None], 1).mean()


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    functional = torch.nn.functional
    x = inputs["x"]
    for name, padding in (("k1", 2), ("k2", 0)):
        x = functional.conv2d(x, params[name], params[f"b{name}"], padding=padding)
        x = functional.max_pool2d(torch.tanh(x), 2)
    scores = _dense(params, x.flatten(1), torch.tanh)
    return functional.cross_entropy(scores, inputs["labels"])


def operations(sizes: Sizes) -> Work:
    """Products, forward and by both operands; not by the images."""
    batch, side = sizes["batch"], sizes["side"]
    inner = side // 2 - 4
    first = 2 * batch * side * side * 6 * 25
    second = 2 * batch * inner * inner * 16 * 150
    dense = 2 * batch * (_flat(sizes) * 120 + 120 * 84 + 84 * 10)
    return Work(operations=2 * first + 3 * (second + dense))


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch}

ROW = Row(
    "Training step of LeNet-5, SGD",
    (
        Case(
            "28 x 28, batch 64",
            {"batch": 64, "side": 28},
            data,
            frameworks.training(MODELS, 0.1),
            (TimesPeer(0.25, ("jax", "torch", "torch.compile")), Workspace()),
            work=operations,
        ),
    ),
)
