"""Writing the code of a loop nest.

Owns `emit_loop_nest`, for the kernel shapes map, reduce and row; `blocks` has those whose tasks
share a reduced axis. Imports `ir` and `codegen`.
Invariants: all values of a round are computed before any of them is stored, so an update may be
written over the parameter it reads; the order of every reduction depends on shapes alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from graphc.codegen.coordinates import Buffer, Index
from graphc.codegen.emit import Function
from graphc.codegen.evaluate import Evaluator
from graphc.codegen.folds import Fold, Folds
from graphc.codegen.frames import FrameEvaluator
from graphc.codegen.loop_nest import LoopNest, Sweep
from graphc.codegen.sharing import Share
from graphc.codegen.values import Value, first_lanes, index
from graphc.ir.graph import Node
from graphc.ir.types import int8

RADIX = 16
"""Most rounds that are accumulated one after the other. A longer loop is run in blocks of blocks,
each from an accumulator of its own, so that the rounding error of a sum grows with the logarithm
of its length (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2)."""

LEAST_REST = 8
"""Lanes of the last vector along an axis, at least, if the others have as many: so that vector
math for fewer is not written, too."""

Body = Callable[["Value | None", Sequence[Value]], list[Value]]
"""body(mask, carried): write one round for a vector of which only the lanes in `mask` count; give
back what is carried to the next round."""


@dataclass(frozen=True)
class Task:
    """A task's part of the loop over the axis with a number."""

    loop: int
    share: Share


@dataclass(frozen=True)
class Stretch:
    """A part, as long as `extent`, of the loop over the axis with a number."""

    loop: int
    start: Value
    extent: int


def emit_loop_nest(
    function: Function,
    nest: LoopNest,
    buffers: Mapping[Node, Buffer],
    scratch: Value | None,
    task: Task | None = None,
) -> None:
    """Write the loops of `nest` into `function`, all or those of one task; `scratch` is the address
    of its scratch memory."""
    if any(axis.extent == 0 for axis in nest.axes if not axis.reduced):
        return
    if task is not None and scratch is not None:
        distance = function.scale_index(task.share.number, nest.scratch_bytes)
        scratch = function.offset(scratch, int8, distance)
    LoopWriter(function, nest, buffers, scratch, task).write()


class _Row:
    """One of the rows that are written side by side: where its values lie, and the evaluator that
    stands on it."""

    def __init__(
        self,
        function: Function,
        nest: LoopNest,
        buffers: Mapping[Node, Buffer],
        scratch: Value | None,
        number: int,
    ) -> None:
        self.number = number
        lane_axis = None if nest.schedule.lane_axis is None else nest.axes[nest.schedule.lane_axis]
        written = {*nest.stores, *(node for sweep in nest.sweeps for node in sweep.stores)}
        self.stored = {node: buffers[node] for node in written}
        for node, offset in nest.scratch_offsets().items():
            assert scratch is not None
            place = index(number * nest.row_bytes + offset)
            address = function.offset(scratch, int8, place)
            self.stored[node] = Buffer(address, nest.row_strides(), written=True)
        read = {node: buffer for node, buffer in buffers.items() if node not in written}
        lanes = nest.schedule.lanes
        self.evaluator = (
            FrameEvaluator(function, read, lane_axis, lanes, nest.segments)
            if nest.segments
            else Evaluator(function, read, lane_axis, lanes)
        )


class LoopWriter:
    """Writes the loops of one nest. Of the loops that `task` and `stretch` name, only a part."""

    def __init__(
        self,
        function: Function,
        nest: LoopNest,
        buffers: Mapping[Node, Buffer],
        scratch: Value | None,
        task: Task | None = None,
    ) -> None:
        self.nest = nest
        self.function = function
        self.task = task
        self.stretch: Stretch | None = None
        self.lanes = nest.schedule.lanes
        numbers = range(nest.schedule.rows)
        self.rows = [_Row(function, nest, buffers, scratch, number) for number in numbers]
        for number in range(len(nest.axes)):
            self._stand(number, index(0))

    def write(self) -> None:
        self._loops(self.nest.loops(reduced=False), self._point)

    # Loops

    def _loops(
        self,
        loops: Sequence[tuple[int, int]],
        body: Body,
        carried: Sequence[Value] = (),
        folds: Folds | None = None,
    ) -> list[Value]:
        """Nested loops around `body`, the last of them in vectors if it is the lane axis. What
        `folds` accumulate is carried round them."""
        if not loops:
            return body(None, carried)
        (number, extent), inner = loops[0], loops[1:]
        origin, task, stretch = index(0), self.task, self.stretch
        if stretch is not None and stretch.loop == number:
            origin, extent = stretch.start, stretch.extent
        if number == self.nest.schedule.lane_axis:
            if task is not None and task.loop == number:
                self._shared_vectors(task, extent, body)
                return []
            return self._vector_loop(number, origin, 0, extent, body, carried, folds)

        def nested(carried: Sequence[Value]) -> list[Value]:
            return self._loops(inner, body, carried, folds)

        if number == self.nest.row_loop:
            self._rows_loop(number, extent, nested)
            return []
        if task is not None and task.loop == number:
            self._shared_rounds(task, extent, 1, nested)
            return []
        return self._rounds(number, origin, extent, 1, nested, carried, folds)

    def _rows_loop(
        self, number: int, extent: int, body: Callable[[Sequence[Value]], list[Value]]
    ) -> None:
        """Rounds of several rows side by side, then the rows that are left, one by one."""
        count, task = len(self.rows), self.task
        whole = extent // count * count
        is_shared = task is not None and task.loop == number
        if task is not None and is_shared:
            self._shared_rounds(task, extent // count, count, body)
        else:
            self._rounds(number, index(0), whole, count, body, (), None)
        if whole == extent:
            return
        self.rows, together = self.rows[:1], self.rows
        with self._if_last(task if is_shared else None):
            self._rounds(number, index(whole), extent - whole, 1, body, (), None)
        self.rows = together

    @contextmanager
    def _if_last(self, task: Task | None) -> Iterator[None]:
        """Code for the last task alone, if there are several."""
        if task is None:
            yield
            return
        with self.function.when(task.share.is_last(self.function), "last"), self._scope():
            yield

    def _vector_loop(
        self,
        number: int,
        origin: Value,
        start: int,
        extent: int,
        body: Body,
        carried: Sequence[Value],
        folds: Folds | None,
    ) -> list[Value]:
        """Rounds of a vector each, then one for the elements that are left: from `start` to
        `extent`, both counted from `origin`."""
        lanes, function, values = self.lanes, self.function, list(carried)
        length = (extent - start) // lanes * lanes
        first = function.add_index(origin, index(start))
        rest = extent - start - length
        if rest and length and self.nest.schedule.masked:
            masked = partial(self._masked, number, function.add_index(origin, index(extent)), body)
            return self._rounds(number, first, length + lanes, lanes, masked, values, folds)
        if length == lanes:
            with self._standing_at(number, first):
                values = body(None, values)
        elif length:
            values = self._rounds(number, first, length, lanes, partial(body, None), values, folds)
        if rest:
            # Functions are written for whole vectors.
            while not self.nest.schedule.calls and lanes > LEAST_REST and lanes // 2 >= rest:
                lanes //= 2
            here = function.add_index(first, index(length))
            with self._standing_at(number, here), self._vectors_of(lanes):
                values = body(None if rest == lanes else first_lanes(rest, lanes), values)
        return values

    def _masked(
        self, number: int, stop: Value, body: Body, carried: Sequence[Value]
    ) -> list[Value]:
        """A round of a vector here, of which only the lanes before `stop` count."""
        here = self.rows[0].evaluator.index_value(Index(((self.nest.axes[number], 1),)))
        active = self.function.compare("icmp slt", here, self.function.splat(stop, self.lanes))
        return body(active, carried)

    def _shared_vectors(self, task: Task, extent: int, body: Body) -> None:
        """This task's rounds of a vector each; what is left is the last task's."""
        step = self.lanes
        self._shared_rounds(task, extent // step, step, partial(body, None))
        if extent % step:
            with self._if_last(task):
                start = extent // step * step
                self._vector_loop(task.loop, index(0), start, extent, body, (), None)

    def _shared_rounds(
        self, task: Task, rounds: int, step: int, body: Callable[[Sequence[Value]], list[Value]]
    ) -> None:
        """This task's part of a parallel loop of so many rounds."""
        axis, function = self.nest.axes[task.loop], self.function
        start, stop = (
            function.scale_index(bound, step) for bound in task.share.bounds(function, rounds)
        )
        with (
            function.loop(start, stop, step, (), axis.name, always_runs=True) as loop,
            self._scope(),
        ):
            self._stand(task.loop, loop.counter)
            body([])

    def _rounds(
        self,
        number: int,
        start: Value,
        length: int,
        step: int,
        body: Callable[[Sequence[Value]], list[Value]],
        carried: Sequence[Value],
        folds: Folds | None,
    ) -> list[Value]:
        """Rounds of `step` along `length` of an axis; in blocks where there is much to fold."""
        axis, function, block = self.nest.axes[number], self.function, step
        while folds is not None and length > block * RADIX:
            block *= RADIX
        whole = length // block * block
        with (
            function.loop(index(0), index(whole), block, carried, axis.name) as loop,
            self._scope(),
        ):
            here = function.add_index(start, loop.counter)
            if folds is None or block == step:
                self._stand(number, here)
                loop.next = body(loop.carried)
            else:
                fresh = folds.identity()
                part = self._rounds(number, here, block, step, body, fresh, folds)
                loop.next = folds.joined(loop.carried, part)
        if whole == length:
            return loop.results
        after = function.add_index(start, index(whole))
        return self._rounds(number, after, length - whole, step, body, loop.results, folds)

    # Where the rows stand

    @contextmanager
    def _standing_at(self, number: int, position: Value) -> Iterator[None]:
        with self._scope():
            self._stand(number, position)
            yield

    def _stand(self, number: int, position: Value) -> None:
        """Code from here on is at this place of an axis; each row at its own."""
        for row in self.rows:
            here = position
            if number == self.nest.row_loop:
                here = self.function.add_index(position, index(row.number))
            row.evaluator.set_axis(self.nest.axes[number], here)

    @contextmanager
    def _scope(self) -> Iterator[None]:
        with ExitStack() as stack:
            for row in self.rows:
                stack.enter_context(row.evaluator.scope())
            yield

    @contextmanager
    def _vectors_of(self, lanes: int) -> Iterator[None]:
        with ExitStack() as stack:
            for row in self.rows:
                stack.enter_context(row.evaluator.vectors_of(lanes))
            yield

    # One point of the parallel axes

    def _point(self, mask: Value | None, carried: Sequence[Value]) -> list[Value]:
        for sweep in self.nest.sweeps:
            folds = self._folds(sweep)
            self._finish(sweep, folds, self._swept(sweep, folds, mask))
        self._store(self.nest.stores, mask)
        return list(carried)

    def _store(self, nodes: Sequence[Node], mask: Value | None) -> None:
        stores = [
            (row, node, part, at)
            for row in self.rows
            for node in nodes
            for part, at in self.nest.places(node)
        ]
        values = [
            row.evaluator.value(part, self.nest.index(part), mask) for row, _, part, _ in stores
        ]
        for (row, node, _, at), value in zip(stores, values, strict=True):
            row.evaluator.store(row.stored[node], at, value, mask)

    def _folds(self, sweep: Sweep) -> Folds:
        """The reductions of a sweep, on each row."""
        # The last vector along parallel lanes has accumulators for its own lanes only.
        lanes = self.lanes if self.nest.lanes_reduce else self.rows[0].evaluator.lanes
        folds = [
            Fold(self.nest, row.evaluator, node, lanes)
            for row in self.rows
            for node in sweep.reductions
        ]
        return Folds(folds, lanes)

    def _swept(self, sweep: Sweep, folds: Folds, mask: Value | None) -> list[Value]:
        """One pass over the reduced axes, or a part of them; what has been accumulated."""
        kept = sweep.stores + sweep.caches

        def body(inner_mask: Value | None, carried: Sequence[Value]) -> list[Value]:
            active = inner_mask if self.nest.lanes_reduce else mask
            after = folds.stepped(carried, active)
            self._store(kept, active)
            return after

        if any(axis.extent == 0 for axis in self.nest.axes):
            return folds.identity()
        loops = self.nest.loops(reduced=True)
        return self._loops(loops, body, folds.identity(), folds if sweep.reductions else None)

    def _finish(self, sweep: Sweep, folds: Folds, carried: Sequence[Value]) -> None:
        """Make what a sweep has accumulated and kept known to what comes after it."""
        folds.finish(carried)
        for row in self.rows:
            for node in sweep.stores + sweep.caches:
                row.evaluator.buffers[node] = row.stored[node]
