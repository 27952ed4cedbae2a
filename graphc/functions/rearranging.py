"""Elements in another order: flip, roll, rot90, repeat, tile, and axes moved.

Owns those functions. Imports the op records. Invariant: nothing is computed; where every element
comes from is known while the graph is declared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphc.functions.axes import axes_of, axis_of, places_of, shape_of
from graphc.functions.layout import transpose
from graphc.functions.positions import picked
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, full, ops, reshape
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.promotion import as_node, as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public
def moveaxis(
    a: TensorLike, source: int | Sequence[int], destination: int | Sequence[int]
) -> Tensor:
    """Axes moved from `source` to `destination`; the others keep their order."""
    node = as_node(a)
    origin = places_of("moveaxis", source, node)
    target = places_of("moveaxis", destination, node)
    if len(origin) != len(target):
        raise AttributeValueError(
            f"moveaxis moves {len(origin)} axes to {len(target)} places",
            help="give as many destinations as sources",
        )
    perm = [axis for axis in range(len(node.shape)) if axis not in origin]
    for place, axis in sorted(zip(target, origin, strict=True)):
        perm.insert(place, axis)
    return transpose(a, perm)


@public
def rollaxis(a: TensorLike, axis: int, start: int = 0) -> Tensor:
    """An axis moved back until it stands before the one that was at `start`; see `moveaxis`."""
    node = as_node(a)
    moved = axis_of("rollaxis", axis, node)
    place = axis_of("rollaxis", start, node, extra=1) if start >= 0 else start + len(node.shape)
    if place < 0:
        raise refused(AttributeValueError(f"rollaxis to start {start}", operand=0), node)
    return moveaxis(a, moved, place - 1 if moved < place else place)


@public
def matrix_transpose(x: TensorLike) -> Tensor:
    """The last two axes exchanged. Raises `ShapeError` of fewer than two axes."""
    node = as_node(x)
    rank = len(node.shape)
    if rank < 2:
        error = ShapeError("matrix_transpose needs at least two axes", operand=0)
        raise refused(error, node)
    return transpose(x, (*range(rank - 2), rank - 1, rank - 2))


@public
def flip(m: TensorLike, axis: Axis = None) -> Tensor:
    """The elements in reverse order along `axis`: along all axes for None."""
    node = as_node(m)
    axes = axes_of("flip", axis, node)
    start = tuple(
        size - 1 if place in axes and size else 0 for place, size in enumerate(node.shape)
    )
    step = tuple(-1 if place in axes else 1 for place in range(len(node.shape)))
    return Tensor(ops.slice(node, start=start, step=step, shape=node.shape) if axes else node)


@public
def fliplr(m: TensorLike) -> Tensor:
    """The elements in reverse order along axis 1."""
    return flip(m, 1)


@public
def flipud(m: TensorLike) -> Tensor:
    """The elements in reverse order along axis 0."""
    return flip(m, 0)


@public
def rot90(m: TensorLike, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Tensor:
    """Turned by 90 degrees `k` times, from the first of `axes` towards the second."""
    tensor = as_tensor(m)
    places = places_of("rot90", axes, tensor.node)
    if len(places) != 2:
        raise AttributeValueError(f"rot90 turns in a plane of two axes, got {axes}")
    first, second = places
    perm = list(range(tensor.ndim))
    perm[first], perm[second] = second, first
    turns = k % 4
    if turns == 0:
        return tensor
    if turns == 2:
        return flip(tensor, places)
    if turns == 1:
        return transpose(flip(tensor, second), perm)
    return flip(transpose(tensor, perm), second)


@public
def roll(
    a: TensorLike, shift: int | Sequence[int], axis: int | Sequence[int] | None = None
) -> Tensor:
    """Elements moved `shift` places on; those that fall off the end come in at the beginning.

    Without an axis, of the flattened tensor. Several axes may each have their own shift.
    """
    node = as_node(a)
    if axis is None:
        flat = roll(Tensor(reshape(node, (node.type.size,))), shift, 0)
        return Tensor(reshape(flat.node, node.shape))
    shifts, axes = shape_of("roll", shift, "shift"), shape_of("roll", axis, "axis")
    if len(shifts) != len(axes) and 1 not in (len(shifts), len(axes)):
        raise AttributeValueError(f"roll got {len(shifts)} shifts for {len(axes)} axes")
    for distance, place in np.broadcast(shifts, axes):
        along = axis_of("roll", int(place), node)
        node = picked(node, along, np.roll(np.arange(node.shape[along]), int(distance)))
    return Tensor(node)


@public
def repeat(
    a: TensorLike, repeats: int | Sequence[int] | NDArray[Any], axis: int | None = None
) -> Tensor:
    """Each element `repeats` times in a row along `axis`; of the flattened tensor without one.

    `repeats` is a number, or one number for each element along the axis.
    """
    node = as_node(a)
    if axis is None:
        node, axis = reshape(node, (node.type.size,)), 0
    place = axis_of("repeat", axis, node)
    size = node.shape[place]
    counts = shape_of("repeat", repeats, "repeats")
    if len(counts) not in (1, size) or any(count < 0 for count in counts):
        error = AttributeValueError(
            f"repeat needs one count or {size}, none of them negative, got {list(counts)}",
            operand=0,
        )
        raise refused(error, node)
    if len(counts) == 1:
        return Tensor(_each_repeated(node, place, counts[0]))
    return Tensor(picked(node, place, np.repeat(np.arange(size), counts)))


def _each_repeated(node: Node, axis: int, count: int) -> Node:
    """Through an axis of its own, along which elements are broadcast."""
    before, size, after = node.shape[:axis], node.shape[axis], node.shape[axis + 1 :]
    column = reshape(node, (*before, size, 1, *after))
    spread = broadcast(column, (*before, size, count, *after))
    return reshape(spread, (*before, size * count, *after))


@public
def tile(A: TensorLike, reps: int | Sequence[int]) -> Tensor:  # noqa: N803  NumPy's name
    """The whole tensor side by side, `reps` times along each axis.

    A shorter one of shape and `reps` gets ones in front.
    """
    node = as_node(A)
    counts = shape_of("tile", reps, "reps")
    if any(count < 0 for count in counts):
        raise AttributeValueError(f"tile takes no negative counts, got {list(counts)}")
    rank = max(len(counts), len(node.shape))
    counts = (1,) * (rank - len(counts)) + counts
    sizes = (1,) * (rank - len(node.shape)) + node.shape
    pairs = list(zip(counts, sizes, strict=True))
    units = reshape(node, tuple(part for _, size in pairs for part in (1, size)))
    spread = broadcast(units, tuple(part for pair in pairs for part in pair))
    return Tensor(reshape(spread, tuple(count * size for count, size in pairs)))


@public
def resize(a: TensorLike, new_shape: int | Sequence[int]) -> Tensor:
    """The elements in row-major order in another shape, from the first again when they run out.

    Of an empty tensor, zeros.
    """
    node = as_node(a)
    shape = shape_of("resize", new_shape)
    if any(size < 0 for size in shape):
        raise ShapeError(f"resize takes no negative sizes, got {list(shape)}")
    wanted, count = math.prod(shape), node.type.size
    if count == 0:
        return Tensor(full(0, node.dtype, shape))
    flat = tile(Tensor(reshape(node, (count,))), -(-wanted // count))
    return Tensor(reshape(flat[:wanted].node, shape))
