"""Random graphs, compiled, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.pipeline import run_passes
from graphc.ir.interpreter import interpret
from graphc.ir.verifier import verify
from tests.codegen.running import run_compiled
from tests.ir.passes.test_fuse import random_graph


@pytest.mark.parametrize("seed", range(60))
def test_random_graph(seed: int) -> None:
    graph = random_graph(seed)
    rng = np.random.default_rng(seed)
    arrays = {
        node.name: rng.uniform(-0.5, 0.5, node.shape).astype(np.float32)
        for node in graph.inputs + graph.params
    }
    for stage in run_passes(graph).values():
        verify(stage)
    expected = interpret(graph, arrays)
    result = run_compiled(graph, arrays)
    assert result.status == 0
    for got, wanted in ((result.outputs, expected.outputs), (result.params, expected.updates)):
        for name, value in wanted.items():
            # A few rounding errors of the largest element, as products spread them.
            scale = max(1.0, float(np.nanmax(np.abs(value[np.isfinite(value)]), initial=0)))
            np.testing.assert_allclose(got[name], value, rtol=2e-4, atol=2e-5 * scale)
