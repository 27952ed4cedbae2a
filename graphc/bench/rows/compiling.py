"""From a program to its first result, in a fresh process."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from graphc.bench import frameworks
from graphc.bench.case import Case, Row
from graphc.bench.rows import mlp, waves
from graphc.bench.target import Target, Within, of_jax


def _step(kind: Literal["first call", "cached first call"], title: str, *targets: Target) -> Case:
    case = mlp.case(f"784-512-512-10 step, {title}", mlp.WIDE)
    return replace(case, measure=kind, targets=targets, work=None)


def _chain(rounds: int) -> Case:
    return Case(
        f"gradient of a chain of {3 * rounds} operations, nothing cached",
        {"elements": 1000, "rounds": rounds},
        waves.data,
        frameworks.gradient(waves.MODELS),
        (of_jax(0.3),),
        measure="first call",
    )


ROW = Row(
    "First call",
    (
        _step("first call", "nothing cached", of_jax(1.0)),
        _step("cached first call", "from the disk cache", of_jax(0.1), Within(25e-3)),
        _chain(33),
        _chain(333),
    ),
)
