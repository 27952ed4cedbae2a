"""The innermost part of a contraction: a tile of sums held in registers, and what follows.

Owns the loops over the depth and the epilogue of a tile. Imports the emitter, the scalars and the
questions asked of operands. Invariant: a step of the loop over the depth is the loads, broadcasts
and multiply-adds of one term and nothing else, so that the accumulators stay in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.emit import Function
from graphc.codegen.evaluate import Evaluator
from graphc.codegen.operand import Contraction
from graphc.codegen.packing import transposed
from graphc.codegen.place import Place, Span, lane_mask, shifted
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import Value, constant, index

Tile = list[list[Value]]
"""Vectors of a tile, by row and then along the columns."""


@dataclass(frozen=True)
class Side:
    """Where a tile reads one operand.

    `address` is that of its first element; `across` and `along` are the elements from one row (of
    the right operand: from one vector of columns) and from one term to the next. A `padded` side
    may be read by whole vectors.
    """

    address: Value
    across: int
    along: int
    padded: bool = False


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

    def emit(self, terms: Span, start: Tile, chains: int) -> Tile:
        """`start` plus the sum over `terms`, in `chains` sums of every so many-th term; more than
        one only if the terms are the whole depth."""
        function = self.place.function
        zero = constant(0, self.contraction.dtype, self.shape.lanes)
        sums = [start] + [self.shape.filled(zero) for _ in range(chains - 1)]
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
        for number, first in enumerate(shape.firsts):
            offset = index(number * self.right.across + by * self.right.along)
            address = function.offset(pointers[1], contraction.dtype, offset)
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
    """x * y + z, rounded once if it is a float."""
    if x.dtype.is_float:
        return function.fma(x, y, z)
    return function.binary("add", function.binary("mul", x, y), z)


def turned(function: Function, shape: TileShape, tile: Tile) -> tuple[TileShape, Tile]:
    """The transpose of a tile: its columns as rows."""
    lanes, dtype = shape.lanes, tile[0][0].dtype
    zero = constant(0, dtype, lanes)
    result: Tile = [[] for _ in range(shape.columns)]
    for first_row in range(0, shape.rows, lanes):
        group = tile[first_row : first_row + lanes]
        for number, first in enumerate(shape.firsts):
            block = [row[number] for row in group] + [zero] * (lanes - len(group))
            for i, vector in enumerate(transposed(function, block)[: shape.columns - first]):
                result[first + i].append(vector)
    return TileShape(shape.columns, shape.rows, lanes), result


def store_tile(
    place: Place, contraction: Contraction, shape: TileShape, tile: Tile, spill: Value | None
) -> None:
    """Compute what follows from a finished tile and store it.

    With `spill`, the address of room for the tile, the code is written once in a loop over rows.
    """
    function, columns = place.function, contraction.columns
    if spill is None or shape.rows == 1:
        evaluator = place.evaluator(columns, shape.lanes)
        for i, row in enumerate(tile):
            _store_row(evaluator, contraction, shape, row, i)
        return
    width = len(shape.firsts) * shape.lanes
    for i, row in enumerate(tile):
        for first, vector in zip(shape.firsts, row, strict=True):
            address = function.offset(spill, contraction.dtype, index(i * width + first))
            function.store(vector, address)
    with function.loop(index(0), index(shape.rows), 1, hint="tile_row") as loop:
        number = function.add_index(place.where[contraction.rows], loop.counter)
        line = function.offset(spill, contraction.dtype, function.scale_index(loop.counter, width))
        row = [
            function.load(
                function.offset(line, contraction.dtype, index(first)),
                contraction.dtype,
                shape.lanes,
            )
            for first in shape.firsts
        ]
        evaluator = place.moved(contraction.rows, number).evaluator(columns, shape.lanes)
        _store_row(evaluator, contraction, shape, row, 0)


def _store_row(
    evaluator: Evaluator, contraction: Contraction, shape: TileShape, row: list[Value], i: int
) -> None:
    """All values are computed before the first is stored: it may replace what they read."""
    at = shifted(contraction.at, contraction.rows, i)
    for first, vector in zip(shape.firsts, row, strict=True):
        here, mask = shifted(at, contraction.columns, first), shape.mask(first)
        evaluator.bind_at(contraction.node, here, vector)
        values = [evaluator.value(node, here, mask) for node, _ in contraction.stores]
        for (_, buffer), value in zip(contraction.stores, values, strict=True):
            evaluator.store(buffer, here, value, mask)
