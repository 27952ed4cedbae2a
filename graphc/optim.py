"""Optimizers: from a loss and its parameters to updates.

Owns `SGD` and `Adam`. Invariants: what an optimizer remembers is itself parameters, updated in the
same step, so that it is saved and loaded with the rest. For parameters of float16 and bfloat16 it
remembers and computes in f32, and rounds the new value once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from graphc.autodiff import grad
from graphc.declare import Parameter, param
from graphc.functions.elementwise import apply
from graphc.ir.build import ops
from graphc.public import at_user_line
from graphc.tensor import Tensor

Updates = dict[Parameter, Tensor]


class Optimizer(Protocol):
    """Anything that makes updates which lower a loss."""

    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates: ...


@dataclass(frozen=True)
class SGD:
    """Gradient descent: `w - rate * v`, where `v = momentum * v + gradient`.

    With `nesterov` the gradient is taken ahead: `w - rate * (momentum * v + gradient)` of the new
    `v`. `rate` may be a scalar tensor. Velocities are parameters called `<name>.velocity`.

    >>> import graphc as gc
    >>> w = gc.param("w", [1.0, 2.0])
    >>> SGD(0.1).updates((w * w).sum(), [w])
    {<Tensor w: f32[2]>: <Tensor f32[2] = sub(w, mul(0.1, d_w))>}
    """

    rate: float | Tensor = 0.01
    momentum: float = 0.0
    nesterov: bool = False

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params`, and of the velocities if there is momentum."""
        updates: Updates = {}
        for weight, gradient in _with_gradients(loss, params):
            direction = gradient
            if self.momentum:
                velocity = _slot(weight, "velocity")
                updates[velocity] = direction = self.momentum * velocity + gradient
                if self.nesterov:
                    direction = self.momentum * direction + gradient
            step = _in_dtype(self.rate, direction) * direction
            updates[weight] = (_computable(weight) - step).astype(weight.dtype)
        return updates


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.

    `rate` may be a scalar tensor. For each parameter the moments are parameters called `<name>.m`
    and `<name>.v`; the number of steps is one called `<first name>.steps`.
    """

    rate: float | Tensor = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params`, of their moments and of the step counter."""
        if not params:
            return {}
        widest = np.result_type(*(weight.dtype.arithmetic.numpy for weight in params))
        counter = param(f"{params[0].name}.steps", np.zeros((), widest))
        steps = counter + 1
        # Both corrections of the algorithm are scalars, so that an element costs one division.
        rate = self.rate / _missing(self.beta1, steps)
        scale = apply(ops.rsqrt, _missing(self.beta2, steps))
        updates: Updates = {counter: steps}
        for weight, gradient in _with_gradients(loss, params):
            m, v = _slot(weight, "m"), _slot(weight, "v")
            updates[m] = self.beta1 * m + (1 - self.beta1) * gradient
            updates[v] = self.beta2 * v + (1 - self.beta2) * apply(ops.square, gradient)
            root = apply(ops.sqrt, updates[v]) * scale.astype(v.dtype)
            step = rate.astype(m.dtype) * updates[m] / (root + self.epsilon)
            updates[weight] = (_computable(weight) - step).astype(weight.dtype)
        return updates


def _slot(weight: Parameter, name: str) -> Parameter:
    """A parameter of zeros beside `weight`, in the dtype that is computed in."""
    return param(f"{weight.name}.{name}", np.zeros(weight.shape, weight.dtype.arithmetic.numpy))


def _with_gradients(loss: Tensor, params: Sequence[Parameter]) -> list[tuple[Parameter, Tensor]]:
    gradients = grad(loss, list(params)) if params else []
    return list(zip(params, map(_computable, gradients), strict=True))


def _computable(tensor: Tensor) -> Tensor:
    """A tensor in the dtype that arithmetic on it is done in."""
    return tensor.astype(tensor.dtype.arithmetic)


def _missing(beta: float, steps: Tensor) -> Tensor:
    """1 - beta**steps, without the cancellation that its subtraction has for beta near 1."""
    return -apply(ops.expm1, steps * math.log(beta))


def _in_dtype(number: float | Tensor, other: Tensor) -> float | Tensor:
    """A tensor in the dtype of `other`; a Python number is weak already."""
    return number.astype(other.dtype) if isinstance(number, Tensor) else number
