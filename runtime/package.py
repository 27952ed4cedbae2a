"""Artifacts on disk: one folder each.

Owns `save` and `read`. Imports NumPy and the rest of `runtime`. Invariants: a folder is there as a
whole or not at all; nothing read from one is used before every check of it has passed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
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

MANIFEST, KERNELS, ENTRY, STATE = "manifest.json", "kernels.o", "entry.o", "state.npz"

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
    target = Path(folder).absolute()
    _refuse_foreign(target)
    contents = {
        KERNELS: artifact.kernels,
        ENTRY: artifact.entry,
        STATE: _pack_state(artifact.manifest, params, constants),
    }
    files = tuple(FileRecord(name, len(data), _digest(data)) for name, data in contents.items())
    manifest = replace(artifact.manifest, files=files)
    document = {"manifest": manifest.to_json(), "sha256": _digest(manifest.canonical())}
    contents[MANIFEST] = json.dumps(document, indent=1).encode()
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name, data in contents.items():
            (fresh / name).write_bytes(data)
        _exchange(fresh, target)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def read(
    folder: str | PathLike[str],
) -> tuple[Artifact, Arrays, list[NDArray[Any]]]:
    """The artifact in a folder, its params by name, and its constants.

    Raises `ArtifactError` naming the file and what is wrong with it.
    """
    source = Path(folder)
    if not source.is_dir():
        raise ArtifactError(f"{source} is no folder", help="pass the folder given to save")
    manifest = _read_manifest(source)
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


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


# Writing.


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ArtifactError(f"{target} is a file", help="pass a folder to save to")
    found = {entry.name for entry in target.iterdir()}
    foreign = sorted(found - {MANIFEST, KERNELS, ENTRY, STATE})
    if foreign:
        raise ArtifactError(
            f"{target} holds files that are no part of an artifact, such as {foreign[0]!r}",
            help="pass a new or empty folder, or one that an artifact was saved to before",
        )


def _exchange(fresh: Path, target: Path) -> None:
    """Put the finished folder in its place; an old one is moved out of the way first."""
    fresh.chmod(0o777 & ~_umask())
    if not target.exists():
        os.replace(fresh, target)
        return
    retired = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        os.replace(target, retired / "old")
        os.replace(fresh, target)
    except OSError:
        if not target.exists():
            os.replace(retired / "old", target)
        raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


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


# Reading.


def _read_manifest(source: Path) -> Manifest:
    path = source / MANIFEST
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}",
            help="the folder is not an artifact, or it is incomplete",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not JSON: {error}") from None
    if not isinstance(document, dict) or document.keys() != {"manifest", "sha256"}:
        raise ArtifactError(f"{path} is not the manifest of an artifact")
    try:
        manifest = Manifest.from_json(document["manifest"])
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error.summary}", help=error.help) from None
    except RecursionError:
        raise ArtifactError(f"{path} is nested too deeply") from None
    if _digest(manifest.canonical()) != document["sha256"]:
        raise ArtifactError(
            f"{path} is damaged: its contents do not have the SHA-256 that it states",
            help="save the executable again",
        )
    return manifest


def _read_file(source: Path, record: FileRecord) -> bytes:
    path = source / record.name
    if record.name not in (KERNELS, ENTRY, STATE):
        raise ArtifactError(f"{source / MANIFEST} lists the unknown file {record.name!r}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}", help="the artifact is incomplete"
        ) from None
    if len(data) != record.bytes:
        raise ArtifactError(
            f"{path} is damaged: it has {len(data)} bytes, {record.bytes} were written",
            help="save the executable again",
        )
    if _digest(data) != record.sha256:
        raise ArtifactError(
            f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}",
            help="save the executable again",
        )
    return data


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
