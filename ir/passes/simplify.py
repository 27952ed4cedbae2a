"""Simplify: fewer and cheaper nodes of exactly the same value.

Owns the pass and its algebraic rules; rules about layout are in `layout_rules`. Imports
`ir.passes.rules`, `ir.passes.rewriter` and builders. Invariant: every rule keeps every bit of the
value, for NaN, infinities, signed zeros and subnormals too. So x + 0 stays (-0.0 + 0 is 0.0), and
so do x * 0, x - x and 0 - x.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.ir.build import Expression, full, ops
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.fold import FOLD_RULES
from graphc.ir.passes.layout_rules import LAYOUT_RULES
from graphc.ir.passes.rewriter import Observer, rewrite_graph
from graphc.ir.passes.rules import RuleSet, rule
from graphc.ir.passes.terms import splat
from graphc.ir.types import DType


def simplify(graph: Graph, observer: Observer | None = None) -> Graph:
    """Apply the value-preserving rules, folding included, until none applies; equal nodes are
    merged as well."""
    return rewrite_graph(graph, SIMPLIFY_RULES, observer)


def _is_float(node: Node, **bound: Any) -> bool:
    return node.dtype.is_float


def _is_integer(node: Node, **bound: Any) -> bool:
    return node.dtype.is_integer


def _is_number(node: Node, **bound: Any) -> bool:
    return node.dtype.kind != "bool"


def _is_signed(node: Node, **bound: Any) -> bool:
    return node.dtype.kind in ("int", "float")


def _multiply_by_reciprocal(node: Node, x: Node, c: Node) -> Node | None:
    """Exact when the divisor is a power of two whose reciprocal is a normal number."""
    divisor = splat(c)
    if divisor is None or not node.dtype.is_float or abs(math.frexp(divisor)[0]) != 0.5:
        return None
    with np.errstate(all="ignore"):
        reciprocal = 1 / divisor
    if not node.dtype.smallest_normal <= abs(reciprocal) < np.inf:
        return None
    return (Expression(x) * float(reciprocal)).node


def _multiply_by_negated(node: Node, x: Node, c: Node) -> Node | None:
    factor = splat(c)
    if factor is None or not node.dtype.is_float:
        return None
    return (Expression(x) * -float(factor)).node


def _constant_zero(node: Node, x: Node) -> Node:
    return full(0, node.dtype, node.shape)


def _constant_one(node: Node, x: Node) -> Node:
    return full(1, node.dtype, node.shape)


def _cast_once(node: Node, x: Node, inner: DType, outer: DType) -> Node | None:
    if not _is_lossless(x.dtype, inner):
        return None
    return ops.cast(x, dtype=outer)


def _is_lossless(source: DType, target: DType) -> bool:
    """Whether every value of `source` is one of `target`, so that a cast keeps it."""
    if source == target or source.kind == "bool":
        return True
    if target.is_float:
        return source.bits < target.bits if source.is_float else source.bits <= target.digits
    if source.kind == target.kind:
        return source.bits < target.bits
    return source.kind == "uint" and target.kind == "int" and source.bits < target.bits


_ARITHMETIC_RULES = [
    rule("add-negative-zero", "add(x, -0.0)", "x", "x:f32[3]", _is_float),
    rule("add-zero", "add(x, 0)", "x", "x:i32[3]", _is_integer),
    rule("add-negated", "add(x, neg(y))", "sub(x, y)", "x:f32[3] y:f32[3]"),
    rule("sub-zero", "sub(x, 0)", "x", "x:f32[3]"),
    rule("sub-from-negative-zero", "sub(-0.0, x)", "neg(x)", "x:f32[3]", _is_float),
    rule("sub-negated", "sub(x, neg(y))", "add(x, y)", "x:f32[3] y:f32[3]"),
    rule("mul-one", "mul(x, 1)", "x", "x:f32[3]"),
    rule("mul-minus-one", "mul(x, -1)", "neg(x)", "x:f32[3]"),
    rule(
        "mul-zero",
        "mul(x, 0)",
        _constant_zero,
        "x:i32[3]; mul(x, 0) -> broadcast_to(0, shape=(3,))",
        _is_integer,
    ),
    rule("mul-itself", "mul(x, x)", "square(x)", "x:f32[3]", _is_number),
    rule("mul-negated", "mul(neg(x), neg(y))", "mul(x, y)", "x:f32[3] y:f32[3]"),
    rule(
        "mul-negated-constant",
        "mul(neg(x), c)",
        _multiply_by_negated,
        "x:f32[3]; mul(neg(x), 3) -> mul(x, -3)",
    ),
    rule(
        "neg-mul-constant",
        "neg(mul(x, c))",
        _multiply_by_negated,
        "x:f32[3]; neg(mul(x, 3)) -> mul(x, -3)",
    ),
    rule("div-one", "div(x, 1)", "x", "x:f32[3]"),
    rule("div-minus-one", "div(x, -1)", "neg(x)", "x:f32[3]", _is_float),
    rule("div-negated", "div(neg(x), neg(y))", "div(x, y)", "x:f32[3] y:f32[3]", _is_float),
    rule(
        "div-power-of-two",
        "div(x, c)",
        _multiply_by_reciprocal,
        "x:f32[3]; div(x, 8) -> mul(x, 0.125)",
    ),
    rule("neg-neg", "neg(neg(x))", "x", "x:f32[3]"),
    rule(
        "neg-where-constants",
        "neg(where(p, c, d))",
        "where(p, neg(c), neg(d))",
        "p:bool[3]; neg(where(p, 0.5, 0.0)) -> where(p, neg(0.5), neg(0.0))",
        lambda node, p, c, d: splat(c) is not None and splat(d) is not None,
    ),
    rule(
        "pow-zero",
        "pow(x, 0)",
        _constant_one,
        "x:f32[3]; pow(x, 0) -> broadcast_to(1, shape=(3,))",
    ),
    rule("pow-one", "pow(x, 1)", "x", "x:f32[3]"),
    rule("pow-two", "pow(x, 2)", "square(x)", "x:f32[3]"),
    rule("pow-minus-one", "pow(x, -1)", "div(1, x)", "x:f32[3]", _is_float),
    rule("abs-abs", "abs(abs(x))", "abs(x)", "x:f32[3]"),
    rule("abs-neg", "abs(neg(x))", "abs(x)", "x:f32[3]", _is_signed),
    rule("abs-square", "abs(square(x))", "square(x)", "x:f32[3]", _is_float),
    rule("abs-exp", "abs(exp(x))", "exp(x)", "x:f32[3]"),
    rule("square-neg", "square(neg(x))", "square(x)", "x:f32[3]"),
    rule("square-abs", "square(abs(x))", "square(x)", "x:f32[3]"),
    rule("sign-sign", "sign(sign(x))", "sign(x)", "x:f32[3]"),
    rule("floor-floor", "floor(floor(x))", "floor(x)", "x:f32[3]"),
    rule("maximum-itself", "maximum(x, x)", "x", "x:f32[3]"),
    rule("minimum-itself", "minimum(x, x)", "x", "x:f32[3]"),
]

_LOGICAL_RULES = [
    rule("not-not", "logical_not(logical_not(p))", "p", "p:bool[3]"),
    rule("not-eq", "logical_not(eq(x, y))", "ne(x, y)", "x:f32[3] y:f32[3]"),
    rule("not-ne", "logical_not(ne(x, y))", "eq(x, y)", "x:f32[3] y:f32[3]"),
    rule("and-itself", "logical_and(p, p)", "p", "p:bool[3]"),
    rule("and-true", "logical_and(p, True)", "p", "p:bool[3]"),
    rule("or-itself", "logical_or(p, p)", "p", "p:bool[3]"),
    rule("or-false", "logical_or(p, False)", "p", "p:bool[3]"),
    rule("xor-false", "logical_xor(p, False)", "p", "p:bool[3]"),
    rule("xor-true", "logical_xor(p, True)", "logical_not(p)", "p:bool[3]"),
    rule("where-true", "where(True, x, y)", "x", "x:f32[3] y:f32[3]"),
    rule("where-false", "where(False, x, y)", "y", "x:f32[3] y:f32[3]"),
    rule("where-itself", "where(p, x, x)", "x", "p:bool[3] x:f32[3]"),
    rule(
        "where-not",
        "where(logical_not(p), x, y)",
        "where(p, y, x)",
        "p:bool[3] x:f32[3] y:f32[3]",
    ),
    rule(
        "cast-cast",
        "cast(cast(x, dtype=inner), dtype=outer)",
        _cast_once,
        "x:i16[3]; cast(cast(x, dtype=i32), dtype=f64) -> cast(x, dtype=f64)",
    ),
    rule(
        "cast-nothing",
        "cast(x, dtype=d)",
        lambda node, x, d: x if x.dtype == d else None,
        "x:f32[3]; cast(x, dtype=f32) -> x",
    ),
]

SIMPLIFY_RULES = RuleSet(_ARITHMETIC_RULES + _LOGICAL_RULES) + LAYOUT_RULES + FOLD_RULES
