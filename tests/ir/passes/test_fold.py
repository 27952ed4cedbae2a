"""Folding constants."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import constant, full, ops
from graphc.ir.graph import Graph, Node
from graphc.ir.op import Array
from graphc.ir.passes.fold import LARGEST, SMALL, fold
from graphc.ir.passes.terms import constant_array
from graphc.ir.types import float32, float64, int64


def folded(node: Node) -> Node:
    return fold(Graph("g", (), (), (node,), ("y",))).outputs[0]


def array_of(node: Node) -> Array:
    array = constant_array(node)
    assert array is not None
    return array


def test_whole_expressions_fold() -> None:
    node = ops.exp(ops.mul(constant(np.array([0, 1], np.float32)), constant(np.float32(2))))
    np.testing.assert_allclose(array_of(folded(node)), np.exp([0, 2]), rtol=1e-6)


@pytest.mark.parametrize("dtype", [float32, float64])
def test_dtype_is_kept(dtype: object) -> None:
    assert isinstance(dtype, type(float32))
    value = constant(np.array([1, 2], dtype.numpy))
    assert folded(ops.add(value, value)).dtype is dtype


@pytest.mark.parametrize(
    ("name", "operands", "expected"),
    [
        ("div", ([1.0, 0.0], [-0.0, 0.0]), [-np.inf, np.nan]),
        ("log", ([-1.0, 0.0],), [np.nan, -np.inf]),
        ("exp", ([1e4, 0.0],), [np.inf, 1.0]),
    ],
)
def test_exceptional_values_fold_quietly(
    name: str, operands: tuple[list[float], ...], expected: list[float]
) -> None:
    node = getattr(ops, name)(*map(constant, operands))
    np.testing.assert_array_equal(array_of(folded(node)), expected)


def test_cast_and_reduction_and_layout_fold() -> None:
    value = constant(np.arange(6.0).reshape(2, 3))
    assert array_of(folded(ops.sum(value, axes=(0, 1)))) == 15
    assert folded(ops.cast(value, dtype=int64)).op.name == "constant"
    assert array_of(folded(ops.transpose(value, perm=(1, 0)))).shape == (3, 2)


def test_large_results_are_not_made() -> None:
    column, row = constant(np.arange(9.0)[:, None]), constant(np.arange(9.0)[None])
    assert column.type.size * row.type.size > SMALL
    assert folded(ops.add(column, row)).op.name == "add"
    long = constant(np.arange(LARGEST + 1.0))
    assert folded(ops.neg(long)).op.name == "neg"


def test_results_no_larger_than_an_operand_are_made() -> None:
    assert folded(ops.neg(constant(np.arange(100.0)))).op.name == "constant"


def test_equal_elements_become_a_broadcast_scalar() -> None:
    node = folded(constant(np.full((3, 4), 2.5)))
    assert node.op.name == "broadcast_to"
    assert node.operands[0].shape == ()
    assert folded(full(2.5, float32, (3,))).op.name == "broadcast_to"


def test_zeros_of_both_signs_are_not_equal_elements() -> None:
    assert folded(constant([0.0, -0.0])).op.name == "constant"


def test_empty_constants() -> None:
    empty = constant(np.zeros((0, 3)))
    assert folded(empty).shape == (0, 3)
    total = folded(ops.sum(empty, axes=(0,)))
    assert (total.op.name, total.shape) == ("broadcast_to", (3,))
