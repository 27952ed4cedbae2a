"""Sums of exponentials: logsumexp, softmax and log_softmax.

Owns those functions. Imports the op records. Invariant: the largest element is taken out before
anything is raised to a power, so that nothing overflows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where as chosen
from graphc.functions.axes import axes_of
from graphc.functions.creation import full
from graphc.functions.elementwise import apply
from graphc.functions.reductions import any_empty, as_floats
from graphc.functions.widening import rounded_once
from graphc.ir.build import broadcast, cast, ops
from graphc.ir.ops.combinators import reduced_shape
from graphc.ir.types import bool_
from graphc.promotion import as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public
@rounded_once
def logsumexp(
    a: TensorLike, axis: Axis = None, keepdims: bool = False, *, where: TensorLike | None = None
) -> Tensor:
    """log(sum(exp(a))), without overflow: the largest element is taken out first.

    With `where`, of the elements where it holds. Of nothing, and of -inf alone, it is -inf; beside
    +inf, +inf. The derivative is `softmax(a)`; where the largest element is infinite, that of
    `max(a)`, which is its limit.
    """
    tensor = as_floats(a)
    if where is not None:
        tensor = chosen(_mask(where, tensor), tensor, -math.inf)
    axes = axes_of("logsumexp", axis, tensor.node)
    if any_empty(tensor.node, axes):
        shape = reduced_shape(tensor.shape, axes, keepdims)
        return full(shape, -math.inf, tensor.dtype)
    largest = tensor.max(axes, True)
    infinite = apply(ops.eq, abs(largest), math.inf)
    shift = apply(ops.stop_gradient, chosen(infinite, 0, largest))
    powers = apply(ops.exp, chosen(infinite, 0, tensor) - shift)
    result = chosen(infinite, largest, apply(ops.log, powers.sum(axes, True)) + shift)
    return result if keepdims else result.squeeze(axes)


@public
@rounded_once
def softmax(a: TensorLike, axis: Axis = -1, *, where: TensorLike | None = None) -> Tensor:
    """exp(a) / sum(exp(a)) along `axis`, without overflow.

    With `where`, of the elements where it holds; the others are 0 and have no derivative.
    """
    if where is None:
        powers = apply(ops.exp, _shifted("softmax", a, axis))
        return powers / powers.sum(axes_of("softmax", axis, powers.node), True)
    mask, shifted, total = _masked("softmax", a, axis, where)
    return chosen(mask, apply(ops.exp, shifted), 0) / total


@public
@rounded_once
def log_softmax(a: TensorLike, axis: Axis = -1, *, where: TensorLike | None = None) -> Tensor:
    """log(softmax(a)) along `axis`, without overflow and without the logarithm of zero.

    With `where`, of the elements where it holds; the others are -inf and have no derivative.
    """
    if where is None:
        shifted = _shifted("log_softmax", a, axis)
        axes = axes_of("log_softmax", axis, shifted.node)
        return shifted - apply(ops.log, apply(ops.exp, shifted).sum(axes, True))
    mask, shifted, total = _masked("log_softmax", a, axis, where)
    return chosen(mask, shifted - apply(ops.log, total), -math.inf)


def _mask(where: TensorLike, tensor: Tensor) -> Tensor:
    return Tensor(broadcast(cast(as_node(where), bool_), tensor.shape))


def _masked(
    name: str, a: TensorLike, axis: Axis, where: TensorLike
) -> tuple[Tensor, Tensor, Tensor]:
    """Where elements count; those less the largest, 0 elsewhere; the sum of their exponentials,
    1 where none counts."""
    tensor = as_floats(a)
    mask, axes = _mask(where, tensor), axes_of(name, axis, tensor.node)
    shifted = chosen(mask, _shifted(name, chosen(mask, tensor, -math.inf), axis), 0)
    total = chosen(mask, apply(ops.exp, shifted), 0).sum(axes, True)
    return mask, shifted, chosen(mask.any(axes, True), total, 1)


def _shifted(name: str, a: TensorLike, axis: Axis) -> Tensor:
    """`a` less its largest element along the axes.

    Infinities are not taken out. The results do not depend on what is, so it has no gradient.
    """
    tensor = as_floats(a)
    largest = tensor.max(axes_of(name, axis, tensor.node), True)
    shift = apply(ops.stop_gradient, chosen(abs(largest) < math.inf, largest, 0))
    return tensor - shift
