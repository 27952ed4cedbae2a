"""Roots that can be differentiated where they are zero.

Owns `root`. Imports the op records. Invariant: no infinite slope is met by a zero, so that no
derivative of any order is NaN for that reason.
"""

from __future__ import annotations

from graphc.functions.arithmetic import power, where
from graphc.functions.elementwise import apply
from graphc.ir.build import ops
from graphc.tensor import Tensor


def root(x: Tensor, degree: float = 2) -> Tensor:
    """The root of what is not negative, with derivative 0 at 0, where a root has none.

    It is the choice that a norm wants: 0 is the subgradient of least length.
    """
    zero = apply(ops.eq, x, 0)
    inside = where(zero, 1, x)
    value = apply(ops.sqrt, inside) if degree == 2 else power(inside, 1 / degree)
    return where(zero, 0, value)
