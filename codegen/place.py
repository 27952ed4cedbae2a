"""Where code being written stands in a loop nest.

Owns `Place`, the values of the loop axes, and `Span`, a part of an axis that is walked in tiles.
Imports `ir` and the evaluator. Invariant: both are values; moving gives a new place, so nothing
that was computed in a loop is used outside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Axis, Buffer, Indices
from graphc.codegen.emit import Function
from graphc.codegen.evaluate import Evaluator
from graphc.codegen.values import Value, first_lanes, index
from graphc.ir.graph import Node


@dataclass(frozen=True)
class Place:
    """The function being written, what it can load, and where on each axis it stands."""

    function: Function
    buffers: Mapping[Node, Buffer]
    where: Mapping[Axis, Value]

    def moved(self, axis: Axis, value: Value) -> Place:
        """The place where `axis` stands at another value."""
        others = {other: where for other, where in self.where.items() if other is not axis}
        return replace(self, where={**others, axis: value})

    def evaluator(self, lane_axis: Axis, lanes: int) -> Evaluator:
        """An evaluator that stands here; it remembers nothing from anywhere else."""
        evaluator = Evaluator(self.function, self.buffers, lane_axis, lanes)
        for axis, value in self.where.items():
            evaluator.set_axis(axis, value)
        return evaluator


@dataclass(frozen=True)
class Span:
    """The part of an axis from `start` to `stop`."""

    axis: Axis
    start: Value
    stop: Value

    @staticmethod
    def of(axis: Axis) -> Span:
        """All of an axis."""
        return Span(axis, index(0), index(axis.extent))

    @property
    def whole(self) -> bool:
        """Whether it is the whole axis, known when the code is written."""
        return self.start.ref == "0" and self.stop.ref == str(self.axis.extent)

    def after_start(self, function: Function, position: Value) -> Value:
        """How far a position is from the start."""
        if self.start.ref == "0":
            return position
        return function.binary("sub", position, self.start, "nsw")

    def for_each(self, function: Function, size: int, body: Callable[[Value, int], None]) -> None:
        """Write `body(first, count)` for tiles of `size` in a loop, then for what is left.

        Unless the span is the whole axis it must start at a multiple of `size`, and end at one or
        at the end of the axis.
        """
        full = self.axis.extent // size * size
        rest = self.axis.extent - full
        if self.whole:
            if full == size:
                body(self.start, size)
            elif full:
                with function.loop(self.start, index(full), size, hint=self.axis.name) as loop:
                    body(loop.counter, size)
            if rest:
                body(index(full), rest)
            return
        stop = function.intrinsic("smin", self.stop, index(full)) if rest else self.stop
        with function.loop(self.start, stop, size, hint=self.axis.name) as loop:
            body(loop.counter, size)
        if rest:
            with function.when(function.compare("icmp sgt", self.stop, index(full))):
                body(index(full), rest)


def for_each_tile(
    function: Function,
    rows: Span,
    height: int,
    columns: Span,
    width: int,
    body: Callable[[Value, int, Value, int], None],
) -> None:
    """Write `body(row, height, column, width)` for all tiles; the loop over the longer axis is the
    outer one."""

    def row_tiles(column: Value, across: int) -> None:
        rows.for_each(function, height, lambda row, down: body(row, down, column, across))

    def column_tiles(row: Value, down: int) -> None:
        columns.for_each(function, width, lambda column, across: body(row, down, column, across))

    if rows.axis.extent > columns.axis.extent:
        rows.for_each(function, height, column_tiles)
    else:
        columns.for_each(function, width, row_tiles)


@contextmanager
def spans(function: Function, part: Span, size: int) -> Iterator[Span]:
    """Loop over a part of an axis, which is not empty, in spans of `size`; no loop if one is
    enough."""
    axis = part.axis
    if size >= axis.extent:
        yield part
        return
    loop_over = function.loop(part.start, part.stop, size, hint=f"{axis.name}s", always_runs=True)
    with loop_over as loop:
        end = function.add_index(loop.counter, index(size))
        yield Span(axis, loop.counter, function.intrinsic("smin", end, part.stop))


def shifted(at: Indices, axis: Axis, by: int) -> Indices:
    """An index when `axis` is further by a constant."""
    return tuple(entry.shifted(axis, by) for entry in at)


def vectors_along(
    place: Place, at: Indices, axis: Axis, first: Value, count: int, lanes: int
) -> Iterator[tuple[int, Evaluator, Indices]]:
    """For each vector of `count` positions on an axis how far from the first it begins, and how to
    evaluate there. On a group every vector has an evaluator of its own."""
    evaluator = place.moved(axis, first).evaluator(axis, lanes)
    for by in range(0, count, lanes):
        if not axis.parts:
            yield by, evaluator, shifted(at, axis, by)
            continue
        here = place.function.add_index(first, index(by))
        yield by, place.moved(axis, here).evaluator(axis, lanes), at


def lane_mask(active: int, lanes: int) -> Value | None:
    """The mask of the first lanes; None if all are active.

    >>> lane_mask(1, 2).typed
    '<2 x i1> <i1 true, i1 false>'
    """
    return None if active >= lanes else first_lanes(active, lanes)
