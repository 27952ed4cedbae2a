"""The scalar language that elementwise ops are lowered to.

Owns the `ScalarBuilder` protocol. An op's `lower` is written against it once; `NumpyScalars` here
runs it on arrays (so a lowering is tested without LLVM), the code generator emits it for any
vector width. Imports NumPy and `ir.types`. Invariant: values carry their dtype; operands of one
operation have the same dtype unless said otherwise.
"""

from __future__ import annotations

from math import erf
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from graphc.ir.types import DType, bool_

Value = Any
"""A scalar or vector of the implementation: a NumPy array, or an LLVM value."""

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]


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
    def exp(self, x: Value) -> Value: ...
    def expm1(self, x: Value) -> Value: ...
    def log(self, x: Value) -> Value: ...
    def log1p(self, x: Value) -> Value: ...
    def tanh(self, x: Value) -> Value: ...
    def sigmoid(self, x: Value) -> Value: ...
    def erf(self, x: Value) -> Value: ...
    def sin(self, x: Value) -> Value: ...
    def cos(self, x: Value) -> Value: ...
    def pow(self, x: Value, y: Value) -> Value: ...


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
        return x * y + z

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

    def pow(self, x: Value, y: Value) -> Value:
        return np.power(x, y)
