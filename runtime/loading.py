"""What was saved to a folder, ready to be called.

Owns `load`. Imports the rest of `runtime`. Invariant: nothing of a folder is loaded as code before
all its files have been compared with what its manifest says of them.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from graphc.runtime import library_package, package
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.executable import Executable
from graphc.runtime.library import Library


def load(folder: str | PathLike[str]) -> Any:
    """The `Executable` that a step was saved as, with the state it had then; or the `Library` that
    was exported to a folder, with its initial state.

    It contains native code: load only what you would run. Raises `ArtifactError` naming the file
    and the reason where anything is damaged, missing, or made for another machine.
    """
    if library_package.is_library(Path(folder)):
        return Library(*library_package.read(Path(folder)))
    artifact, params, constants = package.read(folder)
    storages = {name: ParameterStorage(values) for name, values in params.items()}
    return Executable(artifact, storages, constants)
