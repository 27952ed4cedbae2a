"""Libraries on disk: one folder each.

Owns `is_library` and `read`. Imports `runtime.folder` and the contract. Invariant: a path that
leaves here is that of a file whose bytes are those that were written.
"""

from __future__ import annotations

import json
from pathlib import Path

from graphc.runtime.errors import ArtifactError
from graphc.runtime.folder import MANIFEST, check_digest, read_document, read_file
from graphc.runtime.library_manifest import LibraryManifest

_SHARED = (".so", ".dylib", ".dll")


def is_library(source: Path) -> bool:
    """Whether a folder says that it holds a library; what else is wrong with it shows later."""
    try:
        document = json.loads((source / MANIFEST).read_bytes())
        return "abi" in document["manifest"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def written_by_export(source: Path) -> list[str]:
    """The files of a folder that a library there lists as its own."""
    if not is_library(source):
        return []
    data, _ = read_document(source)
    listed = data.get("files") if isinstance(data, dict) else None
    named = [each.get("name") for each in listed or () if isinstance(each, dict)]
    return [MANIFEST, *(name for name in named if isinstance(name, str))]


def read(source: Path) -> tuple[LibraryManifest, Path]:
    """The manifest of a library, and its shared library or, without one, its object.

    Raises `ArtifactError` naming the file and what is wrong with it.
    """
    data, stated = read_document(source)
    try:
        manifest = LibraryManifest.from_json(data)
    except ArtifactError as error:
        raise ArtifactError(f"{source / MANIFEST}: {error.summary}", help=error.help) from None
    except RecursionError:
        raise ArtifactError(f"{source / MANIFEST} is nested too deeply") from None
    check_digest(source, manifest.canonical(), stated)
    for record in manifest.files:
        if Path(record.name).name != record.name:
            raise ArtifactError(
                f"{source / MANIFEST} lists {record.name!r}, which is no file of it"
            )
        read_file(source, record)
    names = [record.name for record in manifest.files]
    code = [name for name in names if name.endswith(_SHARED)] or [f"{manifest.name}.o"]
    if code[0] not in names:
        raise ArtifactError(f"{source / MANIFEST} does not list {code[0]}")
    return manifest, source / code[0]
