"""The rows of the benchmark, one module a topic.

Owns the order in which they are shown. A module has a `ROW`, which says what is computed and how
each framework writes it. Imports no framework. Invariant: the frameworks compute the same numbers,
each in its own idiom.
"""

from __future__ import annotations

import importlib

from graphc.bench.case import Row

NAMES = (
    "matmul",
    "mlp",
    "calls",
    "chain",
    "functions",
    "waves",
    "digits",
    "lenet",
    "transformer",
    "lstm",
    "cross_entropy",
    "embedding",
    "adam",
    "sums",
    "compiling",
    "scaling",
)


def load(name: str) -> Row:
    """The row of a name."""
    row: Row = importlib.import_module(f"graphc.bench.rows.{name}").ROW
    return row
