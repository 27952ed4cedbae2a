"""Shapes: reshape, transpose, broadcast, unit axes, padding.

Owns those functions. Imports the op records. Invariant: nothing is computed here; elements only
move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.functions.axes import axes_of, axis_of, shape_of
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, ops
from graphc.ir.build import reshape as reshaped
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.types import Shape
from graphc.promotion import as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public
def shape(a: TensorLike) -> Shape:
    """The sizes of the axes: known while the graph is declared."""
    return as_node(a).shape


@public
def ndim(a: TensorLike) -> int:
    """The number of axes."""
    return len(as_node(a).shape)


@public
def reshape(a: TensorLike, shape: int | Sequence[int]) -> Tensor:
    """The same elements in row-major order, in another shape; one size may be -1."""
    node = as_node(a)
    sizes = list(shape_of("reshape", shape))
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = node.type.size // rest if rest else 0
    return Tensor(reshaped(node, tuple(sizes)))


@public
def ravel(a: TensorLike) -> Tensor:
    """All elements in row-major order, along one axis."""
    node = as_node(a)
    return Tensor(reshaped(node, (node.type.size,)))


@public
def transpose(a: TensorLike, axes: Sequence[int] | None = None) -> Tensor:
    """The axes in the order `axes`; reversed without it."""
    node = as_node(a)
    rank = len(node.shape)
    order = range(rank - 1, -1, -1) if axes is None else axes
    perm = tuple(axis_of("transpose", axis, node) for axis in order)
    return Tensor(node if perm == tuple(range(rank)) else ops.transpose(node, perm=perm))


@public
def swapaxes(a: TensorLike, axis1: int, axis2: int) -> Tensor:
    """Two axes exchanged."""
    node = as_node(a)
    perm = list(range(len(node.shape)))
    first, second = axis_of("swapaxes", axis1, node), axis_of("swapaxes", axis2, node)
    perm[first], perm[second] = second, first
    return transpose(a, perm)


@public
def broadcast_to(array: TensorLike, shape: int | Sequence[int]) -> Tensor:
    """Repeated along new leading axes and along axes of size 1, up to `shape`."""
    return Tensor(broadcast(as_node(array), shape_of("broadcast_to", shape)))


@public
def expand_dims(a: TensorLike, axis: Axis) -> Tensor:
    """Axes of size 1 put in, so that they stand at `axis` in the result."""
    node = as_node(a)
    wanted = list(axis) if isinstance(axis, Sequence) else [axis]
    places = [axis_of("expand_dims", place, node, extra=len(wanted)) for place in wanted]
    if len(set(places)) != len(places):
        error = AttributeValueError(f"expand_dims got an axis twice: {axis}", operand=0)
        raise refused(error, node)
    sizes = iter(node.shape)
    rank = len(node.shape) + len(places)
    shape = tuple(1 if place in places else next(sizes) for place in range(rank))
    return Tensor(reshaped(node, shape))


@public
def squeeze(a: TensorLike, axis: Axis = None) -> Tensor:
    """Without its axes of size 1, or without those of `axis`, which must have size 1."""
    node = as_node(a)
    if axis is None:
        axes = tuple(place for place, size in enumerate(node.shape) if size == 1)
    else:
        axes = axes_of("squeeze", axis, node)
    for place in axes:
        if node.shape[place] != 1:
            error = ShapeError(
                f"squeeze takes out axes of size 1, but axis {place} has size {node.shape[place]}",
                operand=0,
            )
            raise refused(error, node)
    return Tensor(
        reshaped(node, tuple(size for place, size in enumerate(node.shape) if place not in axes))
    )


@public
def pad(
    array: TensorLike, pad_width: Any, mode: str = "constant", constant_values: float = 0
) -> Tensor:
    """`pad_width` elements of `constant_values` before and after each axis.

    `pad_width` is a number, a pair for all axes, or a pair for each axis. Only `mode="constant"`.
    """
    node = as_node(array)
    if mode != "constant":
        raise AttributeValueError(f"pad knows mode 'constant' only, got {mode!r}")
    try:
        widths = np.broadcast_to(np.asarray(pad_width), (len(node.shape), 2))
    except ValueError:
        raise AttributeValueError(
            f"pad of {len(node.shape)} axes cannot use pad_width {pad_width!r}",
            help="give a number, one pair, or one pair for each axis",
        ) from None
    low, high = (tuple(int(width) for width in widths[:, side]) for side in (0, 1))
    number = np.asarray(constant_values).item()
    value = number if node.dtype.is_float else int(number)
    return Tensor(ops.pad(node, low=low, high=high, value=value))
