"""Libraries for C: their steps beside compiled steps, and how soon a program has made its first.

The models are those of the rows of `graphc bench`, on one thread, compiled for this machine and for
any x86-64; a C compiler is needed. Programs take turns, and processor time is counted, for other
programs may run beside. From the top of the repository:

    python -m benchmarks.embedded [ROW ...]

Owns nothing but that. Invariant: both sides start each round from the same parameters.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product, repeat
from pathlib import Path
from typing import Any

import numpy as np

import graphc as gc
from graphc.aot.c_names import parameters_of
from graphc.bench import rows
from graphc.runtime.buffers import aligned_copy, aligned_empty
from graphc.runtime.library_manifest import LibraryManifest

Array = np.ndarray[Any, Any]

ROWS = ("digits", "mlp", "lenet", "lstm", "adam", "transformer")
ROUNDS, ROUND_SECONDS, STARTS = 41, 0.02, 40

_REPEAT = """\
#include "net.h"
int repeated(void *state, void *workspace, void **arrays, long count) {
    int status = 0;
    while (count-- && !status) status = net_step(state, workspace, ARRAYS);
    return status;
}
int started(void *state) { return net_init(state); }
"""

_START = """\
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <time.h>
#include "net.h"
static _Alignas(64) unsigned char state[net_state_bytes], workspace[net_workspace_bytes + 64];
DECLARED
int main(void) {
    struct timespec now;
    int status = net_init(state);
    if (!status) status = net_step(state, workspace, ARRAYS);
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%.9f\\n", now.tv_sec + now.tv_nsec * 1e-9);
    return status;
}
"""


@dataclass(frozen=True)
class Model:
    """A training step, its inputs, and the library that was made of it."""

    step: gc.Step
    inputs: tuple[Array, ...]
    folder: Path
    manifest: LibraryManifest


def exported(row: str, folder: Path, **options: Any) -> Model:
    """The first case of a row of the benchmark, as a library of one entry."""
    case = rows.load(row).cases[0]
    data = case.arrays()
    step = case.builds["graphc"](gc, data).step
    written = gc.export(folder, name="net", step=step, **options)
    inputs = tuple(aligned_copy(data.inputs[each.name]) for each in step.inputs)
    return Model(step, inputs, folder, written.manifest)


def built(model: Model, source: str, name: str, *options: str) -> Path:
    """A program or shared library of C text and the model's object."""
    compiler = shutil.which("cc")
    if compiler is None:
        sys.exit("there is no C compiler: install gcc or clang")
    (model.folder / f"{name}.c").write_text(source)
    threads = ["-pthread"] if model.manifest.threads > 1 else []
    command = [compiler, "-O2", *options, *threads, f"{name}.c", "net.o", "-o", name]
    subprocess.run(command, cwd=model.folder, check=True)
    return model.folder / name


def ratio(model: Model) -> tuple[float, float, float]:
    """Microseconds of a step from Python and from C, and the median ratio of C's to Python's."""
    manifest, step = model.manifest, model.step
    entry = manifest.entries[0]
    count = len(entry.inputs) + len(entry.outputs)
    text = _REPEAT.replace("ARRAYS", ", ".join(f"arrays[{i}]" for i in range(count)))
    code = ctypes.CDLL(str(built(model, text, "repeat.so", "-shared", "-fPIC")))
    state = aligned_empty((manifest.state_bytes,), np.uint8, 64)
    workspace = aligned_empty((manifest.workspace_bytes + 64,), np.uint8, 64)
    results = [np.empty(each.shape, each.numpy) for each in entry.outputs]
    arrays = [*model.inputs, *results]
    addresses = (ctypes.c_void_p * count)(*(array.ctypes.data for array in arrays))
    block, place = ctypes.c_void_p(state.ctypes.data), ctypes.c_void_p(workspace.ctypes.data)
    initial = step.snapshot()

    def in_python(calls: int) -> None:
        for _ in repeat(None, calls):
            step(*model.inputs)

    def in_c(calls: int) -> None:
        assert code.repeated(block, place, addresses, ctypes.c_long(calls)) == 0

    def restart() -> None:
        for name, values in initial.items():
            step.params[name].value[...] = values
        assert code.started(block) == 0

    restart()
    calls = max(round(ROUND_SECONDS / seconds(in_python, 3)), 1)
    found = []
    for turn in range(ROUNDS):
        restart()
        both = [in_python, in_c] if turn % 2 else [in_c, in_python]
        times = {run: seconds(run, calls) for run in both}
        found.append((times[in_python], times[in_c]))
    restart()
    return (
        1e6 * statistics.median(python for python, _ in found),
        1e6 * statistics.median(c for _, c in found),
        statistics.median(c / python for python, c in found),
    )


def seconds(run: Callable[[int], None], calls: int) -> float:
    """Processor time of a call."""
    start = time.process_time()
    run(calls)
    return (time.process_time() - start) / calls


def first_step(model: Model) -> float:
    """Milliseconds from starting a C program to the end of its first step, the median of many."""
    used = parameters_of(model.manifest.entries[0], model.manifest.name)
    declared = "\n".join(
        f"static {each.type} a{i}[{max(each.argument.size, 1)}];" for i, each in enumerate(used)
    )
    arrays = ", ".join(f"a{i}" for i in range(len(used)))
    text = _START.replace("DECLARED", declared).replace("ARRAYS", arrays)
    program = built(model, text, "start", "-std=c11")
    found = []
    for _ in range(STARTS):
        start = time.clock_gettime(time.CLOCK_MONOTONIC)
        outcome = subprocess.run([program], capture_output=True, check=True)
        found.append(float(outcome.stdout) - start)
    return 1e3 * statistics.median(found)


def first_call(model: Model) -> float:
    """Milliseconds from `gc.load` to the end of the first call, in a process that has NumPy."""
    program = (
        "import sys, time, numpy as np; from graphc.runtime.loading import load\n"
        "start = time.perf_counter(); library = load(sys.argv[1])\n"
        "library.step(*(np.zeros(e.shape, e.numpy) for e in library.manifest.entries[0].inputs))\n"
        "print(time.perf_counter() - start)"
    )
    command = [sys.executable, "-c", program, str(model.folder)]
    found = [
        float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        for _ in range(9)
    ]
    return 1e3 * statistics.median(found)


def tell(line: str) -> None:
    """A line of a table, as soon as it is known."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(names: Sequence[str]) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory() as place:
        tell("| model | compiled step | C | C / step |\n| --- | --- | --- | --- |")
        for name in names:
            model = exported(name, Path(place, name), cpu="host")
            python, c, share = ratio(model)
            tell(f"| {name} | {python:.2f} us | {c:.2f} us | {share:.3f} |")
        tell("\n| first step | C, from its start | Python, from gc.load |\n| --- | --- | --- |")
        cpus = ("x86-64", "x86-64,x86-64-v3,x86-64-v4")
        for number, (name, cpu, threads) in enumerate(product(names[:2], cpus, (1, 2))):
            model = exported(name, Path(place, f"start{number}"), cpu=cpu, threads=threads)
            what = f"{name}, {cpu.count(',') + 1} versions, {threads} threads"
            tell(f"| {what} | {first_step(model):.2f} ms | {first_call(model):.2f} ms |")


if __name__ == "__main__":
    os.environ["GRAPHC_THREADS"] = "1"
    main(sys.argv[1:] or ROWS)
