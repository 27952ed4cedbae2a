"""Masks of which LLVM must not find out what they are.

Owns `hidden` and `may_be_truncated`. Imports the writer. Invariant: the lanes of a mask stay what
they are.

For AVX-512, LLVM 22 joins a truncation and the store of its result. Where the mask then turns out
to be one known lane, it makes one store of that lane, as wide as the number was before: bytes are
overwritten behind it.
"""

from __future__ import annotations

from graphc.codegen.values import Value, is_number
from graphc.codegen.writer import Writer
from graphc.ir.types import DType, bool_, float32, int64

_MOST_LANES = int64.bits


def may_be_truncated(dtype: DType) -> bool:
    """Whether values in memory may be the low bits of wider integers; 16-bit floats are, too."""
    return dtype.bits < int64.bits and dtype is not float32


def hidden(function: Writer, mask: Value) -> Value:
    """The mask, after a way through an instruction that says nothing. A literal stays as it is:
    the emitter knows which ones have one lane."""
    if is_number(mask):
        return mask
    narrow = f"i{mask.lanes}"
    bits = function.emit(f"bitcast {mask.typed} to {narrow}", int64).ref
    if mask.lanes < _MOST_LANES:
        bits = function.emit(f"zext {narrow} {bits} to i64", int64).ref
    bits = function.emit(f'call i64 asm "", "=r,0"(i64 {bits})', int64).ref
    if mask.lanes < _MOST_LANES:
        bits = function.emit(f"trunc i64 {bits} to {narrow}", int64).ref
    return function.emit(f"bitcast {narrow} {bits} to {mask.type}", bool_, mask.lanes)
