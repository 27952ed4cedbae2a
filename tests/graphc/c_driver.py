"""A C program that calls what a library has, over and over, and writes down what it got.

Owns `c_text` and `Trace`, what a step, a library in Python and the C program leave behind alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import graphc as gc
from graphc.aot.c_names import parameters_of
from graphc.runtime.library import Library
from graphc.runtime.library_manifest import HEADER_BYTES, LibraryManifest
from tests.graphc.exporting import STRICT, c_compiler, run

Array = np.ndarray[Any, Any]
Arguments = Mapping[str, Sequence[Array]]
"""What each entry is called with."""

_TEXT = """\
#define _POSIX_C_SOURCE 200112L
#include <stdio.h>
#include <stdlib.h>
#include "{name}.h"

/* Not one byte more than was asked for: valgrind sees all that lies beyond. */
static void *taken(size_t bytes) {{
    void *memory;
    if (posix_memalign(&memory, {name}_alignment, bytes)) exit(99);
    return memory;
}}

int main(int count, char **arguments) {{
    FILE *given = fopen(arguments[1], "rb"), *results = fopen(arguments[2], "wb");
    unsigned char *state = taken({name}_state_bytes), *workspace = taken({name}_workspace_bytes);
    int status, round, rounds = atoi(arguments[3]);
{declarations}
    if (count != 4 || !given || !results) return 98;
    status = {name}_init(state);
    if (status) return fprintf(stderr, "%s\\n", {name}_message(status)), 97;
{reads}
    for (round = 0; round < rounds; round++) {{
{calls}    }}
    fwrite(state + {header}, 1, {name}_state_bytes - {header}, results);
    if ({name}_check(state)) return 96;
    return fclose(results) ? 95 : 0;
}}
"""


def c_text(manifest: LibraryManifest) -> str:
    """A program that reads the inputs of all entries from one file, calls each entry in each round,
    and writes statuses, outputs and at last the state to another."""
    declarations: list[str] = []
    reads: list[str] = []
    calls: list[str] = []
    for number, entry in enumerate(manifest.entries):
        names, writes = ["state", "workspace"], list[str]()
        for parameter in parameters_of(entry, manifest.name):
            name, size = f"p{number}_{len(names)}", parameter.argument.bytes
            declarations.append(f"    {parameter.type} *{name} = taken({size});")
            verb = "fwrite" if parameter.is_output else "fread"
            file = "results" if parameter.is_output else "given"
            line = f"if ({verb}({name}, 1, {size}, {file}) != {size}) return 94;"
            (writes if parameter.is_output else reads).append(line)
            names.append(name)
        call = f"status = {manifest.name}_{entry.name}({', '.join(names)});"
        calls += [call, "fwrite(&status, sizeof status, 1, results);", *writes]
    return _TEXT.format(
        name=manifest.name,
        header=HEADER_BYTES,
        declarations="\n".join(declarations),
        reads="\n".join(f"    {line}" for line in reads),
        calls="".join(f"        {line}\n" for line in calls),
    )


@dataclass(frozen=True)
class Trace:
    """What calls gave, in order, and the params at the end, by name."""

    outputs: list[Array]
    params: dict[str, Array]

    def assert_same_bytes(self, other: Trace, what: str) -> None:
        assert len(self.outputs) == len(other.outputs), what
        for i, (mine, theirs) in enumerate(zip(self.outputs, other.outputs, strict=True)):
            assert mine.tobytes() == theirs.tobytes(), f"{what}: result {i}: {mine} and {theirs}"
        assert self.params.keys() == other.params.keys(), what
        for name, mine in self.params.items():
            theirs = other.params[name]
            assert mine.tobytes() == theirs.tobytes(), f"{what}: {name}: {mine} and {theirs}"

    def assert_close(self, other: Trace, what: str, rtol: float) -> None:
        for mine, theirs in zip(self.outputs, other.outputs, strict=True):
            _assert_close(mine, theirs, what, rtol)
        for name, mine in self.params.items():
            _assert_close(mine, other.params[name], f"{what}: {name}", rtol)


def _assert_close(mine: Array, theirs: Array, what: str, rtol: float) -> None:
    if mine.dtype.kind in "iub":
        np.testing.assert_array_equal(mine, theirs, what)
        return
    mine, theirs = mine.astype("float64"), theirs.astype("float64")
    with np.errstate(all="ignore"):
        scale = np.abs(mine[np.isfinite(mine)]).max(initial=1e-3)
    np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=rtol * scale, err_msg=what)


def of_steps(steps: Mapping[str, gc.Step], arguments: Arguments, rounds: int) -> Trace:
    """Of the steps as they are compiled in this process."""
    outputs: list[Array] = []
    for _ in range(rounds):
        for name, step in steps.items():
            outputs += flat(step(*arguments[name]))
    params: dict[str, Array] = {}
    for step in steps.values():
        params |= step.snapshot()
    return Trace(outputs, {name: np.array(value) for name, value in params.items()})


def of_library(library: Library, arguments: Arguments, rounds: int) -> Trace:
    """Of a library in Python."""
    outputs: list[Array] = []
    for _ in range(rounds):
        for entry in library.manifest.entries:
            outputs += flat(getattr(library, entry.name)(*arguments[entry.name]))
    return Trace(outputs, {name: value.copy() for name, value in library.state.items()})


def of_c(folder: Path, manifest: LibraryManifest, arguments: Arguments, rounds: int) -> Trace:
    """Of the C program, which is built beside `folder`."""
    place = folder.parent
    (place / "driver.c").write_text(c_text(manifest))
    given = [array.tobytes() for entry in manifest.entries for array in arguments[entry.name]]
    (place / "given.bin").write_bytes(b"".join(given))
    threads = ["-pthread"] if manifest.threads > 1 else []
    objects = [str(folder / f"{manifest.name}.o"), *threads]
    command = [c_compiler(), *STRICT, f"-I{folder}", "driver.c", *objects, "-o", "driver"]
    run(command, place)
    run([place / "driver", "given.bin", "results.bin", str(rounds)], place)
    data, at = (place / "results.bin").read_bytes(), 0
    outputs: list[Array] = []
    for _ in range(rounds):
        for entry in manifest.entries:
            assert int.from_bytes(data[at : at + 4], "little") == 0, entry.name
            at += 4
            for argument in entry.outputs:
                piece = data[at : at + argument.bytes]
                outputs.append(np.frombuffer(piece, argument.numpy).reshape(argument.shape))
                at += argument.bytes
    state = data[at:]
    params = {}
    for field in manifest.state:
        first = field.offset - HEADER_BYTES
        piece = state[first : first + field.bytes]
        params[field.name] = np.frombuffer(piece, field.numpy).reshape(field.shape)
    return Trace(outputs, params)


def flat(result: Any) -> list[Array]:
    """The arrays of a result, in the order of the outputs."""
    if isinstance(result, dict):
        return [array for each in result.values() for array in flat(each)]
    if isinstance(result, (tuple, list)):
        return [array for each in result for array in flat(each)]
    return [] if result is None else [np.asarray(result)]
