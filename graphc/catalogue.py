"""The catalogue of errors: for each code its meaning, a program that gets it, and the fix.

Owns `Entry`, `ENTRIES` and how they are shown; `graphc explain` and docs/errors.md print them.
Imports the error classes, whose docstrings they are. Invariant: a message that is shown comes from
running the program, so it is the one that this version gives.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import linecache
import os
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from graphc import errors

Coded = errors.GraphError | errors.CodedError | errors.BackendError

_HEAD = """\
# Errors

Every error has a code. This page has for each what it means, a program that gets it, what Python
says then, and what to write instead; `graphc explain CODE` prints the same. It is printed from the
classes in `gc.errors`, and every program on it is run. After a change to a class:
`pytest tests/graphc/test_catalogue.py --bless`.
"""

_IMPORTS = {"np": "import numpy as np\n", "gc": "import graphc as gc\n"}


@dataclass(frozen=True)
class Entry:
    """What is known about one error. `example` is a whole program that gets it, and `fix` is what
    to write instead of its last statement; both are "" for an error that no program gets."""

    error: type[Exception]
    code: str
    title: str
    meaning: str
    example: str
    fix: str

    @property
    def file(self) -> str:
        """What the example is called in its message."""
        return f"{self.code.lower()}.py"


def raised(entry: Entry) -> str:
    """What Python says at the end of an entry's example, which is run in a folder of its own.

    >>> print(raised(ENTRIES["GC104"]).splitlines()[0])
    graphc.runtime.errors.NotAnArrayError: GC104 not an array: step() expects input 'x' to be an \
array f32[3], got an object of type list
    """
    lines = entry.example.splitlines(keepends=True)
    linecache.cache[entry.file] = (len(entry.example), None, lines, entry.file)
    with tempfile.TemporaryDirectory() as folder, _inside(folder):
        try:
            exec(compile(entry.example, entry.file, "exec"), {})
        except Exception as error:
            return "".join(traceback.format_exception_only(error))
        finally:
            linecache.cache.pop(entry.file, None)
    raise AssertionError(f"the example of {entry.code} raises nothing")


def page() -> str:
    """The whole of docs/errors.md."""
    return "\n".join([_HEAD, *map(_section, ENTRIES.values())])


def _section(entry: Entry) -> str:
    text = f"## {entry.code} {entry.title}\n\n`{class_of(entry)}`. {entry.meaning}\n"
    if not entry.example:
        return text
    return (
        f"{text}\n```python {entry.file} raises\n{entry.example}```\n\n"
        f"```text\n{raised(entry)}```\n\nInstead:\n\n```python {entry.file}\n{entry.fix}```\n"
    )


def class_of(entry: Entry) -> str:
    """How a program names the class, with the built-in class that it is as well."""
    builtin = next(base.__name__ for base in entry.error.__mro__ if base.__module__ == "builtins")
    kind = "" if builtin == "Exception" else f"({builtin})"
    return f"gc.errors.{entry.error.__name__}{kind}"


@contextlib.contextmanager
def _inside(folder: str) -> Iterator[None]:
    """Run in a folder, and print nothing."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        os.chdir(before)


def _entry(error: type[Coded]) -> Entry:
    """The entry that a class's docstring is: its meaning, then `Example:` and `Fix:`, indented."""
    code, title = error.code, error.title
    text, _, rest = inspect.cleandoc(error.__doc__ or "").partition("\n\nExample:\n")
    text = text.replace("\n", " ")
    example, _, fix = (dedent(part) for part in rest.partition("\n\nFix:\n"))
    if not example:
        return Entry(error, code, title, text, "", "")
    used = [line for name, line in _IMPORTS.items() if f"{name}." in example + fix]
    program = "".join([*used, "\n" if used else "", example, "\n"])
    return Entry(error, code, title, text, program, f"{fix.rstrip()}\n")


def _entries() -> Iterator[Entry]:
    for name in errors.__all__:
        error = getattr(errors, name)
        if hasattr(error, "code"):
            yield _entry(error)


ENTRIES = {entry.code: entry for entry in sorted(_entries(), key=lambda entry: entry.code)}
"""Every entry by its code, in order."""
