"""Deep graphs compile in linear time and without recursion."""

from __future__ import annotations

import numpy as np

from graphc.ir.build import ops, scalar
from graphc.ir.types import float64
from tests.codegen.running import graph_of, run_compiled, tensor


def test_a_chain_of_100_000_nodes() -> None:
    x = tensor("x", (5,), float64)
    factor, term = scalar(0.999, float64), scalar(0.001, float64)
    y = x
    for _ in range(50_000):
        y = ops.add(ops.mul(y, factor), term)
    values = np.arange(5.0)
    result = run_compiled(graph_of(y, inputs=(x,)), {"x": values})
    for _ in range(50_000):
        values = values * 0.999 + 0.001
    np.testing.assert_allclose(result.outputs["out0"], values, rtol=1e-9)
