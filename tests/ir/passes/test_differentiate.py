"""Differentiation: the worked examples at the level of nodes, and how the walk behaves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from graphc.ir.build import Expression, constant, ones_like, ops
from graphc.ir.diagnostics import VerificationError
from graphc.ir.graph import Node, topological
from graphc.ir.interpreter import evaluate
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.op import Array
from graphc.ir.passes.differentiate import adjoints, tangents
from graphc.ir.types import DType, TensorType, float64, int32

Values = dict[Expression, object]


def symbol(name: str, shape: tuple[int, ...] = (), dtype: DType = float64) -> Expression:
    return Expression(ops.input(type=TensorType(dtype, shape), name=name))


def gradients(y: Expression, wrt: Sequence[Expression]) -> list[Node]:
    found = adjoints([y.node], [ones_like(y.node)], [x.node for x in wrt])
    assert all(found)
    return [adjoint for adjoint in found if adjoint is not None]


def numbers(nodes: Sequence[Node | Expression], values: Values) -> list[Array]:
    roots = [node.node if isinstance(node, Expression) else node for node in nodes]
    arrays = {x.node: np.asarray(v, x.node.dtype.numpy) for x, v in values.items()}
    return evaluate(roots, arrays)


def assert_gradients(
    y: Expression, wrt: Sequence[Expression], values: Values, expected: Sequence[float]
) -> None:
    found = numbers(gradients(y, wrt), values)
    for adjoint, number in zip(found, expected, strict=True):
        np.testing.assert_allclose(adjoint, number, rtol=1e-12)


def test_square_of_a_difference_with_intermediates() -> None:
    x = symbol("x")
    r = -x
    q = r + 3
    f = q.square()
    assert numbers([f, q], {x: 5}) == [4, -2]
    assert_gradients(f, [q, r, x], {x: 5}, [-4, -4, 4])


def test_adjoints_of_two_uses_sum() -> None:
    x = symbol("x")
    difference = x - 3
    assert_gradients(difference * difference, [x], {x: 5}, [4])


def test_a_value_used_twice_by_one_op() -> None:
    x = symbol("x")
    assert_gradients(x + x, [x], {x: 5}, [2])


def test_add_distributes_and_mul_switches() -> None:
    x, y, z = symbol("x"), symbol("y"), symbol("z")
    assert_gradients((x + y) * z, [x, y, z], {x: -2, y: 5, z: -4}, [-4, -4, 3])


def test_maximum_routes_and_ties_are_halved() -> None:
    x, y = symbol("x"), symbol("y")
    assert_gradients(x.maximum(y), [x, y], {x: 2, y: 1}, [1, 0])
    assert_gradients(x.maximum(y), [x, y], {x: 1, y: 1}, [0.5, 0.5])


def sigmoid_by_hand(z: Expression) -> Expression:
    return 1 / (1 + (-z).exp())


@pytest.mark.parametrize("sigmoid", [sigmoid_by_hand, lambda z: z.sigmoid()], ids=["hand", "op"])
def test_sigmoid_neuron(sigmoid: object) -> None:
    assert callable(sigmoid)
    w0, w1, w2, x0, x1 = (symbol(name) for name in ("w0", "w1", "w2", "x0", "x1"))
    values: Values = {w0: 2, w1: -3, w2: -3, x0: -1, x1: -2}
    f = sigmoid(w0 * x0 + w1 * x1 + w2)
    (value,) = numbers([f], values)
    assert value == pytest.approx(0.731059, abs=1e-6)
    found = numbers(gradients(f, [w0, w1, w2, x0, x1]), values)
    expected = [-0.196612, -0.393224, 0.196612, 0.393224, -0.589836]
    np.testing.assert_allclose(np.array(found), expected, atol=1e-6)


def test_logistic_loss_with_adjoints_of_intermediates() -> None:
    w, x, b, t = (symbol(name) for name in ("w", "x", "b", "t"))
    z = w * x + b
    y = z.sigmoid()
    loss = 0.5 * (y - t).square()
    values: Values = {w: 0.3, x: -1.2, b: 0.7, t: 1.0}
    s = 1 / (1 + np.exp(-(0.3 * -1.2 + 0.7)))
    slope = (s - 1) * s * (1 - s)
    assert_gradients(loss, [w, b, y, z], values, [slope * -1.2, slope, s - 1, slope])


def test_chain_rule_over_two_paths() -> None:
    t = symbol("t")
    x, y = t.cos(), t.square()
    f = y + (x * y).exp()
    at = 1.3
    e = np.exp(np.cos(at) * at**2)
    expected = at**2 * e * -np.sin(at) + (1 + np.cos(at) * e) * 2 * at
    assert_gradients(f, [t], {t: at}, [expected])


def layered(weights: Sequence[Expression], x: Expression) -> Expression:
    """Column vectors through sigmoid layers."""
    for w in weights:
        x = w.matmul(x).sigmoid()
    return x


def test_backward_recursion_of_a_layered_network() -> None:
    sizes = [2, 3, 3, 1]
    rng = np.random.default_rng(0)
    weights = [symbol(f"w{i}", (n, m)) for i, (m, n) in enumerate(pairwise(sizes))]
    x = symbol("x", (2, 1))
    values: Values = {w: rng.normal(size=w.node.shape) for w in [*weights, x]}
    found = numbers(gradients(layered(weights, x), weights), values)
    outputs = [np.asarray(values[x])]
    for w in weights:
        outputs.append(1 / (1 + np.exp(-np.asarray(values[w]) @ outputs[-1])))
    delta = np.ones((1, 1))
    for i in reversed(range(len(weights))):
        before = outputs[i + 1] * (1 - outputs[i + 1]) * delta
        np.testing.assert_allclose(found[i], before @ outputs[i].T, rtol=1e-12)
        delta = np.asarray(values[weights[i]]).T @ before


def test_first_layer_needs_no_input_adjoint() -> None:
    """Backward costs two products per layer, less one for the first."""
    weights = [symbol(f"w{i}", (4, 4)) for i in range(3)]
    x = symbol("x", (4, 1))
    y = layered(weights, x)
    primal = set(topological([y.node]))
    derived = [node for node in topological(gradients(y, weights)) if node not in primal]
    assert sum(node.op is ops.matmul for node in primal) == 3
    assert sum(node.op is ops.matmul for node in derived) == 2 * 3 - 1


def test_seed_weighs_the_outputs() -> None:
    x = symbol("x", (3,))
    y = x.square()
    (adjoint,) = adjoints([y.node], [constant([1.0, 0.0, -2.0])], [x.node])
    assert adjoint is not None
    np.testing.assert_array_equal(numbers([adjoint], {x: [1, 2, 3]})[0], [2, 0, -12])


def test_several_outputs_sum() -> None:
    x = symbol("x")
    outputs = [(2 * x).node, x.square().node]
    (adjoint,) = adjoints(outputs, [ones_like(y) for y in outputs], [x.node])
    assert adjoint is not None
    assert numbers([adjoint], {x: 5}) == [12]


def test_derivative_of_a_value_by_itself_is_the_seed() -> None:
    x = symbol("x")
    seed = ones_like(x.node)
    assert adjoints([x.node], [seed], [x.node]) == [seed]


def test_second_derivative_of_a_derivative() -> None:
    x = symbol("x")
    (first,) = gradients(x * x * x, [x])
    (second,) = gradients(Expression(first), [x])
    (third,) = gradients(Expression(second), [x])
    assert numbers([first, second, third], {x: 2}) == [12, 12, 6]


def test_total_derivative_when_wrt_depends_on_wrt() -> None:
    x = symbol("x")
    h = x.square()
    f = h * x
    assert_gradients(f, [h, x], {x: 3}, [3, 27])
    directions = [constant(2.0), constant(1.0)]
    (tangent,) = tangents([f.node], [h.node, x.node], directions)
    assert tangent is not None
    assert numbers([tangent], {x: 3}) == [2 * 3 + 27]


def test_no_path_gives_none() -> None:
    x, y = symbol("x"), symbol("y")
    assert adjoints([x.node], [ones_like(x.node)], [y.node]) == [None]
    assert tangents([x.node], [y.node], [y.node]) == [None]


def test_integers_comparisons_and_stopped_gradients_end_a_path() -> None:
    x = symbol("x", (3,))
    n = symbol("n", (3,), int32)
    outputs = [
        x.cast(dtype=int32).cast(dtype=float64),
        x.gt(0).where(1, Expression(constant(2.0))),
        x.stop_gradient(),
        x.floor(),
    ]
    for y in outputs:
        assert adjoints([y.node], [ones_like(y.node)], [x.node]) == [None]
        assert tangents([y.node], [x.node], [x.node]) == [None]
    y = n.cast(dtype=float64) * x
    assert adjoints([y.node], [ones_like(y.node)], [n.node]) == [None]


def test_provenance_of_derived_nodes() -> None:
    w = symbol("w", (3,)).node
    with provenance(Location("net.py", 4)):
        h = ops.square(w, name="h")
    with provenance(Location("net.py", 5)):
        y = ops.tanh(h, name="y")
    adjoint_h, adjoint_w = adjoints([y], [ones_like(y)], [h, w])
    assert adjoint_h is not None
    assert adjoint_w is not None
    assert (adjoint_h.name, adjoint_w.name) == ("d_h", "d_w")
    assert adjoint_h.loc == Location("net.py", 5)
    assert adjoint_h.origin == Origin("d/d%h of tanh", "y")
    assert adjoint_w.loc == Location("net.py", 4)
    assert adjoint_w.origin == Origin("d/d%w of square", "h")
    assert adjoint_h in adjoint_w.operands


def test_unnamed_operands_go_by_their_role() -> None:
    x = symbol("x")
    y = ops.div(ops.exp(x.node), ops.sin(x.node))
    origins = {node.origin for node in topological(gradients(Expression(y), [x])) if node.origin}
    assert {origin.rule for origin in origins} >= {"d/dx of div", "d/dy of div"}


def test_seeds_and_shared_adjoints_keep_their_names() -> None:
    x, seed = symbol("x"), symbol("seed")
    h = ops.add(x.node, x.node, name="h")
    adjoint_h, adjoint_x = adjoints([h], [seed.node], [h, x.node])
    assert adjoint_h is seed.node
    assert adjoint_x is not None
    assert adjoint_x.name == "d_x"


def test_seed_of_another_type_is_a_defect() -> None:
    x = symbol("x", (3,))
    with pytest.raises(VerificationError, match="expected f64"):
        adjoints([x.node], [constant(1.0)], [x.node])


def test_both_modes_agree() -> None:
    x = symbol("x", (3, 4))
    y = (x.sin() * x.exp()).sum(axes=(1,)).tanh()
    (adjoint,) = gradients(y, [x])
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(3, 4))
    (tangent,) = tangents([y.node], [x.node], [constant(direction)])
    assert tangent is not None
    g, t = numbers([adjoint, tangent], {x: rng.normal(size=(3, 4))})
    assert np.sum(g * direction) == pytest.approx(np.sum(t), rel=1e-12)


def test_chain_of_100_000_nodes() -> None:
    x = symbol("x")
    y = x
    for _ in range(100_000):
        y = -y
    (adjoint,) = gradients(y, [x])
    assert sum(1 for _ in topological([adjoint])) == 100_001
    (tangent,) = tangents([y.node], [x.node], [constant(1.0)])
    assert tangent is not None


def test_shared_values_are_visited_once() -> None:
    x = symbol("x")
    y = x
    for _ in range(200):
        y = y * y
    (adjoint,) = gradients(y, [x])
    assert sum(1 for _ in topological([adjoint])) < 2000
