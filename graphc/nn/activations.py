"""Activation functions, element by element.

Owns those that are no op of their own. Invariant: NaN in gives NaN out, large inputs neither
overflow nor turn a gradient into NaN, and each derivative at 0 is said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where
from graphc.functions.elementwise import apply
from graphc.functions.reductions import as_floats
from graphc.functions.softmax import log_softmax, softmax
from graphc.functions.special import softplus
from graphc.ir.build import ops
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

__all__ = [
    "elu",
    "gelu",
    "leaky_relu",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
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
def gelu(x: TensorLike) -> Tensor:
    """x times the normal distribution's cumulative density: `x/2 * (1 + erf(x / sqrt(2)))`."""
    x = as_floats(x)
    return 0.5 * x * (1 + apply(ops.erf, x * math.sqrt(0.5)))


@at_user_line
def sigmoid(x: TensorLike) -> Tensor:
    """1 / (1 + exp(-x))."""
    return apply(ops.sigmoid, x)


@at_user_line
def tanh(x: TensorLike) -> Tensor:
    """The hyperbolic tangent."""
    return apply(ops.tanh, x)
