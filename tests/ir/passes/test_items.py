"""Several results of one op, through the passes."""

from __future__ import annotations

import numpy as np

from graphc.ir.build import ops
from graphc.ir.graph import Graph
from graphc.ir.passes.fuse import fuse
from graphc.ir.types import TensorType, float32
from graphc.ir.verifier import verify
from tests.codegen.running import check


def test_a_result_taken_twice_has_one_place() -> None:
    x = ops.input(type=TensorType(float32, (3,)), name="x")
    held = ops.pack(ops.exp(x), ops.sin(x))
    first, second, again = (ops.item(held, index=index) for index in (0, 1, 1))
    outputs = (first, second, again, ops.add(again, first))
    graph = Graph("f", (x,), (), outputs, ("a", "b", "c", "d"))
    fused = fuse(graph)
    verify(fused)
    assert sum(node.op is ops.item for node in fused.nodes) == 2
    check(graph, {"x": np.array([1, 2, 3])})
