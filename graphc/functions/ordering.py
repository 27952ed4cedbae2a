"""Order: sort, argsort, lexsort, partition, top_k, searchsorted, digitize.

Owns those functions. Imports the op records. Invariant: NaN is larger than all numbers, equal
elements keep their order, and sorted elements have the derivative of what they were taken from.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from graphc.functions.axes import axis_of
from graphc.functions.index_entries import known_positions
from graphc.functions.indexing import take, take_along_axis
from graphc.functions.rearranging import flip
from graphc.functions.refusal import refused
from graphc.ir.build import ops, reshape
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.promotion import as_node, as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def sort(
    a: TensorLike,
    axis: int | None = -1,
    kind: object = None,
    *,
    descending: bool = False,
    stable: bool | None = None,
) -> Tensor:
    """The elements along `axis` in order, those of the flattened tensor if it is None.

    NaN is larger than all numbers: the last, or the first if `descending`. `kind` and `stable` are
    there for NumPy's sake: sorting is always stable.
    """
    node, place = _along("sort", a, axis)
    order = ops.argsort(node, axis=place, descending=bool(descending))
    return Tensor(ops.take_along_axis(node, order, axis=place))


@public
def argsort(
    a: TensorLike,
    axis: int | None = -1,
    kind: object = None,
    *,
    descending: bool = False,
    stable: bool | None = None,
) -> Tensor:
    """The positions, as i64, of the elements along `axis` in order; see `sort`.

    Equal elements keep their order, if `descending` as well.
    """
    node, place = _along("argsort", a, axis)
    return Tensor(ops.argsort(node, axis=place, descending=bool(descending)))


@public
def partition(a: TensorLike, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """The elements along `axis` with those at `kth` where sorting puts them, smaller ones before
    them and larger ones after: all of them in order, which is one such order."""
    _check_kth("partition", a, kth, axis)
    return sort(a, axis)


@public
def argpartition(a: TensorLike, kth: int | Sequence[int], axis: int | None = -1) -> Tensor:
    """The positions, as i64, of the elements in the order of `partition`."""
    _check_kth("argpartition", a, kth, axis)
    return argsort(a, axis)


def _check_kth(name: str, a: TensorLike, kth: int | Sequence[int], axis: int | None) -> None:
    node, place = _along(name, a, axis)
    known_positions(np.asarray(kth), place, node)


@public
def lexsort(keys: Sequence[TensorLike] | Tensor, axis: int = -1) -> Tensor:
    """The positions, as i64, in the order of the last key; of equal elements that of the key before
    it, and so on. All keys have one shape."""
    first, *others = (as_tensor(key) for key in keys)
    order = argsort(first, axis)
    for key in others:
        order = take_along_axis(order, argsort(take_along_axis(key, order, axis), axis), axis)
    return order


@public
def top_k(x: TensorLike, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The `k` largest elements along `axis`, the largest first, and their positions as i64.

    Of equal elements the first come first; NaN is larger than all numbers. Raises
    `AttributeValueError` where there are no `k` elements.
    """
    node, place = _along("top_k", x, axis)
    count = operator.index(k)
    if not 0 <= count <= node.shape[place]:
        raise refused(
            AttributeValueError(
                f"top_k of {count} elements along axis {axis}",
                operand=0,
                detail=f"which has {node.shape[place]} there",
            ),
            node,
        )
    found = ops.argsort(node, axis=place, descending=True, count=count)
    return Tensor(ops.take_along_axis(node, found, axis=place)), Tensor(found)


@public
def searchsorted(
    a: TensorLike,
    v: TensorLike,
    side: Literal["left", "right"] = "left",
    sorter: TensorLike | None = None,
) -> Tensor:
    """For each of `v` the position, as i64, before which it belongs in the sorted vector `a`.

    Before elements equal to it (`side="left"`) or after them ("right"). `sorter` sorts `a` first,
    as `argsort` gives it. Raises `ShapeError` unless `a` has one axis.
    """
    if side not in ("left", "right"):
        raise AttributeValueError(f"searchsorted has sides 'left' and 'right', got {side!r}")
    ordered = as_tensor(a) if sorter is None else take(a, sorter, 0)
    table, values = common([ordered, v])
    if len(table.shape) != 1:
        raise refused(ShapeError("searchsorted takes a sorted vector", operand=0), as_node(a))
    flat = reshape(values, (values.type.size,))
    return Tensor(reshape(ops.searchsorted(table, flat, side=side), values.shape))


@public
def digitize(x: TensorLike, bins: TensorLike, right: bool = False) -> Tensor:
    """The number of the bin that each element of `x` lies in, as i64: i for
    `bins[i-1] <= x < bins[i]`, or with `right` for `bins[i-1] < x <= bins[i]`.

    0 and `len(bins)` lie outside. `bins` must ascend, or descend if it is an array: then for
    `bins[i-1] > x >= bins[i]`, or with `right` for `bins[i-1] >= x > bins[i]`.
    """
    side: Literal["left", "right"] = "left" if right else "right"
    if not isinstance(bins, Tensor) and np.any(np.diff(np.asarray(bins)) < 0):
        known = np.asarray(bins)
        if np.any(np.diff(known) > 0):
            raise AttributeValueError("digitize needs bins that ascend or descend")
        return known.size - searchsorted(flip(known), x, side)
    return searchsorted(bins, x, side)


def _along(name: str, a: TensorLike, axis: int | None) -> tuple[Node, int]:
    node = as_node(a)
    if axis is None:
        return reshape(node, (node.type.size,)), 0
    return node, axis_of(name, axis, node)
