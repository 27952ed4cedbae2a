"""Parts of a tensor, read and changed: `t[1:5, ::2]`, `t.at[i].set(v)`, `take`, `take_along_axis`.

Owns those functions. Imports the op records. Invariant: what is read is known while the graph is
declared, but for the values of integer index tensors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from graphc.functions.arithmetic import clip
from graphc.functions.axes import axis_of
from graphc.functions.elementwise import apply
from graphc.functions.index_entries import known_positions
from graphc.functions.refusal import refused
from graphc.functions.selecting import selection_of
from graphc.ir.build import broadcast, cast, ops, reshape
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.scatter import Mode
from graphc.ir.types import Shape, bool_
from graphc.promotion import as_node, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def getitem(a: TensorLike, index: object) -> Tensor:
    """`a[index]` for integers, slices (negative steps too), `...`, `None`, integer tensors, and
    arrays or lists of integers or bools, with the shape that NumPy gives the result.

    Positions in a tensor are looked up: one that is outside is refused at the call of the step if
    it comes from an input, and else moved to the nearest end. Raises `AttributeValueError` for a
    known position outside of its axis, for too many indices, for a tensor of bools and for what
    cannot be an index; `DTypeError` for an array or tensor of floats.
    """
    node = as_node(a)
    return Tensor(selection_of(index, node).read(node))


@public
def update_at(a: TensorLike, index: object, values: TensorLike, mode: Mode = "set") -> Tensor:
    """`a` with `values`, which broadcast, at `a[index]`; also written `a.at[index].set(values)`.

    `mode` says what a value does to the element there: "set" puts it in its place, "add" and "mul"
    add and multiply, "max" and "min" keep the larger or smaller one. Where an index names an
    element several times, each value acts on it in turn, and of "set" the last stays. It has
    derivatives by `a` and by `values`. Raises as `a[index]`, `DTypeError` for values that the dtype
    of `a` cannot hold, and `ShapeError` for those that do not broadcast.
    """
    node = as_node(a)
    if mode not in get_args(Mode):
        raise AttributeValueError(f"update_at has modes {', '.join(get_args(Mode))}, got {mode!r}")
    selection = selection_of(index, node)
    return Tensor(selection.write(node, _values(a, values, selection.shape), mode))


@public
def put_along_axis(
    arr: TensorLike, indices: TensorLike, values: TensorLike, axis: int, mode: Mode = "set"
) -> Tensor:
    """`arr` with `values` at `indices` along `axis`: the counterpart of `take_along_axis`.

    A new tensor; nothing is changed in place. Axes other than `axis` broadcast, as do the values.
    `mode` as in `update_at`.
    """
    node, positions = as_node(arr), _integers("put_along_axis", indices)
    place = axis_of("put_along_axis", axis, node)
    others = _without(node.shape, place)
    positions = broadcast(positions, _with(others, place, positions.shape[place]))
    updates = _values(arr, values, positions.shape)
    return Tensor(ops.scatter(node, positions, updates, axis=place, mode=mode))


def _values(a: TensorLike, values: TensorLike, shape: Shape) -> Node:
    """Values in the dtype of `a`, broadcast to a shape."""
    node = as_node(a)
    kept, given = common([a, values])
    too_wide = kept.dtype.is_float and not node.dtype.is_float
    if too_wide or (node.dtype is bool_ and kept.dtype is not bool_):
        raise refused(
            DTypeError(
                f"values of {as_node(values).dtype} do not fit in a tensor of {node.dtype}",
                help="convert one of them with .astype(...)",
            ),
            node,
        )
    if not _broadcasts(given.shape, shape):
        raise refused(
            ShapeError(
                f"values of shape {list(given.shape)} do not broadcast to the {list(shape)} that "
                "the index selects",
            ),
            node,
        )
    return broadcast(cast(given, node.dtype), shape)


def _broadcasts(given: Shape, shape: Shape) -> bool:
    try:
        return np.broadcast_shapes(given, shape) == shape
    except ValueError:
        return False


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
def take(
    a: TensorLike,
    indices: TensorLike,
    axis: int | None = None,
    mode: Literal["raise", "wrap", "clip"] = "raise",
) -> Tensor:
    """The parts of `a` at `indices` along `axis`; of the flattened tensor without one.

    The axes of `indices` stand in the place of `axis`. A negative index counts from the end. With
    `mode="wrap"` indices go round, with "clip" they end at the first and the last element, also
    from below. Raises `AttributeValueError` for a known index outside of the axis.
    """
    node = as_node(a)
    if axis is None:
        node, axis = reshape(node, (node.type.size,)), 0
    place = axis_of("take", axis, node)
    positions = _integers("take", _within(indices, mode, place, node))
    before, after = node.shape[:place], node.shape[place + 1 :]
    column = reshape(positions, (*[1] * len(before), positions.type.size, *[1] * len(after)))
    spread = broadcast(column, (*before, positions.type.size, *after))
    taken = ops.take_along_axis(node, spread, axis=place)
    return Tensor(reshape(taken, (*before, *positions.shape, *after)))


def _within(indices: TensorLike, mode: str, axis: int, node: Node) -> TensorLike:
    """Positions as `mode` has them."""
    size = node.shape[axis]
    if mode == "wrap":
        return apply(ops.remainder, indices, size)
    if mode == "clip":
        return clip(indices, 0, size - 1)
    if mode != "raise":
        raise AttributeValueError(f"take has modes 'raise', 'wrap' and 'clip', got {mode!r}")
    if not isinstance(indices, Tensor) and np.asarray(indices).dtype.kind in "iu":
        return known_positions(np.asarray(indices), axis, node)
    return indices


def _integers(name: str, indices: TensorLike) -> Node:
    node = as_node(indices)
    if not node.dtype.is_integer:
        error = DTypeError(
            f"{name} takes integer indices", operand=1, help="convert them with .astype(gc.int32)"
        )
        raise refused(error, node, node)
    return node


def _without(shape: Shape, place: int) -> Shape:
    return shape[:place] + shape[place + 1 :]


def _with(shape: Shape, place: int, size: int) -> Shape:
    return (*shape[:place], size, *shape[place:])
