"""Artifacts on disk: one folder each.

Owns `save` and `read`. Imports NumPy and the rest of `runtime`. Invariants: a folder is there as a
whole or not at all; nothing read from one is used before every check of it has passed.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.artifact import Argument, Artifact, FileRecord, Manifest
from graphc.runtime.errors import ArtifactError
from graphc.runtime.folder import (
    MANIFEST,
    read_file,
    read_manifest,
    refuse_foreign,
    write_folder,
)

KERNELS, ENTRY, STATE = "kernels.o", "entry.o", "state.npz"

Arrays = dict[str, NDArray[Any]]


def save(
    artifact: Artifact,
    params: Mapping[str, NDArray[Any]],
    constants: Sequence[NDArray[Any]],
    folder: str | PathLike[str],
) -> None:
    """Write an artifact and its state to a folder, replacing an artifact that is there.

    Raises `ArtifactError` where the folder holds anything else, and for code that calls functions
    of this process.
    """
    if called := ", ".join(artifact.manifest.externals):
        raise ArtifactError(
            f"{artifact.manifest.name} calls functions of this process, and cannot be saved: "
            f"{called}",
            help="save a program without gc.call, and call the functions around it",
        )
    path = Path(folder).absolute()
    refuse_foreign(
        path,
        (MANIFEST, KERNELS, ENTRY, STATE),
        "pass a new or empty folder, or one that an artifact was saved to before",
    )
    contents = {
        KERNELS: artifact.kernels,
        ENTRY: artifact.entry,
        STATE: _pack_state(artifact.manifest, params, constants),
    }
    write_folder(path, contents, artifact.manifest)


def read(
    folder: str | PathLike[str],
) -> tuple[Artifact, Arrays, list[NDArray[Any]]]:
    """The artifact in a folder, its params by name, and its constants.

    Raises `ArtifactError` naming the file and what is wrong with it.
    """
    source = Path(folder)
    if not source.is_dir():
        raise ArtifactError(f"{source} is no folder", help="pass the folder given to save")
    manifest = read_manifest(source, Manifest.from_json)
    contents = {record.name: _read_file(source, record) for record in manifest.files}
    if missing := {KERNELS, ENTRY, STATE} - contents.keys():
        raise ArtifactError(f"{source / MANIFEST} does not list {', '.join(sorted(missing))}")
    arguments = [("param", argument) for argument in manifest.params]
    arguments += [("constant", argument) for argument in manifest.constants]
    arrays = _unpack_state(source / STATE, contents[STATE], arguments)
    artifact = Artifact(replace(manifest, files=()), contents[KERNELS], contents[ENTRY])
    params = {argument.name: arrays[f"param/{argument.name}"] for argument in manifest.params}
    constants = [arrays[f"constant/{argument.name}"] for argument in manifest.constants]
    return artifact, params, constants


def _pack_state(
    manifest: Manifest,
    params: Mapping[str, NDArray[Any]],
    constants: Sequence[NDArray[Any]],
) -> bytes:
    arrays = {f"param/{name}": _plain(values) for name, values in params.items()}
    for argument, values in zip(manifest.constants, constants, strict=True):
        arrays[f"constant/{argument.name}"] = _plain(values)
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    """An array that npz can hold: a dtype that NumPy has from elsewhere as its bits."""
    foreign = values.dtype.isbuiltin == 2
    return values.view(f"u{values.dtype.itemsize}") if foreign else values


def _read_file(source: Path, record: FileRecord) -> bytes:
    if record.name not in (KERNELS, ENTRY, STATE):
        raise ArtifactError(f"{source / MANIFEST} lists the unknown file {record.name!r}")
    return read_file(source, record)


def _unpack_state(path: Path, data: bytes, arguments: list[tuple[str, Argument]]) -> Arrays:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays: Arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactError(f"{path} cannot be read: {error}") from None
    expected = {f"{kind}/{argument.name}": argument for kind, argument in arguments}
    if arrays.keys() != expected.keys():
        odd = sorted(arrays.keys() ^ expected.keys())[0]
        raise ArtifactError(f"{path} and {MANIFEST} differ about {odd!r}")
    for name, argument in expected.items():
        values, stored = arrays[name], _plain(np.empty(0, argument.numpy)).dtype
        if values.dtype != stored or values.shape != argument.shape:
            raise ArtifactError(
                f"{path} holds {name!r} as {values.dtype} of shape {values.shape}, and "
                f"{MANIFEST} says {argument.type}"
            )
        arrays[name] = values.view(argument.numpy)
    return arrays
