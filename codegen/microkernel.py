"""The innermost part of a contraction: a tile of sums held in registers, and what follows.

Owns the loops over the depth and the epilogue of a tile. Imports the emitter, the scalars and the
questions asked of operands. Invariant: a step of the loop over the depth is the loads, broadcasts
and multiply-adds of one term and nothing else, so that the accumulators stay in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Buffer
from graphc.codegen.emit import Function
from graphc.codegen.evaluate import Evaluator
from graphc.codegen.operand import Contraction
from graphc.codegen.packing import transposed
from graphc.codegen.place import Place, Span, lane_mask, shifted
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import POINTER, Value, constant, index
from graphc.ir.types import DType, int32, int64

LINE_BYTES = 64
"""Size of a cache line, and the alignment of every block in scratch memory."""

Tile = list[list[Value]]
"""Vectors of a tile, by row and then along the columns."""


@dataclass(frozen=True)
class Side:
    """Where a tile reads one operand.

    `address` is that of its first element; `across` and `along` are the elements from one row (of
    the right operand: from one vector of columns) and from one term to the next. A `padded` side
    may be read by whole vectors. Where a right side has a `table` its terms are not equally far
    apart: they are as far from `address` as the table says.
    """

    address: Value
    across: int
    along: int
    padded: bool = False
    table: Value | None = None


@dataclass(frozen=True)
class TileShape:
    """Rows and columns of a tile; its last vectors may be wider than the columns that are left."""

    rows: int
    columns: int
    lanes: int

    @property
    def firsts(self) -> range:
        """The column at which each vector begins."""
        return range(0, self.columns, self.lanes)

    def mask(self, first: int) -> Value | None:
        """The lanes that are columns of the tile, of the vector that begins at one."""
        return lane_mask(self.columns - first, self.lanes)

    def filled(self, value: Value) -> Tile:
        return [[value] * len(self.firsts) for _ in range(self.rows)]


@dataclass(frozen=True)
class TileSum:
    """The loop over the depth for one tile, which stands at `place`.

    Without a right side its values are evaluated where they are used.
    """

    place: Place
    contraction: Contraction
    shape: TileShape
    left: Side
    right: Side | None

    def emit(self, terms: Span, chains: int) -> Tile:
        """The sum over `terms`, in `chains` sums of every so many-th term; more than one only if
        the terms are the whole depth."""
        function = self.place.function
        zero = constant(0, self.contraction.dtype, self.shape.lanes)
        sums = [self.shape.filled(zero) for _ in range(chains)]
        pointers = [side.address for side in (self.left, self.right) if side]
        rest = self.contraction.depth.extent % chains if chains > 1 else 0
        stop = index(self.contraction.depth.extent - rest) if chains > 1 else terms.stop
        if stop.ref != "0":
            carried = [*(value for tile in sums for row in tile for value in row), *pointers]
            with function.loop(terms.start, stop, chains, carried, "depth") as loop:
                sums, pointers = self._split(loop.carried, chains)
                sums = [self._step(tile, pointers, loop.counter, i) for i, tile in enumerate(sums)]
                loop.next = [value for tile in sums for row in tile for value in row]
                loop.next += self._advanced(pointers, chains)
            sums, pointers = self._split(loop.results, chains)
        for i in range(rest):
            sums[i] = self._step(sums[i], pointers, stop, i)
        return self._total(sums)

    def _step(self, tile: Tile, pointers: Sequence[Value], term: Value, by: int) -> Tile:
        """The tile plus the products of the term `by` after one."""
        function, dtype, lanes = self.place.function, self.contraction.dtype, self.shape.lanes
        right = self._right_vectors(pointers, term, by)
        result = []
        for i, row in enumerate(tile):
            offset = index(i * self.left.across + by * self.left.along)
            factor = function.load(function.offset(pointers[0], dtype, offset), dtype)
            spread = function.splat(factor, lanes)
            result.append(
                [
                    multiply_add(function, spread, vector, total)
                    for vector, total in zip(right, row, strict=True)
                ]
            )
        return result

    def _right_vectors(self, pointers: Sequence[Value], term: Value, by: int) -> list[Value]:
        function, contraction, shape = self.place.function, self.contraction, self.shape
        if self.right is None:
            operand, columns = contraction.right, contraction.columns
            here = self.place.moved(contraction.depth, term)
            evaluator = here.evaluator(columns, shape.lanes)
            at = shifted(operand.at, contraction.depth, by)
            values = [
                evaluator.value(operand.node, shifted(at, columns, first), shape.mask(first))
                for first in shape.firsts
            ]
            return [function.splat(value, shape.lanes) for value in values]
        vectors = []
        origin, skipped = pointers[1], by * self.right.along
        if self.right.table is not None:
            entry = function.offset(self.right.table, int32, function.add_index(term, index(by)))
            distance = function.load(entry, int32, read_only=True)
            distance = function.convert("sext", distance, int64)
            origin, skipped = function.offset(origin, contraction.dtype, distance), 0
        for number, first in enumerate(shape.firsts):
            offset = index(number * self.right.across + skipped)
            address = function.offset(origin, contraction.dtype, offset)
            mask = None if self.right.padded else shape.mask(first)
            if mask is None:
                vectors.append(function.load(address, contraction.dtype, shape.lanes))
            else:
                vectors.append(function.load_masked(address, contraction.dtype, mask))
        return vectors

    def _advanced(self, pointers: Sequence[Value], terms: int) -> list[Value]:
        sides = [side for side in (self.left, self.right) if side]
        return [
            self.place.function.offset(pointer, self.contraction.dtype, index(terms * side.along))
            for pointer, side in zip(pointers, sides, strict=True)
        ]

    def _split(self, carried: Sequence[Value], chains: int) -> tuple[list[Tile], list[Value]]:
        """Carried values as tiles and pointers."""
        vectors = iter(carried)
        tiles = [
            [[next(vectors) for _ in self.shape.firsts] for _ in range(self.shape.rows)]
            for _ in range(chains)
        ]
        return tiles, list(vectors)

    def _total(self, sums: list[Tile]) -> Tile:
        add = VectorScalars(self.place.function).add
        while len(sums) > 1:
            sums = [
                [[add(x, y) for x, y in zip(*rows, strict=True)] for rows in zip(*two, strict=True)]
                for two in zip(sums[::2], sums[1::2], strict=False)
            ] + ([sums[-1]] if len(sums) % 2 else [])
        return sums[0]


def multiply_add(function: Function, x: Value, y: Value, z: Value) -> Value:
    """x * y + z; of floats rounded once, on targets with an instruction for it."""
    if x.dtype.is_float and function.module.has("fma", x.dtype):
        return function.fma(x, y, z)
    prefix = "f" if x.dtype.is_float else ""
    return function.binary(f"{prefix}add", function.binary(f"{prefix}mul", x, y), z)


def prefetch_tile(place: Place, contraction: Contraction, shape: TileShape) -> None:
    """Ask for the matrices that a tile's epilogue reads, so that they are there after the sum."""
    function, buffers = place.function, _matrices_read(place, contraction)
    if not buffers:
        return
    with function.loop(index(0), index(shape.rows), 1, hint="ahead") as loop:
        row = function.add_index(place.where[contraction.rows], loop.counter)
        here, columns = place.moved(contraction.rows, row), contraction.columns
        for buffer, dtype in buffers.items():
            for first in range(0, shape.columns, max(LINE_BYTES // dtype.bytes, 1)):
                column = function.add_index(place.where[columns], index(first))
                evaluator = here.moved(columns, column).evaluator(columns, 1)
                address = evaluator.address(buffer, contraction.at, dtype)
                function.prefetch(address, to_write=buffer.written)


def _matrices_read(place: Place, contraction: Contraction) -> dict[Buffer, DType]:
    """The buffers of the product's shape that the epilogue loads."""
    found: dict[Buffer, DType] = {}
    pending, seen = [node for node, _ in contraction.stores], {contraction.node}
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        if node not in place.buffers:
            pending += node.operands
        elif node.shape == contraction.node.shape:
            found[place.buffers[node]] = node.dtype
    return found


def store_tile(place: Place, contraction: Contraction, shape: TileShape, tile: Tile) -> None:
    """Compute what follows from a finished tile and store it."""
    evaluator = place.evaluator(contraction.columns, shape.lanes)
    for i, row in enumerate(tile):
        _store_row(place, evaluator, contraction, shape, row, i)


@dataclass(frozen=True)
class Spill:
    """Room for a tile in memory: its address, and the elements from row to row."""

    address: Value
    pitch: int

    def put(self, function: Function, shape: TileShape, tile: Tile) -> None:
        for i, row in enumerate(tile):
            for first, vector in zip(shape.firsts, row, strict=True):
                place = index(i * self.pitch + first)
                function.store(vector, function.offset(self.address, vector.dtype, place))

    def store_rows(self, place: Place, contraction: Contraction, shape: TileShape) -> None:
        """Compute what follows from the tile and store it; the code is written once, in a loop
        over its rows."""
        function, dtype = place.function, contraction.dtype
        with function.loop(index(0), index(shape.rows), 1, hint="tile_row") as loop:
            number = function.add_index(place.where[contraction.rows], loop.counter)
            distance = function.scale_index(loop.counter, self.pitch)
            line = function.offset(self.address, dtype, distance)
            row = [
                function.load(function.offset(line, dtype, index(first)), dtype, shape.lanes)
                for first in shape.firsts
            ]
            here = place.moved(contraction.rows, number)
            evaluator = here.evaluator(contraction.columns, shape.lanes)
            _store_row(here, evaluator, contraction, shape, row, 0)

    def turn_to(self, function: Function, other: Spill, shape: TileShape, dtype: DType) -> None:
        """Put the transpose of a tile of this shape there.

        It is a function of its own, which tiles of smaller shapes use, too: they leave what they
        do not fill as it was, and do not store what becomes of it.
        """
        name, parameters = f"{function.name}.turn", [Value("%from", POINTER), Value("%to", POINTER)]
        known = [written for written in function.module.functions if written.name == name]
        if known:
            turn = known[0]
        else:
            turn = function.module.function(name, parameters)
            squares = replace(self, address=parameters[0]), replace(other, address=parameters[1])
            _write_turn(turn, *squares, shape, dtype)
        function.call(turn, [self.address, other.address])


def _write_turn(
    function: Function, near: Spill, far: Spill, shape: TileShape, dtype: DType
) -> None:
    """Transpose square by square, each in registers."""
    lanes = shape.lanes
    width, height = len(shape.firsts) * lanes, -(-shape.rows // lanes) * lanes
    for first_row in range(0, height, lanes):
        count = min(shape.rows - first_row, lanes)
        rest = [constant(0, dtype, lanes)] * (lanes - count)
        with function.loop(index(0), index(width), lanes, hint="square") as loop:
            source = function.offset(near.address, dtype, loop.counter)
            rows = [
                function.load(
                    function.offset(source, dtype, index((first_row + i) * near.pitch)),
                    dtype,
                    lanes,
                )
                for i in range(count)
            ]
            start = function.scale_index(loop.counter, far.pitch)
            target = function.offset(far.address, dtype, start)
            for i, vector in enumerate(transposed(function, rows + rest)):
                place = index(i * far.pitch + first_row)
                function.store(vector, function.offset(target, dtype, place))
    function.finish()


def _store_row(
    place: Place,
    evaluator: Evaluator,
    contraction: Contraction,
    shape: TileShape,
    row: list[Value],
    i: int,
) -> None:
    """All values are computed before the first is stored: it may replace what they read."""
    function, rows, columns = place.function, contraction.rows, contraction.columns
    at = shifted(contraction.at, rows, i)
    for first, vector in zip(shape.firsts, row, strict=True):
        here, mask = shifted(at, columns, first), shape.mask(first)
        if rows.parts or columns.parts:
            moved = function.add_index(place.where[rows], index(i))
            there = place.moved(rows, moved) if rows.parts else place
            moved = function.add_index(place.where[columns], index(first))
            there = there.moved(columns, moved) if columns.parts else there
            evaluator = there.evaluator(columns, shape.lanes)
        evaluator.bind_at(contraction.node, here, vector)
        values = [evaluator.value(node, here, mask) for node, _ in contraction.stores]
        for (_, buffer), value in zip(contraction.stores, values, strict=True):
            evaluator.store(buffer, here, value, mask)
