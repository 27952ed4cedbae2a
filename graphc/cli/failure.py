"""What a command says when it cannot do what was asked.

Owns `CommandError` and `meant`. Invariant: the message is for the user and is all that is shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class CommandError(Exception):
    """A mistake on the command line or in what it names."""


def meant(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` where one of `known` is close to `name`, else nothing."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]!r}?" if close else ""
