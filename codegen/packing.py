"""Copying an operand of a contraction into the order in which its register tiles read it.

Owns the copies and the transpose in registers. Imports the emitter and the questions asked of
operands. Invariants: the copied value is evaluated, so any expression may stand before a
contraction; stored elements are read as neighbours along whichever axis they are neighbours on; a
copy may spill fewer than a vector's elements behind its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Axis, Buffer, indices_of
from graphc.codegen.emit import Function
from graphc.codegen.operand import Contraction, Operand, StridedAccess, is_even
from graphc.codegen.place import Place, Span, lane_mask, vectors_along
from graphc.codegen.values import Value, constant, index
from graphc.ir.build import ops
from graphc.ir.graph import Node
from graphc.ir.types import DType, TensorType


@dataclass(frozen=True)
class Copy:
    """A copy of the part of an operand that `across` and `terms` (of the depth) span.

    The axis `across` is cut into tiles of `size`. A tile copied by depth holds, term after term,
    `size` elements side by side, and has room for `room` terms; a tile copied by row is one row,
    and `room` is the elements from row to row. `lanes` elements are copied at a time.
    """

    operand: Operand
    across: Span
    terms: Span
    size: int
    room: int
    lanes: int
    address: Value

    def tile(self, function: Function, first: Value) -> Value:
        """The address of the tile that begins at `first`."""
        distance = function.scale_index(self.across.after_start(function, first), self.room)
        return function.offset(self.address, self.operand.node.dtype, distance)

    def line(self, function: Function, tile: Value, term: Value, by: int = 0) -> Value:
        """The address in a tile of the term `by` after one."""
        number = function.add_index(self.terms.after_start(function, term), index(by))
        distance = function.scale_index(number, self.size)
        return function.offset(tile, self.operand.node.dtype, distance)


def pack_by_depth(place: Place, copy: Copy) -> None:
    """Copy by vectors along `across`, term after term."""
    function, operand, axis = place.function, copy.operand, copy.across.axis
    with function.loop(copy.terms.start, copy.terms.stop, 1, hint="copy") as loop:
        here = place.moved(copy.terms.axis, loop.counter)

        def tile(first: Value, count: int) -> None:
            line = copy.line(function, copy.tile(function, first), loop.counter)
            for by, evaluator, at in vectors_along(
                here, operand.at, axis, first, count, copy.lanes
            ):
                mask = lane_mask(count - by, copy.lanes)
                value = evaluator.value(operand.node, at, mask)
                address = function.offset(line, operand.node.dtype, index(by))
                function.store(function.splat(value, copy.lanes), address)

        copy.across.for_each(function, copy.size, tile)


@dataclass(frozen=True)
class Runs:
    """The depth as runs, along which all steps are alike for what is copied. `outer` axes count
    them, none if the whole depth is one. Of `whole` runs none is ever copied in part, and of
    several outer axes all but the first are always walked from end to end."""

    inner: Axis
    outer: tuple[Axis, ...] = ()
    whole: bool = True

    @staticmethod
    def of(operand: Operand, buffers: Mapping[Node, Buffer], depth: Axis, block: int) -> Runs:
        """The longest runs of an operand that is copied `block` terms at a time."""
        if is_even(operand, buffers, depth):
            return Runs(depth)
        leaves = depth.leaves
        for cut in range(1, len(leaves)):
            inner = Axis.group("run", leaves[cut:], depth.reduced)
            if is_even(operand, buffers, inner):
                break
        if block >= depth.extent or block % (depth.extent // leaves[0].extent) == 0:
            return Runs(inner, leaves[:cut])
        outer = Axis.group("runs", leaves[:cut], depth.reduced)
        return Runs(inner, (outer,), block % inner.extent == 0)


def runs_of(
    contraction: Contraction, buffers: Mapping[Node, Buffer], block: int
) -> tuple[Runs, Runs]:
    """The runs of both operands."""
    left, right, depth = contraction.left, contraction.right, contraction.depth
    return Runs.of(left, buffers, depth, block), Runs.of(right, buffers, depth, block)


def pack_by_row(place: Place, copy: Copy, runs: Runs) -> None:
    """Copy by vectors along the depth, row after row."""
    function = place.function
    with function.loop(copy.across.start, copy.across.stop, 1, hint="copy") as loop:
        row = copy.tile(function, loop.counter)
        here = place.moved(copy.across.axis, loop.counter)
        if runs.outer:
            _pack_runs(here, copy, runs, row)
        else:
            copy.terms.for_each(function, copy.lanes, _copied_to(here, copy, runs, row))


def _pack_runs(place: Place, copy: Copy, runs: Runs, row: Value) -> None:
    """Copy a row run by run, in order: what a vector spills is written again by the next."""
    function, extent, terms = place.function, runs.inner.extent, copy.terms
    first_axis, *others = runs.outer
    inside = extent * math.prod(axis.extent for axis in others)
    first = function.divide_index(terms.start, inside)
    last = function.divide_index(function.add_index(terms.stop, index(inside - 1)), inside)
    with ExitStack() as loops:
        loop = loops.enter_context(function.loop(first, last, 1, hint=first_axis.name))
        place = place.moved(first_axis, loop.counter)
        begin = function.scale_index(loop.counter, inside)
        for axis in others:
            inside //= axis.extent
            inner = function.loop(index(0), index(axis.extent), 1, hint=axis.name)
            counter = loops.enter_context(inner).counter
            place = place.moved(axis, counter)
            begin = function.add_index(begin, function.scale_index(counter, inside))
        skipped = function.binary("sub", begin, terms.start, "nsw")
        target = function.offset(row, copy.operand.node.dtype, skipped)
        write = _copied_to(place, copy, runs, target)
        if runs.whole:
            Span.of(runs.inner).for_each(function, copy.lanes, write)
        else:
            _pack_part(function, copy, (begin, extent), write)


def _pack_part(
    function: Function, copy: Copy, run: tuple[Value, int], write: Callable[[Value, Value], None]
) -> None:
    """Copy what is among the terms of a run that begins at one and has so many."""
    begin, extent = run
    start = function.binary("sub", copy.terms.start, begin, "nsw")
    stop = function.binary("sub", copy.terms.stop, begin, "nsw")
    low = function.intrinsic("smax", start, index(0))
    high = function.intrinsic("smin", stop, index(extent))
    with function.loop(low, high, copy.lanes, hint="part") as part:
        left = function.binary("sub", high, part.counter, "nsw")
        numbers = function.lane_numbers(copy.lanes)
        mask = function.compare("icmp slt", numbers, function.splat(left, copy.lanes))
        write(part.counter, mask)


def _copied_to(
    place: Place, copy: Copy, runs: Runs, target: Value
) -> Callable[[Value, int | Value], None]:
    """What copies the vector at a place of a run that begins at `target`: so many of its elements,
    or those of a mask."""
    function, operand = place.function, copy.operand
    whole = Span.of(runs.inner) if runs.outer else copy.terms

    def write(first: Value, count: int | Value) -> None:
        mask = lane_mask(count, copy.lanes) if isinstance(count, int) else count
        evaluator = place.moved(runs.inner, first).evaluator(runs.inner, copy.lanes)
        value = evaluator.value(operand.node, operand.at, mask)
        address = function.offset(target, operand.node.dtype, whole.after_start(function, first))
        function.store(function.splat(value, copy.lanes), address)

    return write


def copied_operand(place: Place, copy: Copy) -> tuple[Place, Operand]:
    """The operand read from its copy by row, and a place that can load it."""
    function, across, terms = place.function, copy.across, copy.terms
    dtype = copy.operand.node.dtype
    shape = (across.axis.extent, terms.axis.extent)
    node = ops.input(name="copy", type=TensorType(dtype, shape))
    skipped = function.add_index(function.scale_index(across.start, copy.room), terms.start)
    origin = function.offset(copy.address, dtype, function.scale_index(skipped, -1))
    buffers = {**place.buffers, node: Buffer(origin, (copy.room, 1), written=True)}
    return replace(place, buffers=buffers), Operand(node, indices_of((across.axis, terms.axis)))


def strided_operand(
    place: Place, operand: Operand, access: StridedAccess, axes: Sequence[Axis]
) -> tuple[Place, Operand]:
    """An operand that is read where it lies, its index said in these axes, groups included; and a
    place that can load it."""
    shape = tuple(axis.extent for axis in axes)
    node = ops.input(name="strided", type=TensorType(operand.node.dtype, shape))
    origin = place.function.offset(access.buffer.address, operand.node.dtype, index(access.offset))
    strides = tuple(access.stride(axis) for axis in axes)
    buffers = {**place.buffers, node: replace(access.buffer, address=origin, strides=strides)}
    return replace(place, buffers=buffers), Operand(node, indices_of(axes))


@dataclass(frozen=True)
class StoredRows:
    """Rows in memory whose terms are neighbours: the address of the first row's first term, and
    the elements from row to row."""

    address: Value
    distance: int


def pack_transposed(function: Function, copy: Copy, rows: StoredRows) -> None:
    """Copy stored rows by depth: small blocks are transposed in registers.

    The part of each row that fills 128 bits is loaded at once, so that a block has as many rows as
    a vector has lanes, but is moved by shuffles inside the 128-bit parts of vectors.
    """
    dtype, lanes = copy.operand.node.dtype, copy.lanes
    at_once = min(128 // max(dtype.bits, 32), lanes)

    def tile(first: Value, count: int) -> None:
        target = copy.tile(function, first)
        skipped = copy.across.after_start(function, first)
        row = function.offset(rows.address, dtype, function.scale_index(skipped, rows.distance))

        def block(term: Value, active: int) -> None:
            origin = function.offset(row, dtype, copy.terms.after_start(function, term))
            mask = lane_mask(active, at_once)
            parts = []
            for i in range(lanes):
                if i >= count:
                    parts.append(constant(0, dtype, at_once))
                    continue
                address = function.offset(origin, dtype, index(i * rows.distance))
                parts.append(_load(function, address, dtype, at_once, mask))
            loaded = [_joined(function, parts[i::at_once]) for i in range(at_once)]
            for i, vector in enumerate(transposed(function, loaded)[:active]):
                function.store(vector, copy.line(function, target, term, i))

        copy.terms.for_each(function, at_once, block)

    copy.across.for_each(function, copy.size, tile)


def transposed(function: Function, vectors: Sequence[Value]) -> list[Value]:
    """The transpose of n vectors in each group of n neighbouring lanes.

    Of each pair of vectors whose numbers differ in one bit the off-diagonal blocks are exchanged,
    bit by bit.
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


def _joined(function: Function, vectors: Sequence[Value]) -> Value:
    """One vector of the lanes of several."""
    parts = list(vectors)
    while len(parts) > 1:
        picks = range(2 * parts[0].lanes)
        pairs = zip(parts[::2], parts[1::2], strict=True)
        parts = [function.shuffle(x, y, picks) for x, y in pairs]
    return parts[0]


def _load(
    function: Function, address: Value, dtype: DType, lanes: int, mask: Value | None
) -> Value:
    if mask is None:
        return function.load(address, dtype, lanes)
    return function.load_masked(address, dtype, mask)
