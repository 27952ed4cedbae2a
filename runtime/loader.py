"""Object code into memory.

Owns `check_target` and `LoadedObject`. Imports llvmlite.binding, and that only when something is
loaded. Invariant: nothing is linked before the object is known to be made for this machine.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from graphc.runtime.artifact import ENTRY_SYMBOL, Artifact, PythonRecord, TargetRecord
from graphc.runtime.errors import ArtifactError, PythonVersionError, TargetError


@cache
def _binding() -> Any:
    """llvmlite, initialised for this machine; it takes longer to import than NumPy."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def _host() -> tuple[str, str, frozenset[str]]:
    """Triple, name and instruction sets of this machine."""
    llvm = _binding()
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
    if missing := sorted(target.required - features):
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
    """The code of an artifact in executable memory, until it is closed.

    `kernel` and `entry` are the addresses of its two functions.
    """

    def __init__(self, artifact: Artifact) -> None:
        """Raises `ArtifactError` for another machine or Python, or an object that is damaged."""
        manifest = artifact.manifest
        check_target(manifest.target)
        check_python(manifest.python)
        llvm = _binding()
        machine = llvm.Target.from_triple(manifest.target.triple).create_target_machine()
        self._engine = llvm.create_lljit_compiler(machine, use_jit_link=True)
        self._libraries: list[Any] = []
        self.kernel = self._link("kernels", artifact.kernels, manifest.symbol)
        self.entry = self._link("entry", artifact.entry, ENTRY_SYMBOL)

    def _link(self, name: str, code: bytes, symbol: str) -> int:
        builder = _binding().JITLibraryBuilder().add_object_img(code).add_current_process()
        try:
            library = builder.export_symbol(symbol).link(self._engine, name)
        except RuntimeError as error:
            raise ArtifactError(f"its {name} object cannot be linked: {error}") from None
        self._libraries.append(library)
        return int(library[symbol])

    def close(self) -> None:
        """Free the code. Nothing may be running in it, or call it afterwards."""
        for library in self._libraries:
            library.close()
        self._libraries.clear()
        self._engine.close()
