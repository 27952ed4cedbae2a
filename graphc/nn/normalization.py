"""Activations brought to one scale: standardize, normalize, layer, RMS, group and batch norm.

Owns those functions and the layers `LayerNorm`, `RMSNorm` and `GroupNorm`. Invariant: what is
constant is finite and has a finite derivative, for `epsilon` is added before the root is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from graphc import init
from graphc.functions.axes import axes_of
from graphc.functions.elementwise import apply
from graphc.functions.layout import reshape
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.roots import root
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.nn.layers import Weighted
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@at_user_line
@rounded_once
def standardize(x: TensorLike, axis: Axis = -1, epsilon: float = 1e-5) -> Tensor:
    """`x` less its mean along `axis`, over the root of its variance and `epsilon`.

    >>> import graphc as gc
    >>> standardize(gc.input("x", (32, 64))).shape
    (32, 64)
    """
    tensor = as_floats(x)
    axes = axes_of("standardize", axis, tensor.node)
    deviations = tensor - tensor.mean(axes, True)
    variance = apply(ops.square, deviations).mean(axes, True)
    return deviations * apply(ops.rsqrt, variance + epsilon)


@at_user_line
@rounded_once
def normalize(x: TensorLike, axis: Axis = -1, epsilon: float = 1e-12) -> Tensor:
    """`x` over its Euclidean norm along `axis`, or over `epsilon` where that is larger.

    Of zeros it is zero, and so is the derivative of the norm there.
    """
    tensor = as_floats(x)
    squares = apply(ops.square, tensor).sum(axes_of("normalize", axis, tensor.node), True)
    return tensor / apply(ops.maximum, root(squares), epsilon)


@at_user_line
@rounded_once
def layer_norm(
    x: TensorLike,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    axis: Axis = -1,
    epsilon: float = 1e-5,
) -> Tensor:
    """`standardize(x, axis) * scale + offset`.

    Ba et al., "Layer normalization" (2016).
    """
    return _affine(standardize(x, axis, epsilon), scale, offset)


@at_user_line
@rounded_once
def rms_norm(
    x: TensorLike, scale: TensorLike | None = None, axis: Axis = -1, epsilon: float = 1e-6
) -> Tensor:
    """`x` over the root of the mean of its squares along `axis` and `epsilon`, times `scale`.

    Zhang and Sennrich, "Root mean square layer normalization" (2019).
    """
    tensor = as_floats(x)
    squares = apply(ops.square, tensor).mean(axes_of("rms_norm", axis, tensor.node), True)
    return _affine(tensor * apply(ops.rsqrt, squares + epsilon), scale, None)


@at_user_line
@rounded_once
def group_norm(
    x: TensorLike,
    groups: int,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """Each image of [batch, channels, spatial...] standardized in groups of channels.

    `scale` and `offset` have one number a channel. With one group it is layer norm of the image,
    with a group for each channel instance norm. Wu and He, "Group normalization" (2018). Raises
    `ShapeError` where the channels cannot be cut into equal groups.
    """
    tensor = as_floats(x)
    if tensor.ndim < 2 or groups < 1 or tensor.shape[1] % groups:
        raise refused(
            ShapeError(
                f"group_norm with {groups} groups takes [batch, channels, ...]",
                operand=0,
                help="the number of channels must be a multiple of the number of groups",
            ),
            tensor.node,
        )
    rows = tensor.reshape((tensor.shape[0], groups, -1))
    result = standardize(rows, -1, epsilon).reshape(tensor.shape)
    return _affine(result, _channels(scale, tensor.ndim), _channels(offset, tensor.ndim))


@at_user_line
@rounded_once
def batch_norm(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    scale: TensorLike | None = None,
    offset: TensorLike | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    """`x` less `mean`, over the root of `variance` and `epsilon`, times `scale`, plus `offset`.

    All of them have one number for each channel, which is axis 1 of `x`. In training they are the
    batch's, `x.mean(axes)` and `x.var(axes)` over all other axes; after it, running averages,
    which are parameters that the training step updates:

        updates = optimizer.updates(loss, weights)
        updates[running] = 0.9 * running + 0.1 * mean

    Ioffe and Szegedy, "Batch normalization" (2015).
    """
    tensor = as_floats(x)
    center, spread = (_channels(each, tensor.ndim) for each in (mean, variance))
    assert center is not None
    assert spread is not None
    result = (tensor - center) * apply(ops.rsqrt, spread + epsilon)
    return _affine(result, _channels(scale, tensor.ndim), _channels(offset, tensor.ndim))


def _channels(each: TensorLike | None, rank: int) -> Tensor | None:
    """One number a channel, with the axes of [batch, channels, spatial...] after the first."""
    return None if each is None else reshape(each, (-1, *(1,) * (rank - 2)))


def _affine(x: Tensor, scale: TensorLike | None, offset: TensorLike | None) -> Tensor:
    scaled = x if scale is None else x * as_floats(scale).astype(x.dtype)
    return scaled if offset is None else scaled + as_floats(offset).astype(x.dtype)


class LayerNorm(Weighted):
    """`layer_norm` over the last axis, with a scale that begins at one and an offset at zero.

    >>> import graphc as gc
    >>> layer = LayerNorm()
    >>> layer(gc.input("x", (32, 64))).shape
    (32, 64)
    >>> layer.params
    [<Tensor norm.w: f32[64]>, <Tensor norm.b: f32[64]>]
    """

    def __init__(self, epsilon: float = 1e-5, *, name: str = "norm") -> None:
        super().__init__(None, init.ones, 0, name)
        self.epsilon = epsilon

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        if not self._params:
            size = _size(self.name, x, -1)
            self._declare(np.ones(size), size, x.dtype)
        scale, offset = self._params
        return layer_norm(x, scale, offset, epsilon=self.epsilon)


class RMSNorm(Weighted):
    """`rms_norm` over the last axis, with a scale that begins at one."""

    def __init__(self, epsilon: float = 1e-6, *, name: str = "norm") -> None:
        super().__init__(None, init.ones, 0, name)
        self.epsilon = epsilon

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        if not self._params:
            self._declare(np.ones(_size(self.name, x, -1)), 0, x.dtype)
        return rms_norm(x, self._params[0], epsilon=self.epsilon)


class GroupNorm(Weighted):
    """`group_norm`, with a scale for each channel that begins at one and an offset at zero."""

    def __init__(self, groups: int, epsilon: float = 1e-5, *, name: str = "norm") -> None:
        super().__init__(None, init.ones, 0, name)
        self.groups = groups
        self.epsilon = epsilon

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        if not self._params:
            size = _size(self.name, x, 1)
            self._declare(np.ones(size), size, x.dtype)
        scale, offset = self._params
        return group_norm(x, self.groups, scale, offset, epsilon=self.epsilon)


def _size(name: str, x: Tensor, axis: int) -> int:
    if x.ndim < (2 if axis == 1 else 1):
        raise refused(ShapeError(f"layer {name} takes rows or images", operand=0), x.node)
    return x.shape[axis]
