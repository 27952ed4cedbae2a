"""Times of programs that take turns.

Owns that. Imports the standard library only. Invariant: in every round each program runs as long
as the others do, so that whatever else the machine does falls on all alike.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Clock = Literal["wall", "processor"]
"""Elapsed time, or that of processors, which other programs do not add to: for one thread on a
machine that is busy. What waits for nothing but other threads costs nothing by it."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds for a case, seconds of one run, and the number of rounds."""

    budget: float
    run: float
    rounds: int


THOROUGH = Effort(budget=20, run=0.01, rounds=41)
QUICK = Effort(budget=3, run=0.004, rounds=15)


@dataclass(frozen=True)
class Times:
    """Seconds a call: the median and the best of all rounds, and the same of processor time, that
    of all the process's threads."""

    median: float
    best: float
    processor: float
    best_processor: float

    def by(self, clock: Clock) -> float:
        """The median by a clock."""
        return self.median if clock == "wall" else self.processor

    def best_by(self, clock: Clock) -> float:
        return self.best if clock == "wall" else self.best_processor


REST = 0.05
"""Seconds between two programs with threads: those of the first go on looking for work for a while,
and would take the cores from the second."""


def in_turns(
    programs: Mapping[str, Callable[[], object]], effort: Effort, rest: float = 0.0
) -> dict[str, Times]:
    """The times of each program, each after so many seconds of `rest`. All have been called
    before."""
    counts = {name: _count(call, effort.run) for name, call in programs.items()}
    spent = 0.0
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in programs}
    for done in range(effort.rounds):
        for name, call in programs.items():
            if rest:
                time.sleep(rest)
                call()
            found[name].append(_seconds(call, counts[name]))
            spent += found[name][-1][0] * counts[name]
        if done >= 2 and spent > effort.budget:
            break
    return {name: _times(runs) for name, runs in found.items()}


def _count(call: Callable[[], object], seconds: float) -> int:
    """How many calls take about that long."""
    call()
    count = 1
    while True:
        spent, _ = _seconds(call, count)
        if spent * count >= seconds / 4 or count >= 1 << 20:
            return max(round(seconds / max(spent, 1e-9)), 1)
        count *= 4


def _seconds(call: Callable[[], object], count: int) -> tuple[float, float]:
    """Elapsed and processor time of one call of `count`."""
    processor, start = time.process_time(), time.perf_counter()
    for _ in range(count):
        call()
    elapsed = time.perf_counter() - start
    return elapsed / count, (time.process_time() - processor) / count


def _times(runs: list[tuple[float, float]]) -> Times:
    elapsed, processor = zip(*runs, strict=True)
    middle = statistics.median
    return Times(middle(elapsed), min(elapsed), middle(processor), min(processor))
