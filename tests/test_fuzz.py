"""Random graphs of every op: interpreter, text form, passes, compiled code and derivatives.

`python -m tests.fuzz` checks as many more as you like. The rest is about the fuzzer itself.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

import numpy as np
import pytest

from graphc.ir.build import ops
from graphc.ir.graph import Graph
from graphc.ir.nested import all_graphs
from graphc.ir.parser import parse_graph
from graphc.ir.printer import graph_constants, print_graph
from graphc.ir.types import TensorType, float64
from tests import fuzz
from tests.graph_cuts import cut_down
from tests.random_graphs import DRAWN, Case, drawn_cases

RUNS, GRAPHS = 8, 25
MOST_STEPS = 12


@pytest.mark.parametrize("number", range(RUNS))
def test_random_graphs(number: int) -> None:
    report = fuzz.run(number, GRAPHS, most_steps=MOST_STEPS)
    assert report.failure is None, f"{report.failure.text}\n{report.failure.message}"
    assert report.passed == GRAPHS
    assert report.loaded == 0


def test_random_graphs_as_libraries() -> None:
    # Seed 8 solves with a random triangular matrix, and rounding leaves no digit of its results.
    report = fuzz.run(9, 6, export=True, most_steps=MOST_STEPS)
    assert report.failure is None, f"{report.failure.text}\n{report.failure.message}"
    assert report.passed == 6


def test_almost_every_op_and_dtype_is_drawn() -> None:
    made = drawn_cases(120)
    nodes = [n for case in made for graph in all_graphs(case.graph) for n in graph.nodes]
    counts = Counter(node.op for node in nodes)
    missing = [op.name for op in DRAWN if not counts[op]]
    assert len(missing) < 0.25 * len(DRAWN), missing
    assert len({node.dtype for node in nodes}) >= 13
    assert sum(len(case.graph.updates) > 0 for case in made) > 12
    assert sum(case.derivatives is not None for case in made) > 25


def test_a_failure_is_made_small_and_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_matrices(case: Case, *, export: bool) -> None:
        assert not any(node.type.rank == 2 for node in case.graph.nodes), "a matrix"

    monkeypatch.setattr(fuzz, "check", refuse_matrices)
    one, same = fuzz.run(3, 20), fuzz.run(3, 20)
    assert one.failure is not None
    assert same.failure is not None
    assert one.failure.text == same.failure.text
    assert "a matrix" in one.failure.message
    assert len(parse_graph(one.failure.text, {}).nodes) <= 3


def test_a_failing_graph_is_cut_down_to_what_fails() -> None:
    x = ops.input(name="x", type=TensorType(float64, (3,)))
    guilty = ops.exp(ops.sin(x))
    y = ops.add(ops.neg(guilty), ops.cos(x))
    graph = Graph("g", (x,), (), (x, y), ("a", "b"))
    case = Case(graph, {"x": np.ones(3)}, None)
    small = cut_down(case, lambda each: any(n.op is guilty.op for n in each.graph.nodes))
    assert [node.op.name for node in small.graph.nodes] == [
        "input",
        "input",
        "exp",
        "neg",
        "add",
    ]
    found = sorted(float(array[0]) for array in small.arrays.values())
    np.testing.assert_array_equal(found, sorted([np.sin(1.0), np.cos(1.0)]))


def test_a_graph_that_kills_its_process_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    (case,) = drawn_cases(1)
    fuzz.checked_apart(case)
    monkeypatch.setattr(fuzz, "check", lambda case, export: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(AssertionError, match="killed by signal 9"):
        fuzz.checked_apart(case)


def test_values_fit_their_inputs() -> None:
    for case in drawn_cases(30):
        for node in case.graph.boundary:
            array = case.arrays[node.name]
            assert (array.dtype, array.shape) == (node.dtype.numpy, node.shape)
        text = print_graph(case.graph)
        assert parse_graph(text, graph_constants(case.graph)) == case.graph
