"""Folders that are written as a whole or not at all, and files that are read as they were written.

Owns `write_folder`, `read_manifest` and `read_file`. Imports `runtime`. Invariants: who looks at a
folder sees the old one or the new one, never a part; nothing read from one is used before its
digest has been compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from graphc.runtime.artifact import FileRecord, Manifest
from graphc.runtime.errors import ArtifactError
from graphc.runtime.library_manifest import LibraryManifest
from graphc.runtime.replacement import fresh_folder, put_in_place

MANIFEST = "manifest.json"
"""The file that says what the others are."""

_AGAIN = "save or build it again"

AnyManifest = TypeVar("AnyManifest", Manifest, LibraryManifest)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_folder(folder: Path, contents: Mapping[str, bytes], manifest: AnyManifest) -> AnyManifest:
    """Write files to a folder, in place of all that was in it, with the manifest that lists them,
    which is returned. Raises `OSError` where that fails; then the folder is as it was."""
    files = tuple(FileRecord(name, len(data), digest(data)) for name, data in contents.items())
    manifest = replace(manifest, files=files)
    document = {"manifest": manifest.to_json(), "sha256": digest(manifest.canonical())}
    with fresh_folder(folder) as fresh:
        for name, data in contents.items():
            (fresh / name).write_bytes(data)
        (fresh / MANIFEST).write_text(json.dumps(document, indent=1), encoding="utf-8")
        put_in_place(fresh, folder)
    return manifest


def refuse_foreign(folder: Path, known: Iterable[str], remedy: str) -> None:
    """Raise `ArtifactError` if anything but `known` files is in the folder, or if it is none."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is a file", help="pass a folder to save to")
    foreign = sorted({entry.name for entry in folder.iterdir()} - set(known))
    if foreign:
        raise ArtifactError(
            f"{folder} holds files that are no part of an artifact, such as {foreign[0]!r}",
            help=remedy,
        )


def read_document(source: Path) -> tuple[object, str]:
    """What the manifest of a folder says, and the digest that it states."""
    path = source / MANIFEST
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}",
            help="the folder is not an artifact, or it is incomplete",
        ) from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path} is not JSON: {error}", help=_AGAIN) from None
    if not isinstance(document, dict) or document.keys() != {"manifest", "sha256"}:
        raise ArtifactError(f"{path} is not the manifest of an artifact", help=_AGAIN)
    return document["manifest"], str(document["sha256"])


def read_manifest(source: Path, parse: Callable[[object], AnyManifest]) -> AnyManifest:
    """The manifest of a folder, which must be the one that was written. Raises `ArtifactError`."""
    data, stated = read_document(source)
    path = source / MANIFEST
    try:
        manifest = parse(data)
    except ArtifactError as error:
        raise ArtifactError(f"{path}: {error.summary}", help=error.help) from None
    except RecursionError:
        raise ArtifactError(f"{path} is nested too deeply", help=_AGAIN) from None
    if digest(manifest.canonical()) != stated:
        raise ArtifactError(
            f"{path} is damaged: its contents do not have the SHA-256 that it states",
            help=_AGAIN,
        )
    return manifest


def read_file(source: Path, record: FileRecord) -> bytes:
    """The bytes of a file of a folder. Raises `ArtifactError` unless they are those written."""
    path = source / record.name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"{path} cannot be read: {error.strerror}", help="the artifact is incomplete"
        ) from None
    if len(data) != record.bytes:
        raise ArtifactError(
            f"{path} is damaged: it has {len(data)} bytes, {record.bytes} were written",
            help=_AGAIN,
        )
    if digest(data) != record.sha256:
        raise ArtifactError(
            f"{path} is damaged: its SHA-256 is not the one in {MANIFEST}",
            help=_AGAIN,
        )
    return data
