"""A block of a transformer: attention and a network, each after layer norm and added to its input
(Vaswani et al., "Attention is all you need", 2017; norms as in Xiong et al., 2020)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Case, Data, Row, Sizes, Work
from graphc.bench.target import Workspace, of_jax

HEADS = 4


def data(sizes: Sizes, generator: np.random.Generator) -> Data:
    d = sizes["width"]
    shapes: dict[str, tuple[int, int]] = {
        "qkv": (d, 3 * d),
        "out": (d, d),
        "up": (d, 4 * d),
        "down": (4 * d, d),
    }
    params: dict[str, Any] = {}
    for name, shape in shapes.items():
        weights = generator.standard_normal(shape) / math.sqrt(shape[0])
        params[name] = weights.astype("float32")
        params[f"b_{name}"] = np.zeros(shape[1], np.float32)
    for name in ("n1", "n2"):
        params[f"scale_{name}"] = np.ones(d, np.float32)
        params[f"shift_{name}"] = np.zeros(d, np.float32)
    tokens = (2, sizes["batch"], sizes["length"], d)
    x, y = generator.standard_normal(tokens).astype("float32")
    return Data(params, {"x": x, "y": y})


def _norm(params: Any, name: str, x: Any, rsqrt: Any) -> Any:
    x = x - x.mean(-1, keepdims=True)
    variance = (x * x).mean(-1, keepdims=True)
    return x * rsqrt(variance + 1e-5) * params[f"scale_{name}"] + params[f"shift_{name}"]


def _heads(qkv: Any, permuted: Any) -> Any:
    """Queries, keys and values, [batch, head, length, width of a head]."""
    batch, length, width = qkv.shape
    apart = qkv.reshape((batch, length, 3, HEADS, width // (3 * HEADS)))
    return permuted(apart, (2, 0, 3, 1, 4))


def _together(mixed: Any, permuted: Any) -> Any:
    batch, _, length, _ = mixed.shape
    return permuted(mixed, (0, 2, 1, 3)).reshape((batch, length, -1))


def _linear(params: Any, name: str, x: Any) -> Any:
    return x @ params[name] + params[f"b_{name}"]


def _block(params: Any, inputs: Any, f: Any) -> Any:
    """The block and its loss, of a framework's functions `f`."""
    x = inputs["x"]
    q, k, v = _heads(_linear(params, "qkv", f.norm(params, "n1", x)), f.permuted)
    mixed = f.attention(q, k, v)
    x = x + _linear(params, "out", _together(mixed, f.permuted))
    hidden = f.gelu(_linear(params, "up", f.norm(params, "n2", x)))
    x = x + _linear(params, "down", hidden)
    return ((x - inputs["y"]) ** 2).mean()


class _Functions:
    """What the frameworks call differently."""

    def __init__(self, permuted: Any, softmax: Any, gelu: Any, rsqrt: Any) -> None:
        self.permuted = permuted
        self.softmax = softmax
        self.gelu = gelu
        self.rsqrt = rsqrt

    def norm(self, params: Any, name: str, x: Any) -> Any:
        return _norm(params, name, x, self.rsqrt)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        scores = q @ self.permuted(k, (0, 1, 3, 2)) * (1 / math.sqrt(q.shape[-1]))
        return self.softmax(scores) @ v


class _OfTorch(_Functions):
    """PyTorch has these as functions of its own."""

    def __init__(self, torch: Any) -> None:
        functional = torch.nn.functional
        super().__init__(torch.permute, None, functional.gelu, torch.rsqrt)
        self.functional = functional

    def norm(self, params: Any, name: str, x: Any) -> Any:
        scale, shift = params[f"scale_{name}"], params[f"shift_{name}"]
        return self.functional.layer_norm(x, x.shape[-1:], scale, shift, 1e-5)

    def attention(self, q: Any, k: Any, v: Any) -> Any:
        return self.functional.scaled_dot_product_attention(q, k, v)


def by_graphc(gc: Any, params: Any, inputs: Any) -> Any:
    return _block(params, inputs, _Functions(gc.transpose, gc.nn.softmax, gc.nn.gelu, gc.rsqrt))


def by_jax(jax: Any, params: Any, inputs: Any) -> Any:
    def gelu(x: Any) -> Any:
        return jax.nn.gelu(x, approximate=False)

    functions = _Functions(jax.numpy.transpose, jax.nn.softmax, gelu, jax.lax.rsqrt)
    return _block(params, inputs, functions)


def by_torch(torch: Any, params: Any, inputs: Any) -> Any:
    return _block(params, inputs, _OfTorch(torch))


def operations(sizes: Sizes) -> Work:
    batch, length, width = sizes["batch"], sizes["length"], sizes["width"]
    linear = 2 * batch * length * 12 * width * width
    attention = 2 * 2 * batch * length * length * width
    return Work(operations=3.0 * (linear + attention))


MODELS = {"graphc": by_graphc, "jax": by_jax, "torch": by_torch}

ROW = Row(
    "Training step of a transformer block, SGD",
    (
        Case(
            "d = 256, 4 heads, T = 64, batch 8",
            {"batch": 8, "length": 64, "width": 256},
            data,
            frameworks.training(MODELS, 0.1),
            (of_jax(0.65), Workspace()),
            work=operations,
        ),
    ),
)
