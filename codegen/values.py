"""Values and types as LLVM writes them.

Owns `Value`, constants and the spelling of types. Imports `ir.types`. Invariant: a value knows its
type, so that no instruction is written on operands that do not fit.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

from graphc.ir.rounding import rounded
from graphc.ir.types import HALVES, DType, bool_, float32, int8, int64

POINTER = DType("ptr", "uint", 64)

HALF = DType("half", "float", 16)
"""LLVM's own type of float16 values, for targets that convert it; elsewhere they are bits."""


def llvm_type(dtype: DType, lanes: int = 1) -> str:
    """LLVM's spelling of a scalar (`float`) or a vector (`<16 x float>`)."""
    if dtype is POINTER:
        scalar = "ptr"
    elif dtype is HALF:
        scalar = "half"
    elif dtype in HALVES:
        scalar = "i16"
    elif dtype.is_float:
        scalar = "float" if dtype.bits == 32 else "double"
    else:
        scalar = f"i{dtype.bits}"
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def memory_type(dtype: DType, lanes: int = 1) -> str:
    """The type as stored: a bool takes a byte."""
    if dtype is bool_:
        return "i8" if lanes == 1 else f"<{lanes} x i8>"
    return llvm_type(dtype, lanes)


def intrinsic_suffix(dtype: DType, lanes: int) -> str:
    """How the names of intrinsics end, such as `v4f32`."""
    letter = "f" if dtype.is_float and dtype not in HALVES else "i"
    scalar = f"{letter}{dtype.bits}"
    return scalar if lanes == 1 else f"v{lanes}{scalar}"


def memory_suffix(dtype: DType, lanes: int) -> str:
    """The same of what is stored."""
    return intrinsic_suffix(int8 if dtype is bool_ else dtype, lanes)


def literal(value: float | int | bool, dtype: DType) -> str:
    """A constant as LLVM writes it; floats in exact hexadecimal, 16-bit ones as their bits."""
    if dtype is bool_:
        return "true" if value else "false"
    if not dtype.is_float:
        return str(int(value))
    if dtype in HALVES:
        return str(int(rounded(np.asarray(value, np.float64), dtype).view(np.uint16)))
    as_double = float(value)
    if dtype is float32:
        as_double = struct.unpack("f", struct.pack("f", as_double))[0]
    return f"0x{struct.unpack('>Q', struct.pack('>d', as_double))[0]:016X}"


@dataclass(frozen=True, slots=True)
class Value:
    """An SSA value or constant: how it is written, its element type, how many lanes it has, and
    in how many nested loops it is (a constant is in none)."""

    ref: str
    dtype: DType
    lanes: int = 1
    depth: int = 0

    @property
    def type(self) -> str:
        return llvm_type(self.dtype, self.lanes)

    @property
    def typed(self) -> str:
        """`float %x`, as operands of a call or a store are written."""
        return f"{self.type} {self.ref}"


def constant(value: float | int | bool, dtype: DType, lanes: int = 1) -> Value:
    text = literal(value, dtype)
    if lanes > 1:
        text = f"splat ({llvm_type(dtype)} {text})"
    return Value(text, dtype, lanes)


def index(value: int) -> Value:
    """A constant i64."""
    return constant(value, int64)


def first_lanes(count: int, lanes: int) -> Value:
    """The mask of the first `count` of so many lanes, at least two."""
    bits = ", ".join("i1 true" if lane < count else "i1 false" for lane in range(lanes))
    return Value(f"<{bits}>", bool_, lanes)


def is_number(value: Value) -> bool:
    """Whether a value is a constant."""
    return not value.ref.startswith("%")
