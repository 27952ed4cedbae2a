"""Learning rates that change from step to step.

Owns the schedules. Imports the op records. Invariant: a schedule is a function of how many steps
were made before, a scalar tensor that the optimizer counts; it is computed in the step itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from graphc.functions.arithmetic import where
from graphc.functions.elementwise import apply
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError
from graphc.tensor import Tensor

Schedule = Callable[[Tensor], Tensor]
"""From the number of steps that were made to the rate of the next one."""


def exponential(rate: float, decay: float, steps: float = 1) -> Schedule:
    """`rate * decay ** (t / steps)`: multiplied by `decay` every so many steps, continuously.

    >>> import graphc as gc
    >>> optimizer = gc.optim.SGD(exponential(0.1, 0.5, steps=1000))
    """
    if decay <= 0 or steps <= 0:
        raise AttributeValueError(f"exponential decays by {decay} in {steps} steps; give more")

    def schedule(t: Tensor) -> Tensor:
        return rate * apply(ops.exp, t * (math.log(decay) / steps))

    return schedule


def cosine(rate: float, steps: int, final: float = 0.0) -> Schedule:
    """From `rate` down to `final` in so many steps, along half a cosine, and `final` after them.

    Loshchilov and Hutter, "SGDR" (2017), equation 5, without restarts.
    """
    _check(steps)

    def schedule(t: Tensor) -> Tensor:
        angle = apply(ops.minimum, t / steps, 1) * math.pi
        return final + (rate - final) / 2 * (1 + apply(ops.cos, angle))

    return schedule


def linear(rate: float, steps: int, final: float = 0.0) -> Schedule:
    """From `rate` to `final` in so many equal steps, and `final` after them."""
    _check(steps)

    def schedule(t: Tensor) -> Tensor:
        return rate + (final - rate) * apply(ops.minimum, t / steps, 1)

    return schedule


def constant_between(rates: Sequence[float], boundaries: Sequence[int]) -> Schedule:
    """The first rate before the first boundary, the next one from there on, and so on.

    Raises `AttributeValueError` unless boundaries ascend and there is one rate more.
    """
    if len(rates) != len(boundaries) + 1 or any(a >= b for a, b in pairwise(boundaries)):
        raise AttributeValueError(
            f"constant_between takes one rate more than boundaries, which ascend; got "
            f"{len(rates)} rates and {list(boundaries)}"
        )

    def schedule(t: Tensor) -> Tensor:
        current = 0 * t + rates[0]
        for boundary, rate in zip(boundaries, rates[1:], strict=True):
            current = where(t >= boundary, rate, current)
        return current

    return schedule


def warmup(steps: int, then: float | Schedule) -> Schedule:
    """From 0 in so many equal steps to the first rate of `then`, which goes on from there.

    >>> import graphc as gc
    >>> optimizer = gc.optim.Adam(warmup(100, cosine(0.001, 10_000)))
    """
    _check(steps)

    def schedule(t: Tensor) -> Tensor:
        past = apply(ops.maximum, t - steps, 0)
        rate = then if isinstance(then, int | float) else then(past)
        return apply(ops.minimum, t / steps, 1) * rate

    return schedule


def _check(steps: int) -> None:
    if steps < 1:
        raise AttributeValueError(f"a schedule lasts at least one step, got {steps}")
