"""Sums and extrema of groups: segment_sum and its like, bincount, histogram.

Owns those functions. Imports the op records. Invariant: how many groups there are is known while
the graph is declared; which group an element is in is data.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.functions import reductions
from graphc.functions.arithmetic import where
from graphc.functions.differences import diff
from graphc.functions.elementwise import apply
from graphc.functions.ordering import searchsorted
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, cast, full, ops, reshape
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.ops.scatter import Mode
from graphc.ir.types import float64, int64
from graphc.promotion import as_node, as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def segment_sum(data: TensorLike, segment_ids: TensorLike, num_segments: int) -> Tensor:
    """The sums of the parts of `data` that have the same number in `segment_ids`.

    `segment_ids` has one integer for each part along axis 0 of `data`; the result has
    `num_segments` there, 0 where no part is. A number that is outside is refused at the call of the
    step if it comes from an input, and else taken for the nearest. Raises `ShapeError` and
    `DTypeError` for numbers that do not fit.
    """
    return Tensor(_segments("segment_sum", data, segment_ids, num_segments, 0, "add"))


@public
def segment_prod(data: TensorLike, segment_ids: TensorLike, num_segments: int) -> Tensor:
    """The products of parts with the same number, 1 where no part is; see `segment_sum`."""
    return Tensor(_segments("segment_prod", data, segment_ids, num_segments, 1, "mul"))


@public
def segment_max(data: TensorLike, segment_ids: TensorLike, num_segments: int) -> Tensor:
    """The largest of parts with the same number; see `segment_sum`.

    Where no part is, -inf, or the smallest integer. Parts that tie share the derivative.
    """
    lowest = _neutral(ops.max.monoid, as_node(data))
    return Tensor(_segments("segment_max", data, segment_ids, num_segments, lowest, "max"))


@public
def segment_min(data: TensorLike, segment_ids: TensorLike, num_segments: int) -> Tensor:
    """The smallest of parts with the same number; see `segment_sum`.

    Where no part is, inf, or the largest integer. Parts that tie share the derivative.
    """
    highest = _neutral(ops.min.monoid, as_node(data))
    return Tensor(_segments("segment_min", data, segment_ids, num_segments, highest, "min"))


@public
def segment_mean(data: TensorLike, segment_ids: TensorLike, num_segments: int) -> Tensor:
    """The means of parts with the same number, 0 where no part is; see `segment_sum`.

    Of integers and booleans in f64.
    """
    tensor = as_floats(data)
    total = segment_sum(tensor, segment_ids, num_segments)
    ids = as_node(segment_ids)
    ones = Tensor(full(1, tensor.dtype, ids.shape))
    count = apply(ops.maximum, segment_sum(ones, segment_ids, num_segments), 1)
    return total / count.reshape((-1, *[1] * (total.ndim - 1)))


def _neutral(monoid: object, node: Node) -> float | int:
    (value,) = monoid.identity(node.dtype)  # type: ignore[attr-defined]
    number: float | int = value
    return number


def _segments(
    name: str, data: TensorLike, ids: TensorLike, count: int, empty: float, mode: Mode
) -> Node:
    node, numbers = as_node(data), as_node(ids)
    if not numbers.dtype.is_integer:
        raise refused(DTypeError(f"{name} takes integer numbers", operand=1), node, numbers)
    if not node.shape or numbers.shape != node.shape[:1]:
        raise refused(
            ShapeError(
                f"{name} takes one number for each part along axis 0",
                operand=1,
                detail=f"but {{0}} is {node.type}",
            ),
            node,
            numbers,
        )
    start = full(empty, node.dtype, (_whole(name, count), *node.shape[1:]))
    column = reshape(numbers, (*numbers.shape, *[1] * (len(node.shape) - 1)))
    return ops.scatter(start, broadcast(column, node.shape), node, axis=0, mode=mode)


def _whole(name: str, count: Any) -> int:
    try:
        number = operator.index(count)
    except TypeError:
        number = -1
    if number < 0:
        raise AttributeValueError(
            f"{name} takes the number of its results as an integer, got {count!r}",
            help="shapes are static: every size is known when the graph is declared",
        )
    return number


@public
def bincount(
    x: TensorLike,
    weights: TensorLike | None = None,
    minlength: int = 0,
    *,
    length: int | None = None,
) -> Tensor:
    """How often each of 0, 1, 2, ... is in the integer vector `x`, as i64; or the sums of its
    `weights`, in their dtype, or f64 of integers.

    The result has `length` elements, or `minlength` if that is not given, because sizes must be
    known; other integers are not counted. Raises `AttributeValueError` where neither is given.
    """
    node = as_node(x)
    if not node.dtype.is_integer:
        raise refused(DTypeError("bincount takes integers", operand=0), node)
    if len(node.shape) != 1:
        raise refused(ShapeError("bincount takes a vector", operand=0), node)
    size = _whole("bincount", length if length is not None else minlength or None)
    ones = Tensor(full(1, int64, node.shape))
    return _counted(Tensor(node), ones if weights is None else as_floats(weights), size)


def _counted(numbers: Tensor, weights: Tensor, size: int) -> Tensor:
    """The sums of weights by number; what is outside goes to a place of its own, which is cut."""
    inside = (numbers >= 0) & (numbers < size)
    known = where(inside, Tensor(cast(numbers.node, int64)), size)
    return segment_sum(weights, known, size + 1)[:size]


@public
def histogram(
    a: TensorLike,
    bins: int | TensorLike = 10,
    range: Sequence[float] | None = None,
    density: bool = False,
    weights: TensorLike | None = None,
) -> tuple[Tensor, Tensor]:
    """How many elements lie between neighbours of the edges, and the edges.

    `bins` are edges that ascend, or how many bins of equal width there are from the first to the
    last number of `range`, or from the smallest to the largest element. The last bin has both its
    edges, the others their lower one. Counts are i64, or sums of `weights`, which have the shape of
    `a`; with `density` they are divided by their sum and the widths of the bins.
    """
    flat = as_tensor(a).reshape(-1)
    edges = _edges(flat, bins, range)
    size = edges.size - 1
    below, last = Tensor(common([edges, flat])[0]), edges[-1]
    found = searchsorted(below, flat, "right") - 1
    number = where(apply(ops.eq, flat, last), size - 1, found)
    if weights is None:
        amounts = Tensor(full(1, int64, flat.shape))
    else:
        amounts = as_tensor(weights).reshape(flat.shape)
    counts = _counted(number, amounts, size)
    if density:
        return counts / (reductions.sum(counts) * diff(edges)), edges
    return counts, edges


def _edges(flat: Tensor, bins: int | TensorLike, limits: Sequence[float] | None) -> Tensor:
    if not isinstance(bins, int | np.integer):
        edges = as_tensor(bins)
        if edges.ndim != 1 or edges.size < 2:
            raise refused(ShapeError("histogram takes a vector of edges", operand=0), edges.node)
        return edges
    if bins < 1:
        raise AttributeValueError(f"histogram needs at least one bin, got {bins}")
    if limits is not None:
        first, last = limits
        return as_tensor(np.histogram_bin_edges([], int(bins), (first, last)))
    wide = Tensor(cast(flat.node, float64))
    low, high = reductions.min(wide), reductions.max(wide)
    half = where(apply(ops.eq, low, high), 0.5, 0.0)
    low, high = low - half, high + half
    steps = Tensor(ops.iota(shape=(int(bins) + 1,), axis=0, dtype=float64))
    inner = low + steps * ((high - low) / int(bins))
    return where(apply(ops.eq, steps, int(bins)), high, inner)
