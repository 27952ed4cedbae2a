"""Activation functions made of bounds, exponentials and gates; and rows brought to one scale.

Owns those functions. Invariant: as of `activations`: NaN in gives NaN out, large inputs neither
overflow nor turn a gradient into NaN, and each derivative at a bound is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.arithmetic import clip, where
from graphc.functions.axes import axis_of
from graphc.functions.elementwise import apply
from graphc.functions.reductions import as_floats
from graphc.functions.splitting import split
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.nn.activations import elu, sigmoid, softplus
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@at_user_line
def relu6(x: TensorLike) -> Tensor:
    """min(max(x, 0), 6). Its derivative at 0 and at 6 is 0."""
    x = as_floats(x)
    return where(x <= 0, 0, where(x >= 6, 6, x))


@at_user_line
def hard_tanh(x: TensorLike) -> Tensor:
    """`x` between -1 and 1, the bound beyond them. Its derivative at -1 and 1 is 1."""
    return clip(as_floats(x), -1, 1)


@at_user_line
@rounded_once
def hard_sigmoid(x: TensorLike) -> Tensor:
    """relu6(x + 3) / 6. Its derivative at -3 and 3 is 0."""
    return relu6(as_floats(x) + 3) / 6


@at_user_line
@rounded_once
def hard_swish(x: TensorLike) -> Tensor:
    """x * hard_sigmoid(x). Its derivative at -3 is 0, at 3 it is 1.

    Howard et al., "Searching for MobileNetV3" (2019).
    """
    x = as_floats(x)
    return x * hard_sigmoid(x)


@at_user_line
@rounded_once
def silu(x: TensorLike) -> Tensor:
    """x * sigmoid(x), also called swish. Elfwing et al. (2017), arXiv:1702.03118."""
    x = as_floats(x)
    return x * sigmoid(x)


@at_user_line
@rounded_once
def mish(x: TensorLike) -> Tensor:
    """x * tanh(softplus(x)). Misra, "Mish: a self regularized activation function" (2019)."""
    x = as_floats(x)
    return x * apply(ops.tanh, softplus(x))


@at_user_line
@rounded_once
def celu(x: TensorLike, alpha: float = 1.0) -> Tensor:
    """x where it is positive, `alpha * (exp(x / alpha) - 1)` elsewhere; its slope at 0 is 1.

    Barron, "Continuously differentiable exponential linear units" (2017).
    """
    x = as_floats(x)
    return where(x <= 0, alpha * apply(ops.expm1, where(x <= 0, x, 0) / alpha), x)


@at_user_line
@rounded_once
def selu(x: TensorLike) -> Tensor:
    """`elu` scaled so that normal inputs stay normal; its slope at 0 is 1.758.

    Klambauer et al., "Self-normalizing neural networks" (2017).
    """
    return _SELU_SCALE * elu(x, _SELU_ALPHA)


@at_user_line
def soft_sign(x: TensorLike) -> Tensor:
    """x / (1 + |x|)."""
    x = as_floats(x)
    return x / (1 + abs(x))


@at_user_line
@rounded_once
def glu(x: TensorLike, axis: int = -1) -> Tensor:
    """The first half along `axis` times the sigmoid of the second half.

    Dauphin et al., "Language modeling with gated convolutional networks" (2017). Raises
    `ShapeError` where the axis cannot be halved.

    >>> import graphc as gc
    >>> glu(gc.input("x", (32, 10))).shape
    (32, 5)
    """
    tensor = as_floats(x)
    value, gate = split(tensor, 2, axis_of("glu", axis, tensor.node))
    return value * sigmoid(gate)
