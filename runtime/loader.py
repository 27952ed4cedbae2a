"""Object code into memory.

Owns `check_target`, `check_python` and `LoadedCode`. Imports `runtime.binding`. Invariant: nothing
is linked before the object is known to be made for this machine.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from graphc.runtime.artifact import (
    ENTRY_SYMBOL,
    POOL_SYMBOL,
    Artifact,
    PythonRecord,
    TargetRecord,
)
from graphc.runtime.binding import binding, linker
from graphc.runtime.errors import ArtifactError, PythonVersionError, TargetError
from graphc.runtime.instruction_sets import UNUSED_X86
from graphc.runtime.threads import pool_address


@cache
def _host() -> tuple[str, str, frozenset[str]]:
    """Triple, name and instruction sets of this machine."""
    llvm = binding()
    features = llvm.get_host_cpu_features()
    return (
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        frozenset(name for name, usable in features.items() if usable),
    )


def check_target(target: TargetRecord) -> None:
    """Raise `TargetError` unless this machine can run code made for `target`."""
    triple, cpu, features = _host()
    if target.triple != triple:
        raise TargetError(
            f"it was made for {target.triple}, and this process runs on {triple}",
            help="compile the graph on this machine, or for it",
        )
    if missing := sorted(target.required - features - UNUSED_X86):
        raise TargetError(
            f"it was made for {target.cpu}, and this machine ({cpu}) lacks {', '.join(missing)}",
            help="compile the graph on this machine, or for an older processor",
        )


def check_python(python: PythonRecord) -> None:
    """Raise `PythonVersionError` unless the entry fits this interpreter and this NumPy."""
    current = PythonRecord.current()
    if python != current:
        raise PythonVersionError(
            f"its entry was made for {_describe(python)}, and this is {_describe(current)}",
            help="load it with that Python, or save it again with this one",
        )


def _describe(python: PythonRecord) -> str:
    threads = ", free-threaded" if python.free_threaded else ""
    return f"{python.version} ({8 * python.pointer_bytes} bits{threads}) with NumPy {python.numpy}"


class LoadedCode:
    """The code of an artifact in executable memory, until the last reference to it goes.

    An instance has no attributes, and so is none of the garbage collector's objects: in a cycle,
    it goes after every finalizer that may still call the code, and LLVM's objects, which must be
    closed in order, are never part of the cycle.
    """

    __slots__ = ()

    def __init__(self, artifact: Artifact, imported: Mapping[str, int] = MappingProxyType({})):
        """`imported` are the addresses of what the kernels object refers to beside the pool.

        Raises `ArtifactError` for another machine or Python, or an object that is damaged.
        """
        manifest = artifact.manifest
        check_target(manifest.target)
        check_python(manifest.python)
        linked = _linked[id(self)] = _Linked(linker(manifest.target.triple))
        pool = {POOL_SYMBOL: pool_address()} if manifest.threads > 1 else {}
        linked.link("kernels", artifact.kernels, manifest.symbol, {**pool, **imported})
        linked.link("entry", artifact.entry, ENTRY_SYMBOL, {})

    @property
    def kernel(self) -> int:
        """Address of the kernels' function."""
        return _linked[id(self)].addresses["kernels"]

    @property
    def entry(self) -> int:
        """Address of the entry."""
        return _linked[id(self)].addresses["entry"]

    def __del__(self) -> None:
        linked = _linked.pop(id(self), None)
        if linked is not None and not sys.is_finalizing():
            linked.close()


class _Linked:
    """A JIT linker and what it holds."""

    def __init__(self, engine: Any) -> None:
        self.addresses: dict[str, int] = {}
        self._engine = engine
        self._libraries: list[Any] = []

    def link(self, name: str, code: bytes, symbol: str, imported: Mapping[str, int]) -> None:
        builder = binding().JITLibraryBuilder().add_object_img(code).add_current_process()
        for other, address in imported.items():
            builder.import_symbol(other, address)
        try:
            library = builder.export_symbol(symbol).link(self._engine, name)
        except RuntimeError as error:
            raise ArtifactError(f"its {name} object cannot be linked: {error}") from None
        self._libraries.append(library)
        self.addresses[name] = int(library[symbol])

    def close(self) -> None:
        for library in self._libraries:
            library.close()
        self._engine.close()


_linked: dict[int, _Linked] = {}
"""By the id of the `LoadedCode` that it belongs to."""
