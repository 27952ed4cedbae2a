"""The matrix product kernel: blocks, packed panels, register tiles, with everything fused in.

Owns the loop nest of a contraction and the layout of its scratch memory. Imports the tiling, the
packing and the micro-kernel. Invariants: edges are tiles of their exact size, so no byte outside a
buffer is read or written; the order of summation is a function of the schedule alone. The nest is
that of Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

from graphc.codegen.emit import Function, Value, constant, index
from graphc.codegen.evaluate import Axis, Buffer
from graphc.codegen.inner_product import sum_columns
from graphc.codegen.microkernel import Side, Tile, TileShape, TileSum, store_tile
from graphc.codegen.operand import (
    Contraction,
    Operand,
    Place,
    neighbours_along,
    strided_access,
    varies_along,
)
from graphc.codegen.packing import Copying, Terms, pack_panel, pack_panel_transposed, pack_rows
from graphc.codegen.tiling import LINE_BYTES, ContractionSchedule
from graphc.ir.graph import Node
from graphc.ir.types import int8

def emit_contraction(
    function: Function,
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    schedule: ContractionSchedule,
) -> None:
    """Write the loops that compute and store every value of `contraction.stores`.

    `buffers` are what the operands and the epilogue may load; `contraction.scratch` must be given
    if `scratch_bytes` is not 0.
    """
    if contraction.node.type.size == 0:
        return
    if schedule.swapped:
        contraction = contraction.swapped()
    computed = {node for node, _ in contraction.stores}
    loadable = {node: buffer for node, buffer in buffers.items() if node not in computed}
    place = Place(function, loadable, {})
    _Nest(contraction, schedule, place).emit(place)


def scratch_bytes(contraction: Contraction, schedule: ContractionSchedule) -> int:
    """Size of the workspace that the kernel needs while it runs, 64-byte aligned."""
    if schedule.swapped:
        contraction = contraction.swapped()
    return ScratchLayout.of(contraction, schedule).total


@dataclass(frozen=True)
class ScratchLayout:
    """Byte offsets of the parts of a kernel's scratch memory, and its size.

    `terms` is the most terms that a copy holds; `left_width` and `partial_width` are the elements
    from row to row.
    """

    right: int
    left: int
    partial: int
    spill: int
    total: int
    terms: int
    left_width: int
    partial_width: int

    @staticmethod
    def of(contraction: Contraction, schedule: ContractionSchedule) -> ScratchLayout:
        rows, columns, depth = (
            axis.extent for axis in (contraction.rows, contraction.columns, contraction.depth)
        )
        lanes, terms = schedule.lanes, min(schedule.depth_block, depth)
        padded = -(-columns // lanes) * lanes
        by_row = schedule.left == "by row"
        # A vector more than the row: rows a power of two apart would share cache sets.
        left_width = (-(-terms // lanes) + 1) * lanes if by_row else schedule.rows
        left_rows = min(schedule.row_block, -(-rows // schedule.rows) * schedule.rows)
        sizes = {
            "right": terms * min(schedule.column_block, padded),
            "left": left_rows * left_width if by_row else left_rows * terms + lanes,
            "partial": rows * padded,
            "spill": schedule.rows * schedule.width,
        }
        needed = {
            "right": schedule.right != "in place" and not schedule.inner,
            "left": schedule.left != "in place" and not schedule.inner,
            "partial": schedule.depth_block < depth,
            "spill": schedule.looped_epilogue,
        }
        offsets, total = {}, 0
        for part, elements in sizes.items():
            offsets[part] = total
            if needed[part] and contraction.node.type.size:
                total += -(-elements * contraction.dtype.bytes // LINE_BYTES) * LINE_BYTES
        return ScratchLayout(
            **offsets, total=total, terms=terms, left_width=left_width, partial_width=padded
        )


@dataclass(frozen=True)
class Block:
    """Part of an axis from `start` to `stop`, of which whole tiles end at `whole`.

    The tile of `rest` elements behind the last whole one belongs to the block where `has_rest`
    holds (None: always).
    """

    start: Value
    whole: Value
    stop: Value
    rest: int
    has_rest: Value | None


class _Nest:
    """The loops of one contraction."""

    def __init__(
        self, contraction: Contraction, schedule: ContractionSchedule, place: Place
    ) -> None:
        self.contraction = contraction
        self.schedule = schedule
        self.function = place.function
        self.left_access = strided_access(contraction.left, place.buffers)
        self.right_access = strided_access(contraction.right, place.buffers)
        self.layout = ScratchLayout.of(contraction, schedule)

    def emit(self, place: Place) -> None:
        if self.schedule.inner:
            with self._batch(place) as here:
                self._inner_products(here)
        elif self._right_is_shared:
            with self._column_block(place) as columns, self._terms() as terms:
                self._pack_right(place, columns, terms)
                with self._batch(place) as here:
                    self._rows(here, columns, terms)
        else:
            with (
                self._batch(place) as here,
                self._column_block(here) as columns,
                self._terms() as terms,
            ):
                self._pack_right(here, columns, terms)
                self._rows(here, columns, terms)

    @property
    def _right_is_shared(self) -> bool:
        """Whether all of a batch multiply by one matrix, which is then copied once.

        Not where the depth is in blocks: partial sums are kept for one matrix of a batch.
        """
        right, batch = self.contraction.right, self.contraction.batch
        return not self._in_blocks and not varies_along(right, batch)

    @property
    def _in_blocks(self) -> bool:
        return self.schedule.depth_block < self.contraction.depth.extent

    # Loops

    @contextmanager
    def _batch(self, place: Place) -> Iterator[Place]:
        with ExitStack() as loops:
            for axis in self.contraction.batch:
                loop = self.function.loop(index(0), index(axis.extent), 1, hint=axis.name)
                place = place.moved(axis, loops.enter_context(loop).counter)
            yield place

    def _column_block(self, place: Place) -> AbstractContextManager[Block]:
        schedule = self.schedule
        return self._block(self.contraction.columns, schedule.column_block, schedule.width)

    @contextmanager
    def _block(self, axis: Axis, size: int, tile: int) -> Iterator[Block]:
        whole = axis.extent // tile * tile
        rest = axis.extent - whole
        if size >= axis.extent:
            yield Block(index(0), index(whole), index(axis.extent), rest, None)
            return
        function = self.function
        with function.loop(index(0), index(axis.extent), size, hint=axis.name) as loop:
            end = function.add_index(loop.counter, index(size))
            yield Block(
                start=loop.counter,
                whole=function.intrinsic("smin", end, index(whole)),
                stop=function.intrinsic("smin", end, index(axis.extent)),
                rest=rest,
                has_rest=function.compare("icmp sgt", end, index(whole)),
            )

    @contextmanager
    def _terms(self) -> Iterator[Terms]:
        depth, function = self.contraction.depth, self.function
        if not self._in_blocks:
            yield Terms(depth, index(0), index(depth.extent))
            return
        size, extent = self.schedule.depth_block, index(depth.extent)
        with function.loop(index(0), extent, size, hint="term_block") as loop:
            end = function.add_index(loop.counter, index(size))
            yield Terms(depth, loop.counter, function.intrinsic("smin", end, extent))

    def _tiles(
        self, place: Place, axis: Axis, block: Block, size: int, body: Callable[[Place, int], None]
    ) -> None:
        """Write `body(place, size)` for the tiles of a block: in a loop, then for the rest."""
        whole = axis.extent // size * size
        if whole:
            with self.function.loop(block.start, block.whole, size, hint=axis.name) as loop:
                body(place.moved(axis, loop.counter), size)
        if block.rest:
            with ExitStack() as condition:
                if block.has_rest is not None:
                    condition.enter_context(self.function.when(block.has_rest))
                body(place.moved(axis, index(whole)), block.rest)

    def _rows(self, place: Place, columns: Block, terms: Terms) -> None:
        contraction, schedule = self.contraction, self.schedule
        with self._block(contraction.rows, schedule.row_block, schedule.rows) as rows:
            self._pack_left(place, rows, terms)

            def panel(place: Place, width: int) -> None:
                def tile(place: Place, height: int) -> None:
                    shape = TileShape(height, width, schedule.lanes)
                    self._tile(place, shape, rows, columns, terms)

                self._tiles(place, contraction.rows, rows, schedule.rows, tile)

            self._tiles(place, contraction.columns, columns, schedule.width, panel)

    def _inner_products(self, place: Place) -> None:
        contraction, lanes = self.contraction, self.schedule.lanes
        block = self._block(contraction.columns, contraction.columns.extent, lanes)

        def tile(place: Place, width: int) -> None:
            shape = TileShape(1, width, lanes)
            sums = sum_columns(place, contraction, shape, self.schedule.chains)
            store_tile(place, contraction, shape, [[sums]], None)

        with block as columns:
            first = place.moved(contraction.rows, index(0))
            self._tiles(first, contraction.columns, columns, lanes, tile)

    # Operands

    def _scratch(self, offset: int) -> Value:
        scratch = self.contraction.scratch
        if scratch is None:
            raise ValueError(f"{self.contraction.node!r} needs scratch memory and was given none")
        return self.function.offset(scratch, int8, index(offset))

    def _after(self, offset: int, number: Value, start: Value, width: int) -> Value:
        """The address in scratch memory of line `number`, where line `start` is the first."""
        function = self.function
        line = number if start.ref == "0" else function.binary("sub", number, start)
        return function.offset(
            self._scratch(offset), self.contraction.dtype, function.scale_index(line, width)
        )

    def _pack_right(self, place: Place, block: Block, terms: Terms) -> None:
        if self.schedule.right == "in place":
            return
        right, axis, lanes = self.contraction.right, self.contraction.columns, self.schedule.lanes
        along = neighbours_along(right, place.buffers, (axis, terms.axis))
        pack = pack_panel_transposed if along is terms.axis else pack_panel

        def panel(place: Place, width: int) -> None:
            address = self._right_panel(place, block)
            padded = -(-width // lanes) * lanes
            pack(place, Copying(right, axis, terms, lanes, address, padded), width)

        self._tiles(place, axis, block, self.schedule.width, panel)

    def _pack_left(self, place: Place, block: Block, terms: Terms) -> None:
        left, axis, lanes = self.contraction.left, self.contraction.rows, self.schedule.lanes
        if self.schedule.left == "by row":
            address, width = self._scratch(self.layout.left), self.layout.left_width
            copying = Copying(left, axis, terms, lanes, address, width)
            pack_rows(place, copying, block.start, block.stop)
        elif self.schedule.left == "by depth":

            def panel(place: Place, height: int) -> None:
                address = self._left_panel(place, block)
                pack_panel(place, Copying(left, axis, terms, lanes, address, height), height)

            self._tiles(place, axis, block, self.schedule.rows, panel)

    def _right_panel(self, place: Place, block: Block) -> Value:
        column = place.where[self.contraction.columns]
        return self._after(self.layout.right, column, block.start, self.layout.terms)

    def _left_panel(self, place: Place, block: Block) -> Value:
        by_row = self.schedule.left == "by row"
        width = self.layout.left_width if by_row else self.layout.terms
        row = place.where[self.contraction.rows]
        return self._after(self.layout.left, row, block.start, width)

    def _left_side(self, place: Place, shape: TileShape, block: Block, terms: Terms) -> Side:
        contraction, access = self.contraction, self.left_access
        if self.schedule.left == "by row":
            return Side(self._left_panel(place, block), self.layout.left_width, 1)
        if self.schedule.left == "by depth":
            return Side(self._left_panel(place, block), 1, shape.rows)
        if access is None:
            raise ValueError(f"{contraction.left.node!r} cannot be read in place")
        address = access.address(place.moved(terms.axis, terms.start), contraction.dtype)
        return Side(address, access.stride(contraction.rows), access.stride(terms.axis))

    def _right_side(
        self, place: Place, shape: TileShape, block: Block, terms: Terms
    ) -> Side | None:
        contraction, access = self.contraction, self.right_access
        if self.schedule.right != "in place":
            width = len(shape.firsts) * shape.lanes
            return Side(self._right_panel(place, block), 1, width, padded=True)
        if access is None or access.stride(contraction.columns) != 1:
            return None
        address = access.address(place.moved(terms.axis, terms.start), contraction.dtype)
        return Side(address, 1, access.stride(terms.axis))

    # Tiles

    def _tile(
        self, place: Place, shape: TileShape, rows: Block, columns: Block, terms: Terms
    ) -> None:
        contraction, function = self.contraction, self.function
        left = self._left_side(place, shape, rows, terms)
        right = self._right_side(place, shape, columns, terms)
        tile_sum = TileSum(place, contraction, shape, left, right)
        spill = self._scratch(self.layout.spill) if self.schedule.looped_epilogue else None
        start = shape.filled(constant(0, contraction.dtype, shape.lanes))
        if terms.all:
            total = tile_sum.emit(terms, start, self.schedule.chains)
            store_tile(place, contraction, shape, total, spill)
            return
        partial = self._partial_addresses(place, shape)
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

    def _partial_addresses(self, place: Place, shape: TileShape) -> Tile:
        """Where the partial sums of a tile are kept between blocks of the depth."""
        function, contraction, width = self.function, self.contraction, self.layout.partial_width
        line = function.scale_index(place.where[contraction.rows], width)
        position = function.add_index(line, place.where[contraction.columns])
        origin = function.offset(self._scratch(self.layout.partial), contraction.dtype, position)
        return [
            [
                function.offset(origin, contraction.dtype, index(i * width + first))
                for first in shape.firsts
            ]
            for i in range(shape.rows)
        ]
