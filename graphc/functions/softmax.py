"""Sums of exponentials: logsumexp, softmax and log_softmax.

Owns those functions. Imports the op records. Invariant: the largest element is taken out before
anything is raised to a power, so that nothing overflows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where
from graphc.functions.axes import axes_of
from graphc.functions.creation import full
from graphc.functions.elementwise import apply
from graphc.functions.reductions import any_empty, as_floats
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.ir.ops.combinators import reduced_shape
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public
@rounded_once
def logsumexp(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(a))), without overflow: the largest element is taken out first.

    Of nothing, and of -inf alone, it is -inf; beside +inf, +inf. The derivative is `softmax(a)`;
    where the largest element is infinite, that of `max(a)`, which is its limit.
    """
    tensor = as_floats(a)
    axes = axes_of("logsumexp", axis, tensor.node)
    if any_empty(tensor.node, axes):
        shape = reduced_shape(tensor.shape, axes, keepdims)
        return full(shape, -math.inf, tensor.dtype)
    largest = tensor.max(axes, True)
    infinite = apply(ops.eq, abs(largest), math.inf)
    shift = apply(ops.stop_gradient, where(infinite, 0, largest))
    powers = apply(ops.exp, where(infinite, 0, tensor) - shift)
    result = where(infinite, largest, apply(ops.log, powers.sum(axes, True)) + shift)
    return result if keepdims else result.squeeze(axes)


@public
@rounded_once
def softmax(a: TensorLike, axis: Axis = -1) -> Tensor:
    """exp(a) / sum(exp(a)) along `axis`, without overflow."""
    powers = apply(ops.exp, _shifted("softmax", a, axis))
    return powers / powers.sum(axes_of("softmax", axis, powers.node), True)


@public
@rounded_once
def log_softmax(a: TensorLike, axis: Axis = -1) -> Tensor:
    """log(softmax(a)) along `axis`, without overflow and without the logarithm of zero."""
    shifted = _shifted("log_softmax", a, axis)
    axes = axes_of("log_softmax", axis, shifted.node)
    return shifted - apply(ops.log, apply(ops.exp, shifted).sum(axes, True))


def _shifted(name: str, a: TensorLike, axis: Axis) -> Tensor:
    """`a` less its largest element along the axes.

    Infinities are not taken out. The results do not depend on what is, so it has no gradient.
    """
    tensor = as_floats(a)
    largest = tensor.max(axes_of(name, axis, tensor.node), True)
    shift = apply(ops.stop_gradient, where(abs(largest) < math.inf, largest, 0))
    return tensor - shift
