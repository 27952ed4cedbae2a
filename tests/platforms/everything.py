"""All problems on all machines, with a progress bar.

    python -m tests.platforms.everything --machine aarch64 --only sort --jobs 2

Prints what is wrong, a line for each, and ends with 1 if anything is. Takes hours for everything.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm  # type: ignore[import-untyped]

from tests.platforms.calling import failures
from tests.platforms.machines import MACHINES
from tests.platforms.problems import all_problems

SIZE = 16
"""Problems in a library."""


def solve(names: Sequence[str], machine: str, seeds: range) -> list[str]:
    """What is wrong with these problems; one by one where they bring a program or the compiler
    down."""
    makers = all_problems(seeds)
    try:
        with tempfile.TemporaryDirectory() as folder:
            problems = [makers[name]() for name in names]
            return failures(problems, MACHINES[machine], Path(folder))
    except Exception as error:
        if len(names) == 1:
            return [f"{names[0]}: {type(error).__name__}: {error}"]
        return [line for name in names for line in solve([name], machine, seeds)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--machine", choices=MACHINES, action="append", help="all unless named")
    parser.add_argument("--only", default="", help="problems with this in their name")
    parser.add_argument("--seeds", type=int, nargs=2, default=(0, 10), help="of random graphs")
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side (1)")
    given = parser.parse_args()
    seeds = range(*given.seeds)
    names = [name for name in all_problems(seeds) if given.only in name]
    parts = [names[i : i + SIZE] for i in range(0, len(names), SIZE)]
    machines = given.machine or list(MACHINES)
    failed = 0
    with ProcessPoolExecutor(given.jobs) as workers:
        running = {
            workers.submit(solve, part, machine, seeds): machine
            for machine in machines
            for part in parts
        }
        for done in tqdm(as_completed(running), total=len(running), unit="library"):
            for line in done.result():
                failed += 1
                tqdm.write(f"{running[done]}: {line}", file=sys.stdout)
                sys.stdout.flush()
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
