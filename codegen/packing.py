"""Copying an operand of a contraction into the order in which its register tiles read it.

Owns the copies and the transpose in registers. Imports the emitter and the questions asked of
operands. Invariants: the copied value is evaluated, so any expression may stand before a
contraction; stored elements are read as neighbours along whichever axis they are neighbours on; a
copy may spill fewer than a vector's elements behind its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from graphc.codegen.emit import Function, Value, constant, index
from graphc.codegen.evaluate import Axis
from graphc.codegen.operand import Operand, Place, lane_mask, shifted


@dataclass(frozen=True)
class Terms:
    """The part of the depth being summed: from `start` to `stop` on `axis`.

    Every part but the last has a whole number of vectors.
    """

    axis: Axis
    start: Value
    stop: Value

    @property
    def all(self) -> bool:
        """Whether it is the whole depth, known when the code is written."""
        return self.start.ref == "0" and self.stop.ref == str(self.axis.extent)

    def for_each_vector(
        self, function: Function, lanes: int, body: Callable[[Value, int], None]
    ) -> None:
        """Write `body(first, active)` in a loop over vectors of terms, then for the rest."""
        whole = self.axis.extent // lanes * lanes
        rest = self.axis.extent - whole
        stop = index(whole)
        if not self.all:
            stop = function.intrinsic("smin", self.stop, stop)
        if whole:
            with function.loop(self.start, stop, lanes, hint="copy") as loop:
                body(loop.counter, lanes)
        if rest and self.all:
            body(index(whole), rest)
        elif rest:
            with function.when(function.compare("icmp sgt", self.stop, index(whole))):
                body(index(whole), rest)


@dataclass(frozen=True)
class Copying:
    """What is copied, by vectors of how many elements, and where the copy is.

    `across` is the operand's axis that is not its depth. The elements of a panel stand `width` to
    a term; the elements of rows stand `width` to a row.
    """

    operand: Operand
    across: Axis
    terms: Terms
    lanes: int
    address: Value
    width: int

    def line(self, function: Function, number: Value) -> Value:
        """The address of a term of a panel, or of a row."""
        position = function.scale_index(number, self.width)
        return function.offset(self.address, self.operand.node.dtype, position)

    def term_line(self, function: Function, term: Value, by: int = 0) -> Value:
        """The address in a panel of the term `by` after one."""
        number = term
        if self.terms.start.ref != "0":
            number = function.binary("sub", term, self.terms.start)
        return self.line(function, function.add_index(number, index(by)))


def pack_panel(place: Place, copying: Copying, count: int) -> None:
    """Copy a panel of `count` rows or columns from `place` on, by vectors along these."""
    function, operand, lanes = place.function, copying.operand, copying.lanes
    with function.loop(copying.terms.start, copying.terms.stop, 1, hint="copy") as loop:
        here = place.moved(copying.terms.axis, loop.counter)
        evaluator = here.evaluator(copying.across, lanes)
        line = copying.term_line(function, loop.counter)
        for first in range(0, count, lanes):
            at = shifted(operand.at, copying.across, first)
            value = evaluator.value(operand.node, at, lane_mask(count - first, lanes))
            _store(function, value, lanes, line, first)


def pack_panel_transposed(place: Place, copying: Copying, count: int) -> None:
    """The same copy, by vectors along the depth that are transposed in registers."""
    function, operand, lanes = place.function, copying.operand, copying.lanes

    def block(term: Value, active: int) -> None:
        evaluator = place.moved(copying.terms.axis, term).evaluator(copying.terms.axis, lanes)
        mask = lane_mask(active, lanes)
        for first in range(0, count, lanes):
            vectors = [constant(0, operand.node.dtype, lanes)] * lanes
            for i in range(min(count - first, lanes)):
                at = shifted(operand.at, copying.across, first + i)
                vectors[i] = function.splat(evaluator.value(operand.node, at, mask), lanes)
            for i, vector in enumerate(transposed(function, vectors)[:active]):
                _store(function, vector, lanes, copying.term_line(function, term, i), first)

    copying.terms.for_each_vector(function, lanes, block)


def pack_rows(place: Place, copying: Copying, start: Value, stop: Value) -> None:
    """Copy rows `start` to `stop`, each by vectors along the depth."""
    function, operand, lanes = place.function, copying.operand, copying.lanes
    depth = copying.terms.axis
    with function.loop(start, stop, 1, hint="copy_row") as loop:
        number = function.binary("sub", loop.counter, start)
        line = copying.line(function, number)
        row = place.moved(copying.across, loop.counter)

        def block(term: Value, active: int) -> None:
            evaluator = row.moved(depth, term).evaluator(depth, lanes)
            value = evaluator.value(operand.node, operand.at, lane_mask(active, lanes))
            first = term
            if copying.terms.start.ref != "0":
                first = function.binary("sub", term, copying.terms.start)
            address = function.offset(line, operand.node.dtype, first)
            function.store(function.splat(value, lanes), address)

        copying.terms.for_each_vector(function, lanes, block)


def transposed(function: Function, vectors: Sequence[Value]) -> list[Value]:
    """The columns of the square matrix whose rows are `vectors`.

    Of each pair of rows whose numbers differ in one bit the off-diagonal blocks are exchanged, bit
    by bit: n log n shuffles.
    """
    rows = list(vectors)
    distance = len(rows) // 2
    while distance:
        for i in range(len(rows)):
            if not i & distance:
                j = i | distance
                rows[i], rows[j] = exchanged(function, rows[i], rows[j], distance)
        distance //= 2
    return rows


def exchanged(function: Function, x: Value, y: Value, distance: int) -> tuple[Value, Value]:
    """Both vectors after the lanes of x with the bit `distance` set have changed places with
    those of y without it."""
    lanes = range(x.lanes)
    low = [i if not i & distance else x.lanes + (i ^ distance) for i in lanes]
    high = [i ^ distance if not i & distance else x.lanes + i for i in lanes]
    return function.shuffle(x, y, low), function.shuffle(x, y, high)


def _store(function: Function, value: Value, lanes: int, line: Value, first: int) -> None:
    address = function.offset(line, value.dtype, index(first))
    function.store(function.splat(value, lanes), address)
