"""Masks of rectifiers: read from the result, with the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import graphc as gc
from graphc.ir.interpreter import interpret
from graphc.ir.ops import selection
from graphc.ir.passes.mask_by_result import mask_by_result

VALUES = np.array([-np.inf, -2, -0.0, 0, 1e-45, 3, np.inf, np.nan], "float32")


@pytest.mark.parametrize("form", ["le", "gt"])
def test_values_are_the_same(form: str) -> None:
    v = gc.input("v", 8)
    x = v * 1
    mask = x <= 0 if form == "le" else x > 0
    h = gc.where(mask, 0, x) if form == "le" else gc.where(mask, x, 0)
    graph = gc.build_graph([v], (h, gc.where(mask, 1.0, 2.0)))
    changed = mask_by_result(graph)
    assert changed != graph
    (compared,) = {
        node.operands[0].operands[0].op
        for node in changed.nodes
        if node.op is selection.where and node not in changed.outputs[:1]
    }
    assert compared is selection.where
    expected = interpret(graph, {"v": VALUES}).outputs
    for name, found in interpret(changed, {"v": VALUES}).outputs.items():
        assert_array_equal(found, expected[name])
        assert_array_equal(np.signbit(found), np.signbit(expected[name]))


@pytest.mark.parametrize(
    "other",
    [
        lambda x: x * 2,  # x is read besides
        lambda x: gc.where(x < 0, 1.0, 2.0),  # another mask
    ],
)
def test_graphs_that_stay(other: Any) -> None:
    v = gc.input("v", 8)
    x = v * 3
    graph = gc.build_graph([v], (gc.where(x <= 0, 0, x), other(x)))
    assert mask_by_result(graph) is graph


@pytest.mark.parametrize("bound", [0, 1])
def test_other_bounds_stay(bound: int) -> None:
    v = gc.input("v", 8)
    x = v * 3
    mask = x <= bound
    graph = gc.build_graph([v], (gc.where(mask, 0, x), gc.where(mask, 1.0, 2.0)))
    assert (mask_by_result(graph) is graph) == (bound == 1)


def test_training_keeps_one_array_a_layer() -> None:
    """Before the pass, pre-activations were kept beside activations."""
    x = gc.input("x", (64, 96))
    layers = [gc.param(f"w{i}", np.full((96, 96), 0.1, "float32")) for i in range(3)]
    h = x
    for w in layers:
        h = gc.nn.relu(h @ w)
    loss = h.sum()
    step = gc.compile([x], loss, {w: w - gc.grad(loss, w) for w in layers})
    stored = step.ir("memory")
    kept = [line for line in stored.splitlines() if "f32[64,96]" in line and "workspace" in line]
    assert 0 < len(kept) <= 6
