"""Optimizers: from a loss and its parameters to updates.

Owns the optimizers and what clips gradients. Invariants: what an optimizer remembers is itself
parameters, updated in the same step, so that it is saved and loaded with the rest. For parameters
of float16 and bfloat16 it remembers and computes in f32, and rounds the new value once.

All take as `rate` a number, a scalar tensor or one of `gc.schedules`, which is given the number of
steps that were made, a parameter called `<first name>.steps`; and as `clip` what is done to the
gradients first: `clip_by_value(...)`, `clip_by_global_norm(...)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Protocol

import numpy as np

from graphc.autodiff import grad
from graphc.declare import Parameter, param
from graphc.functions.elementwise import apply
from graphc.ir.build import ops
from graphc.public import at_user_line
from graphc.schedules import Schedule
from graphc.tensor import Tensor

Updates = dict[Parameter, Tensor]
Rate = float | Tensor | Schedule
Clip = Callable[[list[Tensor]], list[Tensor]]
"""From all gradients to those that are used instead."""


class Optimizer(Protocol):
    """Anything that makes updates which lower a loss."""

    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates: ...


@dataclass(frozen=True)
class SGD:
    """Gradient descent: `w - rate * v`, where `v = momentum * v + gradient`.

    With `nesterov` the gradient is taken ahead: `w - rate * (momentum * v + gradient)` of the new
    `v`. Velocities are parameters called `<name>.velocity`.

    >>> import graphc as gc
    >>> w = gc.param("w", [1.0, 2.0])
    >>> SGD(0.1).updates((w * w).sum(), [w])
    {<Tensor w: f32[2]>: <Tensor f32[2] = sub(w, mul(0.1, d_w))>}
    """

    rate: Rate = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    _: KW_ONLY
    clip: Clip | None = None

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params`, and of the velocities if there is momentum."""
        updates: Updates = {}
        rate = _rate(self.rate, params, updates)
        for weight, gradient in _with_gradients(loss, params, self.clip):
            direction = gradient
            if self.momentum:
                velocity = _slot(weight, "velocity")
                updates[velocity] = direction = self.momentum * velocity + gradient
                if self.nesterov:
                    direction = self.momentum * direction + gradient
            step = _in_dtype(rate, direction) * direction
            updates[weight] = (_computable(weight) - step).astype(weight.dtype)
        return updates


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1.

    For each parameter the moments are parameters called `<name>.m` and `<name>.v`; the number of
    steps is one called `<first name>.steps`.
    """

    rate: Rate = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    _: KW_ONLY
    clip: Clip | None = None

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params`, of their moments and of the step counter."""
        if not params:
            return {}
        counter = _counter(params)
        steps = counter + 1
        # Both corrections of the algorithm are scalars, so that an element costs one division.
        given = self.rate(counter) if callable(self.rate) else self.rate
        rate = given / _missing(self.beta1, steps)
        scale = apply(ops.rsqrt, _missing(self.beta2, steps))
        updates: Updates = {counter: steps}
        for weight, gradient in _with_gradients(loss, params, self.clip):
            m, v = _slot(weight, "m"), _slot(weight, "v")
            updates[m] = self.beta1 * m + (1 - self.beta1) * gradient
            updates[v] = self.beta2 * v + (1 - self.beta2) * apply(ops.square, gradient)
            root = apply(ops.sqrt, updates[v]) * scale.astype(v.dtype)
            step = rate.astype(m.dtype) * updates[m] / (root + self.epsilon)
            kept = self._kept(_computable(weight), given)
            updates[weight] = (kept - step).astype(weight.dtype)
        return updates

    def _kept(self, weight: Tensor, rate: float | Tensor) -> Tensor:
        """What a parameter is before the step is taken from it."""
        return weight


@dataclass(frozen=True)
class AdamW(Adam):
    """`Adam`, with parameters that shrink by `rate * decay` of themselves in each step.

    Loshchilov and Hutter, "Decoupled weight decay regularization" (2019), algorithm 2.
    """

    decay: float = 0.01

    def _kept(self, weight: Tensor, rate: float | Tensor) -> Tensor:
        return weight * (1 - _in_dtype(rate, weight) * self.decay)


@dataclass(frozen=True)
class RMSProp:
    """`w - rate * g / (sqrt(v) + epsilon)`, where `v = rho * v + (1 - rho) * g^2`.

    With momentum, the quotient is summed as gradients are by `SGD`. Squares are parameters called
    `<name>.v`, velocities `<name>.velocity`. Tieleman and Hinton, lecture 6.5 of "Neural networks
    for machine learning" (2012).
    """

    rate: Rate = 0.001
    rho: float = 0.9
    epsilon: float = 1e-8
    momentum: float = 0.0
    _: KW_ONLY
    clip: Clip | None = None

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params`, of the squares and of the velocities."""
        updates: Updates = {}
        rate = _rate(self.rate, params, updates)
        for weight, gradient in _with_gradients(loss, params, self.clip):
            v = _slot(weight, "v")
            updates[v] = self.rho * v + (1 - self.rho) * apply(ops.square, gradient)
            direction = gradient / (apply(ops.sqrt, updates[v]) + self.epsilon)
            if self.momentum:
                velocity = _slot(weight, "velocity")
                updates[velocity] = direction = self.momentum * velocity + direction
            step = _in_dtype(rate, direction) * direction
            updates[weight] = (_computable(weight) - step).astype(weight.dtype)
        return updates


@dataclass(frozen=True)
class Adagrad:
    """`w - rate * g / (sqrt(v) + epsilon)`, where v is the sum of all squares of gradients so far.

    The sums are parameters called `<name>.v`. Duchi et al., "Adaptive subgradient methods" (2011).
    """

    rate: Rate = 0.01
    epsilon: float = 1e-10
    _: KW_ONLY
    clip: Clip | None = None

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params` and of the sums of squares."""
        updates: Updates = {}
        rate = _rate(self.rate, params, updates)
        for weight, gradient in _with_gradients(loss, params, self.clip):
            v = _slot(weight, "v")
            updates[v] = v + apply(ops.square, gradient)
            quotient = gradient / (apply(ops.sqrt, updates[v]) + self.epsilon)
            step = _in_dtype(rate, quotient) * quotient
            updates[weight] = (_computable(weight) - step).astype(weight.dtype)
        return updates


@dataclass(frozen=True)
class Lion:
    """`w - rate * (sign(beta1 * m + (1 - beta1) * g) + decay * w)`, where m is the running mean of
    gradients, `beta2 * m + (1 - beta2) * g`, of the steps before.

    The means are parameters called `<name>.m`. Chen et al., "Symbolic discovery of optimization
    algorithms" (2023), program 1.
    """

    rate: Rate = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    decay: float = 0.0
    _: KW_ONLY
    clip: Clip | None = None

    @at_user_line
    def updates(self, loss: Tensor, params: Sequence[Parameter]) -> Updates:
        """The new values of `params` and of the means of gradients."""
        updates: Updates = {}
        rate = _rate(self.rate, params, updates)
        for weight, gradient in _with_gradients(loss, params, self.clip):
            m, now = _slot(weight, "m"), _computable(weight)
            direction = apply(ops.sign, self.beta1 * m + (1 - self.beta1) * gradient)
            updates[m] = self.beta2 * m + (1 - self.beta2) * gradient
            step = _in_dtype(rate, now) * (direction + self.decay * now)
            updates[weight] = (now - step).astype(weight.dtype)
        return updates


def clip_by_value(bound: float) -> Clip:
    """Every element of a gradient moved to between `-bound` and `bound`."""

    def clipped(gradients: list[Tensor]) -> list[Tensor]:
        return [gradient.clip(-bound, bound) for gradient in gradients]

    return clipped


def clip_by_global_norm(bound: float) -> Clip:
    """All gradients scaled by one number, so that the root of the sum of all their squares is at
    most `bound`. Pascanu et al., "On the difficulty of training recurrent neural networks" (2013).

    >>> import graphc as gc
    >>> optimizer = gc.optim.SGD(0.1, clip=clip_by_global_norm(1.0))
    """

    def clipped(gradients: list[Tensor]) -> list[Tensor]:
        squares = [apply(ops.square, gradient).sum() for gradient in gradients]
        total = apply(ops.sqrt, sum(squares[1:], start=squares[0]))
        factor = bound / apply(ops.maximum, total, bound)
        return [gradient * _in_dtype(factor, gradient) for gradient in gradients]

    return clipped


def _slot(weight: Parameter, name: str) -> Parameter:
    """A parameter of zeros beside `weight`, in the dtype that is computed in."""
    return param(f"{weight.name}.{name}", np.zeros(weight.shape, weight.dtype.arithmetic.numpy))


def _counter(params: Sequence[Parameter]) -> Parameter:
    """The number of steps that were made, in the widest dtype that is computed in."""
    widest = np.result_type(*(weight.dtype.arithmetic.numpy for weight in params))
    return param(f"{params[0].name}.steps", np.zeros((), widest))


def _rate(rate: Rate, params: Sequence[Parameter], updates: Updates) -> float | Tensor:
    """The rate of this step; a schedule has it counted in `updates`."""
    if not callable(rate):
        return rate
    if not params:
        return 0.0
    counter = _counter(params)
    updates[counter] = counter + 1
    return rate(counter)


def _with_gradients(
    loss: Tensor, params: Sequence[Parameter], clip: Clip | None
) -> list[tuple[Parameter, Tensor]]:
    if not params:
        return []
    gradients = list(map(_computable, grad(loss, list(params))))
    return list(zip(params, gradients if clip is None else clip(gradients), strict=True))


def _computable(tensor: Tensor) -> Tensor:
    """A tensor in the dtype that arithmetic on it is done in."""
    return tensor.astype(tensor.dtype.arithmetic)


def _missing(beta: float, steps: Tensor) -> Tensor:
    """1 - beta**steps, without the cancellation that its subtraction has for beta near 1."""
    return -apply(ops.expm1, steps * math.log(beta))


def _in_dtype(number: float | Tensor, other: Tensor) -> float | Tensor:
    """A tensor in the dtype of `other`; a Python number is weak already."""
    return number.astype(other.dtype) if isinstance(number, Tensor) else number
