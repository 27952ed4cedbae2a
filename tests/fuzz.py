"""Random graphs by the thousand, with a progress bar.

    python -m tests.fuzz --graphs 10000 --seed 0 --jobs 2

Graphs come in runs of a hundred; each run is decided by its own seed, so a failure is repeated by
the line that is printed with it. A run ends at its first failure, which Hypothesis makes small. A
graph that kills its process is run again, and made small, with each check in a forked process. With
`--export` each graph becomes a library for C as well, whose code the process keeps. At the end: how
many graphs passed, how much memory the processes have grown by, what code they hold.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import multiprocessing
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from tqdm import tqdm  # type: ignore[import-untyped]

from graphc.ir.printer import print_graph
from graphc.runtime import loader
from tests.fuzz_checks import check
from tests.graph_cuts import cut_down
from tests.random_graphs import Case, cases

GRAPHS_A_RUN = 100
WARM = 3
"""Runs of a process before its memory is looked at."""


@dataclass(frozen=True)
class Failure:
    """A graph, as small as it could be made, and what was wrong with it."""

    text: str
    message: str


@dataclass(frozen=True)
class Report:
    """What a process says after a run: how many graphs passed, and what it holds."""

    seed: int
    passed: int
    failure: Failure | None
    megabytes: float
    loaded: int


def run(
    number: int,
    graphs: int,
    *,
    apart: bool = False,
    export: bool = False,
    most_steps: int | None = None,
) -> Report:
    """Check the graphs of one seed, up to the first failure."""
    gc.collect()
    passed, held = 0, len(loader._linked)
    failing: Case | None = None
    examine = partial(checked_apart if apart else check, export=export)

    def each(case: Case) -> None:
        nonlocal passed, failing
        try:
            examine(case)
        except Exception:
            failing = case
            raise
        passed += failing is None

    phases = (Phase.generate, Phase.shrink)
    options = settings(
        max_examples=graphs, database=None, deadline=None, phases=phases,
        suppress_health_check=list(HealthCheck), print_blob=False, report_multiple_bugs=False,
    )  # fmt: skip
    drawn = cases() if most_steps is None else cases(most_steps)
    test: Callable[[], None] = seed(number)(options(given(drawn)(each)))
    with quiet():
        error = error_of(test)
        # Where no graph failed, there is one that could not be drawn.
        failure = None if error is None else Failure("", traced(error))
        if failing is not None:
            failure = described(failing, examine)
    failing = error = None
    gc.collect()
    return Report(number, passed, failure, megabytes(), len(loader._linked) - held)


def error_of(function: Callable[..., None], *arguments: object) -> Exception | None:
    """What a call raises."""
    try:
        function(*arguments)
    except Exception as error:
        return error
    return None


def described(case: Case, examine: Callable[[Case], None]) -> Failure:
    """A failing graph, cut down, with its values and what its check raises."""
    smaller = cut_down(case, lambda each: error_of(examine, each) is not None)
    error = error_of(examine, smaller)
    message = "it did not fail again" if error is None else traced(error)
    values = [f"{name} = {array.tolist()}" for name, array in smaller.arrays.items()]
    return Failure(print_graph(smaller.graph), "\n".join([*values, message]))


def traced(error: Exception) -> str:
    return "".join(traceback.format_exception(error, limit=-4, chain=False))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what Hypothesis prints and NumPy warns about."""
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(nowhere):
            yield


def checked_apart(case: Case, *, export: bool = False) -> None:
    """`check` in a forked process, whose death is a failure like any other."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            check(case, export=export)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        raise AssertionError(f"killed by signal {os.WTERMSIG(status)}")
    if os.WEXITSTATUS(status):
        raise AssertionError("failed; without --apart it says why")


def megabytes() -> float:
    """Memory of this process; 0 where the system does not say."""
    statm = Path("/proc/self/statm")
    pages = int(statm.read_text().split()[1]) if statm.exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def work(connection: Connection, graphs: int, export: bool) -> None:
    """Run the seeds that come, until None."""
    while (order := connection.recv()) is not None:
        number, apart = order
        connection.send(run(number, graphs, apart=apart, export=export))


class Worker:
    """A process that runs seeds one after the other; a new one takes its place if it dies."""

    def __init__(self, graphs: int, export: bool) -> None:
        self.graphs = graphs
        self.export = export
        self.history: list[float] = []
        self.loaded = 0
        self.current: tuple[int, bool] | None = None
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, self.graphs, self.export)
        self.process = context.Process(target=work, args=arguments, daemon=True)
        self.process.start()
        theirs.close()
        self.history.clear()

    def give(self, number: int, apart: bool = False) -> None:
        self.current = number, apart
        self.connection.send(self.current)

    def take(self) -> Report | None:
        """The report of the run; None if the process died, and the run goes on apart."""
        try:
            report: Report = self.connection.recv()
        except EOFError:
            assert self.current is not None
            number, apart = self.current
            self.start()
            if apart:
                return Report(number, 0, Failure("", "the process died"), 0, 0)
            self.give(number, apart=True)
            return None
        self.history.append(report.megabytes)
        self.loaded += report.loaded
        return report

    @property
    def growth(self) -> float:
        """Megabytes since the process was warm."""
        return self.history[-1] - self.history[WARM - 1] if len(self.history) > WARM else 0.0


def fuzz(graphs: int, first: int, jobs: int, apart: bool, export: bool) -> int:
    """Run seeds from `first` on; the number of failures."""
    size = min(graphs, GRAPHS_A_RUN)
    waiting = list(range(first, first + -(-graphs // size)))[::-1]
    workers = [Worker(size, export) for _ in range(min(jobs, len(waiting)))]
    reports: list[Report] = []
    for worker in workers:
        worker.give(waiting.pop(), apart)
    busy: dict[Any, Worker] = {worker.connection: worker for worker in workers}
    with tqdm(total=graphs, unit="graph", file=sys.stderr) as bar:
        while busy:
            for connection in wait(list(busy)):
                worker = busy.pop(connection)
                report = worker.take()
                if report is not None:
                    reports.append(report)
                    bar.update(size)
                    show(report, size, export)
                    if not waiting:
                        worker.connection.send(None)
                        continue
                    worker.give(waiting.pop(), apart)
                busy[worker.connection] = worker
    failed = sum(report.failure is not None for report in reports)
    passed = sum(report.passed for report in reports)
    growth = ", ".join(f"{worker.growth:+.0f} MB" for worker in workers)
    loaded = sum(worker.loaded for worker in workers)
    say(f"{passed} graphs passed, {failed} failed; memory {growth}; {loaded} executables left")
    return failed


def show(report: Report, graphs: int, export: bool) -> None:
    if report.failure is not None:
        options = " --export" if export else ""
        again = f"python -m tests.fuzz --graphs {graphs} --seed {report.seed}{options}"
        say(f"\n{report.failure.text}\n{report.failure.message}\nagain: {again}\n")


def say(line: str) -> None:
    tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--graphs", type=int, default=10_000, help="how many (10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first hundred (0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    parser.add_argument("--apart", action="store_true", help="each check in a forked process")
    parser.add_argument("--export", action="store_true", help="each as a library for C, too")
    given_: Any = parser.parse_args()
    failed = fuzz(given_.graphs, given_.seed, given_.jobs, given_.apart, given_.export)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
