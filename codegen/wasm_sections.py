"""The sections of a WebAssembly module.

Owns `is_wasm`, `wasm_sections` and `read_number`. Imports the standard library. Invariant: a module
that LLVM wrote is only read.

Source: WebAssembly Core Specification 2.0, sections 5.2.2 and 5.5.2.
"""

from __future__ import annotations

from collections.abc import Iterator

_MAGIC = b"\0asm"


def is_wasm(data: bytes) -> bool:
    """Whether an object file is a WebAssembly module."""
    return data.startswith(_MAGIC)


def wasm_sections(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Kind, place and size of each section."""
    place = 8
    while place < len(data):
        kind = data[place]
        size, place = read_number(data, place + 1)
        yield kind, place, size
        place += size


def read_number(data: bytes, place: int) -> tuple[int, int]:
    """The unsigned number (LEB128) at a place, and the place behind it.

    >>> read_number(bytes([0xE5, 0x8E, 0x26]), 0)
    (624485, 3)
    """
    number = shift = 0
    while True:
        byte = data[place]
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            return number, place
