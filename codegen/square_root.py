"""A square root for processors without an instruction for it.

Owns `square_root`. Imports the arithmetic of vector math. Invariant: it is correctly rounded, as
IEEE 754 wants it of the instruction; no library is called.

Source: the root is found digit by digit, as on paper: Ercegovac and Lang, Digital Arithmetic,
section 6.1, with remainders that are never negative. Integers alone are needed, which such
processors are quick with.
"""

from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.number import Number

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


def square_root(b: VectorScalars, x: Value) -> Value:
    """The number nearest to the root of x; NaN of a negative number."""
    given = Number(b, x)
    fmt = given.format
    # Subnormal numbers become normal ones; the exponent that is added is even.
    added = 2 * (fmt.mantissa // 2 + 1)
    is_small = given < fmt.least_normal
    normal = is_small.choose(given * 2.0**added, given)
    root = _of_normal(normal)
    root = is_small.choose(root * 2.0 ** (-added // 2), root)
    special = (given < 0).choose(given.of(nan), given)
    return ((given > 0) & (given < inf)).choose(root, special).value


def _of_normal(x: Number) -> Number:
    """The root of a positive normal number."""
    fmt, bits = x.format, x.bits
    one = 1 << fmt.mantissa
    exponent = (bits >> fmt.mantissa) - fmt.bias
    # x is m * 2**exponent with an even exponent, m from 1 to 4; `rest` is 2 * m in last places.
    rest = ((bits & (one - 1)) | one) << ((exponent & 1) + 1)
    digits, rest = _digits(rest, 2 * one)
    # One digit more than are kept, which rounds: not a tie, for the root of such a number is none.
    rounded = (digits + (rest.differs(0).cast(digits.dtype) & digits)) >> 1
    half = (exponent >> 1) + (fmt.bias - 1)
    return (rounded + (half << fmt.mantissa)).as_float(x.dtype)


def _digits(number: Number, first: int) -> tuple[Number, Number]:
    """The digits of a root from the one of weight `first` down to 1, and what remains."""
    b = number.b

    def going(*state: Value) -> Value:
        return Number(b, state[0]).differs(0).value

    def step(*state: Value) -> tuple[Value, ...]:
        weight, twice, root, rest = (Number(b, value) for value in state)
        taken = twice + weight
        fits = taken <= rest
        rest = fits.choose(rest - taken, rest) << 1
        twice = fits.choose(taken + weight, twice)
        root = fits.choose(root + weight, root)
        return tuple(each.value for each in (weight >> 1, twice, root, rest))

    zero = number.of(0)
    start = tuple(each.value for each in (number.of(first), zero, zero, number))
    _, _, root, rest = b.iterate(going, step, start)
    return Number(b, root), Number(b, rest)
