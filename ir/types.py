"""Tensor types: the element types graphc knows and the static shapes they fill.

Owns `DType` and `TensorType`. Imports NumPy only. Invariant: a type is a value; two types that
print alike are equal.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

Kind = Literal["bool", "int", "uint", "float"]


@dataclass(frozen=True, eq=False)
class DType:
    """An element type: its IR name (`f32`), its kind and its width in bits.

    There is one object of each, so dtypes are compared by identity.

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
        """The NumPy dtype of native byte order that holds this type."""
        return np.dtype("bool" if self.kind == "bool" else f"{self.kind}{self.bits}")

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
        return _BY_NUMPY[np.dtype(dtype).newbyteorder("=")]  # type: ignore[call-overload]

    def __reduce__(self) -> tuple[Callable[[str], DType], tuple[str]]:
        return _by_name, (self.name,)

    def __str__(self) -> str:
        return self.name


def _by_name(name: str) -> DType:
    """The one object of a dtype, for copies and pickles."""
    return DTYPES_BY_NAME[name]


bool_ = DType("bool", "bool", 1)
int8, int16, int32, int64 = (DType(f"i{bits}", "int", bits) for bits in (8, 16, 32, 64))
uint8, uint16, uint32, uint64 = (DType(f"u{bits}", "uint", bits) for bits in (8, 16, 32, 64))
float32, float64 = DType("f32", "float", 32), DType("f64", "float", 64)

INTEGERS = (int8, int16, int32, int64, uint8, uint16, uint32, uint64)
FLOATS = (float32, float64)
NUMBERS = INTEGERS + FLOATS
ALL_DTYPES = (bool_, *NUMBERS)

DTYPES_BY_NAME = {dtype.name: dtype for dtype in ALL_DTYPES}
_BY_NUMPY = {dtype.numpy: dtype for dtype in ALL_DTYPES}

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

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, tuple(shape))

    def __str__(self) -> str:
        return f"{self.dtype.name}[{','.join(map(str, self.shape))}]"


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
