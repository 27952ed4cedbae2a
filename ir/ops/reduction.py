"""Reductions: sum, prod, max, min and argmax along axes.

Owns their records and monoids. Invariant: a monoid gives the same result for any grouping of the
elements, and argmax for any order too, so lanes and blocks may be interleaved.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.ir.graph import Node
from graphc.ir.op import NO_GRADIENT, Array, Monoid, Sample
from graphc.ir.ops.algebra import Expression, broadcast, kept_shape, ops, reshape, slice_along
from graphc.ir.ops.combinators import (
    ReductionAttrs,
    accurate,
    linear,
    reduced_shape,
    reduction,
)
from graphc.ir.ops.masks import inside_mask
from graphc.ir.ops.samples import draw, reduction_samples
from graphc.ir.scalar import ScalarBuilder, Value
from graphc.ir.types import ALL_DTYPES, NUMBERS, DType, int64

State = tuple[Value, ...]


def _fold(
    identity: Callable[[DType], float | int],
    combine: Callable[[ScalarBuilder, Value, Value], Value],
) -> Monoid:
    """A monoid whose state is one element."""
    return Monoid(
        identity=lambda dtype: (identity(dtype),),
        state=lambda dtype: (dtype,),
        lift=lambda b, x, index: (x,),
        combine=lambda b, left, right: (combine(b, left[0], right[0]),),
        result=lambda b, state: state[0],
    )


def _lowest(dtype: DType) -> float | int:
    if dtype.is_float:
        return -math.inf
    return int(np.iinfo(str(dtype.numpy)).min) if dtype.is_integer else False


def _highest(dtype: DType) -> float | int:
    if dtype.is_float:
        return math.inf
    return int(np.iinfo(str(dtype.numpy)).max) if dtype.is_integer else True


def _axes(node: Node) -> tuple[int, ...]:
    assert isinstance(node.attrs, ReductionAttrs)
    return node.attrs.axes


def _kept(node: Node, reduced: Node) -> Node:
    """A reduced value with the axes that `node` reduces kept at size 1."""
    return reshape(reduced, kept_shape(node.operands[0].shape, _axes(node)))


def _spread(node: Node, g: Node) -> Node:
    """A reduced value at every element that went into it."""
    return broadcast(_kept(node, g), node.operands[0].shape)


def _reference(function: Callable[..., Any]) -> Callable[..., Array]:
    return accurate(
        lambda x, axes, keepdims: function(x, axis=axes, keepdims=keepdims, dtype=x.dtype)
    )


sum = reduction(
    "sum",
    doc="Sum along axes, in the operand's dtype: integers wrap. The sum of nothing is 0. Errors "
    "are counted in the last place of the sum of magnitudes.",
    reference=_reference(np.sum),
    needs_elements=False,
    monoid=_fold(lambda dtype: 0, lambda b, x, y: b.add(x, y)),
    **linear(_spread),
    dtypes=NUMBERS,
    samples=reduction_samples(),
    analytic=True,
    ulp=16,
    numpy=("sum",),
)


def _others_product(x: Node, axes: tuple[int, ...]) -> Expression:
    """For each element the product of all others along the axes, without dividing.

    The product of what stands before an element and of what stands after it, both by doubling:
    right with zeros, and being products, right when differentiated again.
    """
    kept = [axis for axis in range(len(x.shape)) if axis not in axes]
    perm = (*kept, *axes)
    moved = x if perm == tuple(range(len(perm))) else ops.transpose(x, perm=perm)
    count = math.prod(x.shape[axis] for axis in axes)
    rows = reshape(moved, (*(x.shape[axis] for axis in kept), count))
    before, after = _shifted(rows, 1), _shifted(rows, -1)
    distance = 1
    while distance < count - 1:
        before = ops.mul(before, _shifted(before, distance))
        after = ops.mul(after, _shifted(after, -distance))
        distance *= 2
    others = reshape(ops.mul(before, after), moved.shape)
    if moved is x:
        return Expression(others)
    inverse = tuple(perm.index(axis) for axis in range(len(perm)))
    return Expression(ops.transpose(others, perm=inverse))


def _shifted(rows: Node, distance: int) -> Node:
    """Rows moved right by `distance` (left if negative), ones moved in."""
    *lead, count = rows.shape
    moved = distance if distance > 0 else -distance
    moved = count if moved > count else moved
    start = moved if distance < 0 and moved < count else 0
    kept = slice_along(rows, len(lead), start, count - moved)
    blank, filled = (0,) * len(rows.shape), (*(0,) * len(lead), moved)
    low, high = (filled, blank) if distance > 0 else (blank, filled)
    return ops.pad(kept, low=low, high=high, value=1)


def _prod_vjp(node: Node, g: Node, i: int) -> Node | None:
    (x,) = node.operands
    if not x.dtype.is_float:
        return None
    return (Expression(_kept(node, g)) * _others_product(x, _axes(node))).node


def _prod_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    (tangent,) = tangents
    if tangent is None:
        return None
    others = _others_product(node.operands[0], _axes(node))
    return ops.sum.build(((Expression(tangent) * others).node,), node.attrs)


prod = reduction(
    "prod",
    doc="Product along axes, in the operand's dtype: integers wrap. The product of nothing is 1. "
    "The derivative is the product of all other elements, right with zeros among them.",
    reference=_reference(np.prod),
    needs_elements=False,
    monoid=_fold(lambda dtype: 1, lambda b, x, y: b.mul(x, y)),
    vjp=_prod_vjp,
    jvp=_prod_jvp,
    dtypes=NUMBERS,
    samples=(
        *reduction_samples(),
        Sample(
            lambda rng, dtype: (
                draw(rng, dtype, (3, 5)) * np.array([[1, 1, 0, 1, 1]], dtype.numpy),
            ),
            {"axes": (1,)},
            label="one zero",
        ),
        Sample(
            lambda rng, dtype: (
                draw(rng, dtype, (5, 3)) * np.array([[1], [0], [1], [0], [1]], dtype.numpy),
            ),
            {"axes": (0,)},
            label="two zeros",
        ),
    ),
    analytic=True,
    ulp=64,
    numpy=("prod",),
)


def _attained(node: Node) -> tuple[Expression, Expression]:
    """Where the extremum is attained, and at how many places, axes kept."""
    (x,) = node.operands
    mask = Expression(x).eq(Expression(_kept(node, node)))
    count = mask.cast(dtype=x.dtype).sum(axes=_axes(node), keepdims=True)
    return mask, count


def _extremum_vjp(node: Node, g: Node, i: int) -> Node | None:
    if not node.dtype.is_float:
        return None
    mask, count = _attained(node)

    def shared(g: Node) -> Node:
        return mask.where(Expression(g) / count, 0).node

    return inside_mask(_kept(node, g), shared)


def _extremum_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    (tangent,) = tangents
    if tangent is None:
        return None
    mask, count = _attained(node)
    chosen = mask.where(Expression(tangent), 0).sum(axes=_axes(node), keepdims=True)
    return reshape((chosen / count).node, node.shape)


max = reduction(
    "max",
    doc="The largest element along axes; NaN if there is one. Elements that tie for it share the "
    "derivative equally.",
    reference=lambda x, axes, keepdims: np.max(x, axis=axes, keepdims=keepdims),
    needs_elements=True,
    monoid=_fold(
        _lowest,
        lambda b, x, y: b.logical_or(x, y) if b.dtype(x).kind == "bool" else b.maximum(x, y),
    ),
    vjp=_extremum_vjp,
    jvp=_extremum_jvp,
    dtypes=ALL_DTYPES,
    samples=reduction_samples(empty=False),
    numpy=("max", "amax"),
)

min = reduction(
    "min",
    doc="The smallest element along axes; NaN if there is one. Elements that tie for it share the "
    "derivative equally.",
    reference=lambda x, axes, keepdims: np.min(x, axis=axes, keepdims=keepdims),
    needs_elements=True,
    monoid=_fold(
        _highest,
        lambda b, x, y: b.logical_and(x, y) if b.dtype(x).kind == "bool" else b.minimum(x, y),
    ),
    vjp=_extremum_vjp,
    jvp=_extremum_jvp,
    dtypes=ALL_DTYPES,
    samples=reduction_samples(empty=False),
    numpy=("min", "amin"),
)


def _first_largest(b: ScalarBuilder, left: State, right: State) -> State:
    """The larger value, of equal ones the smaller index; NaN is the largest of all.

    Decided by value and index alone, so the order of the two states does not matter.
    """
    (x, i), (y, j) = left, right
    larger, tie = b.compare("gt", y, x), b.compare("eq", y, x)
    if b.dtype(x).is_float:
        x_nan, y_nan = b.compare("ne", x, x), b.compare("ne", y, y)
        larger = b.logical_or(larger, b.logical_and(y_nan, b.logical_not(x_nan)))
        tie = b.logical_or(tie, b.logical_and(y_nan, x_nan))
    take = b.logical_or(larger, b.logical_and(tie, b.compare("lt", j, i)))
    return b.select(take, y, x), b.select(take, j, i)


def _argmax_reference(x: Array, axes: tuple[int, ...], keepdims: bool) -> Array:
    axis = axes[0] if len(axes) == 1 else None
    positions = np.asarray(np.argmax(x, axis=axis), np.int64)
    return positions.reshape(reduced_shape(x.shape, axes, keepdims))


argmax = reduction(
    "argmax",
    doc="The index of the largest element along one axis, or in row-major order along all, as "
    "i64. Of equal elements the first; NaN counts as the largest.",
    result=lambda dtype: int64,
    needs_elements=True,
    one_or_all=True,
    reference=_argmax_reference,
    monoid=Monoid(
        identity=lambda dtype: (_lowest(dtype), int(np.iinfo(np.int64).max)),
        state=lambda dtype: (dtype, int64),
        lift=lambda b, x, index: (x, index),
        combine=_first_largest,
        result=lambda b, state: state[1],
    ),
    vjp=NO_GRADIENT,
    jvp=NO_GRADIENT,
    dtypes=ALL_DTYPES,
    cost=3,
    samples=reduction_samples(empty=False, flat=True),
    numpy=("argmax",),
)
