"""Sizes of what is in an object file.

Owns `section_sizes`. Imports llvmlite.binding. Invariant: an object that LLVM wrote is only read.
"""

from __future__ import annotations

import llvmlite.binding as llvm

from graphc.codegen.wasm_sections import is_wasm, wasm_sections

_WASM_CODE, _WASM_DATA = 10, 11


def section_sizes(object_bytes: bytes) -> tuple[dict[str, int], int]:
    """The bytes of each section of code by name, and of all constants together."""
    if is_wasm(object_bytes):
        sizes = {kind: size for kind, _, size in wasm_sections(object_bytes)}
        return {"code": sizes.get(_WASM_CODE, 0)}, sizes.get(_WASM_DATA, 0)
    code: dict[str, int] = {}
    constants = 0
    for section in llvm.ObjectFileRef.from_data(object_bytes).sections():
        name = (section.name() or b"").decode()
        if section.is_text():
            code[name] = code.get(name, 0) + section.size()
        elif name.startswith((".rodata", ".rdata", ".data", "__const", "__cstring")):
            constants += section.size()
    return code, constants
