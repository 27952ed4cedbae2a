"""The rows of the benchmark at sizes of a few elements, without any other framework."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.bench import measure, rows
from graphc.bench.case import Array, Arrays, Case, Data, Program
from graphc.bench.target import OWN
from graphc.demo import numpy_step
from graphc.ir.interpreter import interpret

TINY = {
    "matmul": {"m": 7, "n": 6, "k": 5},
    "mlp": {"batch": 3, "inputs": 5, "hidden": 4},
    "calls": {},
    "chain": {"elements": 11},
    "functions": {"elements": 11},
    "waves": {"elements": 9, "rounds": 3},
    "digits": {},
    "lenet": {"batch": 2, "side": 12},
    "transformer": {"batch": 2, "length": 3, "width": 8},
    "lstm": {"length": 3, "batch": 2, "inputs": 3, "hidden": 4},
    "cross_entropy": {"batch": 3, "classes": 11},
    "embedding": {"rows": 13, "width": 4, "batch": 6},
    "adam": {"elements": 30, "tensors": 3},
    "sums": {"elements": 11},
    "compiling": {"batch": 3, "inputs": 5, "hidden": 4, "elements": 9, "rounds": 3},
    "scaling": {"batch": 3, "inputs": 5, "hidden": 4, "layers": 2, "elements": 9, "rounds": 4},
}


def every_case() -> Iterator[Any]:
    for name in rows.NAMES:
        for case in rows.load(name).cases:
            if name == "matmul" and case.sizes["m"] != 64:
                continue  # at these sizes it is the same program
            yield pytest.param(case.varied(1, TINY[name]), id=f"{name}: {case.name}")


def by_interpreter(program: Program, data: Data) -> Arrays:
    """What the declared graph gives op by op; of parameters of the data, how much they change."""
    step = program.step
    graph = next(iter(step.compilation.graphs.values()))
    others = step.params.keys() - data.params.keys()
    remembered = {name: step.params[name].value.copy() for name in others}
    found = interpret(graph, data.params | data.inputs | remembered)
    updated = found.updates.keys() & data.params.keys()
    changes = {name: found.updates[name] - data.params[name] for name in updated}
    return numbered(found.outputs.values()) | changes


def numbered(results: Iterable[Array]) -> Arrays:
    return {f"result {number}": value for number, value in enumerate(results)}


@pytest.mark.parametrize("case", list(every_case()))
def test_row_computes_what_its_graph_says(case: Case) -> None:
    data = case.arrays()
    program = case.builds[OWN](gc, data)
    expected = by_interpreter(program, data)
    found = measure.first_results(program, data)
    results = [value for name, value in found.items() if name not in expected]
    named = {name: value for name, value in found.items() if name in expected}
    measure.check(numbered(results) | named, expected, 1e-4)
    assert program.workspace() is not None


def test_rows_are_those_of_the_folder() -> None:
    """Each has a title, cases of different names, and sizes by which they can be changed."""
    assert len(set(rows.NAMES)) == len(rows.NAMES) == len(TINY)
    for name in rows.NAMES:
        row = rows.load(name)
        assert row.title
        assert len({case.name for case in row.cases}) == len(row.cases)
        assert all(case.sizes for case in row.cases)


@pytest.mark.parametrize("form", ["NN", "TN", "NT"])
def test_products_agree_with_numpy(form: str) -> None:
    case = next(c for c in rows.load("matmul").cases if c.name.startswith(f"float64 {form} 64"))
    tiny = case.varied(0.2, {})
    data = tiny.arrays()
    own, other = tiny.builds[OWN](gc, data), tiny.builds["numpy"](np, data)
    expected = measure.first_results(other, data)
    measure.check(measure.first_results(own, data), expected, tiny.tolerance)


def test_digits_agree_with_numpy() -> None:
    (case,) = rows.load("digits").cases
    data = case.arrays()
    own = case.builds[OWN](gc, data)
    other = case.builds["graphc.demo.numpy_step"](numpy_step, data)
    expected = measure.first_results(other, data)
    measure.check(measure.first_results(own, data), expected, case.tolerance)


@pytest.mark.parametrize("name", ["mlp", "transformer", "lstm", "lenet", "embedding"])
def test_updates_follow_differences(name: str) -> None:
    """Along its own update, a step's loss falls as fast as the update is long."""
    case = rows.load(name).cases[0].varied(1, TINY[name])
    data = case.arrays()
    first = measure.first_results(case.builds[OWN](gc, data), data)
    changes = {name: first[name].astype("float64") for name in data.params}
    rate = {"lstm": 1.0, "embedding": 1.0}.get(name, 0.1)
    expected = -sum(float((change**2).sum()) for change in changes.values()) / rate

    def loss(part: float) -> float:
        moved = {n: (w + part * changes[n]).astype(w.dtype) for n, w in data.params.items()}
        shifted = Data(moved, data.inputs)
        return float(measure.first_results(case.builds[OWN](gc, shifted), shifted)["loss"])

    part = 0.02
    slope = (loss(part) - loss(-part)) / (2 * part)
    assert slope == pytest.approx(expected, rel=0.02)
