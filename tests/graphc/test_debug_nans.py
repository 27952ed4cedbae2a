"""`debug_nans`: the first value that is not finite, and nothing changed by the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc


def message(step: Any, *inputs: Any) -> str:
    with pytest.raises(gc.errors.NonFiniteError) as caught:
        step(*[np.asarray(value, "float32") for value in inputs])
    return str(caught.value)


def test_first_node_with_line_operands_and_state() -> None:
    x = gc.input("x", 4)
    w = gc.param("w", np.ones(4, "float32"))
    h = x * w
    y = gc.log(h)
    loss = y.sum()
    updates = {w: w - gc.grad(loss, w)}
    step = gc.compile([x], {"loss": loss, "y": [y]}, updates, debug_nans=True)
    found = step(np.ones(4, "float32"))
    assert found["loss"] == 0
    assert found["y"][0].tolist() == [0, 0, 0, 0]
    assert w.value.tolist() == [0, 0, 0, 0]

    w.value = 1
    text = message(step, [1, 2, 0, -1])
    assert "GC115" in text
    assert "log (y) made NaN in 1 of 4 elements and -infinity in 1 of 4" in text
    assert "y = gc.log(h)" in text
    assert "h is f32[4], from -1 to 2" in text
    assert w.value.tolist() == [1, 1, 1, 1]
    step(np.ones(4, "float32"))
    assert w.value.tolist() == [0, 0, 0, 0]


def test_an_input_with_nan_is_named() -> None:
    x = gc.input("x", 3)
    step = gc.compile([x], gc.exp(x), debug_nans=True)
    assert "input x has NaN in 1 of 3 elements" in message(step, [1, np.nan, 2])
    assert step(np.array([-np.inf, 0, 0], "float32")).tolist() == [0, 1, 1]


def test_infinities_that_are_passed_on_are_not_made() -> None:
    x = gc.input("x", 4)
    masked = gc.where(x > 0, x, -np.inf)
    padded = gc.concatenate([masked, gc.const([np.inf], gc.float32)])
    step = gc.compile([x], (gc.softmax(masked), padded), debug_nans=True)
    probabilities, moved = step(np.array([1, 1, -1, -1], "float32"))
    assert probabilities.tolist() == [0.5, 0.5, 0, 0]
    assert moved.tolist() == [1, 1, -np.inf, -np.inf, np.inf]


def test_nan_made_of_infinities() -> None:
    x = gc.input("x", 2)
    masked = gc.where(x > 0, x, -np.inf)
    step = gc.compile([x], masked - masked, debug_nans=True)
    assert "sub made NaN in 1 of 2 elements" in message(step, [1, -1])


def test_derivatives_say_what_they_are_of() -> None:
    q = gc.input("q", ())
    root = gc.sqrt(2 * q)
    step = gc.compile([q], gc.grad(root, q), debug_nans=True)
    text = message(step, 0)
    assert "made infinity" in text
    assert "of sqrt for root" in text
    assert step(np.float32(2)) == 0.5


def test_stable_formulas_are_watched_as_they_are_computed() -> None:
    z = gc.input("z", 2)
    total = gc.log(gc.exp(z).sum())
    step = gc.compile([z], total, debug_nans=True)
    assert step(np.array([1000, 0], "float32")) == 1000


def test_integers_and_empty_tensors_are_left_alone() -> None:
    n, e = gc.input("n", 3, gc.int32), gc.input("e", (0, 2))
    step = gc.compile([n, e], (n + 1, e * 2, e.sum()), debug_nans=True)
    counted, empty, total = step(np.arange(3, dtype="int32"), np.zeros((0, 2), "float32"))
    assert counted.tolist() == [1, 2, 3]
    assert empty.shape == (0, 2)
    assert total == 0


def test_out_arrays_and_keywords() -> None:
    x, y = gc.input("x", 2), gc.input("y", ())
    step = gc.compile([x, y], x / y, debug_nans=True)
    out = np.empty(2, "float32")
    assert step(np.ones(2, "float32"), y=2.0, out=out) is out
    assert out.tolist() == [0.5, 0.5]
    with pytest.raises(gc.errors.NonFiniteError, match="y is f32"):
        step(np.ones(2, "float32"), y=0.0)
    with pytest.raises(FloatingPointError):
        step(x=np.ones(2, "float32"), y=np.float32(0))


def test_half_precision_and_several_results() -> None:
    x = gc.input("x", 3, gc.float16)
    step = gc.compile([x], x * x, debug_nans=True)
    with pytest.raises(gc.errors.NonFiniteError, match="infinity in 1 of 3"):
        step(np.array([1, 2, 300], "float16"))


def test_off_it_costs_nothing() -> None:
    x = gc.input("x", 3)
    y = gc.log(x)
    plain, watched = gc.compile([x], y), gc.compile([x], y, debug_nans=True)
    assert plain.llvm() == gc.compile([x], y, name="plain").llvm()
    assert len(plain.outputs) == 1
    assert len(watched.outputs) == 2
    assert type(plain.__call__).__name__ == "builtin_function_or_method"


def test_it_is_not_for_saving(tmp_path: Path) -> None:
    x = gc.input("x", 3)
    step = gc.compile([x], gc.log(x), debug_nans=True)
    with pytest.raises(gc.errors.ArtifactError, match="debug_nans"):
        step.save(tmp_path / "saved")
