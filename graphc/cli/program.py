"""Finding the program that a command names: `FILE.py`, `FILE.py:NAME`, `FILE.gir` or `demo`.

Owns `find_graph`, `find_steps` and `absolute`. Imports the parser, and runs the user's file.
Invariant: whatever the user's file prints goes to stderr, and its `if __name__ == "__main__":` part
does not run.
"""

from __future__ import annotations

import contextlib
import runpy
import sys
import traceback
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from graphc.cli.failure import CommandError, meant
from graphc.compilation import Step
from graphc.demo.program import declare
from graphc.ir.diagnostics import ParseError
from graphc.ir.graph import Graph
from graphc.ir.parser import parse_graph
from graphc.just_in_time import Jitted


def find_graph(program: str, constants: str | None = None) -> Graph:
    """The declared graph of the program, derivatives included.

    `constants` names the arrays of a `.gir` file. Raises `CommandError` for a file that is not
    there or fails, and a name that is not in it.
    """
    if program == "demo":
        return declare(1, 1).train.program.graph
    if program.endswith(".gir"):
        return _from_text(Path(program), constants)
    path, name = _split(program)
    return _chosen(path, name, dict(_graphs(_run(path))))


def find_steps(programs: Sequence[str]) -> dict[str, Step]:
    """The compiled steps that `FILE.py:NAME` name, by name or by ENTRY where it is
    `ENTRY=FILE.py:NAME`; each file runs once. Raises `CommandError` as `find_graph` does, and for
    what is no step."""
    ran: dict[Path, dict[str, Any]] = {}
    found: dict[str, Step] = {}
    for program in programs:
        entry, file = _entry(program)
        path, name = _split(file)
        names = ran.get(path) or ran.setdefault(path, _run(path))
        steps = {each: step for each, step in names.items() if isinstance(step, Step)}
        if name in names and name not in steps:
            _refuse(path, name, names[name])
        graph = _chosen(path, name, {each: step.program.graph for each, step in steps.items()})
        name = name or next(each for each, step in steps.items() if step.program.graph is graph)
        entry = entry or name
        if found.setdefault(entry, steps[name]) is not steps[name]:
            raise CommandError(
                f"two entries would be called {entry!r}; name one otherwise: "
                f"{entry}_2={path}:{name}"
            )
    return found


def absolute(program: str) -> str:
    """A program of `find_steps` as it is named from any other folder."""
    entry, file = _entry(program)
    path, name = _split(file)
    return f"{entry}={path.absolute()}:{name}".removeprefix("=").removesuffix(":")


def _entry(program: str) -> tuple[str, str]:
    """What the step is to be called, if that is said, and the rest."""
    entry, equals, file = program.partition("=")
    if not equals or not entry.isidentifier() or Path(program.rpartition(":")[0]).exists():
        return "", program
    return entry, file


def _refuse(path: Path, name: str, value: object) -> NoReturn:
    remedy = "compile it with gc.compile"
    if isinstance(value, Jitted):
        remedy = "declare the inputs with gc.input and compile it with gc.compile, for one shape"
    raise CommandError(f"{name!r} in {path} is no step but {type(value).__name__}: {remedy}")


def _split(program: str) -> tuple[Path, str]:
    """The file and, behind the last colon, the name in it."""
    path, name = Path(program), ""
    if not path.exists() and ":" in program:
        head, _, name = program.rpartition(":")
        path = Path(head)
    if not path.is_file():
        siblings = [str(each) for each in path.parent.glob("*.py")] if path.parent.is_dir() else []
        raise CommandError(f"there is no file {path}{meant(str(path), siblings)}")
    if path.suffix != ".py":
        raise CommandError(f"{path} is neither a Python file (.py) nor a graph (.gir)")
    return path, name


def _from_text(path: Path, constants: str | None) -> Graph:
    arrays = _stored_arrays(constants) if constants else {}
    try:
        return parse_graph(path.read_text(encoding="utf-8"), arrays, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {path}: {error}") from None
    except ParseError as error:
        raise CommandError(str(error)) from None


def _stored_arrays(path: str) -> dict[str, np.ndarray[Any, Any]]:
    try:
        with Path(path).open("rb") as file, np.lib.npyio.NpzFile(file) as stored:
            return dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise CommandError(f"cannot read the arrays in {path}: {error}") from None


def _run(path: Path) -> dict[str, Any]:
    """The names in a Python file after it has run as a module, beside its own modules."""
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return runpy.run_path(str(path), run_name=path.stem)
    except Exception as error:
        raise CommandError(f"{path} failed:\n{_user_traceback(error, path)}") from None
    except SystemExit as error:
        raise CommandError(f"{path} ended itself with code {error.code}") from None
    finally:
        sys.path.remove(str(path.parent.resolve()))


def _user_traceback(error: BaseException, path: Path) -> str:
    """The traceback from the user's file on, without the frames that ran it."""
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_code.co_filename != str(path):
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))


def _graphs(names: dict[str, Any]) -> Iterator[tuple[str, Graph]]:
    for name, value in names.items():
        if name.startswith("_"):
            continue
        if isinstance(value, Graph):
            yield name, value
        elif isinstance(value, Step):
            yield name, value.program.graph


def _chosen(path: Path, name: str, graphs: dict[str, Graph]) -> Graph:
    listed = ", ".join(graphs) or "none"
    if name:
        if name not in graphs:
            raise CommandError(
                f"{path} has no step or graph {name!r}{meant(name, graphs) or '.'} "
                f"It has: {listed}."
            )
        return graphs[name]
    if not graphs:
        raise CommandError(
            f"{path} makes no step: assign the result of gc.compile or gc.build_graph to a name, "
            "at the top level and not under `if __name__`"
        )
    if len(set(map(id, graphs.values()))) > 1:
        raise CommandError(f"{path} makes several: choose one of {path}:{{{listed}}}")
    return next(iter(graphs.values()))
