"""One case, in this process: make the programs, compare what they compute, time them in turns.

Owns that. Imports the frameworks and limits. Invariant: nothing is timed that does not agree with
graphc, or the first that runs; whatever a framework raises is its outcome, and the others go on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.bench import frameworks
from graphc.bench.case import Arrays, Case, Data, Program, Work
from graphc.bench.result import Outcome, Result
from graphc.bench.target import OWN, Speedup
from graphc.bench.timing import REST, Clock, Effort, Times, in_turns
from graphc.limits import Limit, limits

ONE_THREAD = "graphc, one thread"


def measure(row: str, case: Case, names: list[str], effort: Effort, clock: Clock) -> Result:
    """The result of a case that times calls, for graphc and those of the peers named."""
    result = Result(row, case.name, dict(case.sizes), case.threads, clock=clock)
    result.load = os.getloadavg()[0]
    data = case.arrays()
    expected: Arrays | None = None
    programs: dict[str, Program] = {}
    for name in names:
        outcome = result.outcomes[name] = Outcome()
        try:
            program = made(name, case, data)
            found = first_results(program, data)
            expected = found if expected is None else expected
            check(found, expected, case.tolerance)
            outcome.workspace = program.workspace()
            programs[name] = program
        except Exception as error:
            outcome.failure = f"{type(error).__name__}: {error}".partition("\n")[0][:200]
    calls = {name: program.call for name, program in programs.items()}
    if OWN in calls and any(isinstance(target, Speedup) for target in case.targets):
        calls[ONE_THREAD] = _on_one_thread(case, data)
        result.outcomes[ONE_THREAD] = Outcome()
    work = case.work(case.sizes) if case.work else None
    beside = limits(work.kind, case.threads) if work else []
    _time(result, calls, beside, effort, work)
    return result


def _time(
    result: Result,
    calls: dict[str, Callable[[], object]],
    beside: list[Limit],
    effort: Effort,
    work: Work | None,
) -> None:
    machine = {f"limit {n}": limit.run for n, limit in enumerate(beside)}
    times = in_turns(calls | machine, effort, REST if result.threads > 1 else 0.0)
    for name in calls:
        result.outcomes[name].times = times[name]
    if work:
        found = zip(beside, (times[name] for name in machine), strict=True)
        result.limit = max(limit.amount / each.best_by(result.clock) for limit, each in found)


def made(name: str, case: Case, data: Data) -> Program:
    module = frameworks.load(name, case.threads)
    return case.builds[name](module, data)


def _on_one_thread(case: Case, data: Data) -> Callable[[], object]:
    before = os.environ.get("GRAPHC_THREADS")
    os.environ["GRAPHC_THREADS"] = "1"
    try:
        program = made(OWN, case, data)
    finally:
        os.environ.pop("GRAPHC_THREADS")
        if before is not None:
            os.environ["GRAPHC_THREADS"] = before
    program.call()
    return program.call


def first_results(program: Program, data: Data) -> Arrays:
    """What the first call computes; of parameters that it updates, how much they change."""
    found = program.read(program.call())
    for name, array in found.items():
        if name in data.params and array.shape == data.params[name].shape:
            found[name] = array - data.params[name]
    return found


def check(found: Arrays, expected: Arrays, tolerance: float) -> None:
    """Raise `ValueError` where results differ by more, relative to the largest expected one."""
    if found.keys() != expected.keys():
        raise ValueError(f"computes {', '.join(found)}, expected {', '.join(expected)}")
    for name, array in expected.items():
        got = np.asarray(found[name], np.float64)
        if got.shape != array.shape:
            raise ValueError(f"{name} has shape {got.shape}, expected {array.shape}")
        scale = max(float(np.abs(array).max(initial=0)), float(np.finfo(np.float32).tiny))
        off = float(np.abs(got - array).max(initial=0)) / scale
        if not off <= tolerance:
            raise ValueError(f"{name} is off by {off:.1e} of its largest, expected {tolerance:g}")


def first_call(name: str, case: Case) -> Times:
    """From the framework's module, imported already, to the first results."""
    data = case.arrays()
    module = frameworks.load(name, case.threads)
    processor, start = time.process_time(), time.perf_counter()
    case.builds[name](module, data).call()
    elapsed, spent = time.perf_counter() - start, time.process_time() - processor
    return Times(elapsed, elapsed, spent, spent)


def installed(case: Case, only: list[str] | None) -> tuple[list[str], dict[str, Any]]:
    """The frameworks of a case that load, graphc first, and why others do not."""
    loaded, failures = [], {}
    for name in case.builds:
        if only is not None and name != OWN and name not in only:
            continue
        try:
            frameworks.load(name, case.threads)
            loaded.append(name)
        except ImportError as error:
            failures[name] = f"not installed: {error}"
        except Exception as error:
            failures[name] = f"{type(error).__name__}: {error}"
    return loaded, failures
