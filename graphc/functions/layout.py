"""Shapes: reshape, transpose, broadcast, unit axes.

Owns those functions. Imports the op records. Invariant: nothing is computed here; elements only
move.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from graphc.functions.axes import axes_of, axis_of, shape_of
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, ops
from graphc.ir.build import reshape as reshaped
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.ops.combinators import broadcast_shapes
from graphc.ir.types import Shape
from graphc.promotion import as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike

Order = Literal["C", "F"]
"""Which index moves the fastest when elements are counted: the last or the first."""


@public
def shape(a: TensorLike) -> Shape:
    """The sizes of the axes: known while the graph is declared."""
    return as_node(a).shape


@public
def ndim(a: TensorLike) -> int:
    """The number of axes."""
    return len(as_node(a).shape)


@public
def size(a: TensorLike, axis: Axis = None) -> int:
    """The number of elements, along some axes or along all."""
    node = as_node(a)
    return math.prod(node.shape[place] for place in axes_of("size", axis, node))


@public
def reshape(a: TensorLike, shape: int | Sequence[int], order: Order = "C") -> Tensor:
    """The same elements in another shape; one size may be -1.

    They are taken and put row by row, or with `order="F"` with the first index the fastest.
    """
    if not _is_row_major("reshape", order):
        reversed_shape = tuple(reversed(shape_of("reshape", shape)))
        return transpose(reshape(transpose(a), reversed_shape))
    node = as_node(a)
    sizes = list(shape_of("reshape", shape))
    if sizes.count(-1) == 1:
        rest = -math.prod(sizes)
        sizes[sizes.index(-1)] = node.type.size // rest if rest else 0
    return Tensor(reshaped(node, tuple(sizes)))


@public
def ravel(a: TensorLike, order: Order = "C") -> Tensor:
    """All elements along one axis: row by row, or with `order="F"` the first index the fastest."""
    node = as_node(a if _is_row_major("ravel", order) else transpose(a))
    return Tensor(reshaped(node, (node.type.size,)))


def _is_row_major(name: str, order: str) -> bool:
    if order not in ("C", "F"):
        raise AttributeValueError(
            f"{name} takes elements in order 'C' or 'F', got {order!r}",
            help="a tensor has no layout in memory that 'A' or 'K' could follow",
        )
    return order == "C"


@public(also=("permute_dims",))
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
def broadcast_arrays(*args: TensorLike) -> tuple[Tensor, ...]:
    """All operands broadcast to their common shape. Raises `ShapeError` where there is none."""
    nodes = [as_node(arg) for arg in args]
    try:
        common = broadcast_shapes("broadcast_arrays", [node.shape for node in nodes])
    except ShapeError as error:
        raise refused(error, *nodes) from None
    return tuple(Tensor(broadcast(node, common)) for node in nodes)


@public
def atleast_1d(*arys: TensorLike) -> Tensor | tuple[Tensor, ...]:
    """Scalars as vectors of one element. Of several operands a tuple."""
    return _each(arys, lambda shape: shape or (1,))


@public
def atleast_2d(*arys: TensorLike) -> Tensor | tuple[Tensor, ...]:
    """Scalars and vectors as matrices of one row. Of several operands a tuple."""
    return _each(arys, lambda shape: (1,) * (2 - len(shape)) + shape)


@public
def atleast_3d(*arys: TensorLike) -> Tensor | tuple[Tensor, ...]:
    """Unit axes around a vector, and after a matrix. Of several operands a tuple."""
    return _each(
        arys,
        lambda shape: (1, *shape, 1) if len(shape) == 1 else shape + (1,) * (3 - len(shape)),
    )


def _each(
    arrays: tuple[TensorLike, ...], change: Callable[[Shape], Shape]
) -> Tensor | tuple[Tensor, ...]:
    """Every operand in a changed shape; one of them by itself, several as a tuple."""
    nodes = [as_node(array) for array in arrays]
    tensors = tuple(Tensor(reshaped(node, change(node.shape))) for node in nodes)
    return tensors[0] if len(tensors) == 1 else tensors
