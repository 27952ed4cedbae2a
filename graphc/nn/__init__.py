"""Neural networks: layers, activations and losses.

Owns nothing: it gathers the three modules. Invariant: everything here is composed of public
tensor functions, in numerically stable form; fusion makes it fast.
"""

from __future__ import annotations

from graphc.nn.activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from graphc.nn.layers import Dense, Layer, Sequential
from graphc.nn.losses import (
    binary_cross_entropy,
    hinge,
    mean_squared_error,
    multiclass_hinge,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
)

__all__ = [
    "Dense",
    "Layer",
    "Sequential",
    "binary_cross_entropy",
    "elu",
    "gelu",
    "hinge",
    "leaky_relu",
    "log_softmax",
    "mean_squared_error",
    "multiclass_hinge",
    "relu",
    "sigmoid",
    "sigmoid_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "tanh",
]
