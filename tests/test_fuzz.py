"""Random graphs of every op: interpreter, text form, passes, compiled code and derivatives.

`python -m tests.fuzz` checks as many more as you like.
"""

from __future__ import annotations

from collections import Counter

import pytest

from graphc.ir.op import Op
from tests.fuzz import Report, checked_apart, run
from tests.random_graphs import DRAWN

RUNS, GRAPHS = 8, 25


@pytest.mark.parametrize("seed", range(RUNS))
def test_random_graphs(seed: int) -> None:
    report = run(seed, GRAPHS)
    assert report.failure is None, f"{report.failure.text}\n{report.failure.message}"
    assert report.passed == GRAPHS
    assert report.loaded == 0
