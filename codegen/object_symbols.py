"""What an object file takes from elsewhere when it is linked.

Owns `undefined_symbols`. Imports llvmlite.binding and NumPy. Invariant: an object that LLVM wrote
is only read.

Sources: System V ABI, "Symbol Table"; Microsoft PE and COFF Specification, "COFF Symbol Table";
Apple's <mach-o/nlist.h>; WebAssembly Core Specification 2.0, section 5.5.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import llvmlite.binding as llvm
import numpy as np

from graphc.codegen.wasm_sections import is_wasm, read_number, wasm_sections

_ELF_MAGIC, _MACH_MAGIC = b"\x7fELF", b"\xcf\xfa\xed\xfe"

_ELF_SYMBOLS = {
    1: np.dtype("<u4, <u4, <u4, u1, u1, <u2"),
    2: np.dtype("<u4, u1, u1, <u2, <u8, <u8"),
}
_ELF_FIELDS = {1: ("f3", "f5"), 2: ("f1", "f3")}
"""By the class of an ELF file: the layout of its symbols, and which of the fields say what kind a
symbol is of and in which section."""

_ELF_WEAK = 2

_COFF_SYMBOL = np.dtype("V8, <u4, <i2, <u2, u1, u1")
_COFF_EXTERNAL = 2

_MACH_SYMBOL = np.dtype("<u4, u1, u1, <u2, <u8")
_MACH_SYMBOL_TABLE = 2
_MACH_TYPE, _MACH_EXTERNAL = 0x0E, 0x01

_WASM_IMPORTS = 2
_WASM_FUNCTION, _WASM_TABLE, _WASM_MEMORY, _WASM_GLOBAL = range(4)

_OF_LINKERS = {"_GLOBAL_OFFSET_TABLE_", "_fltused"}
"""What every linker makes itself, and the mark by which Microsoft's knows that floats are used."""


def undefined_symbols(object_bytes: bytes) -> tuple[str, ...]:
    """The functions of others that an object calls, and their variables but in WebAssembly; sorted.
    Of ELF files, those that may be missing (weak ones) are not among them.

    >>> from graphc.codegen.backend import compile_text
    >>> from graphc.codegen.target import host_target
    >>> text = "declare void @other() define void @one() { call void @other() ret void }"
    >>> undefined_symbols(compile_text(text, host_target()).object_bytes)
    ('other',)
    """
    if object_bytes.startswith(_ELF_MAGIC):
        found = _of_elf(object_bytes)
    elif is_wasm(object_bytes):
        found = _of_wasm(object_bytes)
    elif object_bytes.startswith(_MACH_MAGIC):
        found = _of_mach(object_bytes)
    else:
        found = _of_coff(object_bytes)
    return tuple(sorted(set(found) - _OF_LINKERS))


def _text(table: bytes, place: int) -> str:
    return table[place : table.index(b"\0", place)].decode()


def _of_elf(data: bytes) -> Iterator[str]:
    sections = {
        section.name(): bytes(section.data())
        for section in llvm.ObjectFileRef.from_data(data).sections()
        if section.name() in (b".symtab", b".strtab")
    }
    kind = data[4]
    symbols = np.frombuffer(sections[b".symtab"], _ELF_SYMBOLS[kind])
    binding, section = (symbols[field] for field in _ELF_FIELDS[kind])
    for symbol in symbols[(section == 0) & (binding >> 4 != _ELF_WEAK)]:
        if symbol["f0"]:
            yield _text(sections[b".strtab"], int(symbol["f0"]))


def _of_coff(data: bytes) -> Iterator[str]:
    place, count = struct.unpack_from("<II", data, 8)
    symbols = np.frombuffer(data, _COFF_SYMBOL, count, place)
    names = data[place + symbols.nbytes :]
    number = 0
    while number < count:
        name, value, section, _, kind, more = symbols[number].tolist()
        if kind == _COFF_EXTERNAL and section == 0 and value == 0:
            is_long = not name[:4].strip(b"\0")
            position = struct.unpack("<4xI", name)[0]
            yield _text(names, position) if is_long else name.rstrip(b"\0").decode()
        number += 1 + more


def _of_mach(data: bytes) -> Iterator[str]:
    (commands,) = struct.unpack_from("<I", data, 16)
    place = 32
    for _ in range(commands):
        command, size = struct.unpack_from("<II", data, place)
        if command == _MACH_SYMBOL_TABLE:
            first, count, names, length = struct.unpack_from("<4I", data, place + 8)
            texts = data[names : names + length]
            for name, kind, _, _, value in np.frombuffer(data, _MACH_SYMBOL, count, first).tolist():
                if kind & _MACH_EXTERNAL and not kind & _MACH_TYPE and not value:
                    # What C calls f is _f there.
                    yield _text(texts, name).removeprefix("_")
        place += size


def _of_wasm(data: bytes) -> Iterator[str]:
    """Imported functions; memory, tables and the pointer to the stack are a linker's."""
    for kind, place, _ in wasm_sections(data):
        if kind != _WASM_IMPORTS:
            continue
        count, place = read_number(data, place)
        for _ in range(count):
            size, place = read_number(data, place)
            size, place = read_number(data, place + size)
            name = data[place : place + size].decode()
            what, place = data[place + size], place + size + 1
            if what == _WASM_FUNCTION:
                yield name
            place = _after_import(data, what, place)


def _after_import(data: bytes, what: int, place: int) -> int:
    if what == _WASM_GLOBAL:
        return place + 2
    if what == _WASM_TABLE:
        place += 1
    elif what == _WASM_FUNCTION:
        return read_number(data, place)[1]
    bounded, place = data[place], place + 1
    for _ in range(1 + (bounded & 1)):
        _, place = read_number(data, place)
    return place
