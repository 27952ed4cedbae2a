"""Stabilize: each rule improves a value, and derivatives of naive formulas stay finite."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from graphc.ir.build import Expression, ones_like, ops
from graphc.ir.graph import Graph, Node, topological
from graphc.ir.interpreter import evaluate
from graphc.ir.location import Origin, provenance
from graphc.ir.op import Array
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.passes.eliminate_common import eliminate_common
from graphc.ir.passes.rewriter import Rewriter
from graphc.ir.passes.rules import Example
from graphc.ir.passes.simplify import simplify
from graphc.ir.passes.stabilize import STABILIZE_RULES, stabilize, stabilize_nodes
from graphc.ir.types import DType, TensorType, float32, float64

RULES = {rule.name: rule for rule in STABILIZE_RULES.rules}
EXTREME = [-1e4, 0.0, 1e4]
LARGE_ROW = [[-1e4, 0.0, 1e4], [1e4, 1e4, 1e4]]
SOFTMAX = [[0, 0, 1], [1 / 3, 1 / 3, 1 / 3]]
LOG_SUM_EXP = [[1e4], [1e4 + math.log(3)]]

IMPROVEMENTS: dict[str, tuple[dict[str, object], object]] = {
    "softmax": ({"x": LARGE_ROW}, SOFTMAX),
    "softmax-reshaped": ({"x": LARGE_ROW}, SOFTMAX),
    "log-softmax-at": (
        {"x": LARGE_ROW, "s": [[1], [1]], "i": [[0], [2]]},
        [[-1e4], [1e4]],
    ),
    "log-guarded-sigmoid": ({"x": EXTREME}, [-1e4, -math.log(2), 0]),
    "log-guarded-softmax": ({"x": LARGE_ROW, "s": [[1], [1]]}, LARGE_ROW),
    "log-guarded-softmax-at": (
        {"x": LARGE_ROW, "s": [[1], [1]], "i": [[0], [2]]},
        [[-1e4], [1e4]],
    ),
    "log-div-exp": ({"x": LARGE_ROW, "s": [[1], [1]]}, LARGE_ROW),
    "log-sum-exp": ({"x": LARGE_ROW}, LOG_SUM_EXP),
    "log-sum-exp-reshaped": ({"x": LARGE_ROW}, LOG_SUM_EXP),
    "sub-log-sum-exp": (
        {"x": [[1e4, 1e4, 1e4]] * 2, "s": [[3], [3]]},
        np.full((2, 3), -math.log(3)),
    ),
    "sub-log-sum-exp-reshaped": (
        {"x": [[1e4, 1e4, 1e4]] * 2, "s": [3, 3]},
        np.full((2, 3), -math.log(3)),
    ),
    "sigmoid-quotient": ({"x": EXTREME}, [0, 0.5, 1]),
    "one-minus-sigmoid": ({"x": [40, 50, 60]}, np.exp([-40.0, -50, -60])),
    "tanh-by-hand": ({"x": EXTREME}, [-1, 0, 1]),
    "log-sigmoid": ({"x": EXTREME}, [-1e4, -math.log(2), 0]),
    "log1p-negative-sigmoid": ({"x": EXTREME}, [0, -math.log(2), -1e4]),
    "softplus": ({"x": EXTREME}, [0, math.log(2), 1e4]),
    "log-exp": ({"x": EXTREME}, EXTREME),
    "log1p-expm1": ({"x": [0, 1, 1e4]}, [0, 1, 1e4]),
    "log-one-plus": ({"x": [0, 1e-20, 1]}, [0, 1e-20, math.log(2)]),
    "log-one-minus": ({"x": [0, 1e-20, 0.5]}, [0, -1e-20, -math.log(2)]),
    "exp-minus-one": ({"x": [0, 1e-20, 1]}, [0, 1e-20, math.e - 1]),
    "minus-one-plus-exp": ({"x": [0, 1e-20, 1]}, [0, 1e-20, math.e - 1]),
}
"""Operands at which the naive formula fails, and the true value."""

ONLY_THE_GRADIENT = {
    "sigmoid-by-hand",
    "sigmoid-by-power",
    "sigmoid-of-negative",
    "div-by-logistic",
    "div-by-negative-logistic",
}
"""Rules whose naive formula has a good value, but a derivative of 0 * inf."""

both_widths = pytest.mark.parametrize("dtype", [float32, float64], ids=str)


def example_of(name: str, dtype: DType) -> Example:
    return Example(RULES[name].example.text.replace("f32", str(dtype)))


def arrays_of(inputs: dict[str, Node], values: dict[str, object]) -> dict[Node, Array]:
    return {
        node: np.array(values[name], node.dtype.numpy).reshape(node.shape)
        for name, node in inputs.items()
    }


def relative_error(found: Array, expected: object) -> float:
    """The largest, infinite where the kind of number differs."""
    expected = np.broadcast_to(np.asarray(expected, np.float64), found.shape)
    if not np.isfinite(found).all():
        return math.inf
    scale = np.where(expected == 0, 1, np.abs(expected))
    return float(np.max(np.abs(found - expected) / scale))


def symbol(name: str, shape: tuple[int, ...], dtype: DType = float32) -> Expression:
    return Expression(ops.input(type=TensorType(dtype, shape), name=name))


def gradient(y: Node, x: Node, stable: bool = True) -> Node:
    roots = stabilize_nodes([y, x], [x]) if stable else [y, x]
    (adjoint,) = adjoints(roots[:1], [ones_like(y)], roots[1:])
    assert adjoint is not None
    return adjoint


def value(y: Node | Expression, values: dict[Expression, object]) -> Array:
    node = y.node if isinstance(y, Expression) else y
    arrays = {x.node: np.array(v, x.node.dtype.numpy) for x, v in values.items()}
    return evaluate([node], arrays)[0]


def test_every_rule_has_a_witness() -> None:
    assert IMPROVEMENTS.keys() | ONLY_THE_GRADIENT == RULES.keys()
    assert all(rule.value_changing for rule in RULES.values())


@both_widths
@pytest.mark.parametrize("name", IMPROVEMENTS)
def test_rule_improves_the_value(name: str, dtype: DType) -> None:
    example = example_of(name, dtype)
    inputs = example.inputs()
    values, expected = IMPROVEMENTS[name]
    naive, _ = example.nodes(inputs)
    stable = stabilize_nodes([naive])[0]
    before, after = evaluate([naive, stable], arrays_of(inputs, values))
    precision = float(np.finfo(dtype.numpy).eps)  # type: ignore[type-var]
    assert relative_error(after, expected) < 8 * precision
    assert relative_error(before, expected) > 64 * precision


@both_widths
@pytest.mark.parametrize("name", sorted(ONLY_THE_GRADIENT))
def test_rule_improves_the_gradient(name: str, dtype: DType) -> None:
    example = example_of(name, dtype)
    inputs = example.inputs()
    naive, _ = example.nodes(inputs)
    found = evaluate(
        [gradient(naive, inputs["x"], stable) for stable in (False, True)],
        arrays_of(inputs, {"x": EXTREME, "y": [1, 1, 1]}),
    )
    assert np.isnan(found[0]).any()
    np.testing.assert_allclose(found[1], [0, -0.25 if "negative" in name else 0.25, 0])


@both_widths
@pytest.mark.parametrize("name", RULES)
def test_rule_keeps_moderate_values(name: str, dtype: DType) -> None:
    example = example_of(name, dtype)
    inputs = example.inputs()
    rng = np.random.default_rng(0)
    values = {
        node: rng.uniform(0.3, 0.9, node.shape).astype(node.dtype.numpy)
        if node.dtype.is_float
        else rng.integers(0, 3, node.shape)
        for node in inputs.values()
    }
    before, after = evaluate(list(example.nodes(inputs)), values)
    np.testing.assert_allclose(after, before, rtol=1e-5 if dtype is float32 else 1e-13)


def softmax(z: Expression) -> Expression:
    return z.exp() / z.exp().sum(axes=(1,), keepdims=True)


@both_widths
def test_gradient_of_softmax_cross_entropy(dtype: DType) -> None:
    z, t = symbol("z", (3, 3), dtype), symbol("t", (3, 3), dtype)
    loss = -(t * softmax(z).log()).sum(axes=(0, 1))
    at: dict[Expression, object] = {
        z: [[1e4, 0, -1e4], [-1e4, 0, 1e4], [1, 1, 1]],
        t: np.eye(3),
    }
    assert np.isnan(value(gradient(loss.node, z.node, stable=False), at)).any()
    y = np.array([[1, 0, 0], [0, 0, 1], [1 / 3, 1 / 3, 1 / 3]])
    adjoint = gradient(loss.node, z.node)
    np.testing.assert_allclose(value(adjoint, at), y - np.eye(3), rtol=1e-6, atol=1e-7)
    (stable,) = stabilize_nodes([loss.node])
    np.testing.assert_allclose(value(stable, at), 1e4 + math.log(3), rtol=1e-6)


def test_no_adjoint_flows_through_the_shift() -> None:
    z = symbol("z", (3, 3))
    adjoint = gradient(softmax(z).log().sum(axes=(0, 1)).node, z.node)
    primal = set(topological(stabilize_nodes([softmax(z).log().node])))
    derived = [node for node in topological([adjoint]) if node not in primal and node.origin]
    assert all(node.op is not ops.eq for node in derived)


@pytest.mark.parametrize("order", [1, 2, 3])
@both_widths
def test_derivatives_of_softplus_at_zero_and_far_away(dtype: DType, order: int) -> None:
    x = symbol("x", (5,), dtype)
    node = (1 + x.exp()).log().node
    for _ in range(order):
        node = gradient(node, x.node)
    s = 1 / (1 + np.exp(-np.array([-30.0, -1, 0, 1, 30])))
    expected = [s, s * (1 - s), s * (1 - s) * (1 - 2 * s)][order - 1]
    at: dict[Expression, object] = {x: [-1e4, -1, 0, 1, 1e4]}
    expected[[0, -1]] = [0, 1 if order == 1 else 0]
    np.testing.assert_allclose(value(node, at), expected, atol=1e-6)


@both_widths
def test_binary_cross_entropy_of_a_sigmoid_by_hand(dtype: DType) -> None:
    x, t = symbol("x", (3,), dtype), symbol("t", (3,), dtype)
    f = 1 / (1 + (-x).exp())
    loss = -(t * f.log()) - (1 - t) * (1 - f).log()
    at: dict[Expression, object] = {x: EXTREME, t: [1, 1, 0]}
    (stable,) = stabilize_nodes([loss.node])
    np.testing.assert_allclose(value(stable, at), [1e4, math.log(2), 1e4], rtol=1e-6)
    adjoint = gradient(loss.node, x.node)
    np.testing.assert_allclose(value(adjoint, at), [-1, -0.5, 1], rtol=1e-6)


def test_sigmoid_by_hand_and_the_op_compile_to_one_gradient() -> None:
    x = symbol("x", (3,))
    adjoint_of_op = gradient(x.sigmoid().node, x.node)
    adjoint_by_hand = gradient((1 / (1 + (-x).exp())).node, x.node)
    graph = Graph("g", (x.node,), (), (adjoint_of_op, adjoint_by_hand), ("op", "hand"))
    by_op, by_hand = eliminate_common(graph).outputs
    assert by_op is by_hand


def test_declared_and_differentiated_formulas_merge_again() -> None:
    z = symbol("z", (2, 3))
    y = softmax(z).log()
    adjoint = gradient(y.node, z.node)
    graph = simplify(stabilize(Graph("g", (z.node,), (), (y.node, adjoint), ("y", "d_z"))))
    assert sum(node.op is ops.exp for node in graph.nodes) == 1
    assert sum(node.op is ops.max for node in graph.nodes) == 1


@pytest.mark.parametrize(
    "row",
    [[-math.inf, -math.inf], [math.inf, 0.0], [-math.inf, 3.0], [math.nan, 0.0]],
)
def test_log_sum_exp_of_infinities(row: list[float]) -> None:
    x = symbol("x", (1, 2), float64)
    naive = x.exp().sum(axes=(1,)).log()
    (stable,) = stabilize_nodes([naive.node])
    assert stable is not naive.node
    np.testing.assert_array_equal(value(stable, {x: [row]}), value(naive, {x: [row]}))


def misaligned(x: Expression) -> Expression:
    return x.exp() / x.exp().sum(axes=(1,))


def over_leading_axis(x: Expression) -> Expression:
    return x.exp() / x.exp().sum(axes=(0,))


def over_everything(x: Expression) -> Expression:
    return x.exp() / x.exp().sum(axes=(0, 1))


@pytest.mark.parametrize(
    ("formula", "applies"),
    [(misaligned, False), (over_leading_axis, True), (over_everything, True)],
)
def test_softmax_needs_the_sum_along_its_own_axes(
    formula: Callable[[Expression], Expression], applies: bool
) -> None:
    x = symbol("x", (3, 3), float64)
    naive = formula(x)
    (stable,) = stabilize_nodes([naive.node])
    assert (stable is not naive.node) is applies
    at: dict[Expression, object] = {x: np.arange(9.0).reshape(3, 3) / 4}
    np.testing.assert_allclose(value(stable, at), value(naive, at), rtol=1e-14)


def test_what_is_shifted_already_is_left_alone() -> None:
    x = symbol("x", (2, 3))
    y = softmax(x - x.max(axes=(1,), keepdims=True))
    assert stabilize_nodes([y.node]) == [y.node]


def test_stabilize_is_idempotent() -> None:
    x = symbol("x", (2, 3))
    y = softmax(x).log() + (1 + x.exp()).log() + x.sigmoid().log()
    once = stabilize(Graph("g", (x.node,), (), (y.node,), ("y",)))
    assert stabilize(once) == once


def test_no_rule_reaches_across_a_barrier() -> None:
    x = symbol("x", (2, 3))
    p = softmax(x)
    y = p.log()
    (through, probability) = stabilize_nodes([y.node, p.node], [p.node])
    assert through.op is ops.log
    assert through.operands == (probability,)
    (adjoint,) = adjoints([through], [ones_like(y.node)], [probability])
    assert adjoint is not None
    at: dict[Expression, object] = {x: [[1, 2, 3], [4, 4, 4]]}
    np.testing.assert_allclose(value(adjoint, at), 1 / value(p, at), rtol=1e-6)


def test_barriers_are_not_merged_with_their_equals() -> None:
    x = symbol("x", (3,))
    first, second = x.tanh(), x.tanh()
    y = (1 + (first * second).exp()).log()
    roots = stabilize_nodes([y.node, first.node, second.node], [first.node, second.node])
    assert roots[1] is not roots[2]


def test_nothing_to_do_gives_the_same_nodes() -> None:
    x = symbol("x", (3,))
    y = x.tanh() * x.tanh()
    assert stabilize_nodes([y.node]) == [y.node]


def test_derived_nodes_are_left_alone() -> None:
    x = symbol("x", (3,))
    with provenance(None, Origin("d/d%x of sigmoid")):
        derived = 1 - x.sigmoid()
    assert stabilize_nodes([derived.node]) == [derived.node]
    assert stabilize_nodes([(1 - x.sigmoid()).node])[0].op is ops.sigmoid


def test_hits_can_be_counted() -> None:
    x = symbol("x", (2, 3))
    y = softmax(x).log()
    hits: list[str] = []
    graph = Graph("g", (x.node,), (), (y.node,), ("y",))
    stabilize(graph, lambda rule, before, after: hits.append(rule.name))
    assert hits == ["softmax", "log-div-exp"]
    rewriter = Rewriter(STABILIZE_RULES)
    rewriter.normal_forms(topological([y.node]))
    assert rewriter.hits == 2
