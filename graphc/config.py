"""The environment variables that graphc reads.

Owns their names, defaults and help, and where the platform keeps caches. Imports the standard
library only. Invariant: no other module reads the environment; a variable is read when it is
needed, so a program can set it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, the value without it, and what it does."""

    name: str
    default: str
    help: str

    @property
    def value(self) -> str:
        return os.environ.get(self.name, self.default)

    def number(self, largest: int) -> int:
        """The value as a number from 0 to `largest`. Raises `ValueError`, naming the variable."""
        if not self.value.isdecimal() or int(self.value) > largest:
            raise ValueError(f"{self.name} is {self.value!r}, expected 0 to {largest}: {self.help}")
        return int(self.value)


CACHE_DIR = Variable(
    "GRAPHC_CACHE_DIR",
    "default",
    "the folder of compiled steps; default is the platform's place for caches, off is none",
)

CACHE_LIMIT = Variable(
    "GRAPHC_CACHE_LIMIT",
    "1024",
    "how many MiB of compiled steps are kept; what was not used for longest goes first",
)

DUMP = Variable(
    "GRAPHC_DUMP",
    "",
    "a folder; every compilation writes all its stages to a folder of its name there",
)

THREADS = Variable(
    "GRAPHC_THREADS",
    "0",
    "how many threads a step may use; 0 is one for each core that the process may run on",
)

VERIFY = Variable(
    "GRAPHC_VERIFY",
    "1",
    "when graphs are checked: 0 never, 1 before and after all passes, 2 after every pass",
)

VARIABLES = (CACHE_DIR, CACHE_LIMIT, DUMP, THREADS, VERIFY)


def cache_folder() -> Path | None:
    """The folder of compiled steps, None where nothing is to be kept."""
    chosen = CACHE_DIR.value
    if chosen in ("", "off"):
        return None
    if chosen != "default":
        return Path(chosen).absolute()
    try:
        return _platform_caches() / "graphc"
    except RuntimeError:  # the user has no home
        return None


def _platform_caches() -> Path:
    """Where programs of the user keep what they can make again."""
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", "")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    named = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification has relative paths ignored.
    return Path(named) if os.path.isabs(named) else Path.home() / ".cache"
