"""What a matrix product costs when it is cut into tiles of one size.

Owns the cost model and the choice of the cheapest tile. Imports the target and types. Invariant: a
cost depends on shapes and the target alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from graphc.codegen.target import Target
from graphc.ir.types import DType

# All in cycles of one multiply-add; measured on Zen 4.
ADD_LATENCY = 4
_BROADCAST_COST = 0.02
_VECTOR_COST = 0.08  # vectors come from the L2 cache where a panel is larger than the L1
_TILE_COST = 12.0
_LANE_SUM_COST = 3.0
_L2_LOAD_COST = 2.0
_L3_LOAD_COST = 4.0
_KIND_COST = 0.002  # per kind of tile and cycle, for its size and the time to compile it

_MOST_ROWS = 16
_MOST_VECTORS = 8


def vector_lanes(extent: int, dtype: DType, target: Target) -> int:
    """Lanes of the vectors along an axis: a whole register, or less where the axis is short.

    Elements narrower than 32 bits take as many lanes as 32-bit ones, so that tiles stay small.
    """
    element = max(dtype.bits, 32)
    full = max(target.vector_bits // element, 1)
    smallest = max(128 // element, 1)
    return min(full, max(smallest, 1 << (extent - 1).bit_length() if extent > 1 else 1))


def best_tile(rows: int, vectors: int, depth: int, registers: int) -> tuple[int, int]:
    """The tile, in rows and vectors, with the smallest estimated cost for a product.

    >>> best_tile(1024, 64, 1024, 32)
    (14, 2)
    """
    candidates = _tiles(rows, vectors, registers)
    return min(candidates, key=lambda tile: product_cost(rows, vectors, depth, *tile))


def _tiles(rows: int, vectors: int, registers: int) -> Iterator[tuple[int, int]]:
    """Tiles whose accumulators, one row of the right operand and one broadcast fit."""
    for tile_vectors in range(1, max(min(vectors, _MOST_VECTORS), 1) + 1):
        most_rows = min((registers - 1 - tile_vectors) // tile_vectors, _MOST_ROWS, max(rows, 1))
        for tile_rows in range(1, most_rows + 1):
            yield tile_rows, tile_vectors


def product_cost(rows: int, vectors: int, depth: int, tile_rows: int, tile_vectors: int) -> float:
    """Estimated cycles of all tiles, and a little for every kind of tile that must be compiled."""
    kinds = [
        (r, v, row_count * column_count)
        for r, row_count in _parts(rows, tile_rows)
        for v, column_count in _parts(vectors, tile_vectors)
    ]
    cycles = sum(_tile_cost(r, v, depth) * count for r, v, count in kinds)
    return cycles * (1 + _KIND_COST * len(kinds))


def _parts(extent: int, size: int) -> list[tuple[int, int]]:
    """(size, how many) of the whole parts and of the rest, where there are any."""
    parts = [(size, extent // size), (extent % size, 1)]
    return [(size, count) for size, count in parts if size and count]


def _tile_cost(rows: int, vectors: int, depth: int) -> float:
    """Cycles of one tile: multiply-adds, or loads, or the latency of dependent adds, whichever is
    most, and a little for loads that cost more than their turn."""
    busy = max(rows * vectors, rows + vectors, ADD_LATENCY)
    loads = _BROADCAST_COST * rows + _VECTOR_COST * vectors
    return depth * (busy + loads) + _TILE_COST + 2 * rows * vectors


def loads_along_depth(reread: int, target: Target) -> float:
    """Cycles to load a vector where vectors run along the depth and so many bytes of the shorter
    side are read again by every tile of the other: they are in the L1 cache, the L2 or further.
    Vectors of 128 bits come from there as fast as they are multiplied."""
    if reread <= target.l1_bytes or target.vector_bits <= 128:
        return 1.0
    return _L2_LOAD_COST if reread <= target.l2_bytes // 2 else _L3_LOAD_COST


def depth_tile(
    size: tuple[int, int, int], lanes: int, registers: int, load_cost: float
) -> tuple[int, int]:
    """Rows and columns of a tile whose vectors run along the depth, for so many rows, columns and
    vectors of terms."""
    m, n, _ = size
    candidates = (
        (rows, columns)
        for columns in range(1, max(min(n, lanes), 1) + 1)
        for rows in range(1, max(min((registers - 1 - columns) // columns, m, _MOST_ROWS), 1) + 1)
        if columns * (rows + 1) + 1 <= registers
    )
    return min(candidates, key=lambda tile: depth_cost(size, tile, load_cost))


def depth_cost(size: tuple[int, int, int], tile: tuple[int, int], load_cost: float) -> float:
    """Estimated cycles of all tiles, with the sums over lanes."""
    (m, n, steps), (tile_rows, tile_columns) = size, tile
    cycles = 0.0
    kinds = 0
    for rows, row_count in _parts(m, tile_rows):
        for columns, column_count in _parts(n, tile_columns):
            sums = rows * columns
            busy = max(sums, load_cost * (rows + columns), ADD_LATENCY if sums > 1 else 1)
            each = steps * busy + _TILE_COST + _LANE_SUM_COST * sums
            cycles += each * row_count * column_count
            kinds += 1
    return cycles * (1 + _KIND_COST * kinds)
