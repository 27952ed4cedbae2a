"""Neural networks: layers, activations, convolution, pooling and losses.

Owns nothing: it gathers the modules. Invariant: everything here is composed of public
tensor functions, in numerically stable form; fusion makes it fast.
"""

from __future__ import annotations

from graphc.nn.activations import (
    elu,
    gelu,
    leaky_relu,
    log_softmax,
    maxout,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
    unit_step,
)
from graphc.nn.convolution import conv, conv1d, conv2d, conv3d, conv_transpose
from graphc.nn.dropout import dropout
from graphc.nn.embedding import embedding
from graphc.nn.fitting import History, accuracy
from graphc.nn.image_layers import (
    AvgPool,
    Conv,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose,
    Flatten,
    MaxPool,
)
from graphc.nn.layers import Dense, Layer, Sequential
from graphc.nn.losses import (
    binary_cross_entropy,
    categorical_cross_entropy,
    half_squared_error,
    hinge,
    mean_squared_error,
    multiclass_hinge,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    sparse_categorical_cross_entropy,
)
from graphc.nn.pooling import adaptive_avg_pool, avg_pool, max_pool

__all__ = [
    "AvgPool",
    "Conv",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose",
    "Dense",
    "Flatten",
    "History",
    "Layer",
    "MaxPool",
    "Sequential",
    "accuracy",
    "adaptive_avg_pool",
    "avg_pool",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "conv",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "half_squared_error",
    "hinge",
    "leaky_relu",
    "log_softmax",
    "max_pool",
    "maxout",
    "mean_squared_error",
    "multiclass_hinge",
    "relu",
    "sigmoid",
    "sigmoid_cross_entropy",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "sparse_categorical_cross_entropy",
    "tanh",
    "unit_step",
]
