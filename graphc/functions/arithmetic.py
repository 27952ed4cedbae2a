"""Elementwise functions that say more than one op record: powers, selection, bounds, angles.

Owns those. Imports the op records through `apply`. Invariant: dtypes come out as NumPy's do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.elementwise import apply
from graphc.ir.build import Expression, broadcast, cast, ops, scalar
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Node
from graphc.ir.types import Shape, bool_
from graphc.promotion import as_dtype, as_node, common, promoted_as
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public(also=("pow",))
def power(x: TensorLike, y: TensorLike) -> Tensor:
    """x to the power y. Integers to integer powers are integers, exact but for wrapping.

    Raises `AttributeValueError` for an integer to a power known to be negative, as NumPy does. One
    that comes to be negative when the program runs gives 0.
    """
    whole = as_node(x).dtype.is_integer
    if whole and not isinstance(y, Tensor):
        powers = np.asarray(y)
        if powers.dtype.kind == "i" and np.any(powers < 0):
            raise AttributeValueError(
                f"an integer to the power {powers.min()} is no integer",
                help="convert the base to a float with .astype(gc.float32)",
            )
    if whole and isinstance(x, Tensor) and type(y) is int:
        return _whole_power(x, y)
    return apply(ops.pow, x, y)


@public
def float_power(x1: TensorLike, x2: TensorLike) -> Tensor:
    """x1 to the power x2, computed in f64."""
    return Tensor(ops.pow(*promoted_as(np.float_power, [x1, x2])))


def _whole_power(x: Tensor, exponent: int) -> Tensor:
    """By repeated squaring."""
    result: Tensor | None = None
    factor = x
    while exponent:
        if exponent & 1:
            result = factor if result is None else result * factor
        exponent >>= 1
        if exponent:
            factor = factor * factor
    return x * 0 + 1 if result is None else result


@public
def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """`x` where the condition holds, `y` elsewhere. A number is true where it is not zero."""
    chosen = cast(as_node(condition), bool_)
    return Tensor(ops.where(chosen, *common([x, y])))


@public
def astype(x: TensorLike, dtype: object, *, copy: bool = True) -> Tensor:
    """The same numbers in another dtype; a tensor that has it already is returned as it is.

    `copy` is taken because NumPy takes it; a tensor is never changed.
    """
    return Tensor(cast(as_node(x), as_dtype(dtype)))


@public
def clip(
    a: TensorLike,
    a_min: TensorLike | None = None,
    a_max: TensorLike | None = None,
    *,
    min: TensorLike | None = None,
    max: TensorLike | None = None,
) -> Tensor:
    """`a` with what is below `a_min` or above `a_max` moved to that bound; None is no bound.

    `min` and `max` are other names of the bounds, as in NumPy. Where the bounds cross, the upper
    one holds; NaN stays. The derivative goes to `a` between the bounds and at them, else to the
    bound. Raises `TypeError` for a bound given by both names.
    """
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise TypeError("clip takes a bound as a_min or as min, a_max or max, not as both")
    lower, upper = a_min if min is None else min, a_max if max is None else max
    bounds = [bound for bound in (lower, upper) if bound is not None]
    first, *others = (
        Expression(node) for node in common([a, *(_representable(bound, a) for bound in bounds)])
    )
    result = first
    if lower is not None:
        result = _bounded(result, others[0], result.ge(others[0]))
    if upper is not None:
        result = _bounded(result, others[-1], result.le(others[-1]))
    return Tensor(broadcast(result.node, _together(first, *others)))


def _representable(bound: TensorLike, a: TensorLike) -> TensorLike:
    """A bound beyond all integers of the dtype of `a` is none: its smallest or largest one."""
    if type(bound) is not int or not isinstance(a, Tensor) or not a.dtype.is_integer:
        return bound
    info = np.iinfo(str(a.dtype.numpy))
    return int(min(max(bound, info.min), info.max))


def _bounded(x: Expression, bound: Expression, within: Expression) -> Expression:
    """`x` where it is within the bound or NaN, else the bound."""
    if x.node.dtype.is_float:
        within = within.logical_or(x.ne(x))
    return within.where(x, bound)


def _together(*operands: Expression) -> Shape:
    return np.broadcast_shapes(*(operand.node.shape for operand in operands))


@public
def fmax(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The larger of two; of a number and NaN the number. At a tie each gets half the derivative."""
    return Tensor(ops.maximum(*_without_nan(promoted_as(np.fmax, [x1, x2]))))


@public
def fmin(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The smaller of two; of a number and NaN the number. At a tie each gets half the
    derivative."""
    return Tensor(ops.minimum(*_without_nan(promoted_as(np.fmin, [x1, x2]))))


def _without_nan(nodes: list[Node]) -> list[Node]:
    """Each operand, the other one in its place where it is NaN."""
    x, y = (Expression(node) for node in nodes)
    if not nodes[0].dtype.is_float:
        return nodes
    return [x.eq(x).where(x, y).node, y.eq(y).where(y, x).node]


@public
def positive(x: TensorLike) -> Tensor:
    """`+x`: the number itself. Bools are refused, as NumPy refuses them."""
    (node,) = promoted_as(np.positive, [x])
    return x if isinstance(x, Tensor) and x.node is node else Tensor(node)


@public
def reciprocal(x: TensorLike) -> Tensor:
    """1 / x; of integers toward zero, and 0 of 0, for which NumPy promises nothing."""
    (node,) = promoted_as(np.reciprocal, [x])
    number = Expression(node)
    if node.dtype.is_float:
        return Tensor((1 / number).node)
    is_unit = number.abs().eq(1)
    return Tensor(is_unit.where(number, 0).node)


@public
def fabs(x: TensorLike) -> Tensor:
    """The magnitude as a float."""
    return Tensor(ops.abs(*promoted_as(np.fabs, [x])))


@public
def heaviside(x1: TensorLike, x2: TensorLike) -> Tensor:
    """0 where `x1` is negative, 1 where it is positive, `x2` where it is 0, NaN where it is NaN.

    The derivative by `x1` is 0; that by `x2` is 1 where `x1` is 0.
    """
    x, at_zero = (Expression(node) for node in promoted_as(np.heaviside, [x1, x2]))
    nan = Expression(scalar(math.nan, x.node.dtype))
    step = x.gt(0).where(1, x.lt(0).where(0, nan))
    return Tensor(x.eq(0).where(at_zero, step).node)


@public(also=("degrees",))
def rad2deg(x: TensorLike) -> Tensor:
    """An angle in radians as degrees."""
    (node,) = promoted_as(np.rad2deg, [x])
    return Tensor((Expression(node) * (180 / math.pi)).node)


@public(also=("radians",))
def deg2rad(x: TensorLike) -> Tensor:
    """An angle in degrees as radians."""
    (node,) = promoted_as(np.deg2rad, [x])
    return Tensor((Expression(node) * (math.pi / 180)).node)
