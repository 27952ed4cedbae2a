"""The matrix product kernel: blocks, packed panels, register tiles, with everything fused in.

Owns the loop nest of a contraction. Imports the tiling, the packing and the micro-kernel.
Invariants: edges are tiles of their exact size, so no byte outside a buffer is read or written; the
order of summation is a function of the schedule alone. The nest is that of Goto and van de Geijn,
"Anatomy of High-Performance Matrix Multiplication" (2008).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace

from graphc.codegen.coordinates import Axis, Buffer
from graphc.codegen.emit import Function
from graphc.codegen.inner_product import sum_tile
from graphc.codegen.microkernel import (
    Spill,
    Tile,
    TileShape,
    TileSum,
    prefetch_tile,
    store_tile,
)
from graphc.codegen.operand import Contraction, strided_access, varies_along
from graphc.codegen.packing import (
    Copy,
    StoredRows,
    pack_by_depth,
    pack_by_row,
    pack_transposed,
    runs_of,
)
from graphc.codegen.part_copy import PartCopy
from graphc.codegen.partial_sums import PartialSums
from graphc.codegen.place import Place, Span, for_each_tile, spans
from graphc.codegen.scratch_layout import ScratchLayout
from graphc.codegen.sharing import Share
from graphc.codegen.sides import left_is_shared, left_of, right_of, terms_of
from graphc.codegen.tiling import ContractionSchedule, SharedAxis
from graphc.codegen.values import Value, index
from graphc.ir.graph import Node
from graphc.ir.types import int8

_TERMS_WORTH_A_PREFETCH = 64  # while they are summed, memory has time to answer


def emit_contraction(
    function: Function,
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    schedule: ContractionSchedule,
    share: Share | None = None,
    tasks: int = 1,
    phase: int = 0,
) -> None:
    """Write the loops that compute and store every value of `contraction.stores`.

    `buffers` are what the operands and the epilogue may load; `contraction.scratch` must be given
    if `scratch_bytes` is not 0. With `share` they are those of one task of at most `tasks`. A
    schedule that has the depth in parts has a second phase, of one task, which adds them up.
    """
    if contraction.node.type.size == 0:
        return
    computed = {node for node, _ in contraction.stores}
    loadable = {node: buffer for node, buffer in buffers.items() if node not in computed}
    place = Place(function, loadable, {})
    nest = _Nest(contraction, schedule, place, share, tasks)
    if phase:
        nest.emit_total(place)
    else:
        nest.emit(place)


def phases(schedule: ContractionSchedule) -> int:
    """How many functions, one after the other, a product with this schedule is."""
    return 2 if schedule.depth_parts > 1 else 1


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
        self.stored = contraction
        if schedule.swapped:
            contraction = contraction.swapped()
        self.contraction = contraction
        # One row that was one column is stored as it is.
        self.turned = schedule.swapped and contraction.rows.extent > 1
        if not self.turned:
            self.stored = contraction
        self.schedule = schedule
        self.function = place.function
        self.left_access = strided_access(contraction.left, place.buffers)
        self.right_access = strided_access(contraction.right, place.buffers)
        self.layout = ScratchLayout.of(contraction, schedule, tasks)
        self.share, self.tasks = share, tasks
        self.sums: PartialSums | None = None
        if schedule.depth_block < contraction.depth.extent:
            self.sums = PartialSums(contraction, self._sums(), self.layout.partial_width, index(0))
        self.left_runs, self.right_runs = runs_of(contraction, place.buffers, schedule.depth_block)
        self.left_ahead: Copy | None = None

    def emit(self, place: Place) -> None:
        if self.schedule.depth_parts > 1:
            with self._parts() as terms:
                self._part_of_depth(place, terms)
        elif self.schedule.inner:
            with self._batch(place) as here:
                self._inner_products(here, Span.of(self.contraction.depth))
        elif self._right_is_shared:
            with self._columns() as columns, self._terms() as terms:
                self._pack_right(place, columns, terms)
                with self._batch(place) as here:
                    self._block_rows(here, columns, terms)
        else:
            if left_is_shared(self.contraction, self.schedule):
                rows, depth = Span.of(self.contraction.rows), Span.of(self.contraction.depth)
                self.left_ahead = self._pack_left(place, rows, depth)
            with self._batch(place) as here, self._columns() as columns, self._terms() as terms:
                self._pack_right(here, columns, terms)
                self._block_rows(here, columns, terms)

    def emit_total(self, place: Place) -> None:
        """Add up the parts of the depth, tile by tile, and compute and store what follows."""
        contraction, schedule, sums = self.contraction, self.schedule, self.sums
        assert sums is not None

        def tile(row: Value, height: int, column: Value, width: int) -> None:
            here = place.moved(contraction.rows, row).moved(contraction.columns, column)
            shape = TileShape(height, width, schedule.lanes)
            self._store(here, shape, sums.total(here, shape, schedule.depth_parts))

        rows, columns = Span.of(contraction.rows), Span.of(contraction.columns)
        for_each_tile(self.function, rows, schedule.rows, columns, schedule.width, tile)

    def _part_of_depth(self, place: Place, terms: Span) -> None:
        if self.schedule.inner:
            self._inner_products(place, terms)
            return
        with self._columns() as columns:
            self._pack_right(place, columns, terms)
            self._block_rows(place, columns, terms)

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

    @contextmanager
    def _parts(self) -> Iterator[Span]:
        """Loop over this task's parts of the depth."""
        function, schedule, sums = self.function, self.schedule, self.sums
        assert sums is not None
        depth, size = self.contraction.depth, schedule.depth_block
        first, end = index(0), index(schedule.depth_parts)
        if self.share is not None:
            first, end = self.share.bounds(function, schedule.depth_parts)
        with function.loop(first, end, 1, hint="part", always_runs=True) as loop:
            self.sums = sums.of_part(loop.counter)
            start = function.scale_index(loop.counter, size)
            stop = function.add_index(start, index(size))
            yield Span(depth, start, function.intrinsic("smin", stop, index(depth.extent)))
            self.sums = sums

    def _block_rows(self, place: Place, columns: Span, terms: Span) -> None:
        """All rows of a block of columns, summed over a block of terms."""
        function, schedule, product = self.function, self.schedule, self.contraction
        axis = product.rows
        with spans(function, self._part(axis, schedule.rows, "rows"), schedule.row_block) as rows:
            left = self.left_ahead or self._pack_left(place, rows, terms)
            right = self._right_copy(columns, terms)

            def panel(column: Value, width: int) -> None:
                panel_place = place.moved(columns.axis, column)

                def tile(row: Value, height: int) -> None:
                    here = panel_place.moved(axis, row)
                    shape = TileShape(height, width, schedule.lanes)
                    by_row = schedule.left == "by row"
                    left_side = left_of(here, product, self.left_access, left, terms, by_row)
                    right_side = right_of(
                        here, product, self.right_access, right, terms, schedule.lanes
                    )
                    tile_sum = TileSum(here, product, shape, left_side, right_side)
                    self._tile(tile_sum, terms)

                rows.for_each(function, schedule.rows, tile)

            columns.for_each(function, schedule.width, panel)

    def _inner_products(self, place: Place, terms: Span) -> None:
        schedule, contraction = self.schedule, self.contraction
        rows = self._part(contraction.rows, schedule.rows, "rows")
        columns = self._part(contraction.columns, schedule.width, "columns")
        left = self._pack_left(place, rows, terms)
        right = self._right_copy(columns, terms)
        if isinstance(right, Copy):
            pack_by_row(place, right, self.right_runs)
        place, of_left = terms_of(place, contraction, contraction.left, left, contraction.rows)
        place, of_right = terms_of(
            place, contraction, contraction.right, right, contraction.columns
        )
        contraction = replace(contraction, left=of_left, right=of_right)

        def tile(row: Value, height: int, column: Value, width: int) -> None:
            here = place.moved(contraction.rows, row).moved(contraction.columns, column)
            shape = TileShape(height, width, schedule.lanes)
            total = sum_tile(here, contraction, shape, terms, schedule.chains)
            if self.sums is None:
                self._store(here, shape, total)
            else:
                self.sums.store(here, shape, total)

        for_each_tile(self.function, rows, schedule.rows, columns, schedule.width, tile)

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

    def _right_copy(self, columns: Span, terms: Span) -> Copy | PartCopy | None:
        if self.schedule.right == "in place":
            return None
        lanes, address = self.schedule.lanes, self._scratch(self.layout.right)
        if self.layout.parts is not None:
            operand = self.contraction.right
            return PartCopy(self.layout.parts, operand, columns, terms, lanes, address)
        size = 1 if self.schedule.right == "by row" else lanes
        room = self.layout.right_room
        return Copy(self.contraction.right, columns, terms, size, room, lanes, address)

    def _pack_right(self, place: Place, columns: Span, terms: Span) -> None:
        copy = self._right_copy(columns, terms)
        if copy is None:
            return
        if isinstance(copy, PartCopy):
            copy.pack(place)
            return
        if self.schedule.right == "by depth":
            pack_by_depth(place, copy)
            return
        here = place.moved(columns.axis, columns.start).moved(terms.axis, terms.start)
        if self.schedule.right == "computed":
            address, room = self._scratch(self.layout.computed), self.layout.computed_room
            by_row = replace(copy, size=1, room=room, address=address)
            pack_by_row(place, by_row, self.right_runs)
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
        if by_row:
            pack_by_row(place, copy, self.left_runs)
        else:
            pack_by_depth(place, copy)
        return copy

    # Tiles

    def _tile(self, tile_sum: TileSum, terms: Span) -> None:
        """Sum a tile over `terms`; after the last ones compute and store what follows."""
        function, shape, place, sums = self.function, tile_sum.shape, tile_sum.place, self.sums
        if sums is None:
            if terms.axis.extent >= _TERMS_WORTH_A_PREFETCH:
                stored = TileShape(shape.columns, shape.rows, shape.lanes) if self.turned else shape
                prefetch_tile(place, self.stored, stored)
            self._store(place, shape, tile_sum.emit(terms, self.schedule.chains))
            return
        if self.schedule.depth_parts > 1:
            sums.store(place, shape, tile_sum.emit(terms, 1))
            return
        sums.prefetch(place, shape)
        total = sums.added_to(place, shape, tile_sum.emit(terms, 1), terms)
        end = index(terms.axis.extent)
        with function.when(function.compare("icmp slt", terms.stop, end), "unfinished"):
            sums.store(place, shape, total)
        with function.when(function.compare("icmp eq", terms.stop, end), "finished"):
            self._store(place, shape, total)

    def _store(self, place: Place, shape: TileShape, tile: Tile) -> None:
        """Compute what follows from a finished tile and store it."""
        schedule, lanes, function = self.schedule, shape.lanes, self.function
        if not self.turned and (not schedule.looped_epilogue or shape.rows == 1):
            store_tile(place, self.stored, shape, tile)
            return
        width = -(-schedule.width // lanes) * lanes
        spill = Spill(self._scratch(self.layout.spill), width)
        spill.put(function, shape, tile)
        if self.turned:
            dtype = self.contraction.dtype
            full = TileShape(schedule.rows, width, lanes)
            behind = function.offset(spill.address, dtype, index(schedule.rows * width))
            turned = Spill(behind, -(-schedule.rows // lanes) * lanes)
            spill.turn_to(function, turned, full, dtype)
            spill, shape = turned, TileShape(shape.columns, shape.rows, lanes)
        spill.store_rows(place, self.stored, shape)

    def _sums(self) -> Value:
        """The address of the sums of part of the depth; they are behind what tasks have for
        themselves, unless they share a batch."""
        if self.schedule.parallel == "batch":
            return self._scratch(self.layout.partial)
        private = (self.tasks - 1) * self.layout.private
        return self._shared_scratch(self.layout.partial + private)
