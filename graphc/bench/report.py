"""Results as tables.

Owns the text and markdown forms. Imports nothing that measures. Invariant: both show the same
figures; a framework that gave none is named with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.bench import rows
from graphc.bench.case import Case
from graphc.bench.result import Result
from graphc.bench.target import OWN, UNITS

HEADER = ("case", "graphc", "others", "graphc / best", "of the limit", "workspace", "target", "met")


def duration(seconds: float) -> str:
    """A time with a unit.

    >>> duration(0.00123)
    '1.23 ms'
    """
    unit, scale = next((u, s) for u, s in UNITS if seconds >= s or u == "ns")
    return f"{seconds / scale:.3g} {unit}"


def memory(size: int | None) -> str:
    """Bytes with a unit, of a power of 1000."""
    if size is None:
        return ""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size} B"


def case_of(result: Result) -> Case:
    cases = rows.load(result.row).cases
    return next(case for case in cases if case.name == result.case)


def entries(result: Result) -> list[str]:
    """The cells of one result."""
    case = case_of(result)
    figures = result.figures(case)
    own = figures.seconds.get(OWN)
    others = {name: time for name, time in figures.seconds.items() if name != OWN}
    best = min(others.values(), default=None)
    judged = [(target, target.value(figures)) for target in case.targets]
    marks = ["-" if v is None else "yes" if t.met(v) else "no" for t, v in judged]
    return [
        result.case + _changed(result, case),
        duration(own) if own else result.outcomes[OWN].failure,
        "; ".join(f"{name} {duration(time)}" for name, time in others.items()),
        f"{own / best:.2f}" if own and best else "",
        f"{figures.of_limit:.0%}" if figures.of_limit is not None else "",
        memory(figures.workspaces.get(OWN)),
        "; ".join(target.show(value) for target, value in judged),
        ", ".join(marks),
    ]


def _changed(result: Result, case: Case) -> str:
    """What differs from the row: sizes and threads."""
    found = [f"{n} = {s}" for n, s in result.sizes.items() if case.sizes.get(n) != s]
    if result.threads != case.threads:
        found.append(f"threads = {result.threads}")
    return f" ({', '.join(found)})" if found else ""


def failures(results: Sequence[Result]) -> list[str]:
    """What did not run, each reason once."""
    found: dict[str, list[str]] = {}
    for result in results:
        for name, outcome in result.outcomes.items():
            if outcome.failure:
                found.setdefault(f"{name}: {outcome.failure}", []).append(result.case)
    return [f"{why} ({', '.join(cases)})" for why, cases in found.items()]


def text(results: Sequence[Result]) -> str:
    """Blocks of a line for each figure, for a terminal."""
    lines = []
    for result in results:
        name, *cells = entries(result)
        lines.append(f"{rows.load(result.row).title}: {name}")
        for label, cell in zip(HEADER[1:], cells, strict=True):
            lines += [f"    {label:14} {cell}"] * bool(cell)
    lines += [f"did not run: {each}" for each in failures(results)]
    return "\n".join(lines) + "\n"


def markdown(results: Sequence[Result], about: Sequence[str] = ()) -> str:
    """A table for each row, after what `about` says of machine and versions."""
    lines = [*about, ""] if about else []
    for row in dict.fromkeys(result.row for result in results):
        lines += [f"### {rows.load(row).title}", "", _line(HEADER), _line(["---"] * len(HEADER))]
        lines += [_line(entries(result)) for result in results if result.row == row]
        lines.append("")
    lines += [f"- did not run: {each}" for each in failures(results)]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
