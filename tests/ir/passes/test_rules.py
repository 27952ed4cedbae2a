"""Every rule has an example; it is rewritten, compared, and evaluated before and after."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from graphc.ir.diagnostics import GraphError, ParseError
from graphc.ir.graph import Node, topological
from graphc.ir.interpreter import evaluate
from graphc.ir.op import Array
from graphc.ir.passes.rewriter import Rewriter
from graphc.ir.passes.rules import Example, Rule, RuleSet, rule
from graphc.ir.passes.simplify import SIMPLIFY_RULES
from graphc.ir.passes.stabilize import STABILIZE_RULES
from graphc.ir.types import ALL_DTYPES, DType

RULES = SIMPLIFY_RULES.rules + STABILIZE_RULES.rules
VALUE_PRESERVING = [rule for rule in RULES if not rule.value_changing]

FLOAT_VALUES = [0.0, -0.0, 1.0, -1.5, 3.1, 0.3, np.inf, -np.inf, np.nan]
INTEGER_VALUES = [0, 1, 2, 3, 7, 100]


def _name(rule: Rule) -> str:
    return rule.name


def _in_f64(rule: Rule) -> Example:
    return Example(rule.example.text.replace("f32", "f64"))


def _special_values(dtype: DType) -> list[float | int | bool]:
    if dtype.kind == "bool":
        return [False, True]
    if dtype.is_integer:
        limits = np.iinfo(dtype.numpy.name)
        return [*INTEGER_VALUES, limits.min, limits.max]
    eps, tiny, largest = (
        float(getattr(np.finfo(dtype.numpy.name), name)) for name in ("eps", "tiny", "max")
    )
    return [*FLOAT_VALUES, tiny, tiny / 8, -tiny * eps, largest, -largest]


def _draws(inputs: dict[str, Node], count: int) -> itertools.chain[dict[Node, Array]]:
    """Arrays in which every special value meets every other, and some at random."""
    rng = np.random.default_rng(0)
    nodes = list(inputs.values())
    values = [np.array(_special_values(node.dtype), node.dtype.numpy) for node in nodes]
    pairs = itertools.islice(itertools.product(*values), 400)
    same = (
        {n: np.full(n.shape, v, n.dtype.numpy) for n, v in zip(nodes, pair, strict=True)}
        for pair in pairs
    )
    mixed = (
        {n: rng.choice(v, n.shape) for n, v in zip(nodes, values, strict=True)}
        for _ in range(count)
    )
    return itertools.chain(same, mixed)


def _same_bits(x: Array, y: Array) -> bool:
    if x.dtype != y.dtype or x.shape != y.shape:
        return False
    if x.dtype.kind == "f":
        quiet = x.dtype.type(np.nan)
        x, y = (np.where(np.isnan(value), quiet, value) for value in (x, y))
    return x.tobytes() == y.tobytes()


def _assert_same(found: Node, expected: Node) -> None:
    normal = Rewriter(RuleSet([])).normal_forms(topological([found, expected]))
    assert normal[found] is normal[expected]


def test_names_are_unique() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_has_an_example_and_a_location(rule: Rule) -> None:
    assert rule.example.inputs()
    assert rule.loc is not None
    with open(rule.loc.file, encoding="utf-8") as file:
        assert "rule(" in (line := file.readlines()[rule.loc.line - 1]) or "_stable(" in line


@pytest.mark.parametrize("rule", RULES, ids=_name)
@pytest.mark.parametrize("wide", [False, True], ids=["f32", "f64"])
def test_example_is_rewritten_as_it_says(rule: Rule, wide: bool) -> None:
    example = _in_f64(rule) if wide else rule.example
    before, after = example.nodes(example.inputs())
    result = rule.apply(before)
    assert result is not None
    assert result.type == before.type
    _assert_same(result, after)


@pytest.mark.parametrize("rule", RULES, ids=_name)
def test_rule_is_found_by_the_ops_of_its_example(rule: Rule) -> None:
    before, _ = rule.example.nodes(rule.example.inputs())
    assert rule in list(RuleSet(RULES).candidates(before))


@pytest.mark.parametrize("rule", VALUE_PRESERVING, ids=_name)
@pytest.mark.parametrize("wide", [False, True], ids=["f32", "f64"])
def test_value_is_kept_bit_by_bit(rule: Rule, wide: bool) -> None:
    example = _in_f64(rule) if wide else rule.example
    inputs = example.inputs()
    before, after = example.nodes(inputs)
    for values in _draws(inputs, 50):
        old, new = evaluate([before, after], values)
        assert _same_bits(old, new), values


def _takes(example: Example) -> bool:
    try:
        example.nodes(example.inputs())
    except (GraphError, OverflowError):
        return False
    return True


@pytest.mark.parametrize("dtype", ALL_DTYPES, ids=str)
def test_value_is_kept_for_every_dtype_that_the_ops_take(dtype: DType) -> None:
    """A rule must not apply, rather than raise or be wrong, where it was not thought of."""
    applied = 0
    for tested in VALUE_PRESERVING:
        text = tested.example.text.replace("f32", str(dtype)).split(" -> ")[0]
        example = Example(f"{text} -> {text.split('; ')[-1]}")
        if not _takes(example):
            continue
        inputs = example.inputs()
        before, _ = example.nodes(inputs)
        after = tested.apply(before)
        if after is None:
            continue
        applied += 1
        for values in _draws(inputs, 20):
            assert _same_bits(*evaluate([before, after], values)), (tested.name, values)
    assert applied > 10


@pytest.mark.parametrize(
    ("pattern", "result", "example"),
    [
        ("add(x, 0)", "x", "x:f32[3]"),
        ("mul(x, 0)", "0", "x:f32[3]; mul(x, 0) -> broadcast_to(0, shape=(3,))"),
        ("sub(0, x)", "neg(x)", "x:f32[3]"),
        ("sqrt(square(x))", "abs(x)", "x:f32[3]"),
        ("neg(sub(x, y))", "sub(y, x)", "x:f32[3] y:f32[3]"),
    ],
)
def test_a_wrong_rule_would_be_caught(pattern: str, result: str, example: str) -> None:
    wrong = rule("wrong", pattern, result, example)
    inputs = wrong.example.inputs()
    before, after = wrong.example.nodes(inputs)
    kept = [_same_bits(*evaluate([before, after], values)) for values in _draws(inputs, 50)]
    assert not all(kept)


def test_result_is_broadcast_to_the_type_it_replaces() -> None:
    example = Example("x:f32[3]; mul(x, broadcast_to(1, shape=(2, 3))) -> x")
    before, _ = example.nodes(example.inputs())
    (one,) = [r for r in RULES if r.name == "mul-one"]
    result = one.apply(before)
    assert result is not None
    assert result.type == before.type


def test_result_of_another_dtype_is_refused() -> None:
    example = Example("x:f32[3]; cast(x, dtype=f64) -> x")
    before, _ = example.nodes(example.inputs())
    assert rule("wrong", "cast(x)", "x", "x:f32[3]").apply(before) is None


def test_guard_decides() -> None:
    example = Example("x:f32[3]; neg(neg(x)) -> x")
    inputs = example.inputs()
    before, _ = example.nodes(inputs)
    plain = rule("double", "neg(neg(x))", "x", "x:f32[3]")
    assert plain.apply(before) is inputs["x"]
    assert replace(plain, guard=lambda node, x: False).apply(before) is None


def test_opaque_nodes_are_not_looked_into() -> None:
    example = Example("x:f32[3]; neg(neg(x)) -> x")
    before, _ = example.nodes(example.inputs())
    plain = rule("double", "neg(neg(x))", "x", "x:f32[3]")
    assert plain.apply(before, {before.operands[0]}) is None
    assert plain.apply(before, {before}) is not None


@pytest.mark.parametrize("text", ["x:f32[3]", "x:f32[3]; neg(x)", "x:f32[3]; a -> b -> c"])
def test_malformed_example_is_refused(text: str) -> None:
    with pytest.raises(ParseError, match="is no example"):
        Example(text).nodes({})


def test_pattern_must_begin_with_an_op() -> None:
    with pytest.raises(ParseError, match="must begin with an op"):
        rule("bad", "x", "x", "x:f32[3]").term  # noqa: B018
