"""Where a node comes from: the user's source line, and the rule that derived it.

Owns `Location`, `Origin` and the provenance that new nodes take on. Imports the standard library
only. Invariant: both are values; passes copy them, never rewrite them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Location:
    """A range of the user's source text. Columns count from 0; -1 means unknown."""

    file: str
    line: int
    column: int = -1
    end_line: int = -1
    end_column: int = -1

    def __str__(self) -> str:
        return f"{os.path.basename(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Why a derived node exists: the rule, and the name of the primal value it was derived for."""

    rule: str
    primal: str = ""

    def __str__(self) -> str:
        return self.rule


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a node built now is given as its `loc` and `origin`."""

    loc: Location | None = None
    origin: Origin | None = None


_UNKNOWN = Provenance()
_current: ContextVar[Provenance] = ContextVar("graphc_provenance", default=_UNKNOWN)


def current_provenance() -> Provenance:
    return _current.get()


@contextmanager
def provenance(loc: Location | None, origin: Origin | None = None) -> Iterator[None]:
    """Give every node built inside the `with` block this location and origin."""
    token = _current.set(Provenance(loc, origin))
    try:
        yield
    finally:
        _current.reset(token)
