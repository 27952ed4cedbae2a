"""The scalar language that elementwise ops are lowered to.

Owns the `ScalarBuilder` protocol. An op's `lower` is written against it once; `NumpyScalars` here
runs it on arrays (so a lowering is tested without LLVM), the code generator emits it for any
vector width. Imports NumPy and `ir.types`. Invariant: values carry their dtype; operands of one
operation have the same dtype unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from math import erf, isfinite
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from graphc.ir import special_functions
from graphc.ir.types import DType, bool_, float64

Value = Any
"""A scalar or vector of the implementation: a NumPy array, or an LLVM value."""

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]

State = tuple[Value, ...]
Going = Callable[..., Value]
"""going(*state): a bool."""

Step = Callable[..., State]
"""step(*state): the next state, of the same dtypes."""


class ScalarBuilder(Protocol):
    """Arithmetic on values of one dtype. Floats follow IEEE 754; integers wrap."""

    def dtype(self, x: Value) -> DType: ...
    def const(self, value: float | int | bool, dtype: DType) -> Value: ...

    def add(self, x: Value, y: Value) -> Value: ...
    def sub(self, x: Value, y: Value) -> Value: ...
    def mul(self, x: Value, y: Value) -> Value: ...
    def div(self, x: Value, y: Value) -> Value:
        """Quotient of floats. Integers: rounded toward negative infinity, 0 for a zero divisor."""

    def neg(self, x: Value) -> Value: ...
    def abs(self, x: Value) -> Value: ...
    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z, rounded once where the implementation can."""

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger; NaN if either is NaN (NumPy's `maximum`)."""

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller; NaN if either is NaN."""

    def compare(self, how: Comparison, x: Value, y: Value) -> Value:
        """A bool; every comparison with NaN but `ne` is false."""

    def select(self, condition: Value, x: Value, y: Value) -> Value: ...
    def logical_and(self, x: Value, y: Value) -> Value:
        """Of two bools."""

    def logical_or(self, x: Value, y: Value) -> Value:
        """Of two bools."""

    def logical_not(self, x: Value) -> Value:
        """Of a bool."""

    def cast(self, x: Value, dtype: DType) -> Value:
        """To another dtype as NumPy's `astype`: toward zero for float to integer (a value that
        does not fit gives an unspecified number), non-zero is true for bool."""

    def copysign(self, magnitude: Value, sign: Value) -> Value: ...
    def sqrt(self, x: Value) -> Value: ...
    def floor(self, x: Value) -> Value: ...
    def ceil(self, x: Value) -> Value: ...
    def trunc(self, x: Value) -> Value: ...
    def round_even(self, x: Value) -> Value:
        """To the nearest whole number, of two the even one, as a float."""

    def bits(self, x: Value, dtype: DType) -> Value:
        """The bit pattern of `x` read as another dtype of the same width."""

    def bit_and(self, x: Value, y: Value) -> Value:
        """Of integers, as are all `bit_` operations."""

    def bit_or(self, x: Value, y: Value) -> Value: ...
    def bit_xor(self, x: Value, y: Value) -> Value: ...
    def shift_left(self, x: Value, count: Value) -> Value:
        """`count` is at least 0 and less than the width."""

    def shift_right(self, x: Value, count: Value) -> Value:
        """Signed integers keep their sign. `count` is at least 0 and less than the width."""

    def count_ones(self, x: Value) -> Value:
        """How many bits of an integer are set, in its own dtype."""

    def iterate(self, going: Going, step: Step, state: State) -> State:
        """`step` the state while `going` is true of any lane; a step must leave the lanes alone
        of which it is false."""

    def exp(self, x: Value) -> Value: ...
    def expm1(self, x: Value) -> Value: ...
    def log(self, x: Value) -> Value: ...
    def log1p(self, x: Value) -> Value: ...
    def tanh(self, x: Value) -> Value: ...
    def sigmoid(self, x: Value) -> Value: ...
    def erf(self, x: Value) -> Value: ...
    def sin(self, x: Value) -> Value: ...
    def cos(self, x: Value) -> Value: ...
    def tan(self, x: Value) -> Value: ...
    def asin(self, x: Value) -> Value: ...
    def acos(self, x: Value) -> Value: ...
    def atan(self, x: Value) -> Value: ...
    def atan2(self, y: Value, x: Value) -> Value:
        """The angle of the point (x, y), as C99 has it."""

    def sinh(self, x: Value) -> Value: ...
    def cosh(self, x: Value) -> Value: ...
    def asinh(self, x: Value) -> Value: ...
    def acosh(self, x: Value) -> Value: ...
    def atanh(self, x: Value) -> Value: ...
    def exp2(self, x: Value) -> Value: ...
    def log2(self, x: Value) -> Value: ...
    def log10(self, x: Value) -> Value: ...
    def cbrt(self, x: Value) -> Value: ...
    def hypot(self, x: Value, y: Value) -> Value: ...
    def erfc(self, x: Value) -> Value: ...
    def erfinv(self, x: Value) -> Value: ...
    def lgamma(self, x: Value) -> Value: ...
    def digamma(self, x: Value) -> Value: ...
    def polygamma(self, x: Value, order: int) -> Value:
        """The derivative of digamma of an order from 1 on."""

    def pow(self, x: Value, y: Value) -> Value: ...


def _fma(x: float, y: float, z: float) -> float:
    """By integers, whose quotient is rounded correctly."""
    if not (isfinite(x) and isfinite(y) and isfinite(z)):
        return x * y + z
    (a, over_a), (b, over_b), (c, over_c) = (value.as_integer_ratio() for value in (x, y, z))
    return (a * b * over_c + c * over_a * over_b) / (over_a * over_b * over_c)


_FMA = np.vectorize(_fma, otypes=[np.float64])


class NumpyScalars:
    """`ScalarBuilder` on NumPy arrays; used by tests and by the reference of composed lowerings."""

    _COMPARE: ClassVar = {
        "eq": np.equal,
        "ne": np.not_equal,
        "lt": np.less,
        "le": np.less_equal,
        "gt": np.greater,
        "ge": np.greater_equal,
    }

    def dtype(self, x: Value) -> DType:
        return DType.of(x.dtype)

    def const(self, value: float | int | bool, dtype: DType) -> Value:
        return dtype.numpy.type(value)

    def add(self, x: Value, y: Value) -> Value:
        return x + y

    def sub(self, x: Value, y: Value) -> Value:
        return x - y

    def mul(self, x: Value, y: Value) -> Value:
        return x * y

    def div(self, x: Value, y: Value) -> Value:
        return x / y if self.dtype(x).is_float else x // y

    def neg(self, x: Value) -> Value:
        return -x

    def abs(self, x: Value) -> Value:
        return np.abs(x)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        if self.dtype(x) is not float64:
            wide = (np.asarray(value).astype(np.float64) for value in (x, y, z))
            return self.fma(*wide).astype(x.dtype)
        return _FMA(x, y, z)

    def maximum(self, x: Value, y: Value) -> Value:
        return np.maximum(x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        return np.minimum(x, y)

    def compare(self, how: Comparison, x: Value, y: Value) -> Value:
        return self._COMPARE[how](x, y)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return np.where(condition, x, y)

    def logical_and(self, x: Value, y: Value) -> Value:
        return np.logical_and(x, y)

    def logical_or(self, x: Value, y: Value) -> Value:
        return np.logical_or(x, y)

    def logical_not(self, x: Value) -> Value:
        return np.logical_not(x)

    def cast(self, x: Value, dtype: DType) -> Value:
        return x != 0 if dtype is bool_ else x.astype(dtype.numpy)

    def copysign(self, magnitude: Value, sign: Value) -> Value:
        return np.copysign(magnitude, sign)

    def sqrt(self, x: Value) -> Value:
        return np.sqrt(x)

    def floor(self, x: Value) -> Value:
        return np.floor(x)

    def ceil(self, x: Value) -> Value:
        return np.ceil(x)

    def trunc(self, x: Value) -> Value:
        return np.trunc(x)

    def round_even(self, x: Value) -> Value:
        return np.rint(x)

    def bits(self, x: Value, dtype: DType) -> Value:
        return np.asarray(x).view(dtype.numpy)

    def bit_and(self, x: Value, y: Value) -> Value:
        return x & y

    def bit_or(self, x: Value, y: Value) -> Value:
        return x | y

    def bit_xor(self, x: Value, y: Value) -> Value:
        return x ^ y

    def shift_left(self, x: Value, count: Value) -> Value:
        return x << count

    def shift_right(self, x: Value, count: Value) -> Value:
        return x >> count

    def count_ones(self, x: Value) -> Value:
        unsigned = np.asarray(x).view(f"u{x.dtype.itemsize}")
        return np.bitwise_count(unsigned).astype(x.dtype)

    def iterate(self, going: Going, step: Step, state: State) -> State:
        while np.any(going(*state)):
            state = step(*state)
        return state

    def exp(self, x: Value) -> Value:
        return np.exp(x)

    def expm1(self, x: Value) -> Value:
        return np.expm1(x)

    def log(self, x: Value) -> Value:
        return np.log(x)

    def log1p(self, x: Value) -> Value:
        return np.log1p(x)

    def tanh(self, x: Value) -> Value:
        return np.tanh(x)

    def sigmoid(self, x: Value) -> Value:
        one, small = self.const(1, self.dtype(x)), np.exp(-np.abs(x))
        return np.where(x >= 0, one, small) / (one + small)

    def erf(self, x: Value) -> Value:
        return np.vectorize(erf, otypes=[x.dtype])(x)

    def sin(self, x: Value) -> Value:
        return np.sin(x)

    def cos(self, x: Value) -> Value:
        return np.cos(x)

    def tan(self, x: Value) -> Value:
        return np.tan(x)

    def asin(self, x: Value) -> Value:
        return np.arcsin(x)

    def acos(self, x: Value) -> Value:
        return np.arccos(x)

    def atan(self, x: Value) -> Value:
        return np.arctan(x)

    def atan2(self, y: Value, x: Value) -> Value:
        # NumPy's own in single precision is off by more than is asked of a lowering.
        return np.arctan2(y, x, dtype=np.float64).astype(y.dtype)

    def sinh(self, x: Value) -> Value:
        return np.sinh(x)

    def cosh(self, x: Value) -> Value:
        return np.cosh(x)

    def asinh(self, x: Value) -> Value:
        return np.arcsinh(x)

    def acosh(self, x: Value) -> Value:
        return np.arccosh(x)

    def atanh(self, x: Value) -> Value:
        return np.arctanh(x)

    def exp2(self, x: Value) -> Value:
        return np.exp2(x)

    def log2(self, x: Value) -> Value:
        return np.log2(x)

    def log10(self, x: Value) -> Value:
        return np.log10(x)

    def cbrt(self, x: Value) -> Value:
        return np.cbrt(x)

    def hypot(self, x: Value, y: Value) -> Value:
        return np.hypot(x, y)

    def erfc(self, x: Value) -> Value:
        return special_functions.erfc(x)

    def erfinv(self, x: Value) -> Value:
        return special_functions.erfinv(x)

    def lgamma(self, x: Value) -> Value:
        return special_functions.lgamma(x)

    def digamma(self, x: Value) -> Value:
        return special_functions.digamma(x)

    def polygamma(self, x: Value, order: int) -> Value:
        return special_functions.polygamma(x, order)

    def pow(self, x: Value, y: Value) -> Value:
        return np.power(x, y)
