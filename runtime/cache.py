"""Compiled steps on disk, one file each, for every process of one user.

Owns `Cache`, `Entry` and the layout of an entry's file. Imports NumPy and the rest of `runtime`.
Invariants: nothing that a file holds is used before its owner, its mode, its key and its SHA-256
have been checked; whatever goes wrong with files, the caller is no worse off than without a cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.artifact import Artifact, Manifest
from graphc.runtime.errors import ArtifactError

MAGIC = b"graphc\x00\x01"
"""How a file begins; the last byte is the version of its layout."""

_SUFFIX, _FRESH = ".step", ".fresh"
_OURS = re.compile(rf"[0-9a-f]{{64}}\.step|\.[0-9a-z_]+{_FRESH}")
"""Names of entries and of files that are being written. No other file is ever touched."""

_DIGEST_BYTES = 32
_ABANDONED = 3600
"""Seconds after which a file that is still being written belongs to a process that has died."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_READ = os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)

_refused: set[Path] = set()
"""Folders that a warning was given about."""


@dataclass(frozen=True)
class Entry:
    """An artifact, and the values of its constants: an array, or the position of one among those
    that the program itself holds."""

    artifact: Artifact
    constants: tuple[int | NDArray[Any], ...] = ()


@dataclass(frozen=True)
class Usage:
    """How many entries a cache has, and their bytes."""

    entries: int
    bytes: int


@dataclass(frozen=True)
class _File:
    """A file of the cache, as it was found."""

    path: Path
    bytes: int
    used: float


class _DamageError(Exception):
    """A file that is no entry, or not the one it should be."""


@dataclass(frozen=True)
class Cache:
    """A folder of entries by key, a digest of 32 bytes.

    `limit` is the number of bytes it may grow to before entries not used for long are removed. Any
    number of processes may use a folder: a file is complete when it gets its name.
    """

    folder: Path
    limit: int

    def fetch(self, key: bytes) -> Entry | None:
        """The entry of a key. One that is damaged is removed, and is not there."""
        path = self._path(key)
        if not self._is_safe():
            return None
        try:
            entry = _unpacked(_contents(path), key)
        except OSError:
            return None
        except _DamageError:
            self.discard(key)
            return None
        with contextlib.suppress(OSError):  # a folder that can only be read has no order of use
            os.utime(path)
        return entry

    def store(self, key: bytes, entry: Entry) -> None:
        """Keep an entry, if it can be written."""
        data = _packed(entry, key)
        if len(data) > self.limit:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._is_safe():
                self._write(self._path(key), data)
                # Counting all entries takes longer than writing one: a part of the keys does it.
                if key[0] < 16 or len(data) > self.limit // 16:
                    self._evict()

    def discard(self, key: bytes) -> None:
        """Remove the entry of a key."""
        with contextlib.suppress(OSError):
            self._path(key).unlink()

    def usage(self) -> Usage:
        """What is in the folder now."""
        found = [file for file in self._files() if file.path.suffix == _SUFFIX]
        return Usage(len(found), sum(file.bytes for file in found))

    def clear(self) -> Usage:
        """Remove every entry, and return what there was. Other files stay."""
        before = self.usage()
        for file in self._files():
            with contextlib.suppress(OSError):
                file.path.unlink()
        return before

    def problem(self) -> str:
        """Why the folder cannot be used, "" if it can. It need not exist."""
        try:
            found = self.folder.lstat()
        except FileNotFoundError:
            return ""
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        if stat.S_ISLNK(found.st_mode):
            return "it is a symbolic link; name the folder that it leads to"
        if not stat.S_ISDIR(found.st_mode):
            return "it is no folder"
        return _foreign(found)

    def _is_safe(self) -> bool:
        problem = self.problem()
        if problem and self.folder not in _refused:
            _refused.add(self.folder)
            message = f"graphc compiles without its cache, {self.folder}: {problem}"
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        return not problem

    def _path(self, key: bytes) -> Path:
        return self.folder / f"{key.hex()}{_SUFFIX}"

    def _write(self, path: Path, data: bytes) -> None:
        # Files made here can be read by their owner alone.
        descriptor, name = tempfile.mkstemp(suffix=_FRESH, prefix=".", dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def _files(self) -> Iterator[_File]:
        """The files that belong to the cache, in no order."""
        try:
            listed = list(os.scandir(self.folder))
        except OSError:
            return
        for item in listed:
            # A file may go while it is looked at.
            with contextlib.suppress(OSError):
                if _OURS.fullmatch(item.name) and item.is_file(follow_symlinks=False):
                    found = item.stat(follow_symlinks=False)
                    yield _File(Path(item.path), found.st_size, found.st_mtime)

    def _evict(self) -> None:
        """Remove what was not used for longest, down to the limit."""
        files = sorted(self._files(), key=lambda file: file.used, reverse=True)
        held, abandoned = 0, time.time() - _ABANDONED
        for file in files:
            is_entry = file.path.suffix == _SUFFIX
            held += file.bytes if is_entry else 0
            if held > self.limit if is_entry else file.used < abandoned:
                with contextlib.suppress(OSError):
                    file.path.unlink()


def _foreign(found: os.stat_result) -> str:
    """Who besides the user could have put something there, "" for nobody."""
    if not hasattr(os, "geteuid"):
        return ""  # on Windows, folders of a user are closed to others by their place
    if found.st_uid != os.geteuid():
        return "it belongs to another user"
    if found.st_mode & 0o022:
        return "other users may write to it; chmod go-w"
    return ""


def _contents(path: Path) -> bytes:
    """The bytes of a file that is the user's own."""
    descriptor = os.open(path, _READ)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or _foreign(found):
            raise _DamageError
        return file.read()


# The file: the magic, a SHA-256 of all that follows, the key, and sections, each after its length.


def _packed(entry: Entry, key: bytes) -> bytes:
    places = [value if isinstance(value, int) else -1 for value in entry.constants]
    stored = [value for value in entry.constants if not isinstance(value, int)]
    head = {"manifest": entry.artifact.manifest.to_json(), "constants": places}
    sections = [
        json.dumps(head, separators=(",", ":")).encode(),
        entry.artifact.kernels,
        entry.artifact.entry,
        *(np.ascontiguousarray(value).tobytes() for value in stored),
    ]
    parts = [part for data in sections for part in (len(data).to_bytes(8, "little"), data)]
    body = b"".join([key, *parts])
    return MAGIC + hashlib.sha256(body).digest() + body


def _unpacked(data: bytes, key: bytes) -> Entry:
    """The entry in a file of a key. Raises `_DamageError`."""
    begin = len(MAGIC) + _DIGEST_BYTES
    if not data.startswith(MAGIC):
        raise _DamageError
    if hashlib.sha256(memoryview(data)[begin:]).digest() != data[len(MAGIC) : begin]:
        raise _DamageError
    if data[begin : begin + len(key)] != key:
        raise _DamageError
    sections = _sections(data, begin + len(key))
    try:
        head = json.loads(sections[0])
        manifest = Manifest.from_json(head["manifest"])
        kernels, entry, *stored = sections[1:]
        constants = _constants(manifest, head["constants"], stored)
    except (ValueError, KeyError, TypeError, IndexError, RecursionError, ArtifactError):
        raise _DamageError from None
    return Entry(Artifact(manifest, kernels, entry), constants)


def _sections(data: bytes, at: int) -> list[bytes]:
    found = []
    while at < len(data):
        end = at + 8 + int.from_bytes(data[at : at + 8], "little")
        if end > len(data):
            raise _DamageError
        found.append(data[at + 8 : end])
        at = end
    return found


def _constants(
    manifest: Manifest, places: list[int], stored: list[bytes]
) -> tuple[int | NDArray[Any], ...]:
    values = iter(stored)
    return tuple(
        place
        if place >= 0
        else np.frombuffer(next(values, b""), argument.numpy).reshape(argument.shape)
        for argument, place in zip(manifest.constants, places, strict=True)
    )
