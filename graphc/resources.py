"""What a step may use: threads and memory.

Owns `Resources` and `bytes_of`. Imports the errors. Invariant: resources change how a step is
computed, and not what.
"""

from __future__ import annotations

import operator
import re
from typing import NamedTuple

from graphc.ir.diagnostics import AttributeValueError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12} | {
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}


class Resources(NamedTuple):
    """The most threads that a step runs on, and the most bytes of workspace; None for any."""

    threads: int
    memory_limit: int | None = None


def bytes_of(limit: int | str | None) -> int | None:
    """A memory limit in bytes. kB, MB, GB and TB are powers of 1000, KiB, MiB, GiB and TiB of 1024.

    Raises `AttributeValueError` for what is no size.

    >>> bytes_of("64 MB"), bytes_of("1.5 KiB"), bytes_of(100)
    (64000000, 1536, 100)
    """
    if limit is None:
        return None
    if isinstance(limit, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]i?)?(b)?\s*", limit.lower())
        if match:
            return int(float(match[1]) * _UNITS[match[2] or ""])
    elif not isinstance(limit, bool):
        try:
            number = operator.index(limit)
        except TypeError:
            number = -1
        if number >= 0:
            return number
    raise AttributeValueError(
        f"memory_limit must be a number of bytes or a size such as '64 MB', got {limit!r}",
        help="leave it out for no limit",
    )
