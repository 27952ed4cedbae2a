"""An LSTM over a sequence (Hochreiter and Schmidhuber, "Long short-term memory", 1997)."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import Workspace, of_jax


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    inputs, hidden = sizes["inputs"], sizes["hidden"]
    w = generator.standard_normal((inputs, 4 * hidden)) / np.sqrt(inputs)
    u = generator.standard_normal((hidden, 4 * hidden)) / np.sqrt(hidden)
    params = {"w": w.astype("float32"), "u": u.astype("float32")}
    params["b"] = np.zeros(4 * hidden, np.float32)
    shape = (sizes["length"], sizes["batch"])
    xs = generator.standard_normal((*shape, inputs)).astype("float32")
    ys = generator.standard_normal((*shape, hidden)).astype("float32")
    return Data(params, {"xs": xs, "ys": ys})


def _gates(gates: Any, c: Any, sigmoid: Any, tanh: Any) -> tuple[Any, Any]:
    """The next h and c, from gates in PyTorch's order: in, forget, new, out."""
    size = c.shape[1]
    i, f, g, o = (gates[:, k * size : (k + 1) * size] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    xs, hidden = inputs["xs"], params["u"].shape[0]

    def cell(state: Any, x: Any) -> Any:
        h, c = state
        h, c = _gates(x + h @ params["u"], c, gc.sigmoid, gc.tanh)
        return (h, c), h

    zeros = gc.zeros((xs.shape[1], hidden))
    _, hs = gc.scan(cell, (zeros, zeros), xs @ params["w"] + params["b"])
    return ((hs - inputs["ys"]) ** 2).mean()


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    xs, hidden = inputs["xs"], len(params["u"])

    def cell(state: Any, x: Any) -> Any:
        h, c = state
        h, c = _gates(x + h @ params["u"], c, jax.nn.sigmoid, jax.numpy.tanh)
        return (h, c), h

    zeros = jax.numpy.zeros((xs.shape[1], hidden), xs.dtype)
    _, hs = jax.lax.scan(cell, (zeros, zeros), xs @ params["w"] + params["b"])
    return ((hs - inputs["ys"]) ** 2).mean()


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    """What `torch.nn.LSTM` calls, with weights as they are stored here."""
    xs, b = inputs["xs"], params["b"]
    zeros = xs.new_zeros((1, xs.shape[1], len(params["u"])))
    weights = [params["w"].t(), params["u"].t(), b, torch.zeros_like(b)]
    hs, _, _ = torch.lstm(xs, (zeros, zeros), weights, True, 1, 0.0, True, False, False)
    return ((hs - inputs["ys"]) ** 2).mean()


def operations(sizes: Sizes) -> Work:
    """Forward, by the weights and by the states; not by the sequence."""
    each = 2 * sizes["length"] * sizes["batch"] * 4 * sizes["hidden"]
    return Work(operations=float(each * (2 * sizes["inputs"] + 3 * sizes["hidden"])))


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch}

ROW = Row(
    "Training step of an LSTM with scan, SGD",
    (
        Case(
            "T = 64, batch 32, 64 -> 128",
            {"length": 64, "batch": 32, "inputs": 64, "hidden": 128},
            data,
            frameworks.training(MODELS, 1.0),
            (of_jax(0.45), Workspace()),
            work=operations,
        ),
    ),
)
