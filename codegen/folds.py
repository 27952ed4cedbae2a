"""Reductions while they are accumulated.

Owns `Fold`, the accumulators of one reduction, and `Folds`, those of a sweep. Imports `ir` and the
evaluator. Invariant: what is carried round the loops of a sweep is one list of vectors, always in
the same order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from graphc.codegen.evaluate import Evaluator
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.values import Value, constant
from graphc.ir.graph import Node


class Folds:
    """All reductions of a sweep; their states are carried round its loops as one list."""

    def __init__(self, folds: Sequence[Fold], lanes: int) -> None:
        self.folds = folds
        self.lanes = lanes

    def identity(self) -> list[Value]:
        return [value for fold in self.folds for value in fold.identity()]

    def stepped(self, carried: Sequence[Value], mask: Value | None) -> list[Value]:
        states = iter(carried)
        return [value for fold in self.folds for value in fold.step(states, mask)]

    def joined(self, left: Sequence[Value], right: Sequence[Value]) -> list[Value]:
        lefts, rights = iter(left), iter(right)
        return [value for fold in self.folds for value in fold.joined(lefts, rights)]

    def finish(self, carried: Sequence[Value]) -> None:
        states = iter(carried)
        for fold in self.folds:
            fold.finish(states)


class Fold:
    """One reduction: its state is a tuple of vectors of `lanes` accumulators."""

    def __init__(self, nest: LoopNest, evaluator: Evaluator, node: Node, lanes: int) -> None:
        assert node.op.monoid is not None
        self.nest = nest
        self.evaluator = evaluator
        self.node = node
        self.operand = node.operands[0]
        self.monoid = node.op.monoid
        self.dtypes = self.monoid.state(self.operand.dtype)
        self.lanes = lanes

    def identity(self) -> list[Value]:
        empty = self.monoid.identity(self.operand.dtype)
        return [
            constant(number, dtype, self.lanes)
            for number, dtype in zip(empty, self.dtypes, strict=True)
        ]

    def step(self, states: Iterator[Value], mask: Value | None) -> list[Value]:
        """Take this fold's state and give it back with one more element in each lane.

        The last vector along reduced lanes may have fewer: only the first accumulators take one.
        Where lanes are parallel, inactive ones are never stored and may hold anything.
        """
        whole = self._take(states)
        if not self.nest.lanes_reduce:
            return list(self._with_element(whole, mask))
        function, lanes = self.evaluator.function, self.evaluator.lanes
        state = tuple(function.first_part(value, lanes) for value in whole)
        more = self._with_element(state, mask)
        if mask is not None:
            more = self._selected(mask, more, state)
        return [function.with_first_part(*parts) for parts in zip(whole, more, strict=True)]

    def joined(self, lefts: Iterator[Value], rights: Iterator[Value]) -> list[Value]:
        """The states of two parts of the axis taken together, lane by lane."""
        b = self.evaluator.scalars
        return list(self.monoid.combine(b, self._take(lefts), self._take(rights)))

    def finish(self, states: Iterator[Value]) -> None:
        """Combine the lanes, if they are reduced, and bind the result."""
        b = self.evaluator.scalars
        total = self._take(states)
        if self.nest.lanes_reduce:
            total = self._across_lanes(total)
        at = self.nest.index(self.node)
        self.evaluator.bind_at(self.node, at, self.monoid.result(b, total))

    def _take(self, states: Iterator[Value]) -> tuple[Value, ...]:
        return tuple(next(states) for _ in self.dtypes)

    def _with_element(self, state: tuple[Value, ...], mask: Value | None) -> tuple[Value, ...]:
        b, function = self.evaluator.scalars, self.evaluator.function
        value = self.evaluator.value(self.operand, self.nest.index(self.operand), mask)
        position = self.evaluator.index_value(self.nest.position())
        more = self.monoid.combine(b, state, self.monoid.lift(b, value, position))
        return tuple(function.splat(part, state[0].lanes) for part in more)

    def _selected(
        self, mask: Value, more: tuple[Value, ...], state: tuple[Value, ...]
    ) -> tuple[Value, ...]:
        select = self.evaluator.scalars.select
        return tuple(select(mask, new, old) for new, old in zip(more, state, strict=True))

    def _across_lanes(self, state: tuple[Value, ...]) -> tuple[Value, ...]:
        """Combine the halves of the vectors until one lane is left."""
        function, lanes = self.evaluator.function, self.lanes
        while lanes > 1:
            lanes //= 2
            low, high = range(lanes), range(lanes, 2 * lanes)
            state = self.monoid.combine(
                self.evaluator.scalars,
                tuple(function.shuffle(part, part, low) for part in state),
                tuple(function.shuffle(part, part, high) for part in state),
            )
        return state
