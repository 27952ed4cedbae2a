"""LLVM's linker, for code that comes to memory.

Owns `binding` and `link_permanently`. Imports llvmlite.binding, and that only when something is
linked. Invariant: LLVM is initialised for this machine before anybody gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from graphc.runtime.errors import ArtifactError


@cache
def binding() -> Any:
    """llvmlite, initialised for this machine; it takes longer to import than NumPy."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def linker(triple: str) -> Any:
    """A JIT linker of objects for this machine."""
    machine = binding().Target.from_triple(triple).create_target_machine()
    return binding().create_lljit_compiler(machine, use_jit_link=True)


def link_permanently(code: bytes, symbols: Sequence[str], what: str) -> dict[str, int]:
    """The addresses of functions of an object, which stays in memory until the process ends, and
    while the interpreter ends.

    Raises `ArtifactError`, which says `what` it was.
    """
    engine = linker(binding().get_process_triple())
    builder = binding().JITLibraryBuilder().add_object_img(code).add_current_process()
    for symbol in symbols:
        builder.export_symbol(symbol)
    try:
        library = builder.link(engine, "permanent")
    except RuntimeError as error:
        raise ArtifactError(f"{what} cannot be linked: {error}") from None
    addresses = {symbol: int(library[symbol]) for symbol in symbols}
    library.detach()
    engine.detach()
    return addresses
