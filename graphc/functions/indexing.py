"""Parts of a tensor: `t[1:5, ::2]`, `take`, `take_along_axis`.

Owns those functions. Imports the op records. Invariant: what is read is known while the graph is
declared, but for the values of integer index tensors.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.axes import axis_of
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, ops, reshape
from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError
from graphc.ir.graph import Node
from graphc.ir.types import Shape
from graphc.promotion import as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

_HELP = (
    "an index is made of integers, slices, ... and None; select by an integer tensor with "
    "gc.take or gc.take_along_axis, by a condition with gc.where"
)


@public
def getitem(a: TensorLike, index: object) -> Tensor:
    """`a[index]` for integers, slices (negative steps too), `...` and `None`.

    Raises `AttributeValueError` for an integer outside of its axis, for too many indices and for
    what is none of these.
    """
    node = as_node(a)
    start, step, counts, shape = [], [], [], []
    axis = 0
    for entry in _completed(index, node):
        if entry is None:
            shape.append(1)
            continue
        size = node.shape[axis]
        if isinstance(entry, slice):
            first, count, stride = _range(entry, size, node)
            shape.append(count)
        else:
            first, count, stride = _position(entry, axis, node), 1, 1
        start.append(first)
        step.append(stride)
        counts.append(count)
        axis += 1
    if tuple(counts) == node.shape and all(stride == 1 for stride in step):
        part = node
    else:
        part = ops.slice(node, start=tuple(start), step=tuple(step), shape=tuple(counts))
    return Tensor(reshape(part, tuple(shape)))


@public
def take_along_axis(arr: TensorLike, indices: TensorLike, axis: int = -1) -> Tensor:
    """Along `axis` the elements at `indices`, an integer tensor with as many axes as `arr`.

    Other axes broadcast. A negative index counts from the end.
    """
    node, positions = as_node(arr), _integers("take_along_axis", indices)
    place = axis_of("take_along_axis", axis, node)
    if len(positions.shape) != len(node.shape):
        raise AttributeValueError(
            f"take_along_axis needs as many axes in indices as in arr, "
            f"got {list(positions.shape)} for {list(node.shape)}",
            help="put unit axes in with gc.expand_dims, or use gc.take",
        )
    others = np.broadcast_shapes(_without(node.shape, place), _without(positions.shape, place))
    node = broadcast(node, _with(others, place, node.shape[place]))
    positions = broadcast(positions, _with(others, place, positions.shape[place]))
    return Tensor(ops.take_along_axis(node, positions, axis=place))


@public
def take(a: TensorLike, indices: TensorLike, axis: int | None = None) -> Tensor:
    """The parts of `a` at `indices` along `axis`; of the flattened tensor without one.

    The axes of `indices` stand in the place of `axis`. A negative index counts from the end.
    """
    node, positions = as_node(a), _integers("take", indices)
    if axis is None:
        node, axis = reshape(node, (node.type.size,)), 0
    place = axis_of("take", axis, node)
    before, after = node.shape[:place], node.shape[place + 1 :]
    column = reshape(positions, (*[1] * len(before), positions.type.size, *[1] * len(after)))
    spread = broadcast(column, (*before, positions.type.size, *after))
    taken = ops.take_along_axis(node, spread, axis=place)
    return Tensor(reshape(taken, (*before, *positions.shape, *after)))


def _completed(index: object, node: Node) -> list[object]:
    """One entry for each axis, and None for each new one: the ellipsis spelled out."""
    entries = list(index) if isinstance(index, tuple) else [index]
    missing = len(node.shape) - sum(entry is not None and entry is not ... for entry in entries)
    if sum(entry is ... for entry in entries) > 1:
        raise _refused("an index may have one ellipsis (...)", node)
    if missing < 0:
        raise _refused(f"{len(node.shape) - missing} indices for {len(node.shape)} axes", node)
    whole: list[object] = [slice(None)] * missing
    place = next((i for i, entry in enumerate(entries) if entry is ...), None)
    if place is None:
        return entries + whole
    return entries[:place] + whole + entries[place + 1 :]


def _range(entry: slice, size: int, node: Node) -> tuple[int, int, int]:
    """First position, count and step."""
    try:
        positions = range(*entry.indices(size))
    except (TypeError, ValueError) as error:
        raise _refused(f"slice {entry}: {error}", node) from None
    return (positions[0] if positions else 0), len(positions), positions.step


def _position(entry: object, axis: int, node: Node) -> int:
    if isinstance(entry, (bool, np.bool_, Tensor, list, np.ndarray)):
        kind = f"{entry!r}" if isinstance(entry, Tensor) else f"a {type(entry).__name__}"
        raise _refused(f"{kind} cannot be part of an index", node)
    try:
        position = operator.index(entry)  # type: ignore[arg-type]
    except TypeError:
        raise _refused(f"a {type(entry).__name__} cannot be part of an index", node) from None
    size = node.shape[axis]
    if not -size <= position < size:
        raise _refused(f"index {position} is outside of axis {axis}, which has size {size}", node)
    return position % size


def _refused(summary: str, node: Node) -> GraphError:
    return refused(AttributeValueError(summary, operand=0, help=_HELP), node)


def _integers(name: str, indices: TensorLike) -> Node:
    node = as_node(indices)
    if not node.dtype.is_integer:
        raise refused(DTypeError(f"{name} takes integer indices", operand=1), node, node)
    return node


def _without(shape: Shape, place: int) -> Shape:
    return shape[:place] + shape[place + 1 :]


def _with(shape: Shape, place: int, size: int) -> Shape:
    return (*shape[:place], size, *shape[place:])
