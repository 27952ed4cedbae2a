"""Copying the right operand of a contraction with an axis for each part of a group.

Owns `PartLayout` and `PartCopy`. Imports the emitter and what is asked of operands. Invariant: the
columns of a block lie side by side in the copy for every term, so that a tile reads vectors at
a distance that depends on the term alone; what several terms read of one stored element is there
once, if they differ in where they slide along the first part of the columns.

That the windows of an image need not be written out to be multiplied is shown by Zhang, Franchetti
and Low, "High Performance Zero-Memory Overhead Direct Convolutions" (2018); here the elements of a
row of a window are, those of a column are not.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Axis, Index, Indices
from graphc.codegen.emit import Function
from graphc.codegen.microkernel import Side
from graphc.codegen.operand import Operand
from graphc.codegen.place import Place, Span, lane_mask
from graphc.codegen.values import Value, index
from graphc.ir.types import int32, int64


@dataclass(frozen=True)
class PartLayout:
    """Where elements lie in a copy of blocks of so many columns and terms.

    The first part of the columns is `longer` than it was by what terms slide along it; of it there
    is room for `room` positions. `distance` are the elements from line to line, one for each
    position on the parts of the depth that do not slide. The copy has `size` elements.
    """

    columns: Axis
    depth: Axis
    slides: Mapping[Axis, int]
    longer: Axis
    before: int
    room: int
    distance: int
    size: int

    @staticmethod
    def of(
        columns: Axis, depth: Axis, operand: Operand, block: tuple[int, int], lanes: int
    ) -> PartLayout:
        """The layout for blocks of columns and terms; of terms, whole steps on the first part of
        the depth, unless it is all of them."""
        slides = operand.slides_along(columns.leaves[0])
        reaches = [steps * (part.extent - 1) for part, steps in slides.items()]
        before = -sum(min(reach, 0) for reach in reaches)
        after = sum(max(reach, 0) for reach in reaches)
        first, *others = columns.leaves
        longer = Axis(f"{first.name}_longer", first.extent + before + after)
        inner = math.prod(part.extent for part in others)
        room = longer.extent
        if block[0] < columns.extent:
            room = min(-(-block[0] // inner) + 1 + before + after, room)
        lines = math.prod(part.extent for part in depth.leaves if part not in slides)
        if block[1] < depth.extent:
            lines = -(-lines * block[1] // depth.extent)
        distance = room * inner
        if lines > 1 and distance % _SET_ELEMENTS == 0:
            distance += lanes  # lines a page apart would share cache sets
        size = lines * distance + 2 * lanes
        return PartLayout(columns, depth, slides, longer, before, room, distance, size)

    @property
    def inner(self) -> int:
        """Columns for each position on their first part."""
        return self.columns.extent // max(self.columns.leaves[0].extent, 1)

    @property
    def kept(self) -> tuple[Axis, ...]:
        """The parts of the depth that do not slide."""
        return tuple(part for part in self.depth.leaves if part not in self.slides)

    def strides(self) -> dict[Axis, int]:
        """The distance for a step on each part of the depth."""
        strides, distance = {}, self.distance
        for part in reversed(self.kept):
            strides[part] = distance
            distance *= part.extent
        for part, steps in self.slides.items():
            strides[part] = steps * self.inner
        return strides

    def step(self) -> int | None:
        """The distance from term to term, if there is one."""
        strides = self.strides()
        return Index(tuple(strides.items())).factor(self.depth)

    def distances(self) -> Iterator[int]:
        """For each term the distance from the first."""
        strides = self.strides()
        steps = [range(0, part.extent * s, s) if s else [0] * part.extent
                 for part, s in ((p, strides[p]) for p in self.depth.leaves)]  # fmt: skip
        return (sum(each) for each in itertools.product(*steps))


_SET_ELEMENTS = 512
"""Elements of a page, of the narrower floats or half of one of the wider."""


@dataclass(frozen=True)
class PartCopy:
    """The copy of a block, at an address."""

    layout: PartLayout
    operand: Operand
    columns: Span
    terms: Span
    lanes: int
    address: Value

    def pack(self, place: Place) -> None:
        """Write the block: vectors run along the last part of the columns. What a vector spills
        behind its end is written again by the next."""
        function, layout = place.function, self.layout
        if not layout.depth.extent:
            return
        operand = replace(self.operand, at=self._slid())
        with ExitStack() as loops:
            line = self.address
            for part in layout.kept:
                first, last = self._range(function, part)
                counter = loops.enter_context(function.loop(first, last, 1, hint=part.name)).counter
                place = place.moved(part, counter)
                skipped = function.binary("sub", counter, first, "nsw")
                line = self._further(function, line, skipped, layout.strides()[part])
            self._pack_line(place, operand, line)

    def _pack_line(self, place: Place, operand: Operand, line: Value) -> None:
        function, layout = place.function, self.layout
        longer, (_, *others) = layout.longer, layout.columns.leaves
        first, last = self._first(function), self._last(function)
        if not others:
            self._pack_longer(place, operand, line, first, last)
            return
        with ExitStack() as loops:
            inner = layout.inner
            outer = function.loop(first, last, 1, hint=longer.name)
            counter = loops.enter_context(outer).counter
            place = place.moved(longer, counter)
            skipped = function.binary("sub", counter, first, "nsw")
            line = self._further(function, line, skipped, inner)
            for part in others[:-1]:
                inner //= part.extent
                loop = function.loop(index(0), index(part.extent), 1, hint=part.name)
                counter = loops.enter_context(loop).counter
                place = place.moved(part, counter)
                line = self._further(function, line, counter, inner)
            innermost = others[-1]

            def vector(start: Value, count: int) -> None:
                mask = lane_mask(count, self.lanes)
                self._copy(place.moved(innermost, start), innermost, operand, line, start, mask)

            Span.of(innermost).for_each(function, self.lanes, vector)

    def _pack_longer(
        self, place: Place, operand: Operand, line: Value, first: Value, last: Value
    ) -> None:
        """The columns have one part: vectors run along what it is longer by, too."""
        function, longer, lanes = place.function, self.layout.longer, self.lanes
        with function.loop(first, last, lanes, hint=longer.name) as loop:
            left = function.binary("sub", last, loop.counter, "nsw")
            numbers = function.lane_numbers(lanes)
            active = function.compare("icmp slt", numbers, function.splat(left, lanes))
            mask = active if lanes > 1 else None
            distance = function.binary("sub", loop.counter, first, "nsw")
            here = place.moved(longer, loop.counter)
            self._copy(here, longer, operand, line, distance, mask)

    def _copy(
        self,
        place: Place,
        axis: Axis,
        operand: Operand,
        line: Value,
        distance: Value,
        mask: Value | None,
    ) -> None:
        evaluator = place.evaluator(axis, self.lanes)
        value = place.function.splat(evaluator.value(operand.node, operand.at, mask), self.lanes)
        address = place.function.offset(line, operand.node.dtype, distance)
        place.function.store(value, address)

    def _slid(self) -> Indices:
        """The operand's index when the first part of the columns is longer and no term slides."""
        first, layout = self.layout.columns.leaves[0], self.layout

        def entry(at: Index) -> Index:
            terms = tuple((axis, f) for axis, f in at.terms if axis not in layout.slides)
            moved = sum(f for axis, f in terms if axis is first)
            terms = tuple((layout.longer if axis is first else axis, f) for axis, f in terms)
            return Index(terms, at.offset - moved * layout.before, at.dynamic)

        return tuple(entry(at) for at in self.operand.at)

    def _range(self, function: Function, part: Axis) -> tuple[Value, Value]:
        """What of a part of the depth the terms span."""
        if part is not self.layout.depth.leaves[0] or self.terms.whole:
            return index(0), index(part.extent)
        inner = self.layout.depth.extent // part.extent
        start, stop = self.terms.start, self.terms.stop
        return function.divide_index(start, inner), function.divide_index(stop, inner)

    def _first(self, function: Function) -> Value:
        return function.divide_index(self.columns.start, self.layout.inner)

    def _last(self, function: Function) -> Value:
        """The end of the positions on the longer part that the columns need."""
        layout = self.layout
        reach = layout.longer.extent - layout.columns.leaves[0].extent
        before_end = function.add_index(self.columns.stop, index(layout.inner - 1))
        return function.add_index(function.divide_index(before_end, layout.inner), index(reach))

    def _further(self, function: Function, line: Value, counter: Value, stride: int) -> Value:
        return function.offset(line, self.operand.node.dtype, function.scale_index(counter, stride))

    def side(self, function: Function, column: Value) -> Side:
        """How a tile reads the copy whose first column this is."""
        layout, dtype = self.layout, self.operand.node.dtype
        skipped = function.scale_index(self._first(function), layout.inner)
        position = function.binary("sub", column, skipped, "nsw")
        position = function.add_index(position, index(layout.before * layout.inner))
        address = function.offset(self.address, dtype, position)
        step = layout.step()
        if step is not None:
            return Side(address, self.lanes, step, padded=True)
        table = function.constant_table(list(layout.distances()), int32)
        if self.terms.start.ref != "0":
            first = function.offset(table, int32, self.terms.start)
            distance = function.load(first, int32, read_only=True)
            distance = function.convert("sext", distance, int64)
            address = function.offset(
                address, dtype, function.binary("sub", index(0), distance, "nsw")
            )
        return Side(address, self.lanes, 0, padded=True, table=table)
