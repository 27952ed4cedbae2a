"""Results as a picture: how much longer others take than graphc.

Owns the drawing. Loads matplotlib when it draws. Invariant: one point for each case and framework
that was timed, on a logarithmic axis; to the right of 1 graphc is faster.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

from graphc.bench.result import Result
from graphc.bench.target import OWN

MARKS = "osD^vPX"


def draw(results: Sequence[Result], path: str) -> None:
    """Write a picture. Raises `ImportError` without matplotlib, `OSError` or `ValueError` where it
    cannot be written."""
    importlib.import_module("matplotlib").use("agg")
    pyplot: Any = importlib.import_module("matplotlib.pyplot")
    points = _points(results)
    labels = list(dict.fromkeys(label for _, label, _ in points))
    figure, axes = pyplot.subplots(figsize=(9, 1.5 + 0.28 * len(labels)))
    for number, peer in enumerate(dict.fromkeys(peer for peer, _, _ in points)):
        found = [(ratio, labels.index(label)) for name, label, ratio in points if name == peer]
        axes.plot(*zip(*found, strict=True), MARKS[number % len(MARKS)], label=peer, alpha=0.8)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", xlabel="time / graphc's time: to the right, graphc is faster")
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    if points:
        axes.legend()
    figure.savefig(path, dpi=150, bbox_inches="tight")
    pyplot.close(figure)


def _points(results: Sequence[Result]) -> list[tuple[str, str, float]]:
    """Framework, case and ratio."""
    points = []
    for result in results:
        own = result.outcomes[OWN].times
        for name, outcome in result.outcomes.items():
            if own and outcome.times and name != OWN:
                label = f"{result.row}: {result.case}"
                points.append((name, label, outcome.times.by(result.clock) / own.by(result.clock)))
    return points
