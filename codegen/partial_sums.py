"""Sums of part of the depth that wait in memory for the rest.

Owns `PartialSums`. Imports the emitter and tiles. Invariant: parts are added in their order, so
that it does not matter who computed which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from graphc.codegen.microkernel import Tile, TileShape
from graphc.codegen.operand import Contraction
from graphc.codegen.place import Place, Span
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import Value, index


@dataclass(frozen=True)
class PartialSums:
    """A matrix of sums at `address`, its rows `width` elements apart; with several parts that many
    matrices, each behind the other. `part` is the number of the one that is meant."""

    contraction: Contraction
    address: Value
    width: int
    part: Value

    def of_part(self, number: Value) -> PartialSums:
        return replace(self, part=number)

    def addresses(self, place: Place, shape: TileShape) -> Tile:
        """The address of each vector of a tile that stands at `place`."""
        function, contraction = place.function, self.contraction
        matrix = function.scale_index(self.part, contraction.rows.extent * self.width)
        line = function.scale_index(place.where[contraction.rows], self.width)
        position = function.add_index(line, place.where[contraction.columns])
        position = function.add_index(matrix, position)
        origin = function.offset(self.address, contraction.dtype, position)
        return [
            [
                function.offset(origin, contraction.dtype, index(i * self.width + first))
                for first in shape.firsts
            ]
            for i in range(shape.rows)
        ]

    def store(self, place: Place, shape: TileShape, tile: Tile) -> None:
        function = place.function
        for values, row in zip(tile, self.addresses(place, shape), strict=True):
            for first, value, address in zip(shape.firsts, values, row, strict=True):
                mask = shape.mask(first)
                if mask is None:
                    function.store(value, address)
                else:
                    function.store_masked(value, address, mask)

    def load(self, place: Place, shape: TileShape) -> Tile:
        function, dtype = place.function, self.contraction.dtype
        tile = []
        for row in self.addresses(place, shape):
            values = []
            for first, address in zip(shape.firsts, row, strict=True):
                mask = shape.mask(first)
                if mask is None:
                    values.append(function.load(address, dtype, shape.lanes))
                else:
                    values.append(function.load_masked(address, dtype, mask))
            tile.append(values)
        return tile

    def prefetch(self, place: Place, shape: TileShape) -> None:
        """Ask for a tile, which is stored or added to soon."""
        for row in self.addresses(place, shape):
            for address in row:
                place.function.prefetch(address, to_write=True)

    def added_to(self, place: Place, shape: TileShape, tile: Tile, terms: Span) -> Tile:
        """A tile of sums over `terms` plus that of all terms before them."""
        function, add = place.function, VectorScalars(place.function).add
        later = function.splat(function.compare("icmp ne", terms.start, index(0)), shape.lanes)
        dtype = self.contraction.dtype
        return [
            [
                add(function.load_masked(address, dtype, later), value)
                for address, value in zip(*rows, strict=True)
            ]
            for rows in zip(self.addresses(place, shape), tile, strict=True)
        ]

    def total(self, place: Place, shape: TileShape, parts: int) -> Tile:
        """A tile of the sum of so many parts."""
        function, add = place.function, VectorScalars(place.function).add
        first = self.of_part(index(0)).load(place, shape)
        carried = [value for row in first for value in row]
        with function.loop(index(1), index(parts), 1, carried, "part") as loop:
            part = self.of_part(loop.counter).load(place, shape)
            values = [value for row in part for value in row]
            loop.next = [add(x, y) for x, y in zip(loop.carried, values, strict=True)]
        rest = iter(loop.results)
        return [[next(rest) for _ in row] for row in first]
