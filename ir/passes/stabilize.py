"""Stabilize: the same mathematics without overflow, underflow or cancellation.

Owns the rules that recognise naive formulas and the pass. Imports `ir.passes.rules` and builders.
Invariant: rules are tagged `value_changing`, apply only to nodes as the user declared them (a
derivative rule has chosen its form), and give results whose derivatives are stable too.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Any

from graphc.ir.build import Expression, broadcast, kept_shape, ops, reshape
from graphc.ir.graph import Graph, Node, topological
from graphc.ir.op import Family
from graphc.ir.ops import reduction, selection
from graphc.ir.passes.rewriter import Observer, Rewriter, rewrite_graph
from graphc.ir.passes.rules import RuleSet, rule
from graphc.ir.passes.terms import constant_array, matches, parse_term
from graphc.ir.types import float32


def stabilize(graph: Graph, observer: Observer | None = None) -> Graph:
    """Put stable formulas in place of naive ones; equal nodes are merged as well."""
    return rewrite_graph(graph, STABILIZE_RULES, observer)


def stabilize_nodes(roots: Sequence[Node], barriers: Iterable[Node] = ()) -> list[Node]:
    """The stable nodes to differentiate in place of `roots`; themselves where no rule applies.

    A naive formula has an unstable derivative even where its value is saved later, so it must be
    replaced before. `barriers` are the nodes to differentiate for: no formula is recognised across
    them, and what does not depend on them is left alone, so that a later differentiation finds
    there what it is for. Give them among the roots as well, to learn what stands for them.
    """
    order = list(topological(roots))
    barriers = set(barriers)
    fixed = _independent(order, barriers) if barriers else ()
    rewriter = Rewriter(STABILIZE_RULES, fixed, opaque=barriers)
    mapping = rewriter.normal_forms(order)
    return [mapping[root] for root in roots] if rewriter.hits else list(roots)


def _independent(order: Iterable[Node], barriers: Collection[Node]) -> list[Node]:
    """The nodes that are computed from none of `barriers`."""
    independent, dependent = [], set(barriers)
    for node in order:
        if any(operand in dependent for operand in node.operands):
            dependent.add(node)
        else:
            independent.append(node)
    return independent


def _shift(x: Node, axes: tuple[int, ...]) -> Node | None:
    """What to subtract before exponentiating: the largest element along `axes`, which are kept.

    Infinities are not subtracted from themselves. Any shift gives the same mathematical value, so
    it has no derivative.
    """
    if any(x.shape[axis] == 0 for axis in axes):
        return None
    largest = Expression(x).max(axes=axes, keepdims=True)
    finite = largest.abs().lt(math.inf)
    return finite.where(largest, 0).stop_gradient().node


def _is_shift(m: Node, x: Node) -> bool:
    """Whether `m` is made from the largest elements of `x` by few elementwise or layout ops.

    Of a selection, also from those of what is selected, if `m` is selected by the same condition.
    """
    reached = _reached(m)
    sources = {x}
    if x.op is selection.where and any(_same_choice(node, x) for node in reached):
        sources.update(x.operands[1:])
    return any(node.op is reduction.max and node.operands[0] in sources for node in reached)


def _reached(m: Node) -> list[Node]:
    """What `m` is made from by elementwise and layout ops, a few steps back."""
    found, last = [m], [m]
    for _ in range(4):
        last = [
            operand
            for node in last
            if node.op.family in (Family.ELEMENTWISE, Family.LAYOUT)
            for operand in node.operands
        ][:8]
        found += last
    return found


def _same_choice(node: Node, x: Node) -> bool:
    return node.op is selection.where and node.operands[0] is x.operands[0]


def _is_shifted(x: Node) -> bool:
    return any(_is_shift(bound["m"], bound["x"]) for bound in matches(parse_term("sub(x, m)"), x))


def _softmax(node: Node, x: Node, axes: tuple[int, ...]) -> Node | None:
    """exp(x) / sum(exp(x)), where the sum stands along the axes that it was taken over."""
    total = node.operands[1].shape
    aligned = (1,) * (len(x.shape) - len(total)) + total == kept_shape(x.shape, axes)
    if _is_shifted(x) or not aligned:
        return None
    shift = _shift(x, axes)
    if shift is None:
        return None
    exponential = (Expression(x) - Expression(shift)).exp()
    return (exponential / exponential.sum(axes=axes, keepdims=True)).node


def _log_sum_exp(node: Node, x: Node, axes: tuple[int, ...]) -> Node | None:
    shift = None if _is_shifted(x) else _shift(x, axes)
    if shift is None:
        return None
    total = (Expression(x) - Expression(shift)).exp().sum(axes=axes, keepdims=True)
    return ops.add(
        reshape(shift, node.shape), Expression(reshape(total.node, node.shape)).log().node
    )


def _subtract_in_turn(node: Node, x: Node, m: Node, s: Node) -> Node | None:
    """x - (m + log s) as (x - m) - log s: for large x the sum would be rounded coarsely."""
    if m.shape != s.shape or not _is_shift(m, x):
        return None
    kept = node.operands[1].shape
    shifted = Expression(x) - Expression(reshape(m, kept))
    return (shifted - Expression(reshape(s, kept)).log()).node


def _log_of_softmax_at(node: Node, x: Node, s: Node, i: Node, axis: int) -> Node:
    log_softmax = Expression(x) - Expression(s).log()
    whole = broadcast(log_softmax.node, node.operands[0].operands[0].shape)
    return ops.take_along_axis(whole, i, axis=axis)


def _negative_magnitude(x: Node) -> Expression:
    """-|x|, written so that its derivatives at 0 are those of x: the kink cancels in formulas
    that are smooth there, to every order."""
    positive = Expression(x).gt(0)
    return positive.where(-Expression(x), Expression(x))


def _softplus(node: Node, x: Node) -> Node | None:
    """log(1 + exp(x)) as max(x, 0) + log(1 + exp(-|x|))."""
    for pattern in ("where(gt(y, 0), neg(y), y)", "neg(abs(y))"):
        if any(matches(parse_term(pattern), x)):
            return None
    larger = Expression(x).gt(0).where(Expression(x), 0)
    return (larger + _negative_magnitude(x).exp().log1p()).node


def _log_sigmoid(node: Node, x: Node) -> Node:
    """log(sigmoid(x)) as min(x, 0) - log(1 + exp(-|x|))."""
    smaller = Expression(x).gt(0).where(0, Expression(x))
    return (smaller - _negative_magnitude(x).exp().log1p()).node


def _is_declared(node: Node, **bound: Any) -> bool:
    return node.origin is None


def _is_guarded(node: Node, c: Node, **bound: Any) -> bool:
    """Whether a declared formula keeps a probability from zero, and changes no other by that."""
    array = constant_array(c)
    smallest = float32.smallest_normal
    is_tiny = array is not None and bool(((array > 0) & (array <= smallest)).all())
    return is_tiny and _is_declared(node)


_stable = partial(rule, guard=_is_declared, value_changing=True)


_SHIFT = (
    "m = stop_gradient(where(lt(abs(max(x, axes=(1,), keepdims=True)), 1e999), "
    "max(x, axes=(1,), keepdims=True), 0))"
)
_SOFTPLUS = "add(where(gt(x, 0), x, 0), log1p(exp(where(gt(x, 0), neg(x), x))))"
_LOG_SIGMOID = "sub(where(gt(x, 0), 0, x), log1p(exp(where(gt(x, 0), neg(x), x))))"

_SOFTMAX_RULES = [
    _stable(
        "softmax",
        "div(exp(x), sum(exp(x), axes=axes))",
        _softmax,
        f"x:f32[2,3]; {_SHIFT}; div(exp(x), sum(exp(x), axes=(1,), keepdims=True))"
        " -> div(exp(sub(x, m)), sum(exp(sub(x, m)), axes=(1,), keepdims=True))",
    ),
    _stable(
        "softmax-reshaped",
        "div(exp(x), reshape(sum(exp(x), axes=axes)))",
        _softmax,
        f"x:f32[2,3]; {_SHIFT}; div(exp(x), reshape(sum(exp(x), axes=(1,)), shape=(2, 1)))"
        " -> div(exp(sub(x, m)), sum(exp(sub(x, m)), axes=(1,), keepdims=True))",
    ),
    _stable(
        "log-softmax-at",
        "log(take_along_axis(div(exp(x), s), i, axis=axis))",
        _log_of_softmax_at,
        "x:f32[2,3] s:f32[2,1] i:i64[2,1];"
        " log(take_along_axis(div(exp(x), s), i, axis=1))"
        " -> take_along_axis(sub(x, log(s)), i, axis=1)",
    ),
    _stable(
        "log-div-exp",
        "log(div(exp(x), s))",
        "sub(x, log(s))",
        "x:f32[2,3] s:f32[2,1]",
    ),
    _stable(
        "log-sum-exp",
        "log(sum(exp(x), axes=axes))",
        _log_sum_exp,
        f"x:f32[2,3]; {_SHIFT}; log(sum(exp(x), axes=(1,), keepdims=True))"
        " -> add(m, log(sum(exp(sub(x, m)), axes=(1,), keepdims=True)))",
    ),
    _stable(
        "log-sum-exp-reshaped",
        "log(reshape(sum(exp(x), axes=axes)))",
        _log_sum_exp,
        f"x:f32[2,3]; {_SHIFT}; log(reshape(sum(exp(x), axes=(1,)), shape=(2, 1)))"
        " -> add(m, log(sum(exp(sub(x, m)), axes=(1,), keepdims=True)))",
    ),
    _stable(
        "sub-log-sum-exp",
        "sub(x, add(m, log(s)))",
        _subtract_in_turn,
        f"x:f32[2,3] s:f32[2,1]; {_SHIFT}; sub(x, add(m, log(s))) -> sub(sub(x, m), log(s))",
    ),
    _stable(
        "sub-log-sum-exp-reshaped",
        "sub(x, reshape(add(m, log(s))))",
        _subtract_in_turn,
        "x:f32[2,3] s:f32[2]; m = max(x, axes=(1,));"
        " sub(x, reshape(add(m, log(s)), shape=(2, 1)))"
        " -> sub(sub(x, reshape(m, shape=(2, 1))), log(reshape(s, shape=(2, 1))))",
    ),
]

_SIGMOID_RULES = [
    _stable("sigmoid-by-hand", "div(1, add(1, exp(neg(x))))", "sigmoid(x)", "x:f32[3]"),
    _stable("sigmoid-by-power", "pow(add(1, exp(neg(x))), -1)", "sigmoid(x)", "x:f32[3]"),
    _stable("sigmoid-of-negative", "div(1, add(1, exp(x)))", "sigmoid(neg(x))", "x:f32[3]"),
    _stable("sigmoid-quotient", "div(exp(x), add(1, exp(x)))", "sigmoid(x)", "x:f32[3]"),
    _stable(
        "div-by-logistic",
        "div(y, add(1, exp(neg(x))))",
        "mul(y, sigmoid(x))",
        "x:f32[3] y:f32[3]",
    ),
    _stable(
        "div-by-negative-logistic",
        "div(y, add(1, exp(x)))",
        "mul(y, sigmoid(neg(x)))",
        "x:f32[3] y:f32[3]",
    ),
    _stable("one-minus-sigmoid", "sub(1, sigmoid(x))", "sigmoid(neg(x))", "x:f32[3]"),
    _stable(
        "tanh-by-hand",
        "div(sub(exp(x), exp(neg(x))), add(exp(x), exp(neg(x))))",
        "tanh(x)",
        "x:f32[3]",
    ),
    _stable(
        "log-sigmoid",
        "log(sigmoid(x))",
        _log_sigmoid,
        f"x:f32[3]; log(sigmoid(x)) -> {_LOG_SIGMOID}",
    ),
    _stable(
        "log1p-negative-sigmoid",
        "log1p(neg(sigmoid(x)))",
        "log(sigmoid(neg(x)))",
        "x:f32[3]",
    ),
    _stable("softplus", "log1p(exp(x))", _softplus, f"x:f32[3]; log1p(exp(x)) -> {_SOFTPLUS}"),
]

_LOGARITHM_RULES = [
    _stable("log-exp", "log(exp(x))", "x", "x:f32[3]"),
    _stable("log1p-expm1", "log1p(expm1(x))", "x", "x:f32[3]"),
    _stable("log-one-plus", "log(add(1, x))", "log1p(x)", "x:f32[3]"),
    _stable("log-one-minus", "log(sub(1, x))", "log1p(neg(x))", "x:f32[3]"),
    _stable("exp-minus-one", "sub(exp(x), 1)", "expm1(x)", "x:f32[3]"),
    _stable("minus-one-plus-exp", "add(-1, exp(x))", "expm1(x)", "x:f32[3]"),
]

_GUARDED_RULES = [
    _stable(
        "log-guarded-sigmoid",
        "log(maximum(sigmoid(x), c))",
        lambda node, x, c: _log_sigmoid(node, x),
        f"x:f32[3]; log(maximum(sigmoid(x), 1e-38)) -> {_LOG_SIGMOID}",
        guard=_is_guarded,
    ),
    _stable(
        "log-guarded-softmax",
        "log(maximum(div(exp(x), s), c))",
        "sub(x, log(s))",
        "x:f32[2,3] s:f32[2,1]; log(maximum(div(exp(x), s), 1e-38)) -> sub(x, log(s))",
        guard=_is_guarded,
    ),
    _stable(
        "log-guarded-softmax-at",
        "log(maximum(take_along_axis(div(exp(x), s), i, axis=axis), c))",
        lambda node, x, s, i, axis, c: _log_of_softmax_at(node.operands[0], x, s, i, axis),
        "x:f32[2,3] s:f32[2,1] i:i64[2,1];"
        " log(maximum(take_along_axis(div(exp(x), s), i, axis=1), 1e-38))"
        " -> take_along_axis(sub(x, log(s)), i, axis=1)",
        guard=_is_guarded,
    ),
]

STABILIZE_RULES = RuleSet(_SOFTMAX_RULES + _SIGMOID_RULES + _LOGARITHM_RULES + _GUARDED_RULES)
