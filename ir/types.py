"""Tensor types: the element types graphc knows and the static shapes they fill.

Owns `DType` and `TensorType`. Imports NumPy, and ml_dtypes by name once a bfloat16 array is needed.
Invariant: a type is a value; two types that print alike are equal.

float16 and bfloat16 are for storage: arithmetic on them is done in f32, and its result is rounded
once. `DType.arithmetic` says so, and all who compute ask it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pkgutil import resolve_name
from typing import Literal

import numpy as np

Kind = Literal["bool", "int", "uint", "float", "tuple"]


@dataclass(frozen=True, eq=False)
class DType:
    """An element type: its IR name (`f32`), its kind and its width in bits.

    There is one object of each, so dtypes are compared by identity; and with `==` by what NumPy
    takes as one, so that `t.dtype == np.float32` says what a user of NumPy expects.

    >>> float32.numpy
    dtype('float32')
    >>> DType.of(np.int64).name
    'i64'
    """

    name: str
    kind: Kind
    bits: int

    @property
    def bytes(self) -> int:
        """Size of one stored element in bytes (a bool takes one)."""
        return max(self.bits // 8, 1)

    @cached_property
    def numpy(self) -> np.dtype[np.generic]:
        """The NumPy dtype of native byte order that holds this type.

        Raises `ModuleNotFoundError` for bfloat16 where ml_dtypes, which has it, is missing.
        """
        if self is bfloat16:
            return _bfloat16()
        return np.dtype("bool" if self.kind == "bool" else f"{self.kind}{self.bits}")

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """What NumPy asks for where it is given this type: `np.zeros(3, t.dtype)`."""
        return self.numpy

    @property
    def arithmetic(self) -> DType:
        """The type that arithmetic on elements is done in: f32 for what is stored in 16 bits."""
        return float32 if self in HALVES else self

    @property
    def digits(self) -> int:
        """How many binary digits the significand of a float has, the leading one included."""
        return _DIGITS[self.name]

    @property
    def smallest_normal(self) -> float:
        """The smallest positive float that has all its digits."""
        return math.ldexp(1.0, 2 - 2 ** (self.bits - self.digits - 1))

    @property
    def is_float(self) -> bool:
        return self.kind == "float"

    @property
    def is_integer(self) -> bool:
        return self.kind in ("int", "uint")

    @staticmethod
    def of(dtype: object) -> DType:
        """The graphc type of anything NumPy takes as a dtype.

        Raises `KeyError` for a dtype that graphc has no type for, such as `complex64`.
        """
        if isinstance(dtype, DType):
            return dtype
        if isinstance(dtype, str) and dtype == _BFLOAT16:
            return bfloat16
        known = np.dtype(dtype).newbyteorder("=")  # type: ignore[call-overload]
        return bfloat16 if known.name == _BFLOAT16 else _BY_NUMPY[known]

    def __eq__(self, other: object) -> bool:
        if self is other or other is None or isinstance(other, DType):
            return self is other
        try:
            return DType.of(other) is self
        except (KeyError, TypeError):
            return False

    __hash__ = object.__hash__

    def __reduce__(self) -> tuple[Callable[[str], DType], tuple[str]]:
        return _by_name, (self.name,)

    def __str__(self) -> str:
        return self.name


_BFLOAT16 = "bfloat16"
"""What NumPy calls the dtype once ml_dtypes has been imported."""


def _bfloat16() -> np.dtype[np.generic]:
    try:
        found: np.dtype[np.generic] = np.dtype(resolve_name("ml_dtypes:bfloat16"))
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'bfloat16 arrays need ml_dtypes, in the extra "bfloat16": '
            'pip install "graphc[bfloat16]"',
            name=error.name,
        ) from None
    return found


def _by_name(name: str) -> DType:
    """The one object of a dtype, for copies and pickles."""
    return DTYPES_BY_NAME[name]


bool_ = DType("bool", "bool", 1)
int8, int16, int32, int64 = (DType(f"i{bits}", "int", bits) for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (DType(f"u{bits}", "uint", bits) for bits in (8, 16, 32, 64))
float32, float64 = DType("f32", "float", 32), DType("f64", "float", 64)
float16, bfloat16 = DType("f16", "float", 16), DType("bf16", "float", 16)

_DIGITS = {"f16": 11, "bf16": 8, "f32": 24, "f64": 53}

INTEGERS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
FLOATS = (float32, float64)
NUMBERS = INTEGERS + FLOATS
ALL_DTYPES = (bool_, *NUMBERS)
"""Every dtype that arithmetic is done in."""

HALVES = (float16, bfloat16)
"""Every dtype that is stored only. An op that takes f32 takes these."""

DTYPES_BY_NAME = {dtype.name: dtype for dtype in ALL_DTYPES + HALVES}
_BY_NUMPY = {dtype.numpy: dtype for dtype in (*ALL_DTYPES, float16)}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class TensorType:
    """A dtype and a static shape; `()` is a scalar.

    >>> print(TensorType(float32, (32, 10)))
    f32[32,10]
    """

    dtype: DType
    shape: Shape

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size in bytes of a contiguous buffer of this type."""
        return self.size * self.dtype.bytes

    @property
    def parts(self) -> tuple[TensorType, ...]:
        """The types of a node's results, be they one or several."""
        return (self,)

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


tuple_ = DType("tuple", "tuple", 0)
"""What stands for an element type where several results are held together."""


@dataclass(frozen=True)
class TupleType(TensorType):
    """The type of a node with several results. No arithmetic takes it; `item` picks a result.

    >>> print(TupleType.of([TensorType(float32, (3,)), TensorType(int32, ())]))
    (f32[3], i32[])
    """

    results: tuple[TensorType, ...] = ()

    @property
    def parts(self) -> tuple[TensorType, ...]:
        return self.results

    @staticmethod
    def of(results: Iterable[TensorType]) -> TupleType:
        return TupleType(tuple_, (), tuple(results))

    def __str__(self) -> str:
        return f"({', '.join(map(str, self.results))})"


def row_major_strides(shape: Shape) -> tuple[int, ...]:
    """Strides, counted in elements, of a contiguous row-major buffer.

    >>> row_major_strides((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
