"""Running sums, products, extrema and log-sum-exps along an axis.

Owns those functions. Imports the op records. Invariant: each is made of one pass along the axis,
and so is its derivative, which is right with zeros among the factors of a product.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.axes import axis_of
from graphc.functions.joining import concatenate
from graphc.functions.reductions import accumulator, as_floats, reversed_order
from graphc.functions.refusal import refused
from graphc.functions.widening import rounded_once
from graphc.ir.build import (
    Expression,
    broadcast,
    cast,
    full,
    ops,
    positions_along,
    reshape,
    resized,
    scalar,
    slice_along,
)
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Node
from graphc.ir.types import int64
from graphc.promotion import as_dtype, as_node
from graphc.public import public
from graphc.registry import BY_NUMPY
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def cumsum(a: TensorLike, axis: int | None = None, dtype: object = None) -> Tensor:
    """The sum of the elements so far along `axis`; of the flattened tensor without one.

    Of booleans and small integers 64 bits wide unless `dtype` is given; f32 is carried in f64.
    """
    node, place = _prepared("cumsum", a, axis, dtype)
    return Tensor(_summed(node, place))


@public
def cumprod(a: TensorLike, axis: int | None = None, dtype: object = None) -> Tensor:
    """The product of the elements so far along `axis`; of the flattened tensor without one.

    Of booleans and small integers 64 bits wide unless `dtype` is given; f32 is carried in f64. Its
    derivative is right at zeros, to any order.
    """
    node, place = _prepared("cumprod", a, axis, dtype)
    return Tensor(_multiplied(node, place))


@public
def cumulative_sum(
    x: TensorLike,
    /,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
) -> Tensor:
    """`cumsum` by the array API's name: `axis` may be left out for vectors only, and
    `include_initial` puts a 0 first."""
    node, place = _prepared("cumulative_sum", x, _only_axis("cumulative_sum", x, axis), dtype)
    return _with_initial(Tensor(_summed(node, place)), place, 0, include_initial)


@public
def cumulative_prod(
    x: TensorLike,
    /,
    *,
    axis: int | None = None,
    dtype: object = None,
    include_initial: bool = False,
) -> Tensor:
    """`cumprod` by the array API's name: `axis` may be left out for vectors only, and
    `include_initial` puts a 1 first."""
    node, place = _prepared("cumulative_prod", x, _only_axis("cumulative_prod", x, axis), dtype)
    return _with_initial(Tensor(_multiplied(node, place)), place, 1, include_initial)


@public
def cummax(a: TensorLike, axis: int | None = None) -> Tensor:
    """The largest element so far along `axis`; of the flattened tensor without one.

    NaN from the first NaN on. The derivative goes to the element itself, of equal ones the first.
    What `np.maximum.accumulate` is to arrays.
    """
    node, place = _flat_or_along("cummax", a, axis)
    found = ops.running_argmax(node, axis=place)
    return Tensor(ops.take_along_axis(node, found, axis=place))


@public
def cummin(a: TensorLike, axis: int | None = None) -> Tensor:
    """The smallest element so far along `axis`; of the flattened tensor without one.

    NaN from the first NaN on. The derivative goes to the element itself, of equal ones the first.
    What `np.minimum.accumulate` is to arrays.
    """
    node, place = _flat_or_along("cummin", a, axis)
    found = ops.running_argmax(reversed_order(node), axis=place)
    return Tensor(ops.take_along_axis(node, found, axis=place))


@public
@rounded_once
def logcumsumexp(a: TensorLike, axis: int | None = None) -> Tensor:
    """The logarithm of the sum of exponentials so far along `axis`, without overflow.

    Sums are relative to the largest exponent so far, and scaled anew when that grows.
    """
    node, place = _flat_or_along("logcumsumexp", as_floats(a), axis)
    if not node.shape[place]:
        return Tensor(node)
    raw = cummax(Tensor(node), place).node
    finite = Expression(raw).abs().lt(math.inf)
    largest = finite.where(Expression(raw), 0).stop_gradient()
    before = Expression(_previous(raw, place))
    grows = (Expression(raw) - before).eq(math.inf)
    decay = (Expression(_previous(largest.node, place)) - largest).exp()
    total = ops.recurrence(
        grows.where(0, decay).node, (Expression(node) - largest).exp().node, axis=place
    )
    is_zero = Expression(total).eq(0)
    return Tensor(
        is_zero.where(-math.inf, is_zero.where(1, Expression(total)).log() + largest).node
    )


def _answer_accumulate(ufunc: np.ufunc, function: Callable[..., Tensor]) -> None:
    """Let `ufunc.accumulate(t)` build what `function` builds; its axis is the first by itself."""

    def accumulate(array: TensorLike, axis: int = 0) -> Tensor:
        return function(array, axis)

    BY_NUMPY[ufunc.accumulate] = accumulate


_answer_accumulate(np.add, cumsum)
_answer_accumulate(np.multiply, cumprod)
_answer_accumulate(np.maximum, cummax)
_answer_accumulate(np.minimum, cummin)
_answer_accumulate(np.logaddexp, logcumsumexp)


def _summed(node: Node, axis: int) -> Node:
    return ops.recurrence(full(1, node.dtype, node.shape), node, axis=axis)


def _multiplied(node: Node, axis: int) -> Node:
    """y[t] = x[t] y[t-1] + 0, where the zero is the one that changes no sign."""
    zero = scalar(-0.0 if node.dtype.is_float else 0, node.dtype)
    is_first = ops.eq(positions_along(node.shape, axis, int64), scalar(0, int64))
    first = ops.where(broadcast(is_first, node.shape), node, zero)
    return ops.recurrence(node, first, axis=axis)


def _previous(node: Node, axis: int) -> Node:
    """Along an axis the element before each; the first stays."""
    count = node.shape[axis]
    if not count:
        return node
    parts = (slice_along(node, axis, 0, 1), slice_along(node, axis, 0, count - 1))
    return ops.concatenate(*parts, axis=axis)


def _prepared(name: str, a: TensorLike, axis: int | None, dtype: object) -> tuple[Node, int]:
    node, place = _flat_or_along(name, a, axis)
    wanted = accumulator(ops.sum, "sum", node.dtype) if dtype is None else as_dtype(dtype)
    return cast(node, wanted), place


def _flat_or_along(name: str, a: TensorLike, axis: int | None) -> tuple[Node, int]:
    node = as_node(a)
    if axis is None:
        return reshape(node, (node.type.size,)), 0
    return node, axis_of(name, axis, node)


def _only_axis(name: str, x: TensorLike, axis: int | None) -> int:
    node = as_node(x)
    if axis is None and len(node.shape) != 1:
        raise refused(AttributeValueError(f"{name} needs an axis", operand=0), node)
    return 0 if axis is None else axis


def _with_initial(result: Tensor, axis: int, initial: int, is_wanted: bool) -> Tensor:
    if not is_wanted:
        return result
    first = full(initial, result.dtype, resized(result.shape, axis, 1))
    return concatenate([Tensor(first), result], axis)
