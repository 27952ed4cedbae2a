"""`graphc explain`: what an error code means, a program that gets it, and the fix.

Owns the command. Imports the catalogue. Invariant: the message that is shown comes from running
the example.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from textwrap import fill, indent
from typing import Any

from graphc.catalogue import ENTRIES, Entry, class_of, raised
from graphc.cli.failure import CommandError


def run(options: argparse.Namespace) -> None:
    """Write the entry of a code, or a line for each, to stdout."""
    if options.code:
        entry = _entry(options.code)
        text = json.dumps(_fields(entry), indent=1) if options.json else _explained(entry)
    elif options.json:
        text = json.dumps([_summary(entry) for entry in ENTRIES.values()], indent=1)
    else:
        text = "\n".join(map(_line, ENTRIES.values()))
    sys.stdout.write(f"{text.rstrip()}\n")


def _entry(name: str) -> Entry:
    """The entry of a code, in any case, or of a class."""
    known = {entry.error.__name__.upper(): entry for entry in ENTRIES.values()} | ENTRIES
    if name.upper() in known:
        return known[name.upper()]
    near = difflib.get_close_matches(name.upper(), known, 3)
    lines = "\n".join(_line(known[each]) for each in near)
    hint = f"did you mean\n{lines}" if near else "`graphc explain` lists them"
    raise CommandError(f"there is no error {name!r}; {hint}")


def _line(entry: Entry) -> str:
    return f"{entry.code}  {entry.title:34} {class_of(entry)}"


def _summary(entry: Entry) -> dict[str, Any]:
    return {
        "code": entry.code,
        "title": entry.title,
        "class": entry.error.__name__,
        "meaning": entry.meaning,
    }


def _fields(entry: Entry) -> dict[str, Any]:
    message = raised(entry) if entry.example else ""
    return {
        **_summary(entry), "example": entry.example, "message": message, "fix": entry.fix
    }  # fmt: skip


def _explained(entry: Entry) -> str:
    head = f"{entry.code} {entry.title}\n\n{class_of(entry)}\n\n{fill(entry.meaning, 92)}\n"
    if not entry.example:
        return head
    program, message, fix = (
        indent(text, "    ") for text in (entry.example, raised(entry), entry.fix)
    )
    return f"{head}\nThis program\n\n{program}\nends with\n\n{message}\nInstead:\n\n{fix}"
