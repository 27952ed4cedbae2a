"""`graphc cache`: what is kept of compiled steps, and removing it.

Owns the command. Imports the cache that the environment names. Invariant: only what was asked for
reaches stdout; nothing but entries is ever removed.
"""

from __future__ import annotations

import argparse
import json
import sys

from graphc.caching import opened
from graphc.cli.failure import CommandError
from graphc.config import CACHE_DIR
from graphc.runtime.cache import Cache


def run(options: argparse.Namespace) -> None:
    """Write what is in the cache to stdout, or empty it."""
    try:
        cache = opened()
    except ValueError as error:
        raise CommandError(str(error)) from None
    if options.action == "clear":
        sys.stdout.write(_cleared(cache))
    elif options.json:
        sys.stdout.write(json.dumps(_facts(cache), indent=1) + "\n")
    else:
        sys.stdout.write(_described(cache))


def _cleared(cache: Cache | None) -> str:
    if cache is None:
        return _OFF
    before = cache.clear()
    if left := cache.usage().entries:
        raise CommandError(f"{left} of the entries in {cache.folder} cannot be removed")
    return f"removed {before.entries} entries of {_size(before.bytes)} from {cache.folder}\n"


def _facts(cache: Cache | None) -> dict[str, object]:
    if cache is None:
        return {"folder": None}
    usage = cache.usage()
    return {
        "folder": str(cache.folder),
        "entries": usage.entries,
        "bytes": usage.bytes,
        "limit": cache.limit,
        "problem": cache.problem(),
    }


def _described(cache: Cache | None) -> str:
    if cache is None:
        return _OFF
    usage = cache.usage()
    problem = cache.problem()
    return (
        f"folder    {cache.folder}\n"
        f"entries   {usage.entries}\n"
        f"size      {_size(usage.bytes)} of at most {_size(cache.limit)}\n"
        + (f"not used  {problem}\n" if problem else "")
    )


_OFF = f"there is no cache: {CACHE_DIR.name} says so, or the user has no home\n"


def _size(count: int) -> str:
    """
    >>> _size(999), _size(1536), _size(1 << 30)
    ('999 bytes', '1.5 KiB', '1.0 GiB')
    """
    if count < 1024:
        return f"{count} bytes"
    power = min((count.bit_length() - 1) // 10, 4)
    return f"{count / (1 << 10 * power):.1f} {' KMGT'[power]}iB"
