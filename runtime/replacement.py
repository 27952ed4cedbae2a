"""A folder that takes another's place at once.

Owns `fresh_folder` and `put_in_place`. Imports the standard library. Invariants: at any moment,
also where the process is killed, there is the old folder or the new one; what a killed process left
is removed by the next one that writes the same folder, and nothing else is.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed process left stays, for nobody can tell
    _locks = False
else:
    _locks = True

_ATTEMPTS = 100
"""How often another process may be faster."""

_HERE, _SWAP = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""


@contextmanager
def fresh_folder(target: Path) -> Iterator[Path]:
    """An empty hidden folder beside `target`, of which nothing is left at the end."""
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(target)
    folder, lock = _make(target)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def put_in_place(fresh: Path, target: Path) -> None:
    """Make `fresh` the folder `target`, in place of one that is there. Raises `OSError`, and then
    `target` is as it was."""
    fresh.chmod(0o777 & ~_umask())
    for _ in range(_ATTEMPTS):
        try:
            if target.exists():
                _exchange(fresh, target)
            else:
                os.rename(fresh, target)
            return
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EEXIST, errno.ENOTEMPTY):
                raise
    raise OSError(errno.EBUSY, "other processes write to it all the time", str(target))


def _prefix(target: Path) -> str:
    return f".{target.name}.graphc-"


def _make(target: Path) -> tuple[Path, int | None]:
    """A folder, and the lock that says that somebody is at it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_prefix(target), dir=target.parent))
        if not _locks:
            return folder, None
        with suppress(FileNotFoundError):  # taken for abandoned, in the moment before it is locked
            lock = os.open(folder, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if folder.exists():
                return folder, lock
            os.close(lock)


def _remove_abandoned(target: Path) -> None:
    """Remove what processes left that do not run any more."""
    if not _locks:
        return
    for folder in target.parent.iterdir():
        if not folder.name.startswith(_prefix(target)):
            continue
        with suppress(OSError):
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _exchange(fresh: Path, target: Path) -> None:
    """Swap two folders; where the system cannot, one is moved out of the way first."""
    if _swapped(fresh, target):
        return
    with fresh_folder(target) as retired:
        old = retired / "old"
        try:
            os.rename(target, old)
            os.rename(fresh, target)
        except BaseException:  # an interrupt as well
            if old.exists() and not target.exists():
                os.rename(old, target)
            raise


def _swapped(fresh: Path, target: Path) -> bool:
    """Whether the system could swap two folders in one step."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return False
    first, second = os.fsencode(fresh), os.fsencode(target)
    if sys.platform == "darwin" and hasattr(library, "renamex_np"):
        return bool(library.renamex_np(first, second, _SWAP) == 0)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        return bool(library.renameat2(_HERE, first, _HERE, second, _SWAP) == 0)
    return False


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
