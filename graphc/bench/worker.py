"""A process that measures, run as `python -m graphc.bench.worker REQUEST`.

Owns that, and `Request`, which comes as JSON. Writes a line of JSON for each case to stdout.
Invariant: the environment was set before it began, so that no library has to be told again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from graphc.bench import measure, rows
from graphc.bench.case import Case
from graphc.bench.result import Outcome
from graphc.bench.timing import QUICK, THOROUGH, Clock


@dataclass(frozen=True)
class Request:
    """Cases of a row, sizes to change and frameworks to take; with `first`, only the first call
    of that framework."""

    row: str
    cases: list[str]
    quick: bool = False
    threads: int | None = None
    scale: float = 1
    sizes: Mapping[str, int] | None = None
    only: list[str] | None = None
    first: str = ""
    clock: Clock = "wall"

    def text(self) -> str:
        return json.dumps(asdict(self))

    def chosen(self) -> list[Case]:
        """The cases, in the order of the row, as they are asked for."""
        cases = [case for case in rows.load(self.row).cases if case.name in self.cases]
        return [self.adapted(case) for case in cases]

    def adapted(self, case: Case) -> Case:
        varied = case.varied(self.scale, self.sizes or {})
        return replace(varied, threads=self.threads or case.threads)


def main(request: Request) -> None:
    # Libraries talk on stdout, too: what is read there is nothing but the lines below.
    lines = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for case in request.chosen():
        lines.write(json.dumps(_measured(request, case)) + "\n")


def _measured(request: Request, case: Case) -> dict[str, Any]:
    if request.first:
        return asdict(measure.first_call(request.first, case))
    names, failures = measure.installed(case, request.only)
    effort = QUICK if request.quick else THOROUGH
    result = measure.measure(request.row, case, names, effort, request.clock)
    result.outcomes |= {name: Outcome(failure=why) for name, why in failures.items()}
    return result.as_json()


if __name__ == "__main__":
    main(Request(**json.loads(sys.argv[1])))
