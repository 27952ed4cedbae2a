"""The environment variables that graphc reads.

Owns their names, defaults and help. Imports the standard library only. Invariant: no other module
reads the environment; a variable is read when it is needed, so a program can set it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """An environment variable: its name, the value without it, and what it does."""

    name: str
    default: str
    help: str

    @property
    def value(self) -> str:
        return os.environ.get(self.name, self.default)


DUMP = Variable(
    "GRAPHC_DUMP",
    "",
    "a folder; every compilation writes all its stages to a folder of its name there",
)

VARIABLES = (DUMP,)
