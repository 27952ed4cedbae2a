"""Where the time of a step goes, kernel by kernel.

Owns `Profile`, `Limits` and `run_profiled`, which calls code that has clocks in it. Imports NumPy
and the rest of `runtime`. Invariant: what a kernel is and what it costs is read from the manifest;
nothing here knows how the code was made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.artifact import PROFILE_SYMBOL, Artifact, Manifest
from graphc.runtime.buffers import ParameterStorage, address_range
from graphc.runtime.callback import External
from graphc.runtime.errors import ArtifactError
from graphc.runtime.executable import Executable

BUDGET, FEWEST, MOST = 0.3, 5, 2000
"""Seconds to spend on calls where their number is not given, and the bounds of that number."""

APART = 0.005
"""Seconds between readings of two clocks at least, from which one is told in units of the other."""

FROM_CACHE = 1.2
"""A kernel that moves bytes this many times as fast as memory does had them in a cache."""


@dataclass(frozen=True)
class Limits:
    """What this machine does in a second on some number of threads: operations on f32 and on f64,
    bytes that are read, and bytes of arrays that are read and written."""

    singles: float
    doubles: float
    reading: float
    moving: float

    def reached(self, cost: Mapping[str, Any], seconds: float, *, cached: bool) -> Reached:
        """What a kernel of that cost reaches in so many seconds of the limit that is nearer
        (Williams, Waterman and Patterson, Roofline, CACM 2009). Memory limits none whose arrays
        are `cached`, as those must have been that are moved faster than memory does it."""
        if seconds <= 0:
            return Reached("", 0.0)
        rate = self.doubles if cost["doubles"] else self.singles
        compute = _operations(cost) / seconds / rate
        reads, writes = cost["bytes_read"], cost["bytes_written"]
        memory = (reads + writes) / seconds / (self.reading if 10 * writes < reads else self.moving)
        if cached or compute >= memory or memory > FROM_CACHE:
            return Reached("compute", compute)
        return Reached("memory", memory)


@dataclass(frozen=True)
class Reached:
    """A limit, "compute" or "memory", and which part of it is reached."""

    bound: str
    of_limit: float


def _operations(cost: Mapping[str, Any]) -> int:
    operations: int = 2 * cost["multiply_adds"] + cost["operations"]
    return operations


@dataclass(frozen=True)
class KernelProfile:
    """One kernel of a profiled step.

    `graph` is the nested graph that it belongs to, empty for the program, and `within` the position
    in the profile of the kernel that runs that graph, or -1. `runs`, `seconds` and `best` are of
    all its runs in one call: how many there are, the median and the shortest time; `share` is the
    part of the call's median. `operations` and bytes are of one run; a multiply-add is two. `bound`
    says which limit is nearer, "compute" or "memory", and `of_limit` which part of it is reached.
    """

    name: str
    shape: str
    graph: str
    within: int
    values: tuple[str, ...]
    lines: tuple[str, ...]
    tasks: int
    shared: str
    runs: float
    seconds: float
    best: float
    share: float
    operations: int
    bytes_read: int
    bytes_written: int
    bound: str
    of_limit: float

    @property
    def gflops(self) -> float:
        """10^9 operations a second."""
        return self._rate(self.operations)

    @property
    def gigabytes(self) -> float:
        """10^9 bytes a second, read and written."""
        return self._rate(self.bytes_read + self.bytes_written)

    def _rate(self, amount: int) -> float:
        return self.runs * amount / self.seconds / 1e9 if self.seconds else 0.0


@dataclass(frozen=True)
class Profile:
    """A profiled step: its kernels in the order in which they run, those of nested graphs after
    those of the program. Prints as a table, the slowest kernels first.

    `seconds` is the median of the native step's time over `calls`, `best` the shortest, both
    without the call from Python. `limits` are the machine's, by the number of threads; `cached`
    says that all arrays of the step fit into its cache, so that memory is none of them.
    """

    name: str
    calls: int
    seconds: float
    best: float
    limits: dict[int, Limits]
    cached: bool
    kernels: tuple[KernelProfile, ...]

    def to_json(self) -> str:
        """All of it as JSON; each kernel also has its `gflops` and `gigabytes`."""
        data = asdict(self)
        for record, kernel in zip(data["kernels"], self.kernels, strict=True):
            record |= {"gflops": kernel.gflops, "gigabytes": kernel.gigabytes}
        return json.dumps(data, indent=1)

    def __str__(self) -> str:
        inside = sum(kernel.share for kernel in self.kernels if kernel.within < 0)
        lines = [
            f"{self.name}: {_duration(self.seconds)} a call, the median of {self.calls} "
            f"(best {_duration(self.best)}); {inside:.0%} of it in kernels"
        ]
        for threads, limits in self.limits.items():
            doubles = f", {limits.doubles / 1e9:.0f} of f64" if limits.doubles else ""
            lines.append(
                f"this machine, {threads} thread{'s' if threads > 1 else ''}: "
                f"{limits.singles / 1e9:.0f} GFLOP/s of f32{doubles}; "
                f"reads {limits.reading / 1e9:.1f} GB/s, updates {limits.moving / 1e9:.1f}"
            )
        if self.cached:
            lines.append("all arrays of this step fit into the cache: memory limits no kernel")
        return "\n".join([*lines, "", *self._table()])

    def _table(self) -> list[str]:
        head = ["kernel", "time", "share", "GFLOP/s", "GB/s", "of limit", "runs", "tasks"]
        table = [[*head, "values", "lines"]]
        for number, depth in self._order():
            kernel = self.kernels[number]
            table.append(_cells(kernel, depth))
        if all(kernel.tasks == 1 for kernel in self.kernels):
            table = [[*row[:7], *row[8:]] for row in table]
        return aligned(table, left={0, len(table[0]) - 2, len(table[0]) - 1})

    def _order(self) -> list[tuple[int, int]]:
        """Positions of the kernels with how deep they are nested, the slowest first, each followed
        by the kernels that it runs."""
        inside: dict[int, list[int]] = {}
        for number, kernel in enumerate(self.kernels):
            inside.setdefault(kernel.within, []).append(number)
        found: list[tuple[int, int]] = []
        pending = [(-1, -1)]
        while pending:
            number, depth = pending.pop()
            found += [(number, depth)] * (number >= 0)
            within = sorted(inside.get(number, ()), key=lambda n: -self.kernels[n].seconds)
            pending += [(each, depth + 1) for each in reversed(within)]
        return found


def _cells(kernel: KernelProfile, depth: int) -> list[str]:
    name = f"{kernel.name} {kernel.shape}" + (f" in @{kernel.graph}" if depth else "")
    return [
        f"{'  ' * depth}{name}",
        _duration(kernel.seconds),
        f"{kernel.share:.1%}",
        f"{kernel.gflops:.1f}",
        f"{kernel.gigabytes:.1f}",
        f"{kernel.of_limit:.0%} {kernel.bound:7}" if kernel.bound else "",
        f"{kernel.runs:g}",
        f"{kernel.tasks} by {kernel.shared}" if kernel.shared else f"{kernel.tasks}",
        _listed(kernel.values),
        _listed(kernel.lines),
    ]


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([*names[:most], *more])


def _duration(seconds: float) -> str:
    units = (("s", 1.0), ("ms", 1e-3), ("us", 1e-6))
    unit, scale = next((each for each in units if seconds >= each[1]), ("ns", 1e-9))
    return f"{seconds / scale:.4g} {unit}"


def aligned(table: Sequence[Sequence[str]], left: set[int]) -> list[str]:
    """The rows of a table as lines, its columns as wide as their widest cell; those of `left` are
    flush left."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place in left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in table
    ]


def run_profiled(
    artifact: Artifact,
    params: Mapping[str, ParameterStorage],
    constants: Sequence[NDArray[Any]],
    externals: Sequence[External],
    arguments: tuple[Sequence[Any], Mapping[str, Any]],
    runs: int | None,
    limits: Mapping[int, Limits],
    cache_bytes: int,
) -> Profile:
    """Call code that has clocks in it, and read them.

    `arguments` are the inputs in order and by name; with none, arrays of `example_inputs`. One call
    comes before those that count. `limits` are those for each number of tasks; `cache_bytes` are
    what stays in the cache from call to call.
    """
    manifest = artifact.manifest
    table = np.zeros(2 + 2 * len(manifest.kernels), np.int64)
    imported = {PROFILE_SYMBOL: address_range(table)[0]}
    step = Executable(artifact, params, constants, externals, imported)
    positional, named = arguments
    if not positional and not named:
        positional = example_inputs(manifest)
    call = step.__call__
    call(*positional, **named)
    first = (int(table[1]), time.perf_counter())
    time.sleep(APART)
    found: list[NDArray[np.int64]] = []
    while not _is_enough(len(found), runs, time.perf_counter() - first[1] - APART):
        table[2:] = 0
        call(*positional, **named)
        last = (int(table[1]), time.perf_counter())
        found.append(table.copy())
    if last[0] <= first[0]:
        raise ArtifactError("this processor has no clock that compiled code can read")
    tick = (last[1] - first[1]) / (last[0] - first[0])
    return _profile(manifest, np.array(found), tick, limits, _footprint(manifest) <= cache_bytes)


def _is_enough(done: int, runs: int | None, spent: float) -> bool:
    if runs is not None:
        return done >= runs
    return done >= MOST or (done >= FEWEST and spent >= BUDGET)


def _footprint(manifest: Manifest) -> int:
    """Bytes of all that a call touches."""
    arguments = (*manifest.inputs, *manifest.params, *manifest.constants, *manifest.outputs)
    return manifest.workspace_bytes + sum(argument.bytes for argument in arguments)


def _profile(
    manifest: Manifest,
    found: NDArray[np.int64],
    tick: float,
    limits: Mapping[int, Limits],
    cached: bool,
) -> Profile:
    whole = (found[:, 1] - found[:, 0]) * tick
    total = float(np.median(whole))
    kernels = []
    for number, record in enumerate(manifest.kernels):
        runs = float(np.median(found[:, 2 + 2 * number]))
        times = found[:, 3 + 2 * number] * tick
        each = float(np.median(times)) / runs if runs else 0.0
        reached = limits[record["tasks"]].reached(record, each, cached=cached)
        kernels.append(_kernel(record, runs, times, total, reached))
    best, each_kernel = float(whole.min()), tuple(kernels)
    return Profile(manifest.name, len(found), total, best, dict(limits), cached, each_kernel)


def _kernel(
    record: Mapping[str, Any],
    runs: float,
    times: NDArray[Any],
    total: float,
    reached: Reached,
) -> KernelProfile:
    seconds = float(np.median(times))
    return KernelProfile(
        name=record["name"],
        shape=record["shape"],
        graph=record["graph"] if record["within"] >= 0 else "",
        within=record["within"],
        values=tuple(record["values"]),
        lines=tuple(record["lines"]),
        tasks=record["tasks"],
        shared=record["shared"],
        runs=runs,
        seconds=seconds,
        best=float(times.min()),
        share=seconds / total if total else 0.0,
        operations=_operations(record),
        bytes_read=record["bytes_read"],
        bytes_written=record["bytes_written"],
        bound=reached.bound,
        of_limit=reached.of_limit,
    )


def example_inputs(manifest: Manifest) -> list[NDArray[Any]]:
    """Arrays that a step takes: normally distributed floats, indices in their range, and zeros for
    other integers."""
    generator = np.random.default_rng(0)
    bounds = {guard.input: guard.size for guard in manifest.guards}
    found = []
    for argument in manifest.inputs:
        values: NDArray[Any] = np.asarray(
            generator.standard_normal(argument.shape)
            if argument.dtype in ("f16", "bf16", "f32", "f64")
            else generator.integers(0, bounds.get(argument.name, 1), argument.shape)
        )
        found.append(values.astype(argument.numpy))
    return found
