"""Activation functions, element by element.

Owns those that are no op of their own. Invariant: NaN in gives NaN out, large inputs neither
overflow nor turn a gradient into NaN, and each derivative at 0 is said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions.arithmetic import clip, where
from graphc.functions.elementwise import apply
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.regions import Rules, set_apart
from graphc.functions.softmax import log_softmax, softmax
from graphc.functions.special import softplus
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "maxout",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
    "unit_step",
]


@at_user_line
def relu(x: TensorLike) -> Tensor:
    """max(x, 0). Its derivative at 0 is 0."""
    x = as_floats(x)
    return where(x <= 0, 0, x)


@at_user_line
def leaky_relu(x: TensorLike, slope: float = 0.01) -> Tensor:
    """x where it is positive, `slope * x` elsewhere. Its derivative at 0 is `slope`."""
    x = as_floats(x)
    return where(x <= 0, slope * x, x)


@at_user_line
def elu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """x where it is positive, `alpha * (exp(x) - 1)` elsewhere. Its derivative at 0 is `alpha`."""
    x = as_floats(x)
    # Only what is not positive is exponentiated, so that nothing overflows where it is not used.
    return where(x <= 0, alpha * apply(ops.expm1, where(x <= 0, x, 0)), x)


@at_user_line
def gelu(x: TensorLike, approximate: bool = False) -> Tensor:
    """x times the normal distribution's cumulative density: `x/2 * (1 + erf(x / sqrt(2)))`.

    If `approximate`, `x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))`. Hendrycks and Gimpel,
    "Gaussian error linear units" (2016).
    """
    x = as_floats(x)
    if approximate:
        # Beyond 10 the hyperbolic tangent is 1, and a cube could overflow.
        near = clip(x, -10, 10)
        inner = math.sqrt(2 / math.pi) * near * (1 + 0.044715 * near * near)
        return 0.5 * x * (1 + apply(ops.tanh, inner))
    return set_apart(_normal_gelu, (x,), lambda rules: rules)  # type: ignore[no-any-return]


def _normal_gelu(x: Tensor) -> Rules:
    """With its slope as one number an element, for the adjoint to keep: the cumulative density
    and x times the density."""
    cumulative = 0.5 * (1 + apply(ops.erf, x * math.sqrt(0.5)))
    slope = cumulative + x * (apply(ops.exp, -0.5 * x * x) * (1 / math.sqrt(2 * math.pi)))
    return Rules(x * cumulative, lambda g: g * slope, lambda t: t * slope)


@at_user_line
def sigmoid(x: TensorLike) -> Tensor:
    """1 / (1 + exp(-x))."""
    return apply(ops.sigmoid, x)


@at_user_line
def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent."""
    return apply(ops.tanh, x)


@at_user_line
def unit_step(x: TensorLike) -> Tensor:
    """1 where x is positive, 0 elsewhere. Its derivative is 0."""
    x = as_floats(x)
    return (x > 0).astype(x.dtype)


@at_user_line
def maxout(x: TensorLike, pieces: int = 2) -> Tensor:
    """The largest of every `pieces` neighbours on the last axis, which becomes that much shorter.

    Goodfellow et al., "Maxout networks" (2013). The derivative is the largest's; where several
    are, they share it. Raises `ShapeError` where `pieces` does not divide the axis.

    >>> import graphc as gc
    >>> maxout(gc.input("x", (32, 10))).shape
    (32, 5)
    """
    x = as_floats(x)
    if pieces < 1 or not x.shape or x.shape[-1] % pieces:
        raise refused(
            ShapeError(
                f"maxout of {pieces} takes as many neighbours at a time",
                operand=0,
                help=f"make the last axis a multiple of {pieces}",
            ),
            x.node,
        )
    groups = x.reshape((*x.shape[:-1], x.shape[-1] // pieces, pieces))
    return groups.max(-1)
