"""Layers: functions of tensors that own parameters.

Owns `Layer`, `Weighted`, `Dense` and `Sequential`. Invariant: a layer declares its parameters at
its first call, when the shape of what it is given is known, and uses the same ones at every later
call.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from graphc import init
from graphc.declare import Parameter, param
from graphc.functions.contraction import matmul
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.ir.types import DType
from graphc.nn.fitting import Trainable
from graphc.public import at_user_line
from graphc.tensor import Tensor

Activation = Callable[[Tensor], Tensor]
Initializer = Callable[..., NDArray[np.floating]]


class Layer(Protocol):
    """Anything that maps a tensor to a tensor and lists its parameters."""

    @property
    def params(self) -> list[Parameter]: ...

    def __call__(self, x: Tensor) -> Tensor: ...


class Weighted(ABC):
    """What layers with weights and biases have in common.

    `activation` is applied to the result, `weights(shape, seed=...)` makes the initial weights;
    biases begin at zero. The parameters are called `<name>.w` and `<name>.b`.
    """

    def __init__(
        self, activation: Activation | None, weights: Initializer, seed: init.Seed, name: str
    ) -> None:
        self.activation = activation
        self.weights = weights
        self.seed = seed
        self.name = name
        self._params: list[Parameter] = []

    @property
    def params(self) -> list[Parameter]:
        """Weights and biases; empty before the first call."""
        return list(self._params)

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """The layer's result; the first call declares the parameters."""

    def _declare(self, weights: NDArray[np.floating], biases: int, dtype: DType) -> None:
        """The parameters; no biases if there are to be 0."""
        self._params = [param(f"{self.name}.w", weights.astype(dtype.numpy))]
        if biases:
            self._params.append(param(f"{self.name}.b", np.zeros(biases, dtype.numpy)))

    def _activated(self, x: Tensor) -> Tensor:
        return x if self.activation is None else self.activation(x)


class Dense(Weighted):
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
        super().__init__(activation, weights, seed, name)
        self.size = size

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        """Raises `ShapeError` where the last axis is not the one of the first call."""
        if not x.shape:
            raise refused(ShapeError(f"layer {self.name} takes rows", operand=0), x.node)
        if not self._params:
            initial = self.weights((x.shape[-1], self.size), seed=self.seed)
            self._declare(initial, self.size, x.dtype)
        w, b = self._params
        return self._activated(matmul(x, w) + b)


class Sequential(Trainable):
    """Layers and functions of tensors, one after the other.

    Layers with weights are numbered from 1 in their names, those of each name by themselves, and
    each takes a seed of its own from `seed`. Called with a tensor it declares the network; with
    `compile`, `fit`, `evaluate` and `predict` it is trained on arrays.

    >>> import graphc as gc
    >>> model = Sequential(Dense(32, gc.nn.relu), Dense(10))
    >>> logits = model(gc.input("x", (128, 64)))
    >>> [parameter.name for parameter in model.params]
    ['dense1.w', 'dense1.b', 'dense2.w', 'dense2.b']
    """

    def __init__(self, *layers: Layer | Activation, seed: int = 0) -> None:
        self.layers = layers
        weighted = [layer for layer in layers if isinstance(layer, Weighted)]
        counts: Counter[str] = Counter()
        for number, layer in enumerate(weighted, start=1):
            counts[layer.name] += 1
            layer.name = f"{layer.name}{counts[layer.name]}"
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
