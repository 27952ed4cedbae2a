"""Terms: the tiny language in which rewrite rules and their examples are written.

Owns `Term`, its parser, its matcher and its builder. Imports `ir.graph`, `ir.ops` and NumPy.
Invariant: a term only names ops and families that exist, and matching never looks inside an
opaque node.

    mul(x, 1)                an op, a variable, a constant all of whose elements are 1
    sum(exp(x), axes=a)      `a` takes the value of the attribute
    layout(..., constant)    at the root: a family, on any operands, a constant among them
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import copysign
from typing import Any

import numpy as np

from graphc.ir.build import constant
from graphc.ir.diagnostics import ParseError
from graphc.ir.graph import Node
from graphc.ir.op import Array, Family
from graphc.ir.ops import OPS, layout, source
from graphc.ir.types import DType, bool_

Bindings = Mapping[str, Any]
"""What the names of a term stand for: nodes, or values of attributes."""


@dataclass(frozen=True)
class Variable:
    """Any node; the same node wherever the name occurs again."""

    name: str


@dataclass(frozen=True)
class Literal:
    """A constant all of whose elements are this number, signed zeros told apart. Where a node is
    built also a constant array (a list); as an attribute any value that Python can spell."""

    value: Any


@dataclass(frozen=True)
class Application:
    """An op, or at the root any op of a family, on operands.

    None as operands stands for any, among which must be one made by each of the ops `among`.
    `attrs` pairs an attribute's name with the name it binds or the value it must have; attributes
    that are not mentioned may have any value.
    """

    op: str
    operands: tuple[Term, ...] | None
    attrs: tuple[tuple[str, Variable | Literal], ...] = ()
    among: tuple[str, ...] = ()


Term = Variable | Literal | Application


@cache
def parse_term(text: str) -> Term:
    """The term that `text` spells.

    Raises `ParseError` for anything but calls of known ops, names and numbers.

    >>> parse_term("x")
    Variable(name='x')
    """
    try:
        return _term(ast.parse(text.strip(), mode="eval").body)
    except SyntaxError as error:
        raise ParseError(f"{text!r} is no term: {error.msg}") from None


def matches(
    pattern: Term,
    node: Node,
    opaque: Collection[Node] = (),
    bound: Bindings | None = None,
) -> Iterator[dict[str, Any]]:
    """Every way in which `pattern` fits `node`, as what its names then stand for.

    The operands of a commutative op are tried both ways round. `opaque` nodes only fit variables,
    except as the root.
    """
    bindings = dict(bound or {})
    if isinstance(pattern, Variable):
        if bindings.setdefault(pattern.name, node) is node:
            yield bindings
    elif isinstance(pattern, Literal):
        if _is_literal(node, pattern.value):
            yield bindings
    elif _fits_head(pattern, node, bindings):
        yield from _match_operands(pattern, node, opaque, bindings)


def needed_operands(pattern: Application) -> list[frozenset[str]]:
    """Sets of ops, of each of which one must make an operand of whatever matches."""
    needed = [frozenset((op,)) for op in pattern.among]
    for part in pattern.operands or ():
        if isinstance(part, Literal):
            needed.append(frozenset(("constant", "broadcast_to")))
        elif isinstance(part, Application):
            needed.append(frozenset((part.op,)))
    return needed


def build(term: Term, bindings: Bindings, dtype: DType) -> Node:
    """The node that `term` describes. A number takes the dtype of the operands beside it,
    or `dtype` where there are none."""
    if isinstance(term, Variable):
        node = bindings[term.name]
        assert isinstance(node, Node)
        return node
    if isinstance(term, Literal):
        if isinstance(term.value, bool):
            dtype = bool_
        return constant(np.asarray(term.value, dtype.numpy))
    built = [
        None if isinstance(operand, Literal) else build(operand, bindings, dtype)
        for operand in term.operands or ()
    ]
    beside = next((node.dtype for node in built if node and node.dtype is not bool_), dtype)
    operands = [
        node or build(operand, bindings, beside)
        for node, operand in zip(built, term.operands or (), strict=True)
    ]
    attrs = {
        key: bindings[value.name] if isinstance(value, Variable) else value.value
        for key, value in term.attrs
    }
    return OPS[term.op](*operands, **attrs)


def splat(node: Node) -> Any:
    """The number that every element of a constant is, as a NumPy scalar; None for other nodes."""
    while node.op is layout.broadcast_to:
        node = node.operands[0]
    array = constant_array(node)
    return array.reshape(-1)[0] if array is not None and array.size == 1 else None


def constant_array(node: Node) -> Array | None:
    """The array that a constant holds; None for other nodes."""
    if node.op is not source.constant:
        return None
    array: Array = node.attrs.value.array  # type: ignore[attr-defined]
    return array


def _term(tree: ast.expr) -> Term:
    if isinstance(tree, ast.Name):
        return Variable(tree.id)
    if not isinstance(tree, ast.Call):
        return Literal(_literal(tree))
    head = tree.func.id if isinstance(tree.func, ast.Name) else ""
    if head not in OPS and head not in {family.value for family in Family}:
        raise ParseError(f"{ast.unparse(tree.func)!r} is no op")
    attrs = tuple(
        (
            keyword.arg or "",
            Variable(keyword.value.id)
            if isinstance(keyword.value, ast.Name)
            else Literal(ast.literal_eval(keyword.value)),
        )
        for keyword in tree.keywords
    )
    if tree.args and isinstance(tree.args[0], ast.Constant) and tree.args[0].value is ...:
        return Application(head, None, attrs, tuple(map(ast.unparse, tree.args[1:])))
    return Application(head, tuple(_term(argument) for argument in tree.args), attrs)


def _literal(tree: ast.expr) -> Any:
    try:
        value = ast.literal_eval(tree)
    except ValueError:
        value = None
    if not isinstance(value, float | int | list):
        raise ParseError(f"expected an op, a name or a number, got {ast.unparse(tree)!r}")
    return value


def _is_literal(node: Node, expected: float | int | bool) -> bool:
    value = splat(node)
    if value is None or (node.dtype is bool_) != isinstance(expected, bool):
        return False
    if node.dtype.is_float:
        return bool(value == expected and np.signbit(value) == (copysign(1, expected) < 0))
    return bool(value == expected)


def _fits_head(pattern: Application, node: Node, bindings: dict[str, Any]) -> bool:
    """Whether op and attributes fit; binds the attributes."""
    if pattern.op not in (node.op.name, node.op.family.value):
        return False
    for key, expected in pattern.attrs:
        value = getattr(node.attrs, key)
        if isinstance(expected, Variable):
            expected_value = bindings.setdefault(expected.name, value)
        else:
            expected_value = expected.value
        if value != expected_value:
            return False
    return True


def _match_operands(
    pattern: Application, node: Node, opaque: Collection[Node], bindings: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    if pattern.operands is None:
        if {operand.op.name for operand in node.operands}.issuperset(pattern.among):
            yield bindings
        return
    if len(pattern.operands) != len(node.operands):
        return
    orders = [node.operands]
    if node.op.commutative and len(set(node.operands)) == 2:
        orders.append(node.operands[::-1])
    for operands in orders:
        if any(
            isinstance(part, Application) and (part.op != operand.op.name or operand in opaque)
            for part, operand in zip(pattern.operands, operands, strict=True)
        ):
            continue
        found = [bindings]
        for part, operand in zip(pattern.operands, operands, strict=True):
            found = [new for old in found for new in matches(part, operand, opaque, old)]
        yield from found
