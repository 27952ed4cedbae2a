"""Rounding arrays to the 16-bit types, and widening them for arithmetic.

Owns `rounded` and `widened`. Imports NumPy and `ir.types`. Invariant: a conversion rounds once, to
the nearest value and to the even one of two.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.types import DType, bfloat16

Array = np.ndarray[Any, Any]

EXACT = 2**53
"""Up to here f64 holds every whole number."""


def rounded(array: Array, dtype: DType) -> Array:
    """`array` in another dtype: NumPy's `astype`, but that bfloat16 is rounded to directly.

    ml_dtypes converts to bfloat16 by way of f32, which rounds twice.
    """
    source = np.asarray(array)
    with np.errstate(all="ignore"):
        return (_to_odd(source) if dtype is bfloat16 else source).astype(dtype.numpy)


def widened(array: Array) -> Array:
    """`array` in the dtype that arithmetic on it is done in."""
    is_half = array.dtype.itemsize == 2 and array.dtype.kind not in "iu"
    return array.astype(np.float32) if is_half else array


def _to_odd(array: Array) -> Array:
    """Numbers wider than f32 as f32, rounded to odd: toward zero, the last bit set if anything was
    lost. Rounding what that gives to fewer digits is as good as rounding the number itself.

    Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums: proved algorithms using
    rounding to odd" (2008).
    """
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        array = _whole_to_odd(array)
    if array.dtype.kind in "iu" and array.dtype.itemsize >= 4:
        array = array.astype(np.float64)
    if array.dtype != np.float64:
        return array
    near = np.asarray(array.astype(np.float32))
    back = near.astype(np.float64)
    bits = near.view(np.uint32) - (np.abs(back) > np.abs(array))
    lost = (back != array) & ~np.isnan(array)
    return np.asarray(bits | lost).astype(np.uint32).view(np.float32)


def _whole_to_odd(array: Array) -> Array:
    """64-bit integers, those beyond f64's digits with their low bits put together in one."""
    low = array & 0xFFF
    odd = array - low + np.where(low != 0, 0x800, 0).astype(array.dtype)
    far = array > EXACT
    if array.dtype.kind == "i":
        far |= array < -EXACT
    return np.where(far, odd, array)
