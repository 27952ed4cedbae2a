"""Arithmetic on LLVM values written with Python's operators.

Owns `Number`, which the functions of this package compute with, and what they know of the two
float formats. Imports the emitter. Invariant: every operator is one correctly rounded IEEE 754
operation that LLVM may neither reorder nor contract, so results do not depend on the lane count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.ir.types import DType, float32, float64, int32, int64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars


@dataclass(frozen=True)
class Format:
    """A binary float format: its width, its fields, and the integer of the same width."""

    dtype: DType
    integer: DType
    mantissa: int
    """Number of stored mantissa bits."""
    bias: int
    """The stored exponent of 1.0."""

    @property
    def rounder(self) -> float:
        """1.5 * 2**mantissa: adding it rounds a small number to an integer, ties to even.

        The integer can then be read off the low bits of the sum (Muller et al., Handbook of
        Floating-Point Arithmetic, 2nd ed., section 5.2).
        """
        return 1.5 * 2.0**self.mantissa

    @property
    def rounder_bits(self) -> int:
        """The bit pattern of `rounder`."""
        return ((self.bias + self.mantissa) << self.mantissa) + (1 << (self.mantissa - 1))

    @property
    def least_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def sign_bit(self) -> int:
        return -(1 << (self.dtype.bits - 1))

    @property
    def infinity_bits(self) -> int:
        """The bit pattern of infinity."""
        return (2 * self.bias + 1) << self.mantissa

    @property
    def one_bits(self) -> int:
        """The bit pattern of 1.0."""
        return self.bias << self.mantissa


_FORMATS = {
    float32: Format(float32, int32, mantissa=23, bias=127),
    float64: Format(float64, int64, mantissa=52, bias=1023),
}


@dataclass(frozen=True, eq=False, slots=True)
class Number:
    """A value and the builder to compute with it; a Python number takes the other's dtype."""

    b: VectorScalars
    value: Value

    @property
    def dtype(self) -> DType:
        return self.value.dtype

    @property
    def format(self) -> Format:
        return _FORMATS[self.dtype]

    def of(self, other: Number | float) -> Number:
        """`other` as a number of this dtype."""
        if isinstance(other, Number):
            return other
        return Number(self.b, self.b.const(other, self.dtype))

    def _binary(self, opcode: str, x: Number | float, y: Number | float) -> Number:
        left, right = self.b.align(self.of(x).value, self.of(y).value)
        return Number(self.b, self.b.function.binary(opcode, left, right))

    def _arithmetic(self, name: str, x: Number | float, y: Number | float) -> Number:
        return self._binary(f"f{name}" if self.dtype.is_float else name, x, y)

    def __add__(self, other: Number | float) -> Number:
        return self._arithmetic("add", self, other)

    def __radd__(self, other: float) -> Number:
        return self._arithmetic("add", other, self)

    def __sub__(self, other: Number | float) -> Number:
        return self._arithmetic("sub", self, other)

    def __rsub__(self, other: float) -> Number:
        return self._arithmetic("sub", other, self)

    def __mul__(self, other: Number | float) -> Number:
        return self._arithmetic("mul", self, other)

    def __rmul__(self, other: float) -> Number:
        return self._arithmetic("mul", other, self)

    def __truediv__(self, other: Number | float) -> Number:
        return self._arithmetic("div", self, other)

    def __rtruediv__(self, other: float) -> Number:
        return self._arithmetic("div", other, self)

    def __neg__(self) -> Number:
        return Number(self.b, self.b.neg(self.value))

    def __abs__(self) -> Number:
        return Number(self.b, self.b.abs(self.value))

    def __and__(self, other: Number | int) -> Number:
        return self._binary("and", self, other)

    def __or__(self, other: Number | int) -> Number:
        return self._binary("or", self, other)

    def __xor__(self, other: Number | int) -> Number:
        return self._binary("xor", self, other)

    def __lshift__(self, other: Number | int) -> Number:
        return self._binary("shl", self, other)

    def __rshift__(self, other: Number | int) -> Number:
        """An arithmetic shift: the sign is kept."""
        return self._binary("ashr", self, other)

    def __lt__(self, other: Number | float) -> Number:
        return Number(self.b, self.b.compare("lt", self.value, self.of(other).value))

    def __le__(self, other: Number | float) -> Number:
        return Number(self.b, self.b.compare("le", self.value, self.of(other).value))

    def __gt__(self, other: Number | float) -> Number:
        return Number(self.b, self.b.compare("gt", self.value, self.of(other).value))

    def __ge__(self, other: Number | float) -> Number:
        return Number(self.b, self.b.compare("ge", self.value, self.of(other).value))

    def equals(self, other: Number | float) -> Number:
        return Number(self.b, self.b.compare("eq", self.value, self.of(other).value))

    def differs(self, other: Number | float) -> Number:
        """Not equal; a NaN differs from everything, itself included."""
        return Number(self.b, self.b.compare("ne", self.value, self.of(other).value))

    def unsigned_below(self, other: Number | int) -> Number:
        """Whether this integer, read as unsigned, is less than another."""
        left, right = self.b.align(self.value, self.of(other).value)
        return Number(self.b, self.b.function.compare("icmp ult", left, right))

    def choose(self, yes: Number | float, no: Number | float) -> Number:
        """`yes` where this condition holds, `no` elsewhere. At least one is a `Number`."""
        typed = yes if isinstance(yes, Number) else no
        assert isinstance(typed, Number)
        chosen = self.b.select(self.value, typed.of(yes).value, typed.of(no).value)
        return Number(self.b, chosen)

    def times_plus(self, factor: Number | float, term: Number | float) -> Number:
        """`self * factor + term`, rounded once."""
        return Number(self.b, self.b.fma(self.value, self.of(factor).value, self.of(term).value))

    def clamped(self, low: float = -inf, high: float = inf) -> Number:
        """Between `low` and `high`; NaN stays NaN."""
        x = self
        if high < inf:
            bound = self.of(high)
            x = (bound < x).choose(bound, x)
        if low > -inf:
            bound = self.of(low)
            x = (bound > x).choose(bound, x)
        return x

    @property
    def bits(self) -> Number:
        """The bit pattern of a float as a signed integer."""
        return Number(self.b, self.b.bits(self.value, self.format.integer))

    def as_float(self, dtype: DType) -> Number:
        """The float that has this integer as its bit pattern."""
        return Number(self.b, self.b.bits(self.value, dtype))

    def cast(self, dtype: DType) -> Number:
        """The same quantity in another dtype."""
        return Number(self.b, self.b.cast(self.value, dtype))

    def with_sign_of(self, other: Number) -> Number:
        """The magnitude of this with the sign of `other`."""
        return Number(self.b, self.b.copysign(self.value, other.value))


def polynomial(
    x: Number, coefficients: Sequence[float | Number], square: Number | None = None
) -> Number:
    """`coefficients[0] + coefficients[1] * x + ...` by Horner's rule.

    Where x**2 is at hand, passing it as `square` halves the chain of dependent operations at no
    cost: even and odd powers are summed apart. Longer schemes cost more than they gain, for loops
    keep several vectors in flight.
    """
    if square is not None:
        odd = polynomial(square, coefficients[1::2])
        return odd.times_plus(x, polynomial(square, coefficients[0::2]))
    *rest, last = coefficients
    result = x.of(last)
    for coefficient in reversed(rest):
        result = result.times_plus(x, coefficient)
    return result


def blend(
    condition: Number, yes: Sequence[float], no: Sequence[float | Number], like: Number
) -> list[Number]:
    """Coefficients of two polynomials, chosen lane by lane: one evaluation does for both."""
    return [condition.choose(like.of(a), b) for a, b in zip(yes, no, strict=True)]


def rounded(x: Number) -> Number:
    """The nearest integer, ties to even."""
    return Number(x.b, x.b.round_even(x.value))


def square_root(x: Number) -> Number:
    """The root, correctly rounded; NaN of a negative number."""
    return Number(x.b, x.b.sqrt(x.value))


def small_integer(x: Number, dtype: DType) -> Number:
    """An integer of magnitude below 2**(mantissa - 1) as a float of the same width."""
    if dtype is float32:
        return x.cast(dtype)
    # Two cheap instructions: many processors have no conversion of 64-bit integers.
    fmt = _FORMATS[dtype]
    return (x + fmt.rounder_bits).as_float(dtype) - fmt.rounder


def power_of_two(exponent: Number, dtype: DType) -> Number:
    """2**exponent for an exponent of the normal range; only its lowest bits are looked at."""
    fmt = _FORMATS[dtype]
    return ((exponent << fmt.mantissa) + fmt.one_bits).as_float(dtype)
