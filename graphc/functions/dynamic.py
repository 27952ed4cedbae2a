"""Slices that begin where a tensor says: dynamic_slice and dynamic_update_slice.

Owns those functions. Imports the op records. Invariant: sizes are known while the graph is
declared; a start is moved so that the slice lies inside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.functions.axes import shape_of
from graphc.functions.refusal import refused
from graphc.ir.build import (
    Expression,
    broadcast,
    ops,
    positions_along,
    reshape,
    resized,
    slice_along,
)
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.indexing import wide_index
from graphc.ir.types import Shape, int64
from graphc.promotion import as_node, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def dynamic_slice(
    operand: TensorLike,
    start_indices: TensorLike | Sequence[TensorLike],
    slice_sizes: int | Sequence[int],
) -> Tensor:
    """`slice_sizes` elements along each axis, from those at `start_indices` on.

    The starts are one integer for each axis, numbers or tensors, or a vector of them. A negative
    one counts from the end; then each is moved, if need be, so that the slice lies inside. Raises
    `ShapeError` for a slice that is larger than `operand`.
    """
    node = as_node(operand)
    sizes = shape_of("dynamic_slice", slice_sizes)
    for axis, start in enumerate(_starts("dynamic_slice", node, start_indices, sizes)):
        size = sizes[axis]
        if size == node.shape[axis]:
            continue
        shape = resized(node.shape, axis, size)
        rows = start + Expression(positions_along(shape, axis, int64))
        node = ops.take_along_axis(node, broadcast(rows.node, shape), axis=axis)
    return Tensor(node)


@public
def dynamic_update_slice(
    operand: TensorLike, update: TensorLike, start_indices: TensorLike | Sequence[TensorLike]
) -> Tensor:
    """`operand` with `update` in the place of the slice that begins at `start_indices`.

    The starts are those of `dynamic_slice`. Raises `ShapeError` for an update that is larger than
    `operand`, and `DTypeError` for one of another dtype.
    """
    node = as_node(operand)
    new = common([operand, update])[1]
    if new.dtype != node.dtype:
        raise refused(
            DTypeError("dynamic_update_slice needs an update of its operand's dtype", operand=0),
            node,
        )
    sizes = new.shape
    if not new.type.size:
        return Tensor(node)
    inside: Expression | None = None
    for axis, start in enumerate(_starts("dynamic_update_slice", node, start_indices, sizes)):
        size, whole = new.shape[axis], node.shape[axis]
        if size == whole:
            continue
        place = Expression(positions_along(node.shape, axis, int64)) - start
        fits = place.ge(0).logical_and(place.lt(size))
        inside = fits if inside is None else inside.logical_and(fits)
        rows = place.maximum(0).minimum(size - 1).node
        rows = broadcast(rows, resized(new.shape, axis, whole))
        new = ops.take_along_axis(new, rows, axis=axis)
    return Tensor(new if inside is None else ops.where(inside.node, new, node))


def _starts(
    name: str, node: Node, starts: TensorLike | Sequence[TensorLike], sizes: Shape
) -> list[Expression]:
    """For each axis where the slice begins, so that it lies inside; of as many axes as `node`."""
    rank = len(node.shape)
    if len(sizes) != rank or any(
        not 0 <= size <= whole for size, whole in zip(sizes, node.shape, strict=True)
    ):
        raise refused(
            ShapeError(f"{name} of {list(sizes)} elements", operand=0, detail="which is smaller"),
            node,
        )
    if isinstance(starts, list | tuple):
        given = [as_node(start) for start in starts]
    else:
        vector = as_node(starts)
        given = [slice_along(vector, 0, i, 1) for i in range(vector.type.size)]
    if len(given) != rank or any(start.type.size != 1 for start in given):
        raise AttributeValueError(f"{name} takes one start for each axis, got {len(given)}")
    found = []
    for start, size, whole in zip(given, sizes, node.shape, strict=True):
        if not start.dtype.is_integer:
            raise refused(DTypeError(f"{name} takes integers as starts", operand=0), start)
        first = Expression(reshape(wide_index(start), (1,) * rank))
        counted = first.lt(0).where(first + whole, first)
        found.append(counted.maximum(0).minimum(whole - size))
    return found
