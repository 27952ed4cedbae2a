"""What must be so before anything is compiled, which may take minutes.

Owns `check_texts`, `check_entries`, `check_folder` and `tensor_writer`. Imports the compiler's
graphs and the contract of libraries. Invariant: nothing is written here, and an error names the
entry, the file or the package.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphc.ir.diagnostics import BoundaryError, NameClashError
from graphc.ir.nested import all_graphs
from graphc.runtime.errors import ArtifactError
from graphc.runtime.folder import refuse_foreign
from graphc.runtime.library_manifest import RESERVED
from graphc.runtime.library_package import written_by_export

if TYPE_CHECKING:
    from graphc.compilation import Step

TensorWriter = Callable[[Mapping[str, Any]], bytes]


def check_texts(options: Mapping[str, object]) -> None:
    """Raise `NameClashError` for a step that was given where an option is expected, and
    `BoundaryError` for an option that is no text."""
    from graphc.compilation import Step

    for name, value in options.items():
        if isinstance(value, Step):
            raise _clash(name, "is an option of export")
        if not isinstance(value, str):
            raise BoundaryError(f"{name} must be a text, got {type(value).__name__}")


def check_entries(entries: Mapping[str, object], options: Collection[str]) -> None:
    """Raise `BoundaryError` for what is no step, or is one that cannot leave this process, and
    `NameClashError` for a name that an entry cannot have: `options` are those of `export`, as
    which no step can be given by keyword."""
    if not entries:
        raise BoundaryError("there is no step to export", help="pass one: train=step")
    for entry, step in entries.items():
        if not (isinstance(entry, str) and entry.isascii() and entry.isidentifier()):
            raise NameClashError(
                f"an entry cannot be named {entry!r}",
                help="it becomes a function of C: letters, digits and underscores",
            )
        _check_step(entry, step)
    for entry in entries:
        if entry in RESERVED:
            raise _clash(entry, "every library has already")
        if entry in options:
            raise _clash(entry, "is an option of export")


def _clash(name: str, reason: str) -> NameClashError:
    return NameClashError(
        f"an entry cannot be named {name}, which {reason}",
        help=f"give the step another name, such as {name}_step",
    )


def _check_step(entry: str, step: object) -> None:
    from graphc.compilation import Step
    from graphc.just_in_time import Jitted

    if isinstance(step, Jitted):
        raise BoundaryError(
            f"{entry} is a function of gc.jit, which compiles a program for each shape",
            help="declare its inputs with gc.input, and compile it with gc.compile",
        )
    if not isinstance(step, Step):
        raise BoundaryError(
            f"{entry} is no compiled step but {type(step).__name__}",
            help="pass what gc.compile returns",
        )
    if step.watch is not None:
        raise BoundaryError(
            f"{entry} was compiled with debug_nans=True, which looks at values from Python",
            help="compile it without",
        )
    _refuse_foreign_functions(entry, step)


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


def check_folder(folder: Path, force: bool) -> None:
    """Raise `ArtifactError` for a folder that cannot be replaced as a whole: one with files of
    others, unless `force`, one that cannot be written, and the one that this process works in."""
    here = Path.cwd()
    if folder == here or folder in here.parents:
        raise ArtifactError(
            f"{folder} is the folder that this process works in, and would be replaced as a whole",
            help="pass a folder in it, such as build",
        )
    if folder.is_dir() and force:
        return
    remedy = "pass another folder, or force=True (--force) to replace it with all that is in it"
    refuse_foreign(folder, written_by_export(folder), remedy)
    above = next(each for each in folder.parents if each.exists())
    if not above.is_dir():
        raise ArtifactError(
            f"{above} is a file, and no folder can be in it", help="pass another folder"
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise ArtifactError(f"{above} cannot be written to", help="pass another folder")


def tensor_writer() -> TensorWriter:
    """What makes safetensors of arrays. Raises `ArtifactError` without the package for it."""
    try:
        writer: TensorWriter = importlib.import_module("safetensors.numpy").save
    except ModuleNotFoundError:
        raise ArtifactError(
            "initial parameters are written as safetensors, and that package is not here",
            help='it is in an extra: pip install "graphc[export]"',
        ) from None
    return writer
