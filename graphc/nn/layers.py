"""Layers: functions of tensors that own parameters.

Owns `Layer`, `Dense` and `Sequential`. Invariant: a layer declares its parameters at its first
call, when the shape of what it is given is known, and uses the same ones at every later call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graphc import init
from graphc.declare import Parameter, param
from graphc.functions.contraction import matmul
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.public import at_user_line
from graphc.tensor import Tensor

Activation = Callable[[Tensor], Tensor]
Initializer = Callable[..., NDArray[np.floating]]


class Layer(Protocol):
    """Anything that maps a tensor to a tensor and lists its parameters."""

    @property
    def params(self) -> list[Parameter]: ...

    def __call__(self, x: Tensor) -> Tensor: ...


class Dense:
    """`activation(x @ w + b)`, with `size` outputs for every row of `x`.

    `weights(shape, seed=...)` makes the initial weights; biases begin at zero. The parameters are
    called `<name>.w` and `<name>.b`.

    >>> import graphc as gc
    >>> layer = Dense(10, gc.nn.relu, name="hidden")
    >>> layer(gc.input("x", (32, 64))).shape
    (32, 10)
    >>> layer.params
    [<Tensor hidden.w: f32[64,10]>, <Tensor hidden.b: f32[10]>]
    """

    def __init__(
        self,
        size: int,
        activation: Activation | None = None,
        *,
        weights: Initializer = init.glorot_uniform,
        seed: init.Seed = 0,
        name: str = "dense",
    ) -> None:
        self.size = size
        self.activation = activation
        self.weights = weights
        self.seed = seed
        self.name = name
        self._params: list[Parameter] = []

    @property
    def params(self) -> list[Parameter]:
        """Weights and biases; empty before the first call."""
        return list(self._params)

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        """Raises `ShapeError` where the last axis is not the one of the first call."""
        if not x.shape:
            raise refused(ShapeError(f"layer {self.name} takes rows", operand=0), x.node)
        if not self._params:
            shape = (x.shape[-1], self.size)
            initial = self.weights(shape, seed=self.seed).astype(x.dtype.numpy)
            bias = np.zeros(self.size, x.dtype.numpy)
            self._params = [param(f"{self.name}.w", initial), param(f"{self.name}.b", bias)]
        w, b = self._params
        result = matmul(x, w) + b
        return result if self.activation is None else self.activation(result)


class Sequential:
    """Layers and functions of tensors, one after the other.

    Dense layers are numbered from 1 in their names, and each takes a seed of its own from `seed`.

    >>> import graphc as gc
    >>> model = Sequential(Dense(32, gc.nn.relu), Dense(10))
    >>> logits = model(gc.input("x", (128, 64)))
    >>> [parameter.name for parameter in model.params]
    ['dense1.w', 'dense1.b', 'dense2.w', 'dense2.b']
    """

    def __init__(self, *layers: Layer | Activation, seed: int = 0) -> None:
        self.layers = layers
        dense = [layer for layer in layers if isinstance(layer, Dense)]
        for number, layer in enumerate(dense, start=1):
            layer.name = f"{layer.name}{number}"
            layer.seed = (seed, number)

    @property
    def params(self) -> list[Parameter]:
        """The parameters of all layers, in order; empty before the first call."""
        return [each for layer in self.layers for each in getattr(layer, "params", [])]

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        for position, layer in enumerate(self.layers, start=1):
            x = layer(x)
            if position < len(self.layers) and not x.name:
                name = getattr(layer, "name", "") or getattr(layer, "__name__", "")
                x = Tensor(x.node.renamed(name if name.isidentifier() else ""))
        return x
