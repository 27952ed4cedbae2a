"""Memory that compiled code reads and writes.

Owns aligned allocation and the storage of parameters. Imports NumPy and `runtime.errors`.
Invariant: a parameter's storage never moves, so that its address can be kept by every executable
that shares it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from graphc.runtime.errors import StorageError

ALIGNMENT = 64
"""Bytes: one cache line, and the widest vector register."""

PAGE, STAGGER = 4096, 9 * ALIGNMENT
"""Bytes of a page of memory, and by how much further into one the next large array starts: 64 such
steps come to 64 places."""

_storages = count()


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike, align: int = ALIGNMENT) -> NDArray[Any]:
    """An uninitialised row-major array that starts at a multiple of `align` bytes.

    >>> aligned_empty((3, 5), "float32").ctypes.data % 64
    0
    """
    element = np.dtype(dtype)
    size = math.prod(shape) * element.itemsize
    block = np.empty(size + align, np.uint8)
    start = -block.ctypes.data % align
    return block[start : start + size].view(element).reshape(shape)


def aligned_copy(values: ArrayLike, align: int = ALIGNMENT) -> NDArray[Any]:
    """An aligned row-major array of native byte order with the same values."""
    source = np.asarray(values)
    result = aligned_empty(source.shape, source.dtype.newbyteorder("="), align)
    result[...] = source
    return result


def _staggered_copy(values: ArrayLike) -> NDArray[Any]:
    """The same, of arrays that a kernel may go through side by side.

    Large blocks all start at the same place of a page. Processors fetch ahead up to the end of a
    page, so that all of a kernel's streams would wait at the same time; here each array of a page
    or more starts somewhere else in its first page.
    """
    source = np.asarray(values)
    if source.nbytes < PAGE:
        return aligned_copy(source)
    lead = next(_storages) * STAGGER % PAGE
    block = aligned_empty((lead + source.nbytes,), np.uint8, PAGE)
    result = block[lead:].view(source.dtype.newbyteorder("=")).reshape(source.shape)
    result[...] = source
    return result


def address_range(array: NDArray[Any]) -> tuple[int, int]:
    """First address of a contiguous array and the one after its last; equal when it is empty."""
    start: int = array.__array_interface__["data"][0]
    return start, start + array.nbytes


class ParameterStorage:
    """The memory of one parameter, shared by every executable that reads or updates it.

    `value` is a NumPy view of the memory itself: what a training step writes is seen in it at
    once, and what is written to it is what the next step reads. Assigning to `value` copies into
    the memory, broadcasting as NumPy does.

    >>> storage = ParameterStorage(np.zeros(3, np.float32))
    >>> storage.value = 1.5
    >>> storage.value
    array([1.5, 1.5, 1.5], dtype=float32)
    """

    __slots__ = ("__weakref__", "_array")

    def __init__(self, initial: ArrayLike) -> None:
        self._array = _staggered_copy(initial)

    @property
    def value(self) -> NDArray[Any]:
        return self._array.view()

    @value.setter
    def value(self, values: ArrayLike) -> None:
        source = np.asarray(values)
        try:
            np.broadcast_to(source, self._array.shape)
        except ValueError:
            raise StorageError(
                f"a value of shape {source.shape} does not fit a parameter of shape "
                f"{self._array.shape}",
                help="parameters keep the shape they were declared with",
            ) from None
        np.copyto(self._array, source, casting="same_kind")

    def __repr__(self) -> str:
        return f"ParameterStorage({self._array!r})"


def copies(values: Mapping[str, NDArray[Any]]) -> dict[str, ParameterStorage]:
    """A storage for each of these values, which are copied."""
    return {name: ParameterStorage(array) for name, array in values.items()}
