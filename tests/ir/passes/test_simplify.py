"""Simplify as a whole: what it reaches and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import Expression, constant, full, ones_like, ops
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import interpret
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.passes.simplify import simplify
from graphc.ir.passes.terms import constant_array, splat
from graphc.ir.types import DType, TensorType, float32, float64, int32


def symbol(name: str, shape: tuple[int, ...] = (2, 3), dtype: DType = float32) -> Expression:
    return Expression(ops.input(type=TensorType(dtype, shape), name=name))


def simplified(y: Expression | Node, *inputs: Expression) -> Node:
    node = y.node if isinstance(y, Expression) else y
    graph = Graph("g", tuple(x.node for x in inputs), (), (node,), ("y",))
    return simplify(graph).outputs[0]


def test_what_has_no_effect_is_dropped() -> None:
    x = symbol("x")
    y = ((x * 1 - 0) / 1).transpose(perm=(1, 0)).transpose(perm=(1, 0)).neg()
    assert simplified(-y, x) is x.node


@pytest.mark.parametrize("name", ["add_zero", "mul_zero", "sub_itself", "div_itself", "from_zero"])
def test_what_special_values_forbid_is_left_alone(name: str) -> None:
    x = symbol("x")
    forms = {
        "add_zero": x + 0,
        "mul_zero": x * 0,
        "sub_itself": x - x,
        "div_itself": x / x,
        "from_zero": 0 - x,
    }
    assert simplified(forms[name], x).op is forms[name].node.op


def test_integers_have_no_special_values() -> None:
    n = symbol("n", dtype=int32)
    assert simplified(n + 0, n) is n.node
    assert splat(simplified(n * 0, n)) == 0


def test_division_by_what_is_no_power_of_two_stays() -> None:
    x = symbol("x")
    assert simplified(x / 3, x).op is ops.div
    assert simplified(x / 4, x).op is ops.mul


def test_dropped_operand_still_gives_the_shape() -> None:
    x = symbol("x", (3,))
    y = simplified(Expression(ops.mul(x.node, full(1, float32, (2, 3)))), x)
    assert (y.op.name, y.shape, y.operands[0]) == ("broadcast_to", (2, 3), x.node)


def test_work_on_broadcast_values_is_done_before_broadcasting() -> None:
    x = symbol("x", (3,))
    y = simplified(x.broadcast_to(shape=(2, 3)).exp() * x.broadcast_to(shape=(2, 3)), x)
    assert y.op is ops.broadcast_to
    assert y.operands[0].shape == (3,)


def test_constants_meet() -> None:
    x = symbol("x")
    half = full(0.5, float32, (2, 3))
    y = simplified(x * Expression(ops.add(half, half)), x)
    assert y is x.node


def test_sum_of_equal_elements_is_exact_or_left_alone() -> None:
    exact = ops.sum(full(0.25, float32, (4, 6)), axes=(0, 1))
    assert splat(simplified(exact)) == 6
    rounded = ops.sum(full(0.1, float32, (400, 6)), axes=(0, 1))
    assert simplified(rounded).op is ops.sum
    unlimited = ops.sum(full(np.inf, float32, (400, 6)), axes=(0, 1))
    assert simplified(unlimited).op is ops.sum
    large = ops.sum(full(1, float32, (2**13, 2**12)), axes=(0, 1))
    assert simplified(large).op is ops.sum


def test_gradient_of_a_mean_has_no_arithmetic_left() -> None:
    x = symbol("x", (4, 8))
    y = x.sum(axes=(0, 1)) / 32
    (adjoint,) = adjoints([y.node], [ones_like(y.node)], [x.node])
    assert adjoint is not None
    assert splat(simplified(adjoint, x)) == 1 / 32


def test_lossless_casts_merge_and_lossy_ones_stay() -> None:
    x = symbol("x")
    assert simplified(x.cast(dtype=float64).cast(dtype=float32), x) is x.node
    n = symbol("n", dtype=int32)
    lossy = simplified(n.cast(dtype=float32).cast(dtype=float64), n)
    assert lossy.operands[0].op is ops.cast


def test_gradients_stop_only_while_differentiating() -> None:
    x = symbol("x")
    assert simplified(x.stop_gradient(), x) is x.node


def test_values_are_kept() -> None:
    x, y = symbol("x"), symbol("y", (3,))
    z = (-x) * (-y.broadcast_to(shape=(2, 3))) - (-(x / 8)) + (x * x).maximum(x * x)
    graph = Graph("g", (x.node, y.node), (), (z.node,), ("z",))
    rng = np.random.default_rng(0)
    values = {
        "x": rng.normal(size=(2, 3)).astype(np.float32),
        "y": np.array([np.nan, np.inf, -0.0], np.float32),
    }
    before, after = interpret(graph, values), interpret(simplify(graph), values)
    np.testing.assert_array_equal(before.outputs["z"], after.outputs["z"])
    assert len(simplify(graph).nodes) < len(graph.nodes)


def test_simplify_is_idempotent() -> None:
    x = symbol("x")
    z = (x * 2 + constant_expression()) * (x * 2)
    graph = Graph("g", (x.node,), (), (z.node,), ("z",))
    once = simplify(graph)
    assert simplify(once) == once


def constant_expression() -> Expression:
    return Expression(constant(np.array([1, 2, 3], np.float32))) * 2


def test_folded_constant_is_an_array() -> None:
    array = constant_array(simplified(constant_expression()))
    assert array is not None
    np.testing.assert_array_equal(array, [2, 4, 6])


@pytest.mark.parametrize("size", [2, 5])
def test_the_sum_of_what_is_taken_at_a_clamped_index_is_known(size: int) -> None:
    x = ops.input(name="x", type=TensorType(float32, (3, size)))
    i = ops.input(name="i", type=TensorType(int32, (3, 1)))
    loss = ops.take_along_axis(x, i, axis=1)
    (d_x,) = adjoints([loss], [full(0.5, float32, (3, 1))], [x])
    assert d_x is not None
    total = ops.sum(d_x, axes=(1,))
    after = simplify(Graph("g", (x, i), (), (total,), ("total",)))
    assert not any(node.op is ops.sum for node in after.nodes)
    assert splat(after.outputs[0]) == 0.5
