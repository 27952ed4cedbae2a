"""`gc.export`: compiled steps as a library for C.

Owns `export` and `Export`. Imports the compiler and the rest of `graphc.aot`. Invariant: a folder
is there as a whole or not at all, and one that holds other files is not touched.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from graphc import __version__
from graphc.aot.build_files import cmake_text, pkg_config_text
from graphc.aot.c_names import c_identifier
from graphc.aot.example import example_text
from graphc.aot.header import header_text
from graphc.aot.linking import link
from graphc.aot.preconditions import check_entries, check_folder, check_texts, tensor_writer
from graphc.aot.report import Report, report_of
from graphc.ir.diagnostics import BoundaryError, NameClashError
from graphc.runtime.artifact import FileRecord
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.errors import ArtifactError
from graphc.runtime.folder import write_folder
from graphc.runtime.library_manifest import LibraryManifest
from graphc.runtime.platforms import has_pthreads
from graphc.threads import check_threads

if TYPE_CHECKING:
    from graphc.codegen.library import CompiledLibrary
    from graphc.codegen.target import Target
    from graphc.compilation import Step


@dataclass(frozen=True)
class Export:
    """What was written: the folder, its manifest, how many bytes what takes, and notes on what
    could not be made."""

    folder: Path
    manifest: LibraryManifest
    report: Report
    notes: tuple[str, ...]

    @property
    def files(self) -> tuple[FileRecord, ...]:
        return self.manifest.files


def export(
    folder: str | PathLike[str],
    steps: Mapping[str, Step] | None = None,
    /,
    *,
    name: str = "",
    target: str = "",
    cpu: str = "",
    features: str = "",
    threads: int = 1,
    force: bool = False,
    **entries: Step,
) -> Export:
    """Write steps to a folder as one library that C can call, with nothing of Python in it.

    Each of `entries`, given by keyword or in a dict, becomes a function NAME_ENTRY; all share one
    state, the parameters with the values that they have now. `name` is the folder's unless given.
    `target` is a triple such as aarch64-unknown-linux-gnu, without one this machine's platform;
    `cpu` a processor, "host", or several of x86 separated by commas, the least first, of which the
    last that can run is chosen where the code is called; `features` a list as in `+avx2,-fma`.
    `threads` is how many work on a call at most; with 1 the code needs nothing at all. A
    `memory_limit` of a step holds for its entry, on any processor.

    Raises `UnknownTargetError` for names that LLVM does not know, `BoundaryError` for a step that
    calls functions of this process or was compiled with `debug_nans`, for what is no step, and for
    threads where the platform has none, `NameClashError` where two parameters share a name and for
    an entry that is called as what every library has, such as init, `MemoryLimitError` where a
    processor needs more memory than a step's limit or than it has addresses for, and
    `ArtifactError` where the folder cannot be written, is the one that the process works in, or
    holds files of others, unless `force` says to replace them.

    >>> import tempfile
    >>> import numpy as np
    >>> import graphc as gc
    >>> x = gc.input("x", 3)
    >>> double = gc.compile([x], 2 * x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     written = gc.export(folder, name="doubling", double=double)
    ...     library = gc.load(folder)
    ...     library.double(np.ones(3, "float32"))
    array([2., 2., 2.], dtype=float32)
    """
    from graphc.codegen.processors import named_targets

    entries = _named(steps, entries)
    check_texts({"name": name, "target": target, "cpu": cpu, "features": features})
    check_entries(entries, options=export.__kwdefaults__ or ())
    path = Path(folder).resolve()
    name = c_identifier(name or Path(os.path.abspath(folder)).name)
    check_threads(threads)
    check_folder(path, force)
    initial, write_tensors = _initial(entries), tensor_writer()
    targets = named_targets(target, cpu, features)
    if threads > 1 and not has_pthreads(targets[0].triple):
        raise BoundaryError(
            f"{target} has no threads as POSIX defines them",
            help="build with one thread: a library's functions can be called from many",
        )
    compiled = compiled_library(name, entries, targets, threads, initial)
    linked = link(compiled.manifest, compiled.object_bytes)
    contents = _contents(compiled)
    contents[f"{name}.safetensors"] = write_tensors(initial)
    contents |= linked.files
    check_folder(path, force)
    manifest = _written(path, contents, compiled.manifest)
    return Export(path, manifest, report_of(compiled), tuple(linked.notes))


def _written(
    path: Path, contents: Mapping[str, bytes], manifest: LibraryManifest
) -> LibraryManifest:
    try:
        return write_folder(path, contents, manifest)
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be written: {error.strerror or error}",
            help="nothing in it has been changed; choose a folder that can be, with enough space",
        ) from error


def _named(steps: object, keywords: Mapping[str, Step]) -> dict[str, Step]:
    """The steps of a call, from a dict and by keyword."""
    if not isinstance(steps or {}, Mapping):
        raise BoundaryError(
            f"steps to export need names, and {type(steps).__name__} has none",
            help="pass them by keyword, as in train=step, or in a dict",
        )
    given = dict(cast("Mapping[str, Step]", steps or {}))
    if twice := sorted(given.keys() & keywords.keys()):
        raise NameClashError(
            f"{twice[0]} is given twice, in the dict and by keyword", help="name one otherwise"
        )
    return {**given, **keywords}


def compiled_library(
    name: str,
    entries: Mapping[str, Step],
    targets: Sequence[Target],
    threads: int,
    initial: Mapping[str, NDArray[Any]],
) -> CompiledLibrary:
    """The library of these steps, compiled, with the values that parameters begin with."""
    from graphc.codegen.library import EntrySource, compile_library
    from graphc.runtime.threads import pool_text

    sources = {
        entry: EntrySource(step.program.graph, step.program.structure, step.memory_limit)
        for entry, step in entries.items()
    }
    pool = pool_text(targets[0].triple) if threads > 1 else ""
    return compile_library(name, sources, initial, targets, threads, pool, __version__)


def _initial(entries: Mapping[str, Step]) -> dict[str, NDArray[Any]]:
    """Copies of the parameters of all steps, by name."""
    found: dict[str, ParameterStorage] = {}
    for entry, step in entries.items():
        for name, storage in step.program.storages.items():
            if found.setdefault(name, storage) is not storage:
                raise NameClashError(
                    f"two different parameters are named {name}; the second is one of {entry}",
                    help="entries share one state: rename one of the parameters",
                )
    return {name: np.array(storage.value, order="C") for name, storage in found.items()}


def _contents(compiled: CompiledLibrary) -> dict[str, bytes]:
    """All files but the manifest, the parameters and what a linker makes."""
    from graphc.ir.printer import graph_constants, print_graph

    manifest = compiled.manifest
    texts = {
        f"{manifest.name}.h": header_text(manifest, compiled.undefined),
        "example.c": example_text(manifest),
        "CMakeLists.txt": cmake_text(manifest),
        f"{manifest.name}.pc": pkg_config_text(manifest),
    }
    contents = {f"{manifest.name}.o": compiled.object_bytes}
    for entry, each in compiled.entries.items():
        texts[f"{entry}.gir"] = print_graph(each.graph)
        if arrays := graph_constants(each.graph):
            contents[f"{entry}.npz"] = _packed(arrays)
    return contents | {file: text.encode() for file, text in texts.items()}


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()
