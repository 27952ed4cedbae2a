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

    def number(self, largest: int) -> int:
        """The value as a number from 0 to `largest`. Raises `ValueError`, naming the variable."""
        if not self.value.isdecimal() or int(self.value) > largest:
            raise ValueError(f"{self.name} is {self.value!r}, expected 0 to {largest}: {self.help}")
        return int(self.value)


DUMP = Variable(
    "GRAPHC_DUMP",
    "",
    "a folder; every compilation writes all its stages to a folder of its name there",
)

VERIFY = Variable(
    "GRAPHC_VERIFY",
    "1",
    "when graphs are checked: 0 never, 1 before and after all passes, 2 after every pass",
)

VARIABLES = (DUMP, VERIFY)
