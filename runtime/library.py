"""Libraries from Python: several entries over one state, called through their C functions.

Owns `Library`. Imports the rest of `runtime`, and llvmlite only where there is no shared library.
Invariant: what C would have to get right, such as types, shapes and aligned memory, is checked or
provided here, so that a call from Python cannot go wrong where one from C could.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.arguments import Binder
from graphc.runtime.binding import link_permanently
from graphc.runtime.buffers import aligned_empty
from graphc.runtime.errors import ArtifactError, TargetError
from graphc.runtime.host import check_platform, unconfirmed
from graphc.runtime.library_manifest import (
    ALIGNMENT,
    WRONG_PROCESSOR,
    LibraryEntry,
    LibraryManifest,
)
from graphc.runtime.shared_library import shared_library

Functions = dict[str, Callable[..., int]]


class Library:
    """A library that `graphc build` or `gc.export` made, with a state of its own.

    Its entries are attributes: `library.train(x, y)`. They take and return NumPy arrays as a
    compiled step does, and may be called from any thread; calls take turns. `state` maps names to
    views of the parameters: write to those, as in `library.state["w"][...] = values`.
    """

    def __init__(self, manifest: LibraryManifest, path: Path) -> None:
        """`path` is the shared library or, where there is none, the object. Raises
        `ArtifactError` for one that cannot be loaded, `TargetError` for another machine."""
        check_platform(manifest.targets, manifest.requirements)
        self.manifest = manifest
        self._functions = _load(manifest, path)
        self._lock = Lock()
        self.state_block = aligned_empty((manifest.state_bytes,), np.uint8, ALIGNMENT)
        size = max(manifest.workspace_bytes, ALIGNMENT)
        self._workspace = aligned_empty((size,), np.uint8, ALIGNMENT)
        views = {}
        for field in manifest.state:
            block = self.state_block[field.offset : field.offset + field.bytes]
            views[field.name] = block.view(field.numpy).reshape(field.shape)
        self.state: Mapping[str, NDArray[Any]] = MappingProxyType(views)
        self._entries = {entry.name: Entry(self, entry) for entry in manifest.entries}
        self.reset()

    def reset(self) -> None:
        """Give the parameters their initial values."""
        self._checked("initialize")

    def restore(self, block: bytes | bytearray | memoryview | NDArray[Any]) -> None:
        """Take over a state that was kept as bytes: `library.state_block.tobytes()`, or what a C
        program wrote. Raises `ArtifactError` for the state of another model, and then nothing has
        changed."""
        block = block.tobytes() if isinstance(block, np.ndarray) else bytes(block)
        if len(block) != self.manifest.state_bytes or not block.startswith(self.manifest.header):
            raise ArtifactError(
                f"the state is not one of {self.manifest.name}",
                help="a state belongs to the model whose parameters it holds",
            )
        with self._lock:
            self.state_block[:] = np.frombuffer(block, np.uint8)

    def __getattr__(self, name: str) -> Entry:
        entries = self.__dict__.get("_entries", {})
        if name not in entries:
            raise AttributeError(
                f"{type(self).__name__} has no attribute {name!r}; entries are {', '.join(entries)}"
            )
        found: Entry = entries[name]
        return found

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._entries]

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"cannot pickle {self!r}: load its folder in each process")

    def __repr__(self) -> str:
        return f"<Library {self.manifest.name}: {', '.join(self._entries)}>"

    def _run(self, entry: LibraryEntry, buffers: list[NDArray[Any]]) -> int:
        """Call the C function of an entry and return its status."""
        arrays = [self.state_block, self._workspace, *buffers]
        with self._lock:
            return self._functions[entry.name](*(_address(array) for array in arrays))

    def _checked(self, function: str) -> None:
        interface = ctypes.c_uint64(self.manifest.interface)
        with self._lock:
            status = self._functions[function](_address(self.state_block), interface)
        message = f"{self.manifest.name}: {self.manifest.message(status)}"
        if status == WRONG_PROCESSOR:
            doubtful = unconfirmed(self.manifest.targets[0].triple, self.manifest.requirements[0])
            raise TargetError(
                f"{message}: it may be {doubtful}" if doubtful else message,
                help="build the library for an older processor",
            )
        if status:
            raise ArtifactError(message)


class Entry:
    """One function of a library, for NumPy arrays."""

    def __init__(self, library: Library, entry: LibraryEntry) -> None:
        manifest = library.manifest.of_entry(entry)
        self._library, self._entry = library, entry
        self._binder = Binder(manifest, list(library.state.values()), ())
        self._first_guard = library.manifest.first_guard(entry)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """As a compiled step is called. Raises a `CallError`, before anything has been changed."""
        outputs, structure = self._entry.outputs, self._entry.structure
        inputs, given = self._binder.normalise(*args, **keywords), None
        count = len(self._entry.inputs)
        if len(inputs) > count:
            *results, given = inputs[count:]
        else:
            results = [np.empty(output.shape, output.numpy) for output in outputs]
        status = self._library._run(self._entry, [*inputs[:count], *results])
        if status > 0:
            self._binder.fail(status - self._first_guard, *inputs[:count])
        if status:
            raise ArtifactError(self._library.manifest.message(status))
        if given is not None:
            return given
        return structure.build([result[()] for result in results])

    def __repr__(self) -> str:
        inputs = ", ".join(f"{each.name}: {each.type}" for each in self._entry.inputs)
        outputs = ", ".join(f"{each.name}: {each.type}" for each in self._entry.outputs)
        return f"<entry {self._entry.name}({inputs}) -> ({outputs})>"


def _address(array: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.__array_interface__["data"][0])


def _load(manifest: LibraryManifest, path: Path) -> Functions:
    """The functions of a library, whose version and build are those that its manifest is about."""
    names = ["initialize", *(entry.name for entry in manifest.entries)]
    symbols = {name: f"{manifest.name}_{name}" for name in names}
    constants = [f"{manifest.name}_abi", manifest.build_symbol]
    functions: Functions
    try:
        if path.suffix != ".o":
            library = shared_library(path, _digest(manifest, path))
            abi = ctypes.c_uint32.in_dll(library, constants[0]).value
            ctypes.c_uint8.in_dll(library, constants[1])
            functions = {name: library[symbol] for name, symbol in symbols.items()}
        else:
            wanted = [*symbols.values(), *constants]
            addresses = link_permanently(path.read_bytes(), wanted, "its object")
            abi = ctypes.c_uint32.from_address(addresses[constants[0]]).value
            signature = ctypes.CFUNCTYPE(ctypes.c_int)
            functions = {name: signature(addresses[symbol]) for name, symbol in symbols.items()}
    except (OSError, AttributeError, ValueError) as error:
        raise ArtifactError(
            f"{path} cannot be loaded: {error}",
            help="its code and its manifest are of one build: build the library again",
        ) from None
    if abi != manifest.abi:
        raise ArtifactError(
            f"{path} has version {abi} of the interface, not {manifest.abi}",
            help="its code and its manifest are of one build: build the library again",
        )
    return functions


def _digest(manifest: LibraryManifest, path: Path) -> str:
    """That of a file's bytes, which was compared when the manifest was read."""
    return next(record.sha256 for record in manifest.files if record.name == path.name)
