"""What is left of a scan of which little is read."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

import graphc as gc
from graphc.ir.interpreter import interpret
from graphc.ir.ops.scan import scan
from graphc.ir.passes.prune_scans import prune_scans

CONSTANT = np.arange(2.0, dtype="float32")


def test_a_result_of_nothing_keeps_a_slice() -> None:
    x = gc.input("x", (4, 3))
    _, stacked = gc.scan(lambda _, row: (None, gc.const(CONSTANT)), None, x)
    values = np.ones((4, 3), "float32")
    found = gc.compile([x], (stacked, x.sum()))(values)[0]
    assert_array_equal(found, np.tile(CONSTANT, (4, 1)))


def test_a_result_of_nothing_keeps_a_carry() -> None:
    """Without slices, a scan takes nothing but what it carries."""
    c = gc.input("c", 3)
    _, stacked = gc.scan(lambda carry, _: (carry + 1, gc.const(CONSTANT)), c, None, length=4)
    found = gc.compile([c], (stacked, c.sum()))(np.ones(3, "float32"))[0]
    assert_array_equal(found, np.tile(CONSTANT, (4, 1)))


def test_unread_carries_and_slices_go() -> None:
    x, y, c = gc.input("x", (4, 3)), gc.input("y", (4, 3)), gc.input("c", 3)

    def body(
        carry: gc.Tensor, rows: tuple[gc.Tensor, gc.Tensor]
    ) -> tuple[gc.Tensor, tuple[gc.Tensor, gc.Tensor]]:
        return carry + rows[0], (gc.tanh(rows[1]), carry)

    _, (read, _) = gc.scan(body, c, (x, y))
    graph = gc.build_graph([x, y, c], read)
    pruned = prune_scans(graph)
    (node,) = (node for node in pruned.nodes if node.op is scan)
    assert len(node.operands) == 1
    values = np.random.default_rng(0).standard_normal((4, 3)).astype("float32")
    given = {"x": values, "y": values, "c": values[0]}
    found = interpret(pruned, given).outputs["out"]
    assert_allclose(found, np.tanh(values), rtol=1e-6)
