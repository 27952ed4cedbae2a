"""Rounding, and quotients with their remainders.

Owns `round`, `fix`, `modf`, `divmod` and `lcm`. Imports the op records through `apply`. Invariant:
results are NumPy's; what is rounded has a derivative of zero.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.elementwise import apply
from graphc.ir.build import Expression, cast, ops
from graphc.ir.types import DTYPES_BY_NAME, float64
from graphc.promotion import as_node, promoted_as
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public(also=("around",))
def round(a: TensorLike, decimals: int = 0) -> Tensor:
    """To so many decimals, of two numbers as near the even one; integers stay integers.

    As NumPy's, `decimals` other than 0 scales, rounds and scales back; with negative `decimals` it
    rounds to tens, hundreds, ...
    """
    node = as_node(a)
    if not decimals or (decimals > 0 and not node.dtype.is_float):
        return Tensor(ops.round(node))
    wide = Expression(cast(node, node.dtype if node.dtype.is_float else float64))
    power = 10.0 ** abs(decimals)
    if decimals > 0:
        return Tensor(((wide * power).round() / power).node)
    return Tensor(cast(((wide / power).round() * power).node, node.dtype))


@public
def fix(x: TensorLike) -> Tensor:
    """The whole number next to x toward zero, as `trunc`."""
    return apply(ops.trunc, x)


@public
def modf(x: TensorLike) -> tuple[Tensor, Tensor]:
    """The fractional and the whole part, both with the sign of x.

    >>> import graphc as gc
    >>> [part.dtype.name for part in gc.modf(gc.input("x", 3))]
    ['f32', 'f32']
    """
    (node,) = promoted_as(np.modf, [x])
    number = Expression(node)
    whole = number.trunc()
    infinite = number.abs().eq(math.inf)
    fraction = infinite.where(0, number - whole)
    return Tensor(fraction.copysign(number).node), Tensor(whole.node)


@public
def divmod(x1: TensorLike, x2: TensorLike) -> tuple[Tensor, Tensor]:
    """`x1 // x2` and `x1 % x2`."""
    return apply(ops.floor_divide, x1, x2), apply(ops.remainder, x1, x2)


@public
def lcm(x1: TensorLike, x2: TensorLike) -> Tensor:
    """The least common multiple of two integers' magnitudes, which wraps; 0 if either is 0."""
    nodes = promoted_as(np.lcm, [x1, x2])
    dtype = nodes[0].dtype
    unsigned = DTYPES_BY_NAME[f"u{dtype.bits}"]
    x, y = (Expression(cast(ops.abs(node), unsigned)) for node in nodes)
    return Tensor(cast((x.floor_divide(x.gcd(y)) * y).node, dtype))
