"""Functions that ask what a float is, or replace some: NaN, infinities, signs, last places.

Owns those. Imports the op records through `apply`. Invariant: integers and bools are finite and
no NaN, so for them the answers are known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.elementwise import apply
from graphc.ir.build import Expression, ops, scalar
from graphc.promotion import as_node, promoted_as
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def isnan(x: TensorLike) -> Tensor:
    """Whether an element is NaN."""
    return apply(ops.ne, x, x)


@public
def isinf(x: TensorLike) -> Tensor:
    """Whether an element is an infinity."""
    node = Expression(as_node(x))
    if not node.node.dtype.is_float:
        return apply(ops.ne, x, x)
    return Tensor(node.abs().eq(math.inf).node)


@public
def isfinite(x: TensorLike) -> Tensor:
    """Whether an element is neither an infinity nor NaN."""
    node = Expression(as_node(x))
    if not node.node.dtype.is_float:
        return apply(ops.eq, x, x)
    return Tensor(node.abs().lt(math.inf).node)


@public
def isposinf(x: TensorLike) -> Tensor:
    """Whether an element is the positive infinity."""
    return isinf(x) & (Tensor(as_node(x)) > 0)


@public
def isneginf(x: TensorLike) -> Tensor:
    """Whether an element is the negative infinity."""
    return isinf(x) & (Tensor(as_node(x)) < 0)


@public
def signbit(x: TensorLike) -> Tensor:
    """Whether an element has a minus sign, as -0.0 and some NaN do."""
    (node,) = promoted_as(np.signbit, [x])
    one = Expression(scalar(1, node.dtype))
    return Tensor(one.copysign(Expression(node)).lt(0).node)


@public
def spacing(x: TensorLike) -> Tensor:
    """The distance to the next float away from zero, with the sign of x; NaN of an infinity."""
    (node,) = promoted_as(np.spacing, [x])
    here = Expression(node)
    away = here.lt(0).where(-math.inf, Expression(scalar(math.inf, node.dtype)))
    return Tensor((here.nextafter(away) - here).node)


@public
def nan_to_num(
    x: TensorLike,
    copy: bool = True,
    nan: float = 0.0,
    posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:
    """`x` with `nan` for NaN and finite numbers for the infinities: the dtype's largest and
    smallest, unless given. The derivative is 1 where x is finite and 0 elsewhere.

    `copy` is taken because NumPy takes it; a tensor is never changed.
    """
    node = as_node(x)
    if not node.dtype.is_float:
        return Tensor(node)
    number = Expression(node)
    largest = _largest(node.dtype.digits, node.dtype.bits)
    above = largest if posinf is None else float(posinf)
    below = -largest if neginf is None else float(neginf)
    finite = number.abs().lt(math.inf)
    missing = Expression(scalar(float(nan), node.dtype))
    replaced = number.gt(0).where(above, number.lt(0).where(below, missing))
    return Tensor(finite.where(number, replaced).node)


def _largest(digits: int, bits: int) -> float:
    """The largest finite float of a format, from its digits and width."""
    exponent = 1 << (bits - digits - 1)
    return math.ldexp(1 - 2.0**-digits, exponent)
