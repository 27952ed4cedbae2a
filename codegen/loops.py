"""Writing the code of a loop nest.

Owns `emit_loop_nest`, for the kernel shapes map, reduce and row. Imports `ir` and `codegen`.
Invariants: all values of a round are computed before any of them is stored, so an update may be
written over the parameter it reads; the order of every reduction depends on shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from graphc.codegen.coordinates import Buffer
from graphc.codegen.emit import Function
from graphc.codegen.evaluate import Evaluator
from graphc.codegen.loop_nest import LoopNest, Sweep
from graphc.codegen.values import Value, constant, first_lanes, index
from graphc.ir.graph import Node
from graphc.ir.types import int8

RADIX = 16
"""Most rounds that are accumulated one after the other. A longer loop is run in blocks of blocks,
each from an accumulator of its own, so that the rounding error of a sum grows with the logarithm
of its length (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2)."""

Body = Callable[[Sequence[int], "Value | None", Sequence[Value]], list[Value]]
"""body(shifts, mask, carried): write one round for the vectors at these shifts along the lane
axis, of which only the lanes in `mask` count; give back what is carried to the next round."""


def emit_loop_nest(
    function: Function, nest: LoopNest, buffers: Mapping[Node, Buffer], scratch: Value | None
) -> None:
    """Write the loops of `nest` into `function`; `scratch` is the address of its scratch memory."""
    if any(axis.extent == 0 for axis in nest.axes if not axis.reduced):
        return
    _LoopWriter(function, nest, buffers, scratch).write()


class _LoopWriter:
    def __init__(
        self,
        function: Function,
        nest: LoopNest,
        buffers: Mapping[Node, Buffer],
        scratch: Value | None,
    ) -> None:
        self.nest = nest
        self.lanes = nest.schedule.lanes
        lane_axis = None if nest.schedule.lane_axis is None else nest.axes[nest.schedule.lane_axis]
        written = {*nest.stores, *(node for sweep in nest.sweeps for node in sweep.stores)}
        self.stored = {node: buffers[node] for node in written}
        for node, offset in nest.scratch_offsets().items():
            assert scratch is not None
            address = function.offset(scratch, int8, index(offset))
            self.stored[node] = Buffer(address, nest.row_strides(), written=True)
        read = {node: buffer for node, buffer in buffers.items() if node not in written}
        self.evaluator = Evaluator(function, read, lane_axis, self.lanes)
        for axis in nest.axes:
            self.evaluator.set_axis(axis, index(0))

    def write(self) -> None:
        self._loops(self.nest.loops(reduced=False), self._point)

    # Loops

    def _loops(
        self,
        loops: Sequence[tuple[int, int]],
        body: Body,
        carried: Sequence[Value] = (),
        folds: _Folds | None = None,
    ) -> list[Value]:
        """Nested loops around `body`, the last of them in vectors if it is the lane axis. What
        `folds` accumulate is carried round them."""
        if not loops:
            return body([0], None, carried)
        (number, extent), inner = loops[0], loops[1:]
        if number == self.nest.schedule.lane_axis:
            return self._vector_loop(number, extent, body, carried, folds)

        def nested(carried: Sequence[Value]) -> list[Value]:
            return self._loops(inner, body, carried, folds)

        return self._rounds(number, index(0), extent, 1, nested, carried, folds)

    def _vector_loop(
        self,
        number: int,
        extent: int,
        body: Body,
        carried: Sequence[Value],
        folds: _Folds | None,
    ) -> list[Value]:
        """Rounds of several vectors, then of single ones, then the lanes that are left."""
        schedule = self.nest.schedule
        lanes, values, start = schedule.lanes, list(carried), 0
        for count in sorted({schedule.unroll, 1}, reverse=True):
            step = count * lanes
            length = (extent - start) // step * step
            whole = partial(body, [lanes * i for i in range(count)], None)
            if length == step:
                with self._standing_at(number, start):
                    values = whole(values)
            elif length:
                values = self._rounds(number, index(start), length, step, whole, values, folds)
            start += length
        if start < extent:
            with self._standing_at(number, start):
                values = body([0], first_lanes(extent - start, lanes), values)
        return values

    def _rounds(
        self,
        number: int,
        start: Value,
        length: int,
        step: int,
        body: Callable[[Sequence[Value]], list[Value]],
        carried: Sequence[Value],
        folds: _Folds | None,
    ) -> list[Value]:
        """Rounds of `step` along `length` of an axis; in blocks where there is much to fold."""
        axis, function, block = self.nest.axes[number], self.evaluator.function, step
        while folds is not None and length > block * RADIX:
            block *= RADIX
        whole = length // block * block
        with (
            function.loop(index(0), index(whole), block, carried, axis.name) as loop,
            self.evaluator.scope(),
        ):
            here = function.add_index(start, loop.counter)
            if folds is None or block == step:
                self.evaluator.set_axis(axis, here)
                loop.next = body(loop.carried)
            else:
                fresh = folds.identity()
                part = self._rounds(number, here, block, step, body, fresh, folds)
                loop.next = folds.joined(loop.carried, part)
        if whole == length:
            return loop.results
        after = function.add_index(start, index(whole))
        return self._rounds(number, after, length - whole, step, body, loop.results, folds)

    @contextmanager
    def _standing_at(self, number: int, position: int) -> Iterator[None]:
        with self.evaluator.scope():
            self.evaluator.set_axis(self.nest.axes[number], index(position))
            yield

    # One point of the parallel axes

    def _point(
        self, shifts: Sequence[int], mask: Value | None, carried: Sequence[Value]
    ) -> list[Value]:
        for sweep in self.nest.sweeps:
            self._sweep(sweep, shifts, mask)
        self._store(self.nest.stores, shifts, mask)
        return list(carried)

    def _store(self, nodes: Sequence[Node], shifts: Sequence[int], mask: Value | None) -> None:
        places = [(node, self.nest.index(node, shift)) for node in nodes for shift in shifts]
        values = [self.evaluator.value(node, at, mask) for node, at in places]
        for (node, at), value in zip(places, values, strict=True):
            self.evaluator.store(self.stored[node], at, value, mask)

    def _sweep(self, sweep: Sweep, shifts: Sequence[int], mask: Value | None) -> None:
        """One pass over the reduced axes, for the vectors at `shifts` if lanes are parallel."""
        # Where lanes run along a reduced axis, each unrolled vector has an accumulator of its own.
        copies = self.nest.schedule.unroll if self.nest.lanes_reduce else 1
        folds = _Folds(
            [
                _Fold(self.nest, self.evaluator, node, shift, copies)
                for node in sweep.reductions
                for shift in ([0] if self.nest.lanes_reduce else shifts)
            ]
        )
        kept = sweep.stores + sweep.caches

        def body(
            inner: Sequence[int], inner_mask: Value | None, carried: Sequence[Value]
        ) -> list[Value]:
            active = inner_mask if self.nest.lanes_reduce else mask
            after = folds.stepped(carried, inner if self.nest.lanes_reduce else None, active)
            self._store(kept, inner if self.nest.lanes_reduce else shifts, active)
            return after

        carried = folds.identity()
        if not any(axis.extent == 0 for axis in self.nest.axes):
            loops = self.nest.loops(reduced=True)
            carried = self._loops(loops, body, carried, folds if sweep.reductions else None)
        folds.finish(carried)
        for node in kept:
            self.evaluator.buffers[node] = self.stored[node]


class _Folds:
    """All reductions of a sweep; their states are carried round its loops as one list."""

    def __init__(self, folds: Sequence[_Fold]) -> None:
        self.folds = folds

    def identity(self) -> list[Value]:
        return [value for fold in self.folds for value in fold.identity()]

    def stepped(
        self, carried: Sequence[Value], shifts: Sequence[int] | None, mask: Value | None
    ) -> list[Value]:
        states = iter(carried)
        return [value for fold in self.folds for value in fold.step(states, shifts, mask)]

    def joined(self, left: Sequence[Value], right: Sequence[Value]) -> list[Value]:
        lefts, rights = iter(left), iter(right)
        return [value for fold in self.folds for value in fold.joined(lefts, rights)]

    def finish(self, carried: Sequence[Value]) -> None:
        states = iter(carried)
        for fold in self.folds:
            fold.finish(states)


class _Fold:
    """One reduction at one place along a parallel lane axis: its accumulators.

    There are `copies` states, combined at the end; each state is a tuple of vectors.
    """

    def __init__(
        self, nest: LoopNest, evaluator: Evaluator, node: Node, shift: int, copies: int
    ) -> None:
        assert node.op.monoid is not None
        self.nest = nest
        self.evaluator = evaluator
        self.node = node
        self.operand = node.operands[0]
        self.shift = shift
        self.copies = copies
        self.monoid = node.op.monoid
        self.dtypes = self.monoid.state(self.operand.dtype)
        self.lanes = nest.schedule.lanes

    def identity(self) -> list[Value]:
        empty = self.monoid.identity(self.operand.dtype)
        state = [
            constant(number, dtype, self.lanes)
            for number, dtype in zip(empty, self.dtypes, strict=True)
        ]
        return state * self.copies

    def step(
        self, states: Iterator[Value], shifts: Sequence[int] | None, mask: Value | None
    ) -> list[Value]:
        """Take this fold's states and give back those with one more element in each.

        `shifts` are the places of the vectors of this round along reduced lanes; None where lanes
        are parallel, for then inactive lanes are never stored and may hold anything.
        """
        result: list[Value] = []
        for copy in range(self.copies):
            state = self._take(states)
            if shifts is None:
                state = self._with_element(state, self.shift, mask)
            elif copy < len(shifts):
                more = self._with_element(state, shifts[copy], mask)
                state = more if mask is None else self._selected(mask, more, state)
            result += state
        return result

    def joined(self, lefts: Iterator[Value], rights: Iterator[Value]) -> list[Value]:
        """The states of two parts of the axis taken together, copy by copy."""
        return [
            value
            for _ in range(self.copies)
            for value in self.monoid.combine(
                self.evaluator.scalars, self._take(lefts), self._take(rights)
            )
        ]

    def finish(self, states: Iterator[Value]) -> None:
        """Combine the states and bind the result."""
        b = self.evaluator.scalars
        total = self._take(states)
        for _ in range(self.copies - 1):
            total = self.monoid.combine(b, total, self._take(states))
        if self.nest.lanes_reduce:
            total = self._across_lanes(total)
        at = self.nest.index(self.node, self.shift)
        self.evaluator.bind_at(self.node, at, self.monoid.result(b, total))

    def _take(self, states: Iterator[Value]) -> tuple[Value, ...]:
        return tuple(next(states) for _ in self.dtypes)

    def _with_element(
        self, state: tuple[Value, ...], shift: int, mask: Value | None
    ) -> tuple[Value, ...]:
        b, function = self.evaluator.scalars, self.evaluator.function
        value = self.evaluator.value(self.operand, self.nest.index(self.operand, shift), mask)
        position = self.evaluator.index_value(self.nest.position(shift))
        more = self.monoid.combine(b, state, self.monoid.lift(b, value, position))
        return tuple(function.splat(part, self.lanes) for part in more)

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
