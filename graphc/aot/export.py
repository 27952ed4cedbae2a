"""`gc.export`: compiled steps as a library for C.

Owns `export` and `Export`. Imports the compiler and the rest of `graphc.aot`. Invariant: a folder
is there as a whole or not at all, and one that holds other files is not touched.
"""

from __future__ import annotations

import importlib
import inspect
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphc import __version__
from graphc.aot.build_files import cmake_text, pkg_config_text
from graphc.aot.c_names import c_identifier
from graphc.aot.example import example_text
from graphc.aot.header import header_text
from graphc.aot.linking import link
from graphc.aot.report import Report, report_of
from graphc.ir.diagnostics import BoundaryError, NameClashError
from graphc.ir.nested import all_graphs
from graphc.runtime.artifact import FileRecord
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.errors import ArtifactError
from graphc.runtime.folder import refuse_foreign, write_folder
from graphc.runtime.library_manifest import RESERVED, LibraryManifest
from graphc.runtime.library_package import written_by_export
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
    `cpu` a processor, "host", or several levels of x86-64 separated by commas, the least first, of
    which the best is chosen where the code runs; `features` a list as in `+avx2,-fma`. `threads` is
    how many work on a call at most; with 1 the code needs nothing at all. A `memory_limit` of a
    step holds for its entry, on any processor.

    Raises `UnknownTargetError` for names that LLVM does not know, `BoundaryError` for a step that
    calls functions of this process and for threads where the platform has none, `NameClashError`
    where two parameters share a name and for an entry that is called as what every library has,
    such as init, `MemoryLimitError` where a processor needs more than a step's limit, and
    `ArtifactError` where the folder holds files of others, unless `force` says to
    replace them.

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

    entries = {**(steps or {}), **entries}
    if not entries:
        raise BoundaryError("there is no step to export", help="pass one: train=step")
    refuse_reserved(entries)
    place = Path(folder).absolute()
    name = c_identifier(name or place.name)
    check_threads(threads)
    targets = named_targets(target, cpu, features)
    if threads > 1 and re.search("-none|^wasm|-windows", targets[0].triple):
        raise BoundaryError(
            f"{targets[0].triple} has no threads as POSIX defines them",
            help="build with one thread: a library's functions can be called from many",
        )
    compiled = compiled_library(name, entries, targets, threads)
    linked = link(compiled.manifest, compiled.object_bytes)
    contents = _contents(compiled, _initial(entries))
    contents |= linked.files
    if not force:
        refuse_foreign(
            place, written_by_export(place), "pass another folder, or force=True to replace it"
        )
    manifest = write_folder(place, contents, compiled.manifest)
    return Export(place, manifest, report_of(compiled), tuple(linked.notes))


def refuse_reserved(names: Iterable[str]) -> None:
    """Raise `NameClashError` for an entry whose name a library, or `export`, has for itself."""
    own = {*RESERVED, *(inspect.signature(export).parameters.keys() - {"entries"})}
    if clashing := sorted(own.intersection(names)):
        raise NameClashError(
            f"an entry cannot be named {clashing[0]}, which every library has already",
            help=f"give the step another name, such as {clashing[0]}_step",
        )


def compiled_library(
    name: str, entries: Mapping[str, Step], targets: list[Target], threads: int
) -> CompiledLibrary:
    """The library of these steps, compiled."""
    from graphc.codegen.library import EntrySource, compile_library
    from graphc.runtime.threads import pool_text

    sources = {}
    for entry, step in entries.items():
        _refuse_foreign_functions(entry, step)
        program = step.program
        sources[entry] = EntrySource(program.graph, program.structure, step.memory_limit)
    values = {key: storage.value for key, storage in _initial(entries).items()}
    pool = pool_text(targets[0].triple) if threads > 1 else ""
    return compile_library(name, sources, values, targets, threads, pool, __version__)


def _refuse_foreign_functions(entry: str, step: Step) -> None:
    called = [
        vars(node.attrs)["function"].name
        for graph in all_graphs(step.program.graph)
        for node in graph.nodes
        if node.op.foreign
    ]
    if called:
        raise BoundaryError(
            f"{entry} calls {', '.join(dict.fromkeys(called))}, which is in this process alone",
            help="a library has no Python in it; compute it outside, and pass the result as input",
        )


def _initial(entries: Mapping[str, Step]) -> dict[str, ParameterStorage]:
    """The parameters of all steps, by name."""
    found: dict[str, ParameterStorage] = {}
    for entry, step in entries.items():
        for name, storage in step.program.storages.items():
            if found.setdefault(name, storage) is not storage:
                raise NameClashError(
                    f"two different parameters are named {name}; the second is one of {entry}",
                    help="entries share one state: rename one of the parameters",
                )
    return found


def _contents(
    compiled: CompiledLibrary, initial: Mapping[str, ParameterStorage]
) -> dict[str, bytes]:
    """All files but the manifest and what a linker makes."""
    from graphc.ir.printer import graph_constants, print_graph

    manifest = compiled.manifest
    texts = {
        f"{manifest.name}.h": header_text(manifest),
        "example.c": example_text(manifest),
        "CMakeLists.txt": cmake_text(manifest),
        f"{manifest.name}.pc": pkg_config_text(manifest),
    }
    contents = {f"{manifest.name}.o": compiled.object_bytes}
    for entry, each in compiled.entries.items():
        texts[f"{entry}.gir"] = print_graph(each.graph)
        if arrays := graph_constants(each.graph):
            contents[f"{entry}.npz"] = _packed(arrays)
    contents |= {file: text.encode() for file, text in texts.items()}
    values = {name: storage.value for name, storage in initial.items()}
    contents[f"{manifest.name}.safetensors"] = _safetensors(values)
    return contents


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _safetensors(values: Mapping[str, NDArray[Any]]) -> bytes:
    try:
        safetensors = importlib.import_module("safetensors.numpy")
    except ModuleNotFoundError:
        raise ArtifactError(
            "initial parameters are written as safetensors, and that package is not here",
            help='it is in an extra: pip install "graphc[export]"',
        ) from None
    arrays = {name: np.ascontiguousarray(array) for name, array in values.items()}
    return bytes(safetensors.save(arrays))
