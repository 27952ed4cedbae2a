"""Problems as a library, called on another processor.

Owns `failures`. Imports machines and problems. Invariant: one broken entry hides no other, unless
it takes the program with it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from graphc.codegen.library import CompiledLibrary, compile_library
from graphc.codegen.processors import named_target
from graphc.ir.op import Array
from graphc.runtime.dtypes import numpy_dtype
from graphc.runtime.library_manifest import LibraryEntry, LibraryManifest
from graphc.runtime.threads import pool_text
from tests.platforms.machines import Machine, program
from tests.platforms.problem import Problem

LONGEST = 300
"""Seconds that the calls of a library may take."""

UNWRITTEN = 0xA5
"""The bytes that outputs have before a call."""


@dataclass(frozen=True)
class Call:
    """What came of a call: its status, the outputs, and the params in the state behind it."""

    status: int
    outputs: list[Array]
    params: dict[str, Array]


def failures(
    problems: Sequence[Problem], machine: Machine, folder: Path, threads: int = 1
) -> list[str]:
    """What is wrong with the results of problems, a line for each call that gives a wrong one."""
    problems = [problem.apart(f"p{i}.") for i, problem in enumerate(problems)]
    compiled = library_of(problems, machine, threads)
    found = []
    for number, call in enumerate(calls(compiled, problems, machine, folder)):
        place = number % len(problems)
        try:
            _check(problems[place], compiled.manifest.entries[place], call)
        except AssertionError as error:
            way = "the end" if number < len(problems) else "the beginning"
            found.append(f"{problems[place].name}, arrays at {way} of a page: {error}")
    return found


def library_of(problems: Sequence[Problem], machine: Machine, threads: int) -> CompiledLibrary:
    """A library with an entry for each problem."""
    target = named_target(machine.triple, machine.cpu, machine.features)
    sources = {f"entry{i}": problem.source for i, problem in enumerate(problems)}
    initial = {
        param.name: problem.arrays[param.name]
        for problem in problems
        for param in problem.graph.params
    }
    pool = pool_text(target.triple) if threads > 1 else ""
    return compile_library("library", sources, initial, [target], threads, pool, "tests")


def calls(
    compiled: CompiledLibrary, problems: Sequence[Problem], machine: Machine, folder: Path
) -> list[Call]:
    """Every entry called, with arrays at the end of pages, then every one at their beginning."""
    given = [problem.arrays[node.name] for problem in problems for node in problem.graph.inputs]
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in given)
    (folder / "inputs").write_bytes(data)
    outcome = subprocess.run(
        [*program(compiled, machine, folder), "inputs", "outputs"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=LONGEST,
    )  # fmt: skip
    if outcome.returncode:
        names = {f"entry{i},": problem.name for i, problem in enumerate(problems)}
        begun = [line for line in outcome.stderr.splitlines() if line.split(" ")[0] in names]
        name, _, way = (begun or [""])[-1].partition(" ")
        said = outcome.stderr[-600:]
        raise AssertionError(f"{names.get(name)}, {way}: ended with {outcome.returncode}: {said}")
    return list(_results(compiled.manifest, (folder / "outputs").read_bytes()))


def _results(manifest: LibraryManifest, data: bytes) -> Iterator[Call]:
    position = 0

    def array(dtype: str, shape: tuple[int, ...]) -> Array:
        nonlocal position
        count = int(np.prod(shape, dtype=int))
        found = np.frombuffer(data, numpy_dtype(dtype), count, position).reshape(shape)
        position += found.nbytes
        return found

    while position < len(data):
        for entry in manifest.entries:
            status = int(array("i32", ()))
            outputs = [array(each.dtype, each.shape) for each in entry.outputs]
            state, params = position, {}
            for each in manifest.state:
                position = state + each.offset
                params[each.name] = array(each.dtype, each.shape)
            position = state + manifest.state_bytes
            yield Call(status, outputs, params)


def _check(problem: Problem, entry: LibraryEntry, call: Call) -> None:
    graph, arrays = problem.graph, problem.arrays
    given = [(arrays[guard.input], guard) for guard in entry.guards]
    refused = any(((x < each.minimum) | (x >= each.size)).any() for x, each in given)
    assert (call.status > 0) == refused, f"status {call.status}"
    updated = [] if refused else [update.param.name for update in graph.updates]
    for param in graph.params:
        if param.name not in updated:
            same = call.params[param.name].tobytes() == arrays[param.name].tobytes()
            assert same, f"{param.name} changed"
    if refused:
        assert all(set(array.tobytes()) <= {UNWRITTEN} for array in call.outputs), "it was written"
    else:
        problem.check([*call.outputs, *(call.params[name] for name in updated)])
