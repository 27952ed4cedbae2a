"""Layers on images: convolutions, pooling, flattening.

Owns those layers. Imports the functions they are made of. Invariant: images are [batch, channels,
spatial...], and a layer keeps the order of the axes.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from graphc import init
from graphc.functions.layout import reshape
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.nn.convolution import check_groups, conv, conv_transpose
from graphc.nn.geometry import LEAD, Padding, PerAxis, check_image, per_axis
from graphc.nn.layers import Activation, Initializer, Weighted
from graphc.nn.pooling import avg_pool, max_pool
from graphc.public import at_user_line
from graphc.tensor import Tensor


class Conv(Weighted):
    """`activation(conv(x, w) + b)` with `channels` outputs; one to three spatial axes, as `x` has.

    `size` is that of the kernel; `stride`, `padding`, `dilation` and `groups` are as in
    `gc.nn.conv`. With `bias=False` there are no biases.

    >>> import graphc as gc
    >>> layer = Conv(6, 5, gc.nn.relu, padding="same", name="edges")
    >>> layer(gc.input("x", (32, 1, 28, 28))).shape
    (32, 6, 28, 28)
    >>> layer.params
    [<Tensor edges.w: f32[6,1,5,5]>, <Tensor edges.b: f32[6]>]
    """

    spatial: ClassVar[int | None] = None
    """How many spatial axes images must have; None for any."""

    def __init__(
        self,
        channels: int,
        size: PerAxis,
        activation: Activation | None = None,
        *,
        stride: PerAxis = 1,
        padding: Padding = "valid",
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        weights: Initializer = init.glorot_uniform,
        seed: init.Seed = 0,
        name: str = "conv",
    ) -> None:
        super().__init__(activation, weights, seed, name)
        self.channels = channels
        self.size = size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        self.bias = bias

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        """Raises `ShapeError` where the channels are not those of the first call."""
        if not self._params:
            self._begin(x)
        result = self._apply(x, self._params[0])
        if self.bias:
            result = result + reshape(self._params[1], (-1, *(1,) * (len(x.shape) - LEAD)))
        return self._activated(result)

    def _begin(self, x: Tensor) -> None:
        check_image(f"layer {self.name}", x.node, self.spatial)
        check_groups(f"layer {self.name}", self.groups, self.channels, x.node)
        initial = self._initial(x.shape[1], len(x.shape) - LEAD)
        self._declare(initial, self.channels if self.bias else 0, x.dtype)

    def _initial(self, inputs: int, rank: int) -> NDArray[np.floating]:
        """[outputs, inputs / groups, kernel...]; initializers have outputs last."""
        size = per_axis(f"layer {self.name}", "size", self.size, rank, 1)
        initial = self.weights((*size, inputs // self.groups, self.channels), seed=self.seed)
        return np.ascontiguousarray(initial.transpose(rank + 1, rank, *range(rank)))

    def _apply(self, x: Tensor, w: Tensor) -> Tensor:
        return conv(x, w, self.stride, self.padding, self.dilation, self.groups)


class Conv1d(Conv):
    """`Conv` over one spatial axis; images of another rank are refused."""

    spatial = 1


class Conv2d(Conv):
    """`Conv` over two spatial axes; images of another rank are refused."""

    spatial = 2


class Conv3d(Conv):
    """`Conv` over three spatial axes; images of another rank are refused."""

    spatial = 3


class ConvTranspose(Conv):
    """`activation(conv_transpose(x, w) + b)` with `channels` outputs.

    Arguments are those of `Conv` and the `output_padding` of `gc.nn.conv_transpose`.

    >>> import graphc as gc
    >>> layer = ConvTranspose(3, 4, stride=2, padding=1)
    >>> layer(gc.input("x", (32, 16, 14, 14))).shape
    (32, 3, 28, 28)
    """

    def __init__(
        self,
        channels: int,
        size: PerAxis,
        activation: Activation | None = None,
        *,
        stride: PerAxis = 1,
        padding: Padding = "valid",
        output_padding: PerAxis = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        bias: bool = True,
        weights: Initializer = init.glorot_uniform,
        seed: init.Seed = 0,
        name: str = "conv_transpose",
    ) -> None:
        super().__init__(
            channels,
            size,
            activation,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            weights=weights,
            seed=seed,
            name=name,
        )
        self.output_padding = output_padding

    def _initial(self, inputs: int, rank: int) -> NDArray[np.floating]:
        """[inputs, outputs / groups, kernel...]; initializers have outputs last."""
        size = per_axis(f"layer {self.name}", "size", self.size, rank, 1)
        initial = self.weights((*size, inputs, self.channels // self.groups), seed=self.seed)
        return np.ascontiguousarray(initial.transpose(rank, rank + 1, *range(rank)))

    def _apply(self, x: Tensor, w: Tensor) -> Tensor:
        return conv_transpose(
            x, w, self.stride, self.padding, self.output_padding, self.dilation, self.groups
        )


class MaxPool:
    """`gc.nn.max_pool` with these numbers."""

    def __init__(
        self,
        size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        *,
        name: str = "max_pool",
    ) -> None:
        self.size = size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.name = name

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        return max_pool(x, self.size, self.stride, self.padding, self.dilation)


class AvgPool:
    """`gc.nn.avg_pool` with these numbers."""

    def __init__(
        self,
        size: PerAxis,
        stride: PerAxis | None = None,
        padding: Padding = 0,
        dilation: PerAxis = 1,
        count_include_pad: bool = True,
        *,
        name: str = "avg_pool",
    ) -> None:
        self.size = size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.count_include_pad = count_include_pad
        self.name = name

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        return avg_pool(
            x, self.size, self.stride, self.padding, self.dilation, self.count_include_pad
        )


class Flatten:
    """All axes after the first as one, in row-major order: images as rows for a dense layer.

    >>> import graphc as gc
    >>> Flatten()(gc.input("x", (32, 16, 4, 4))).shape
    (32, 256)
    """

    def __init__(self, *, name: str = "flatten") -> None:
        self.name = name

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        if not x.shape:
            raise refused(ShapeError(f"layer {self.name} takes a batch", operand=0), x.node)
        return reshape(x, (x.shape[0], math.prod(x.shape[1:])))
