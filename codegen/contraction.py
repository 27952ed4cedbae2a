"""The matrix product kernel: blocks, packed panels, register tiles, with everything fused in.

Owns the loop nest of a contraction and the layout of its scratch memory. Imports the tiling, the
packing and the micro-kernel. Invariants: edges are tiles of their exact size, so no byte outside a
buffer is read or written; the order of summation is a function of the schedule alone. The nest is
that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Axis, Buffer
from graphc.codegen.emit import Function
from graphc.codegen.inner_product import sum_columns
from graphc.codegen.microkernel import Side, Tile, TileShape, TileSum, store_tile
from graphc.codegen.operand import Contraction, strided_access, varies_along
from graphc.codegen.packing import (
    Copy,
    StoredRows,
    pack_by_depth,
    pack_by_row,
    pack_transposed,
)
from graphc.codegen.place import Place, Span, spans
from graphc.codegen.sharing import Share
from graphc.codegen.tiling import ContractionSchedule, SharedAxis
from graphc.codegen.values import Value, constant, index
from graphc.ir.graph import Node
from graphc.ir.passes.pack_blocks import aligned
from graphc.ir.types import int8


def emit_contraction(
    function: Function,
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    schedule: ContractionSchedule,
    share: Share | None = None,
    tasks: int = 1,
) -> None:
    """Write the loops that compute and store every value of `contraction.stores`.

    `buffers` are what the operands and the epilogue may load; `contraction.scratch` must be given
    if `scratch_bytes` is not 0. With `share` they are those of one task of at most `tasks`.
    """
    if contraction.node.type.size == 0:
        return
    if schedule.swapped:
        contraction = contraction.swapped()
    computed = {node for node, _ in contraction.stores}
    loadable = {node: buffer for node, buffer in buffers.items() if node not in computed}
    place = Place(function, loadable, {})
    _Nest(contraction, schedule, place, share, tasks).emit(place)


def scratch_bytes(contraction: Contraction, schedule: ContractionSchedule, tasks: int = 1) -> int:
    """Size of the workspace that the kernel needs while it runs, 64-byte aligned."""
    if schedule.swapped:
        contraction = contraction.swapped()
    return ScratchLayout.of(contraction, schedule, tasks).total


@dataclass(frozen=True)
class ScratchLayout:
    """Byte offsets of the parts of a kernel's scratch memory, and its size.

    The parts are copies of the operands, rows of the right operand that are computed before they
    are transposed, one tile, and sums of part of the depth. Every task has `private` bytes for
    all of them but the sums, which are behind those of all tasks, for tasks share the elements of
    one product; only where they share a batch, sums are private, too. The other fields are in
    elements: the `room` of the copies and the distance of the rows of partial sums.
    """

    right: int
    left: int
    computed: int
    spill: int
    partial: int
    private: int
    total: int
    right_room: int
    left_room: int
    computed_room: int
    partial_width: int

    @staticmethod
    def of(
        contraction: Contraction, schedule: ContractionSchedule, tasks: int = 1
    ) -> ScratchLayout:
        rows, columns, depth = (
            axis.extent for axis in (contraction.rows, contraction.columns, contraction.depth)
        )
        lanes, terms = schedule.lanes, min(schedule.depth_block, depth)
        padded_columns = -(-columns // lanes) * lanes
        panels, row_tiles = -(-columns // schedule.width), -(-rows // schedule.rows)
        if schedule.parallel == "columns":
            panels = -(-panels // tasks)
        elif schedule.parallel == "rows":
            row_tiles = -(-row_tiles // tasks)
        block_columns = min(schedule.column_block, padded_columns, panels * schedule.width)
        block_rows = min(schedule.row_block, row_tiles * schedule.rows)
        # A vector more than a row needs: rows a power of two apart would share cache sets.
        row_room = (-(-terms // lanes) + 1) * lanes
        left_room = row_room if schedule.left == "by row" else terms + -(-lanes // schedule.rows)
        sizes = {
            "right": block_columns * (terms + 1) if schedule.right != "in place" else 0,
            "left": block_rows * left_room if schedule.left != "in place" else 0,
            "computed": block_columns * row_room if schedule.right == "computed" else 0,
            "spill": schedule.rows * schedule.width if schedule.looped_epilogue else 0,
            "partial": rows * padded_columns if schedule.depth_block < depth else 0,
        }
        offsets, ends = {}, 0
        for part, elements in sizes.items():
            offsets[part] = ends
            if contraction.node.type.size:
                ends += aligned(elements * contraction.dtype.bytes)
        private = ends if schedule.parallel == "batch" else offsets["partial"]
        return ScratchLayout(
            **offsets,
            private=private,
            total=private * tasks + ends - private,
            right_room=terms + 1,
            left_room=left_room,
            computed_room=row_room,
            partial_width=padded_columns,
        )


class _Nest:
    """The loops of one contraction."""

    def __init__(
        self,
        contraction: Contraction,
        schedule: ContractionSchedule,
        place: Place,
        share: Share | None,
        tasks: int,
    ) -> None:
        self.contraction = contraction
        self.schedule = schedule
        self.function = place.function
        self.left_access = strided_access(contraction.left, place.buffers)
        self.right_access = strided_access(contraction.right, place.buffers)
        self.layout = ScratchLayout.of(contraction, schedule, tasks)
        self.share, self.tasks = share, tasks

    def emit(self, place: Place) -> None:
        if self.schedule.inner:
            with self._batch(place) as here:
                self._inner_products(here)
        elif self._right_is_shared:
            with self._columns() as columns, self._terms() as terms:
                self._pack_right(place, columns, terms)
                with self._batch(place) as here:
                    self._block_rows(here, columns, terms)
        else:
            with self._batch(place) as here, self._columns() as columns, self._terms() as terms:
                self._pack_right(here, columns, terms)
                self._block_rows(here, columns, terms)

    @property
    def _right_is_shared(self) -> bool:
        """Whether all of a batch multiply by one matrix, which is then copied once.

        Not where the depth is in blocks: partial sums are kept for one matrix of a batch.
        """
        right, batch = self.contraction.right, self.contraction.batch
        in_blocks = self.schedule.depth_block < self.contraction.depth.extent
        return not in_blocks and not varies_along(right, batch)

    # Loops

    @contextmanager
    def _batch(self, place: Place) -> Iterator[Place]:
        if self.share is not None and self.schedule.parallel == "batch":
            with self._shared_batch(place, self.share) as here:
                yield here
            return
        with ExitStack() as loops:
            for axis in self.contraction.batch:
                loop = self.function.loop(index(0), index(axis.extent), 1, hint=axis.name)
                place = place.moved(axis, loops.enter_context(loop).counter)
            yield place

    @contextmanager
    def _shared_batch(self, place: Place, share: Share) -> Iterator[Place]:
        """One loop over this task's part of all batch axes."""
        function, (first_axis, *others) = self.function, self.contraction.batch
        count = math.prod(axis.extent for axis in self.contraction.batch)
        first, end = share.bounds(function, count)
        with function.loop(first, end, 1, hint="batch", always_runs=True) as loop:
            number = loop.counter
            for axis in reversed(others):
                extent = index(axis.extent)
                place = place.moved(axis, function.binary("urem", number, extent))
                number = function.binary("udiv", number, extent)
            yield place.moved(first_axis, number)

    def _part(self, axis: Axis, size: int, name: SharedAxis) -> Span:
        """What of an axis this task computes, in tiles of `size`."""
        if self.share is None or self.schedule.parallel != name:
            return Span.of(axis)
        function = self.function
        first, end = self.share.bounds(function, -(-axis.extent // size))
        stop = function.intrinsic("smin", function.scale_index(end, size), index(axis.extent))
        return Span(axis, function.scale_index(first, size), stop)

    def _columns(self) -> AbstractContextManager[Span]:
        part = self._part(self.contraction.columns, self.schedule.width, "columns")
        return spans(self.function, part, self.schedule.column_block)

    def _terms(self) -> AbstractContextManager[Span]:
        return spans(self.function, Span.of(self.contraction.depth), self.schedule.depth_block)

    def _block_rows(self, place: Place, columns: Span, terms: Span) -> None:
        """All rows of a block of columns, summed over a block of terms."""
        function, schedule, axis = self.function, self.schedule, self.contraction.rows
        with spans(function, self._part(axis, schedule.rows, "rows"), schedule.row_block) as rows:
            left = self._pack_left(place, rows, terms)
            right = self._right_copy(columns, terms)

            def panel(column: Value, width: int) -> None:
                panel_place = place.moved(columns.axis, column)

                def tile(row: Value, height: int) -> None:
                    here = panel_place.moved(axis, row)
                    shape = TileShape(height, width, schedule.lanes)
                    left_side = self._left_side(here, left, terms)
                    right_side = self._right_side(here, right, terms)
                    tile_sum = TileSum(here, self.contraction, shape, left_side, right_side)
                    self._tile(tile_sum, terms)

                rows.for_each(function, schedule.rows, tile)

            columns.for_each(function, schedule.width, panel)

    def _inner_products(self, place: Place) -> None:
        contraction, lanes = self.contraction, self.schedule.lanes
        first = place.moved(contraction.rows, index(0))

        def tile(column: Value, width: int) -> None:
            here = first.moved(contraction.columns, column)
            shape = TileShape(1, width, lanes)
            sums = sum_columns(here, contraction, shape, self.schedule.chains)
            store_tile(here, contraction, shape, [[sums]], None)

        part = self._part(contraction.columns, self.schedule.column_unit, "columns")
        part.for_each(self.function, lanes, tile)

    # Operands

    def _scratch(self, offset: int) -> Value:
        """The address of a part of the scratch memory that belongs to this task."""
        function, scratch = self.function, self._shared_scratch(offset)
        if self.share is None:
            return scratch
        distance = function.scale_index(self.share.number, self.layout.private)
        return function.offset(scratch, int8, distance)

    def _shared_scratch(self, offset: int) -> Value:
        scratch = self.contraction.scratch
        if scratch is None:
            raise ValueError(f"{self.contraction.node!r} needs scratch memory and was given none")
        return self.function.offset(scratch, int8, index(offset))

    def _right_copy(self, columns: Span, terms: Span) -> Copy | None:
        if self.schedule.right == "in place":
            return None
        lanes, address = self.schedule.lanes, self._scratch(self.layout.right)
        room = self.layout.right_room
        return Copy(self.contraction.right, columns, terms, lanes, room, lanes, address)

    def _pack_right(self, place: Place, columns: Span, terms: Span) -> None:
        copy = self._right_copy(columns, terms)
        if copy is None:
            return
        if self.schedule.right == "by depth":
            pack_by_depth(place, copy)
            return
        here = place.moved(columns.axis, columns.start).moved(terms.axis, terms.start)
        if self.schedule.right == "computed":
            address, room = self._scratch(self.layout.computed), self.layout.computed_room
            pack_by_row(place, replace(copy, size=1, room=room, address=address))
            rows = StoredRows(address, room)
        else:
            assert self.right_access is not None
            address = self.right_access.address(here, self.contraction.dtype)
            rows = StoredRows(address, self.right_access.stride(columns.axis))
        pack_transposed(self.function, copy, rows)

    def _pack_left(self, place: Place, rows: Span, terms: Span) -> Copy | None:
        schedule = self.schedule
        if schedule.left == "in place":
            return None
        by_row = schedule.left == "by row"
        copy = Copy(
            operand=self.contraction.left,
            across=rows,
            terms=terms,
            size=1 if by_row else schedule.rows,
            room=self.layout.left_room,
            lanes=schedule.lanes,
            address=self._scratch(self.layout.left),
        )
        (pack_by_row if by_row else pack_by_depth)(place, copy)
        return copy

    def _left_side(self, place: Place, copy: Copy | None, terms: Span) -> Side:
        contraction, access = self.contraction, self.left_access
        if copy is not None:
            address = copy.tile(self.function, place.where[contraction.rows])
            by_row = self.schedule.left == "by row"
            return Side(address, copy.room, 1) if by_row else Side(address, 1, copy.size)
        if access is None:
            raise ValueError(f"{contraction.left.node!r} cannot be read in place")
        address = access.address(place.moved(terms.axis, terms.start), contraction.dtype)
        return Side(address, access.stride(contraction.rows), access.stride(terms.axis))

    def _right_side(self, place: Place, copy: Copy | None, terms: Span) -> Side | None:
        contraction, access, lanes = self.contraction, self.right_access, self.schedule.lanes
        if copy is not None:
            address = copy.tile(self.function, place.where[contraction.columns])
            return Side(address, copy.room * lanes, lanes, padded=True)
        if access is None or access.stride(contraction.columns) != 1:
            return None
        address = access.address(place.moved(terms.axis, terms.start), contraction.dtype)
        return Side(address, lanes, access.stride(terms.axis))

    # Tiles

    def _tile(self, tile_sum: TileSum, terms: Span) -> None:
        """Sum a tile over `terms`; after the last ones compute and store what follows."""
        contraction, function, shape = self.contraction, self.function, tile_sum.shape
        place = tile_sum.place
        spill = self._scratch(self.layout.spill) if self.schedule.looped_epilogue else None
        if terms.whole:
            zero = shape.filled(constant(0, contraction.dtype, shape.lanes))
            total = tile_sum.emit(terms, zero, self.schedule.chains)
            store_tile(place, contraction, shape, total, spill)
            return
        partial = self._partial_sums(place, shape)
        later = function.splat(function.compare("icmp ne", terms.start, index(0)), shape.lanes)
        start = [
            [function.load_masked(address, contraction.dtype, later) for address in row]
            for row in partial
        ]
        total = tile_sum.emit(terms, start, 1)
        end = index(terms.axis.extent)
        with function.when(function.compare("icmp slt", terms.stop, end), "unfinished"):
            for values, addresses in zip(total, partial, strict=True):
                for value, address in zip(values, addresses, strict=True):
                    function.store(value, address)
        with function.when(function.compare("icmp eq", terms.stop, end), "finished"):
            store_tile(place, contraction, shape, total, spill)

    def _partial_sums(self, place: Place, shape: TileShape) -> Tile:
        """Where the sums of a tile are kept from one block of terms to the next."""
        function, contraction, width = self.function, self.contraction, self.layout.partial_width
        partial = self.layout.partial
        if self.schedule.parallel == "batch":
            sums = self._scratch(partial)
        else:
            sums = self._shared_scratch(partial + (self.tasks - 1) * self.layout.private)
        line = function.scale_index(place.where[contraction.rows], width)
        position = function.add_index(line, place.where[contraction.columns])
        origin = function.offset(sums, contraction.dtype, position)
        return [
            [
                function.offset(origin, contraction.dtype, index(i * width + first))
                for first in shape.firsts
            ]
            for i in range(shape.rows)
        ]
