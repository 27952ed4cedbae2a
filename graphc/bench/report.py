"""Results as tables.

Owns the text and markdown forms. Imports nothing that measures. Invariant: both show the same
figures, but that tables have the fastest peer alone; a framework that gave none is named with the
reason.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.bench import rows
from graphc.bench.case import Case
from graphc.bench.result import Result
from graphc.bench.target import OWN, UNITS, Figures

HEADER = (
    "case",
    "graphc",
    "best peer",
    "graphc / best",
    "of the limit",
    "workspace",
    "target",
    "met",
)


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
    others = [each for each in _others(figures) if each[0] in case.builds]
    peers = sorted(others, key=lambda each: each[1])[:1]
    judged = judgements(result)
    return [
        result.case + _changed(result, case),
        duration(own) if own else result.outcomes[OWN].failure,
        "".join(f"{name} {duration(time)}" for name, time in peers),
        "".join(f"{own / time:.2f}" for _, time in peers if own),
        f"{figures.of_limit:.0%}" if figures.of_limit is not None else "",
        "; ".join(f"{name} {memory(size)}" for name, size in figures.workspaces.items()),
        "; ".join(shown for shown, _ in judged),
        ", ".join(_MARKS[met] for _, met in judged),
    ]


_MARKS = {True: "yes", False: "no", None: "-"}
_WORDS = {True: "met", False: "missed", None: "not judged"}


def judgements(result: Result) -> list[tuple[str, bool | None]]:
    """Each target of a case with its figure, and whether it is met, None where nobody knows."""
    case = case_of(result)
    figures = result.figures(case)
    values = [(target, target.value(figures)) for target in case.targets]
    return [(t.show(v), None if v is None else t.met(v)) for t, v in values]


def score(results: Sequence[Result]) -> list[str]:
    """How many targets are met, and those that are missed."""
    judged = [(result, *each) for result in results for each in judgements(result)]
    counts = {word: sum(met is key for *_, met in judged) for key, word in _WORDS.items()}
    lines = [f"targets: {', '.join(f'{n} {word}' for word, n in counts.items())}"]
    for result, shown, met in judged:
        if met is False:
            lines.append(f"missed: {result.row}, {result.case}: {shown}")
    return lines


def machine(results: Sequence[Result]) -> list[str]:
    """The limits measured beside the cases: of each kind and number of threads the best."""
    best: dict[tuple[str, int], float] = {}
    for result in results:
        work = case_of(result).work
        if work and result.limit:
            key = work(result.sizes).kind, result.threads
            best[key] = max(best.get(key, 0), result.limit)
    return [
        f"{kind}, {threads} thread{'s'[: threads - 1]}: {rate / 1e9:.3g} "
        + ("GFLOP/s" if kind.startswith("peak") else "GB/s")
        for (kind, threads), rate in sorted(best.items())
    ]


def _others(figures: Figures) -> list[tuple[str, float]]:
    """What was timed beside graphc: peers, and graphc itself in another setting."""
    return [each for each in figures.seconds.items() if each[0] != OWN]


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
        name, own, *cells = entries(result)
        peers = _others(result.figures(case_of(result)))
        lines += [f"{rows.load(result.row).title}: {name}", f"    {'graphc':18} {own}"]
        lines += [f"    {peer:18} {duration(time)}" for peer, time in peers]
        for label, cell in zip(HEADER[3:6], cells[1:4], strict=True):
            lines += [f"    {label:18} {cell}"] * bool(cell)
        lines += [f"    {'target':18} {shown}: {_WORDS[met]}" for shown, met in judgements(result)]
    lines += [f"did not run: {each}" for each in failures(results)]
    return "\n".join(lines) + "\n"


def markdown(results: Sequence[Result], about: Sequence[str] = ()) -> str:
    """A table for each row, after what `about` says of machine and versions."""
    lines = [*about, ""] if about else []
    for row in dict.fromkeys(result.row for result in results):
        lines += [f"### {rows.load(row).title}", "", _line(HEADER), _line(["---"] * len(HEADER))]
        lines += [_line(entries(result)) for result in results if result.row == row]
        lines.append("")
    lines += [f"- {each}" for each in (*machine(results), *score(results))]
    lines += [f"- did not run: {each}" for each in failures(results)]
    return "\n".join(lines).rstrip() + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"
