"""The reference interpreter: values, exact dtypes, depth, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import constant, ops
from graphc.ir.diagnostics import BoundaryError
from graphc.ir.graph import Graph, Update
from graphc.ir.interpreter import evaluate, interpret
from graphc.ir.types import TensorType, float32, int32


def step() -> Graph:
    x = ops.input(type=TensorType(float32, (2, 3)), name="x")
    w = ops.param(type=TensorType(float32, (3,)), name="w")
    y = ops.tanh(ops.mul(x, w))
    return Graph("step", (x,), (w,), (y, x), ("y", "x"), (Update(w, ops.neg(w)),))


def test_outputs_and_updates_by_name() -> None:
    x = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    w = np.array([0.1, 0.2, 0.3], np.float32)
    results = interpret(step(), {"x": x, "w": w})
    np.testing.assert_allclose(results.outputs["y"], np.tanh(x * w), rtol=1e-6)
    np.testing.assert_array_equal(results.outputs["x"], x)
    np.testing.assert_array_equal(results.updates["w"], -w)
    assert results.outputs["y"].dtype == np.float32


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"x": np.zeros((2, 3), np.float32)}, r"@step needs a value for w, which is f32\[3\]"),
        (
            {"x": np.zeros((2, 3)), "w": np.zeros(3, np.float32)},
            r"x is f32\[2,3\], got an array of dtype float64",
        ),
        (
            {"x": np.zeros((2, 3), np.float32), "w": np.zeros(4, np.float32)},
            r"w is f32\[3\], got .* shape \[4\]",
        ),
        (
            {"x": np.zeros((2, 3), np.float32), "w": np.zeros(3, np.float32), "z": 0},
            "@step has no input or parameter named z",
        ),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(BoundaryError, match=message):
        interpret(step(), values)


def test_a_chain_of_100_000_nodes() -> None:
    x = ops.input(type=TensorType(int32, ()), name="x")
    one, y = constant(np.int32(1)), x
    for _ in range(100_000):
        y = ops.add(y, one)
    assert evaluate([y], {x: np.array(5, np.int32)}) == [100_005]


def test_a_given_value_stands_in_for_the_node() -> None:
    x = ops.input(type=TensorType(float32, (2,)), name="x")
    y = ops.exp(x)
    (found,) = evaluate([ops.neg(y)], {y: np.array([1, 2], np.float32)})
    np.testing.assert_array_equal(found, [-1, -2])


def test_ieee_results_raise_no_warnings() -> None:
    x = constant(np.array([0, -1, np.inf], np.float32))
    (found,) = evaluate([ops.log(x)], {})
    np.testing.assert_array_equal(found, [-np.inf, np.nan, np.inf])
