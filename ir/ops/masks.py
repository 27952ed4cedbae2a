"""Adjoints and tangents that are zero where a branch was not taken.

Owns `inside_mask`, `added` and `summed_to`. Imports the algebra. Invariant: a zero stays a select,
`where(condition, value, 0)`, with the select outermost; what a rule does to it is done to `value`,
so that an infinite derivative in the branch not taken never meets the zero, which would make NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce

from graphc.ir.graph import Node
from graphc.ir.ops.algebra import broadcast, ops, reshape, scalar, sum_to
from graphc.ir.types import Shape

MOST_TERMS = 16
"""Of a sum or a condition so many terms are looked at; a bound keeps differentiation linear."""


@dataclass(frozen=True)
class Masked:
    """`value` where the condition is `taken`, zero elsewhere; the two broadcast together."""

    condition: Node
    value: Node
    taken: bool = True

    def over(self, value: Node) -> Node:
        """`value` in the place of the masked one."""
        inner = _outermost(value)
        if inner is None:
            return self._select(value)
        if inner.condition is self.condition and inner.taken == self.taken:
            return value
        return Masked(ops.logical_and(self.holds, inner.holds), inner.value)._select(inner.value)

    @property
    def holds(self) -> Node:
        return self.condition if self.taken else ops.logical_not(self.condition)

    def _select(self, value: Node) -> Node:
        zero = scalar(0, value.dtype)
        pair = (value, zero) if self.taken else (zero, value)
        return ops.where(self.condition, *pair)


def inside_mask(g: Node, rule: Callable[[Node], Node | None]) -> Node | None:
    """`rule(g)` for a rule linear in `g` that acts on each element alone, the mask outermost."""
    masked = mask_of(g)
    if masked is None:
        return rule(g)
    result = rule(masked.value)
    return None if result is None else masked.over(result)


def mask_of(g: Node) -> Masked | None:
    """The mask of an adjoint or tangent, or None if it has none.

    It is looked for behind ops that move elements or change their dtype, which are then done to
    the condition and to the value, and in every term of a sum. A last broadcast is left out: the
    value may have a smaller shape than `g`.
    """
    moved, moves = _behind_moves(g)
    found = _of_sum(moved) if moved.op is ops.add else _outermost(moved)
    return None if found is None else _moved(found, moved.shape, moves)


def _behind_moves(g: Node) -> tuple[Node, list[Node]]:
    """What `g` is made from by moves alone, and those, the last first."""
    moves: list[Node] = []
    while _only_moves(g):
        moves.append(g)
        g = g.operands[0]
    return g, moves


def added(x: Node, y: Node) -> Node:
    """x + y; terms under one condition are added inside it, those of both branches selected."""
    mine, other = _outermost(x), _outermost(y)
    if mine is None or other is None or mine.condition is not other.condition:
        return ops.add(x, y)
    if mine.taken == other.taken:
        return mine.over(ops.add(mine.value, other.value))
    pair = (mine.value, other.value) if mine.taken else (other.value, mine.value)
    return ops.where(mine.condition, *pair)


def summed_to(node: Node, shape: Shape) -> Node:
    """`sum_to`, inside those conditions that are the same for all that is added up."""
    masked = None if node.shape == shape else mask_of(node)
    if masked is None:
        return sum_to(node, shape)
    conditions = _all_of(masked.holds)
    constant = [_constant_along(condition, node.shape, shape) for condition in conditions]
    kept = [condition for condition in constant if condition is not None]
    if not kept:
        return sum_to(node, shape)
    inner = broadcast(masked.value, node.shape) if len(kept) == len(constant) else node
    both = reduce(ops.logical_and, kept)
    return Masked(both, inner).over(sum_to(inner, shape))


def _all_of(condition: Node) -> list[Node]:
    """The conditions that must all hold for this one to."""
    pending = [condition]
    found: list[Node] = []
    while pending:
        each = pending.pop()
        if each.op is ops.logical_and and len(pending) + len(found) < MOST_TERMS:
            pending += each.operands
        else:
            found.append(each)
    return found


def _outermost(g: Node) -> Masked | None:
    """The mask that `g` is made with, those of its value joined to it."""
    found = _layer(g)
    while found is not None and (inner := _layer(found.value)) is not None:
        found = Masked(ops.logical_and(found.holds, inner.holds), inner.value)
    return found


def _layer(g: Node) -> Masked | None:
    if g.op is not ops.where:
        return None
    condition, x, y = g.operands
    if _is_zero(y):
        return Masked(condition, x)
    return Masked(condition, y, taken=False) if _is_zero(x) else None


def _of_sum(g: Node) -> Masked | None:
    """The mask of a sum whose terms all have one."""
    pending = [g]
    conditions: list[Node] = []
    while pending:
        if len(pending) + len(conditions) > MOST_TERMS:
            return None
        node = pending.pop()
        if node.op is ops.add:
            pending += node.operands
            continue
        moved, moves = _behind_moves(node)
        term = _outermost(moved)
        if term is None:
            return None
        conditions.append(_moved(term, moved.shape, moves).holds)
    return Masked(reduce(ops.logical_or, conditions), g)


def _only_moves(node: Node) -> bool:
    """Whether each element is one of the operand's, in another place or dtype, or zero."""
    if node.op is ops.pad:
        return not vars(node.attrs)["value"]
    movers = (ops.reshape, ops.broadcast_to, ops.transpose, ops.slice, ops.cast)
    return any(node.op is mover for mover in movers)


def _moved(masked: Masked, shape: Shape, moves: Sequence[Node]) -> Masked:
    """`masked`, of this shape, after `moves`, the last of them first."""
    if any(move.op is ops.pad for move in moves):
        # What is padded is not taken, which only a condition that holds where it is can say.
        masked = Masked(masked.holds, masked.value)
    condition, value = masked.condition, masked.value
    for move in reversed(moves):
        if move.op is ops.cast:
            value = move.op.build((value,), move.attrs)
        elif move.op is not ops.broadcast_to:
            condition = move.op.build((broadcast(condition, shape),), move.attrs)
            value = move.op.build((broadcast(value, shape),), move.attrs)
        shape = move.shape
    return Masked(condition, value, masked.taken)


def _is_zero(node: Node) -> bool:
    while node.op is ops.broadcast_to:
        (node,) = node.operands
    if node.op.value is None or node.shape:
        return False
    return bool(node.op.value(node.attrs) == 0)


def _constant_along(condition: Node, shape: Shape, target: Shape) -> Node | None:
    """The condition on elements of `target`, if it does not vary along what `sum_to` adds up."""
    while condition.op is ops.broadcast_to:
        (condition,) = condition.operands
    lead = len(shape) - len(target)
    first = len(shape) - len(condition.shape)
    for axis, size in enumerate(condition.shape, first):
        is_summed = axis < lead or target[axis - lead] != shape[axis]
        if is_summed and size != 1:
            return None
    return reshape(condition, condition.shape[max(lead - first, 0) :])
