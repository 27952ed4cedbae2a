"""Rewrite rules: named data, each with an example.

Owns `Rule`, `Example` and `RuleSet`. Imports `ir.passes.terms`, `ir.graph` and `ir.location`.
Invariant: a rule never changes the type of what it replaces, and unless it is tagged
`value_changing` it keeps every bit of the value, those of NaN's payload excepted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from graphc.ir.build import broadcast
from graphc.ir.diagnostics import ParseError
from graphc.ir.graph import Node
from graphc.ir.location import Location, provenance
from graphc.ir.op import Op
from graphc.ir.ops.source import input
from graphc.ir.passes.terms import (
    Application,
    Term,
    build,
    matches,
    needed_operands,
    parse_term,
)
from graphc.ir.types import DTYPES_BY_NAME, TensorType, bool_, float32

Result = Callable[..., Node | None]
"""result(node, **bindings): what replaces `node`, or None if the rule does not apply after all."""

Guard = Callable[..., bool]
"""guard(node, **bindings): whether the rule applies."""


@dataclass(frozen=True)
class Example:
    """Terms before and after a rule, written `x:f32[3]; y = neg(x); neg(y) -> x`.

    First operands are declared (several: `x:f32[2,3] i:i32[]`), then other names defined, if need
    be. The dtypes may be used as values of attributes.
    """

    text: str

    def inputs(self) -> dict[str, Node]:
        """An input node for every declared operand."""
        declared = {}
        for declaration in self._sections()[0].split():
            name, _, type_ = declaration.partition(":")
            dtype, _, sizes = type_.rstrip("]").partition("[")
            shape = tuple(int(size) for size in sizes.split(",") if size)
            declared[name] = input(type=TensorType(DTYPES_BY_NAME[dtype], shape), name=name)
        return declared

    def nodes(self, inputs: dict[str, Node]) -> tuple[Node, Node]:
        """What stands before and after the rule, built on `inputs`."""
        _, *definitions, terms = self._sections()
        names = {**DTYPES_BY_NAME, **inputs}
        dtype = next((x.dtype for x in inputs.values() if x.dtype is not bool_), float32)
        for definition in definitions:
            name, _, text = definition.partition(" = ")
            names[name] = build(parse_term(text), names, dtype)
        before, after = terms.split(" -> ")
        return build(parse_term(before), names, dtype), build(parse_term(after), names, dtype)

    def _sections(self) -> list[str]:
        sections = self.text.split("; ")
        if len(sections) < 2 or sections[-1].count(" -> ") != 1:
            raise ParseError(f"{self.text!r} is no example such as 'x:f32[3]; neg(neg(x)) -> x'")
        return sections


@dataclass(frozen=True, eq=False)
class Rule:
    """`pattern` becomes `result`, where `guard` admits it.

    `result` is a term over the pattern's names, or a function of the node and what the names
    stand for. `loc` is where the rule is written. A rule tagged `value_changing` may change the
    value where the original overflows, cancels or is rounded more often.
    """

    name: str
    pattern: str
    result: str | Result
    example: Example
    guard: Guard | None = None
    value_changing: bool = False
    loc: Location | None = None

    @cached_property
    def term(self) -> Application:
        """The pattern, parsed."""
        term = parse_term(self.pattern)
        if not isinstance(term, Application):
            raise ParseError(f"the pattern of rule {self.name} must begin with an op")
        return term

    @cached_property
    def _result_term(self) -> Term | None:
        return parse_term(self.result) if isinstance(self.result, str) else None

    def apply(self, node: Node, opaque: Collection[Node] = ()) -> Node | None:
        """What replaces `node`, a node of the same type, or None where the rule does not apply.

        New nodes take the location and origin of `node`. The rule does not look inside `opaque`.
        """
        for bound in matches(self.term, node, opaque):
            if self.guard is not None and not self.guard(node, **bound):
                continue
            with provenance(node.loc, node.origin):
                if self._result_term is not None:
                    result: Node | None = build(self._result_term, bound, node.dtype)
                else:
                    assert not isinstance(self.result, str)
                    result = self.result(node, **bound)
                fitted = _fit(result, node)
            if fitted is not None:
                return fitted
        return None


def rule(
    name: str,
    pattern: str,
    result: str | Result,
    example: str,
    guard: Guard | None = None,
    *,
    value_changing: bool = False,
) -> Rule:
    """A rule located at the caller's line.

    `example` is written `x:f32[3]; mul(1, x) -> x`. Where its terms are the pattern and the result
    as they stand, the operands suffice: `x:f32[3]`.
    """
    frame = sys._getframe(1)
    loc = Location(frame.f_code.co_filename, frame.f_lineno)
    text = example if ";" in example else f"{example}; {pattern} -> {result}"
    return Rule(name, pattern, result, Example(text), guard, value_changing, loc)


class RuleSet:
    """Rules, looked up by what a node and its operands are, tried in their order."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(rules)
        self._by_op: dict[Op, list[tuple[Rule, list[frozenset[str]]]]] = {}

    def __add__(self, other: RuleSet) -> RuleSet:
        return RuleSet(self.rules + other.rules)

    def candidates(self, node: Node) -> Iterator[Rule]:
        """The rules that may apply, judged by the node's op and those of its operands."""
        rules = self._by_op.get(node.op)
        if rules is None:
            names = (node.op.name, node.op.family.value)
            rules = self._by_op[node.op] = [
                (rule, needed_operands(rule.term)) for rule in self.rules if rule.term.op in names
            ]
        present = {operand.op.name for operand in node.operands}
        for rule, needs in rules:
            for makers in needs:
                if present.isdisjoint(makers):
                    break
            else:
                yield rule


def _fit(result: Node | None, node: Node) -> Node | None:
    """`result` broadcast to the type of `node`, or None where that is impossible."""
    if result is None or result.dtype != node.dtype or result is node:
        return None
    try:
        fits = np.broadcast_shapes(result.shape, node.shape) == node.shape
    except ValueError:
        fits = False
    return broadcast(result, node.shape) if fits else None
