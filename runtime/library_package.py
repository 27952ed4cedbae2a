"""Libraries on disk: one folder each.

Owns `is_library`, `written_by_export` and `read`. Imports `runtime.folder` and the contract.
Invariant: a path that leaves here is that of a file whose bytes are those that were written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from graphc.runtime.errors import ArtifactError
from graphc.runtime.folder import MANIFEST, read_document, read_file, read_manifest
from graphc.runtime.library_manifest import LibraryManifest

_SHARED = (".so", ".dylib", ".dll")

_FILE_NAME = re.compile(r"\w[\w.]*", re.ASCII)
"""Of the files that a library can have: no path, and nothing that a system does not take."""


def is_library(source: Path) -> bool:
    """Whether a folder says that it holds a library; what else is wrong with it shows later."""
    return "abi" in _stated(source)


def written_by_export(source: Path) -> list[str]:
    """The files of a folder that a library there lists as its own."""
    stated = _stated(source)
    if "abi" not in stated:
        return []
    listed = stated.get("files")
    records = listed if isinstance(listed, list) else []
    names = [record.get("name") for record in records if isinstance(record, dict)]
    return [MANIFEST, *(name for name in names if isinstance(name, str))]


def _stated(source: Path) -> dict[str, Any]:
    """What the manifest of a folder says, unchecked; nothing where there is none."""
    try:
        data, _ = read_document(source)
    except ArtifactError:
        return {}
    return data if isinstance(data, dict) else {}


def read(source: Path) -> tuple[LibraryManifest, Path]:
    """The manifest of a library, and its shared library or, without one, its object.

    Raises `ArtifactError` naming the file and what is wrong with it.
    """
    manifest = read_manifest(source, LibraryManifest.from_json)
    for record in manifest.files:
        if not _FILE_NAME.fullmatch(record.name):
            raise ArtifactError(
                f"{source / MANIFEST} lists {record.name!r}, which is no file of it",
                help="build the library again",
            )
        read_file(source, record)
    names = [record.name for record in manifest.files]
    code = [name for name in names if name.endswith(_SHARED)] or [f"{manifest.name}.o"]
    if code[0] not in names:
        raise ArtifactError(
            f"{source / MANIFEST} does not list {code[0]}", help="build the library again"
        )
    return manifest, source / code[0]
