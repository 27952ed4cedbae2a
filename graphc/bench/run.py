"""Rows, each in processes of its own.

Owns the order of measurements. Imports no framework. Invariant: a process that dies costs the case
that it was at, and nothing else.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import astuple, replace
from typing import Any

from graphc.bench import frameworks
from graphc.bench.case import Case
from graphc.bench.result import Outcome, Result
from graphc.bench.target import OWN
from graphc.bench.timing import Times
from graphc.bench.worker import Request

ROUNDS, QUICK_ROUNDS = 7, 3
"""Fresh processes for each framework."""

PART = 10
"""By how much the smaller of two sizes is smaller, where growth is measured."""

LONGEST = 1800
"""Seconds after which a process is ended."""


def results(request: Request) -> Iterator[Result]:
    """The results of a request's cases, as they come in."""
    cases = request.chosen()
    for threads in sorted({case.threads for case in cases}):
        of_calls = [c for c in cases if c.measure == "call" and c.threads == threads]
        yield from _calls(replace(request, cases=[case.name for case in of_calls]), threads)
    for case in cases:
        if case.measure != "call":
            yield _first_calls(replace(request, cases=[case.name]), case)


def _calls(request: Request, threads: int) -> Iterator[Result]:
    """Cases of one number of threads: in one process, or in more when it dies."""
    pending = list(request.cases)
    while pending:
        with _start(replace(request, cases=pending), threads) as process:
            assert process.stdout is not None
            for line in process.stdout:
                yield Result.from_json(json.loads(line))
                pending.pop(0)
        if process.returncode and pending:
            case = next(c for c in request.chosen() if c.name == pending[0])
            result = Result(request.row, pending.pop(0), dict(case.sizes), threads)
            result.clock = request.clock
            code = process.returncode
            result.outcomes[OWN] = Outcome(failure=f"the process ended with {code}")
            yield result


def _start(request: Request, threads: int, **variables: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "graphc.bench.worker", request.text()]
    environment = os.environ | frameworks.environment(threads) | variables
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _first_calls(request: Request, case: Case) -> Result:
    """Each framework in turns, in fresh processes."""
    found: dict[str, list[Times]] = {}
    outcomes: dict[str, Outcome] = {}
    names = [n for n in case.builds if request.only is None or n in (OWN, *request.only)]
    kept = case.measure == "cached first call"
    with ExitStack() as stack:
        shared = stack.enter_context(tempfile.TemporaryDirectory())
        if kept:
            _first_call(replace(request, first=OWN), case, shared)
        for _ in range(QUICK_ROUNDS if request.quick else ROUNDS):
            for name in [name for name in names if name not in outcomes]:
                cache = shared if kept else stack.enter_context(tempfile.TemporaryDirectory())
                asked = replace(request, first=name)
                try:
                    found.setdefault(name, []).append(_first_call(asked, case, cache))
                    if case.measure == "scaling":
                        part = _first_call(_part(asked, case), case, cache)
                        beside = found.setdefault("a tenth, ten times", [])
                        beside.append(_times_part(part))
                except RuntimeError as error:
                    outcomes[name] = Outcome(failure=str(error))
    outcomes |= {name: Outcome(_median(times)) for name, times in found.items() if times}
    load = os.getloadavg()[0]
    return Result(
        request.row, case.name, dict(case.sizes), case.threads, outcomes, None, load, request.clock
    )


def _part(request: Request, case: Case) -> Request:
    size = max(case.sizes[case.scaled] // PART, 1)
    return replace(request, sizes={**(request.sizes or {}), case.scaled: size})


def _times_part(times: Times) -> Times:
    return Times(*(PART * seconds for seconds in astuple(times)))


def _first_call(request: Request, case: Case, cache: str) -> Times:
    """Raises `RuntimeError` with the last line of what the process said."""
    command = [sys.executable, "-m", "graphc.bench.worker", request.text()]
    environment = os.environ | frameworks.environment(case.threads) | {"GRAPHC_CACHE_DIR": cache}
    done: Any = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=LONGEST, check=False
    )
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1][:200])
    return Times(**json.loads(done.stdout))


def _median(times: list[Times]) -> Times:
    return Times(
        statistics.median(each.median for each in times),
        min(each.best for each in times),
        statistics.median(each.processor for each in times),
        min(each.best_processor for each in times),
    )
