"""What came out of one case.

Owns `Result` and `Outcome`, and how they are written as JSON. Invariant: what is written can be
read again and says all that reports show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from graphc.bench.case import Case
from graphc.bench.target import Figures
from graphc.bench.timing import Clock, Times


@dataclass
class Outcome:
    """Of one framework: times, bytes of workspace, or why there are none."""

    times: Times | None = None
    workspace: int | None = None
    failure: str = ""


@dataclass
class Result:
    """Of one case: the outcome of each framework, and the limit in operations or bytes a second."""

    row: str
    case: str
    sizes: Mapping[str, int]
    threads: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    limit: float | None = None
    load: float = 0.0
    clock: Clock = "wall"

    def figures(self, case: Case) -> Figures:
        seconds = {n: each.times.by(self.clock) for n, each in self.outcomes.items() if each.times}
        spaces = {n: each.workspace for n, each in self.outcomes.items()}
        of_limit = None
        if case.work and self.limit and "graphc" in seconds:
            amount = case.work(self.sizes).amount
            of_limit = amount / seconds["graphc"] / self.limit
        return Figures(
            seconds,
            {name: space for name, space in spaces.items() if space is not None},
            case.elements(self.sizes) if case.elements else 1,
            of_limit,
        )

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(text: Mapping[str, Any]) -> Result:
        outcomes = {}
        for name, each in text["outcomes"].items():
            times = Times(**each["times"]) if each["times"] else None
            outcomes[name] = Outcome(times, each["workspace"], each["failure"])
        return Result(**{**text, "outcomes": outcomes})
