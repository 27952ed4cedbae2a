"""Rounding to whole numbers, for processors without an instruction for it.

Owns `round_even`, `floor`, `ceil` and `trunc`. Imports the arithmetic of vector math. Invariant:
results are those of the instructions, zeros' signs included; no library is called.

Source: Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed., section 5.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.number import Number
from graphc.ir.types import float32

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


def round_even(b: VectorScalars, x: Value) -> Value:
    """The nearest whole number, the even one of two."""
    size = Number(b, b.abs(x))
    # From here on all numbers are whole; below, a sum with it has no bits for a fraction.
    whole = 2.0**23 if x.dtype is float32 else 2.0**52
    rounded = b.copysign(((size + whole) - whole).value, x)
    return (size < whole).choose(Number(b, rounded), Number(b, x)).value


def floor(b: VectorScalars, x: Value) -> Value:
    """The largest whole number that is not above x."""
    nearest, number = Number(b, round_even(b, x)), Number(b, x)
    return b.copysign((nearest > number).choose(nearest - 1, nearest).value, x)


def ceil(b: VectorScalars, x: Value) -> Value:
    """The smallest whole number that is not below x."""
    return b.neg(floor(b, b.neg(x)))


def trunc(b: VectorScalars, x: Value) -> Value:
    """x without its fraction."""
    return b.copysign(floor(b, b.abs(x)), x)
