"""Shared libraries, each loaded once, and each the one that is meant.

Owns `shared_library`. Imports the standard library. Invariant: a file that took another's place is
loaded for itself: systems know a library by its path, and would give the one from before.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from pathlib import Path
from threading import Lock

_lock = Lock()
_by_digest: dict[str, ctypes.CDLL] = {}
_paths: set[Path] = set()


def shared_library(path: Path, digest: str) -> ctypes.CDLL:
    """The library of a file whose bytes have this digest; it stays until the process ends. Raises
    `OSError` where the system cannot load it."""
    path = path.absolute()
    with _lock:
        if digest not in _by_digest:
            _by_digest[digest] = _copied(path) if path in _paths else ctypes.CDLL(str(path))
            _paths.add(path)
        return _by_digest[digest]


def _copied(path: Path) -> ctypes.CDLL:
    """Loaded from a path of its own, which is not needed any more afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return ctypes.CDLL(str(shutil.copy(path, folder)))
