"""The shared sweep: fixpoint, names and provenance, merging, depth."""

from __future__ import annotations

from graphc.ir.build import constant, ops
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.passes.eliminate_common import eliminate_common
from graphc.ir.passes.rewriter import Rewriter, rewrite_graph
from graphc.ir.passes.rules import Rule, RuleSet, rule
from graphc.ir.types import TensorType, float32

HALVE = rule("halve", "neg(neg(x))", "x", "x:f32[3]")


def symbol(name: str = "x") -> Node:
    return ops.input(type=TensorType(float32, (3,)), name=name)


def graph_of(*outputs: Node, inputs: tuple[Node, ...]) -> Graph:
    return Graph("g", inputs, (), outputs, tuple(f"y{i}" for i in range(len(outputs))))


def test_one_sweep_reaches_the_fixpoint() -> None:
    x = symbol()
    y = x
    for _ in range(7):
        y = ops.neg(y)
    found = rewrite_graph(graph_of(y, inputs=(x,)), RuleSet([HALVE]))
    assert [node.op.name for node in found.nodes] == ["input", "neg"]


def test_new_nodes_are_rewritten_too() -> None:
    x = symbol()
    unfold = rule("unfold", "square(x)", "neg(neg(mul(x, x)))", "x:f32[3]")
    found = rewrite_graph(graph_of(ops.square(x), inputs=(x,)), RuleSet([unfold, HALVE]))
    assert [node.op.name for node in found.nodes] == ["input", "mul"]


def test_new_node_takes_name_location_and_origin() -> None:
    x = symbol()
    loc, origin = Location("model.py", 7), Origin("d/d%x of square", "y")
    with provenance(loc, origin):
        y = ops.square(x, name="y")
    to_product = rule("product", "square(x)", "mul(x, x)", "x:f32[3]")
    (found,) = rewrite_graph(graph_of(y, inputs=(x,)), RuleSet([to_product])).outputs
    assert (found.op.name, found.name, found.loc, found.origin) == ("mul", "y", loc, origin)


def test_existing_node_keeps_its_own_name() -> None:
    x = symbol()
    y = ops.neg(ops.neg(x), name="y")
    found = rewrite_graph(graph_of(y, inputs=(x,)), RuleSet([HALVE]))
    assert found.outputs == (x,)
    assert found.output_names == ("y0",)


def test_a_rule_set_that_runs_in_circles_ends() -> None:
    x = symbol()
    there = rule("there", "add(x, y)", "sub(x, neg(y))", "x:f32[3] y:f32[3]")
    back = rule("back", "sub(x, neg(y))", "add(x, y)", "x:f32[3] y:f32[3]")
    found = rewrite_graph(graph_of(ops.add(x, x), inputs=(x,)), RuleSet([there, back]))
    assert found.outputs[0].type == x.type


def test_observer_is_told_of_every_hit() -> None:
    x = symbol()
    y = ops.neg(ops.neg(ops.neg(ops.neg(x))))
    hits: list[tuple[str, str, str]] = []

    def observe(rule: Rule, before: Node, after: Node) -> None:
        hits.append((rule.name, before.op.name, after.op.name))

    rewrite_graph(graph_of(y, inputs=(x,)), RuleSet([HALVE]), observe)
    assert hits == [("halve", "neg", "input")] * 2


def test_opaque_nodes_are_not_merged() -> None:
    x = symbol()
    first, second, third = ops.tanh(x), ops.tanh(x), ops.tanh(x)
    product = ops.mul(ops.mul(first, second), third)
    rewriter = Rewriter(RuleSet([]), opaque=[second])
    normal = rewriter.normal_forms([x, first, second, third, product.operands[0], product])
    assert normal[first] is normal[third]
    assert normal[second] is second


def test_equal_nodes_are_merged_into_the_first() -> None:
    x, y = symbol("x"), symbol("y")
    first, second = ops.add(x, y, name="first"), ops.add(y, x, name="second")
    found = eliminate_common(graph_of(ops.mul(first, second), inputs=(x, y)))
    product = found.outputs[0]
    assert product.operands[0] is product.operands[1]
    assert product.operands[0].name == "first"


def test_different_nodes_stay_apart() -> None:
    x, y = symbol("x"), symbol("y")
    outputs = (
        ops.sub(x, y),
        ops.sub(y, x),
        ops.sum(x, axes=(0,)),
        ops.sum(x, axes=(0,), keepdims=True),
        constant([0.0]),
        constant([-0.0]),
    )
    found = eliminate_common(graph_of(*outputs, inputs=(x, y)))
    assert len(set(found.outputs)) == len(outputs)


def test_constants_merge_and_inputs_do_not() -> None:
    x, y = symbol("x"), symbol("x_2")
    found = eliminate_common(
        graph_of(constant([1.0, 2.0]), constant([1.0, 2.0]), ops.neg(x), ops.neg(y), inputs=(x, y))
    )
    assert found.outputs[0] is found.outputs[1]
    assert found.outputs[2] is not found.outputs[3]


def test_updates_and_unused_nodes() -> None:
    x = symbol()
    w = ops.param(type=TensorType(float32, (3,)), name="w")
    value = ops.neg(ops.neg(ops.add(w, x)))
    graph = Graph("g", (x,), (w,), (x,), ("y",), (Update(w, value),))
    found = rewrite_graph(graph, RuleSet([HALVE]))
    assert found.updates[0].param is w
    assert found.updates[0].value.op.name == "add"
    assert len(found.nodes) == 3


def test_a_chain_of_100_000_nodes() -> None:
    x = symbol()
    y = x
    for _ in range(50_000):
        y = ops.tanh(ops.neg(ops.neg(y)))
    found = rewrite_graph(graph_of(y, inputs=(x,)), RuleSet([HALVE]))
    assert len(found.nodes) == 50_001
