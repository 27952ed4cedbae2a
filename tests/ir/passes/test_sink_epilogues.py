"""Cheap ends of an epilogue move to the kernel that reads them, where less is stored then."""

from __future__ import annotations

import numpy as np

from graphc.ir.build import ops
from graphc.ir.graph import Node
from graphc.ir.passes.fuse import fuse
from tests.codegen.running import check, graph_of, tensor

X, W, S, T = (tensor(name, (9, 9)) for name in "xwst")
PRODUCT = ops.matmul(X, W)


def contents(*outputs: Node) -> list[list[str]]:
    """The ops of each kernel; results are those of the interpreter."""
    graph = graph_of(*outputs, inputs=(X, W, S, T))
    draw = np.random.default_rng(0)
    check(graph, {x.name: draw.standard_normal((9, 9)).astype("float32") for x in graph.inputs})
    return [[node.op.name for node in kernel.nodes] for kernel in fuse(graph).kernels]


def test_two_values_for_one_reader_are_computed_from_one() -> None:
    scaled, shifted = ops.mul(PRODUCT, S), ops.add(PRODUCT, T)
    total = ops.sum(scaled, axes=(1,), keepdims=True)
    product, row = contents(ops.mul(shifted, total))
    assert product == ["matmul"]
    assert sorted(row) == ["add", "mul", "mul", "sum"]


def test_one_value_stays_where_it_is_stored_anyway() -> None:
    shifted = ops.add(ops.mul(PRODUCT, S), T)
    assert contents(ops.sum(shifted, axes=(1,)))[0] == ["matmul", "mul", "add"]


def test_dear_values_and_outputs_stay() -> None:
    powers, shifted = ops.exp(PRODUCT), ops.add(PRODUCT, T)
    row = ops.mul(powers, ops.sum(shifted, axes=(1,), keepdims=True))
    assert sorted(contents(row, shifted)[0]) == ["add", "exp", "matmul"]


def test_what_two_kernels_read_stays() -> None:
    scaled, shifted = ops.mul(PRODUCT, S), ops.add(PRODUCT, T)
    both = ops.mul(ops.tanh(scaled), ops.tanh(shifted))
    found = contents(ops.sum(both, axes=(0,)), ops.sum(both, axes=(1,)))
    assert found[0][0] == "matmul"
    assert "tanh" in found[0]
