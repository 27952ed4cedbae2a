"""How a contraction is cut into blocks and register tiles.

Owns `ContractionSchedule` and the cost model that chooses one. Imports `ir`, the target and the
questions asked of operands. Invariant: a schedule depends on shapes, strides and the target alone,
so the same program is summed in the same order on every run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from graphc.codegen.coordinates import Buffer
from graphc.codegen.operand import Contraction, neighbours_along, strided_access
from graphc.codegen.target import Target
from graphc.ir.graph import Node
from graphc.ir.types import DType

LINE_BYTES = 64
"""Size of a cache line, and the alignment of every block in scratch memory."""

_PAGE_BYTES = 4096
_WAYS = 8  # lines in a set of the L1 cache, of which there is one for each line of a page
_LARGEST_PANELS = 4 << 20  # bytes of the right operand that are copied at a time
_PANELS_WORTH_A_COPY = 6  # how often a left operand must be read for a copy of it to pay
_TILES_WORTH_A_COPY = 8  # the same for a right operand that is larger than the L2 cache

# The cost model, in cycles of one multiply-add; measured on Zen 4.
_ADD_LATENCY = 4
_BROADCAST_COST = 0.02
_VECTOR_COST = 0.08  # vectors come from the L2 cache where a panel is larger than the L1
_TILE_COST = 12.0
_KIND_COST = 0.002  # per kind of tile and cycle, for its size and the time to compile it

_MOST_ROWS = 16
_MOST_VECTORS = 8
ENOUGH_UNITS = 16
"""Tiles, rounds or products of a batch from which an axis is shared evenly by a few threads."""

_LONG_EPILOGUE = 4  # scalar operations an element that are worth a loop of their own

LeftPacking = Literal["in place", "by row", "by depth"]
RightPacking = Literal["in place", "by depth", "transposed", "computed"]
SharedAxis = Literal["batch", "rows", "columns"]


@dataclass(frozen=True)
class ContractionSchedule:
    """The cut of one contraction; every field may be overridden with `dataclasses.replace`.

    A register tile is `rows` x (`vectors` * `lanes`) elements. `swapped` exchanges the two sides of
    the product first. With `inner`, vectors run along the depth instead of along the columns, and a
    tile is one row of `lanes` columns. Blocks of `row_block` x `column_block` elements are computed
    from `depth_block` terms at a time. `chains` sums of interleaved terms are kept apart and added
    at the end, where a tile is too small to hide the latency of an add.

    `left` and `right` say whether an operand is read where it lies or copied first. Neighbours in
    the copy lie along the depth ("by row") or across it ("by depth"). Rows that lie along the
    depth are "transposed" into a right copy, after they were "computed" if they are not stored.
    `looped_epilogue` writes a long epilogue once, in a loop over the rows of a tile. `parallel`
    names the axis whose tiles threads share, where the product is worth it.
    """

    lanes: int
    rows: int
    vectors: int
    depth_block: int
    row_block: int
    column_block: int
    left: LeftPacking = "in place"
    right: RightPacking = "in place"
    chains: int = 1
    swapped: bool = False
    inner: bool = False
    looped_epilogue: bool = False
    parallel: SharedAxis = "rows"

    @property
    def column_unit(self) -> int:
        """Columns that are computed together."""
        return self.lanes if self.inner else self.width

    @property
    def width(self) -> int:
        """Columns of a tile."""
        return self.vectors * self.lanes


def schedule_contraction(
    contraction: Contraction, buffers: Mapping[Node, Buffer], target: Target
) -> ContractionSchedule:
    """Choose a schedule. Of `buffers` only the strides are looked at."""
    swapped = contraction.columns.extent == 1 and contraction.rows.extent > 1
    if swapped:
        contraction = contraction.swapped()
    right, columns, depth = contraction.right, contraction.columns, contraction.depth
    inner = contraction.rows.extent == 1 and depth is neighbours_along(
        right, buffers, (columns, depth)
    )
    looped = epilogue_cost(contraction, buffers) > _LONG_EPILOGUE
    if inner:
        return ContractionSchedule(
            lanes=vector_lanes(depth.extent, contraction.dtype, target),
            rows=1,
            vectors=1,
            depth_block=depth.extent,
            row_block=1,
            column_block=columns.extent,
            chains=max(_ADD_LATENCY // max(columns.extent, 1), 1),
            swapped=swapped,
            inner=True,
            parallel="batch" if _batch_size(contraction) >= ENOUGH_UNITS else "columns",
        )
    return _tiled(contraction, buffers, target, swapped, looped)


def _tiled(
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    target: Target,
    swapped: bool,
    looped: bool,
) -> ContractionSchedule:
    m, n, k = (axis.extent for axis in (contraction.rows, contraction.columns, contraction.depth))
    size = contraction.dtype.bytes
    lanes = vector_lanes(n, contraction.dtype, target)
    # Integers have no fused multiply-add: the product needs a register of its own.
    registers = target.vector_registers - (0 if contraction.dtype.is_float else 1)
    rows, vectors = best_tile(m, -(-n // lanes), k, registers)
    width = vectors * lanes
    row_tiles, panels = -(-m // rows), -(-n // width)
    reused = row_tiles > 1 or panels > 1
    depth_block = _depth_block(k, (rows + width) * size, lanes, target) if reused else k
    term_bytes = max(depth_block, 1) * size
    row_block = max(target.l2_bytes // 2 // (term_bytes * rows), 1) * rows
    column_block = max(_LARGEST_PANELS // (term_bytes * width), 1) * width
    left = _left_packing(contraction, buffers, rows, panels)
    right = _right_packing(contraction, buffers, row_tiles, target)
    # Who shares the rows copies the same right operand, and the other way round.
    repeated: dict[SharedAxis, int] = {
        "columns": m if left != "in place" else 0,
        "rows": n if right != "in place" else 0,
    }
    units: dict[SharedAxis, int] = {
        "columns": panels,
        "rows": row_tiles,
        "batch": _batch_size(contraction),
    }
    return ContractionSchedule(
        lanes=lanes,
        rows=rows,
        vectors=vectors,
        depth_block=depth_block,
        row_block=row_block,
        column_block=column_block,
        left=left,
        right=right,
        chains=max(_ADD_LATENCY // (rows * vectors), 1) if depth_block == k else 1,
        swapped=swapped,
        looped_epilogue=looped,
        parallel=_shared_axis(units, repeated),
    )


def _batch_size(contraction: Contraction) -> int:
    return math.prod(axis.extent for axis in contraction.batch)


def _shared_axis(units: Mapping[SharedAxis, int], repeated: Mapping[SharedAxis, int]) -> SharedAxis:
    """The axis of which there is enough and for which least is copied twice; else that of which
    there is most."""

    def merit(axis: SharedAxis) -> tuple[int, int, int]:
        return min(units[axis], ENOUGH_UNITS), -repeated.get(axis, 0), units[axis]

    return max(units, key=merit)


def shared_units(contraction: Contraction, schedule: ContractionSchedule) -> int:
    """What there is to share on the schedule's parallel axis; `contraction` as declared."""
    if schedule.swapped:
        contraction = contraction.swapped()
    if schedule.parallel == "batch":
        return _batch_size(contraction)
    if schedule.parallel == "rows":
        return -(-contraction.rows.extent // schedule.rows)
    return -(-contraction.columns.extent // schedule.column_unit)


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
    return min(candidates, key=lambda tile: _product_cost(rows, vectors, depth, *tile))


def _tiles(rows: int, vectors: int, registers: int) -> Iterator[tuple[int, int]]:
    """Tiles whose accumulators, one row of the right operand and one broadcast fit."""
    for tile_vectors in range(1, max(min(vectors, _MOST_VECTORS), 1) + 1):
        most_rows = min((registers - 1 - tile_vectors) // tile_vectors, _MOST_ROWS, max(rows, 1))
        for tile_rows in range(1, most_rows + 1):
            yield tile_rows, tile_vectors


def _product_cost(rows: int, vectors: int, depth: int, tile_rows: int, tile_vectors: int) -> float:
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
    busy = max(rows * vectors, rows + vectors, _ADD_LATENCY)
    loads = _BROADCAST_COST * rows + _VECTOR_COST * vectors
    return depth * (busy + loads) + _TILE_COST + 2 * rows * vectors


def _depth_block(depth: int, bytes_per_term: int, lanes: int, target: Target) -> int:
    """Terms summed at a time: all, if so much of a tile's two operands stays in the L2 cache."""
    if depth * bytes_per_term <= target.l2_bytes // 2:
        return depth
    most = max(target.l2_bytes // 4 // bytes_per_term, lanes)
    blocks = -(-depth // most)
    return -(-depth // (blocks * lanes)) * lanes


def _left_packing(
    contraction: Contraction, buffers: Mapping[Node, Buffer], rows: int, panels: int
) -> LeftPacking:
    left, depth = contraction.left, contraction.depth
    along = neighbours_along(left, buffers, (depth, contraction.rows))
    copied: LeftPacking = "by row" if along is depth else "by depth"
    access = strided_access(left, buffers)
    if access is None:
        return copied
    if panels < _PANELS_WORTH_A_COPY:
        return "in place"
    size = contraction.dtype.bytes
    if access.stride(depth) == 1:
        worth = _collide(access.stride(contraction.rows) * size, rows)
    else:
        worth = abs(access.stride(depth)) * size >= _PAGE_BYTES
    return copied if worth else "in place"


def _collide(step: int, rows: int) -> bool:
    """Whether so many rows that lie `step` bytes apart share a set of the L1 cache that they push
    one another out."""
    sets = [row * step % _PAGE_BYTES // LINE_BYTES for row in range(rows)]
    return max(map(sets.count, sets)) > _WAYS // 2


def _right_packing(
    contraction: Contraction, buffers: Mapping[Node, Buffer], row_tiles: int, target: Target
) -> RightPacking:
    right, columns, depth = contraction.right, contraction.columns, contraction.depth
    access = strided_access(right, buffers)
    if access is not None and access.stride(columns) == 1:
        small = depth.extent * columns.extent * contraction.dtype.bytes <= target.l2_bytes
        return "in place" if small or row_tiles < _TILES_WORTH_A_COPY else "by depth"
    if access is not None and access.stride(depth) == 1:
        return "transposed"
    if neighbours_along(right, buffers, (columns, depth)) is depth:
        return "computed"
    return "in place" if row_tiles == 1 else "by depth"


def epilogue_cost(contraction: Contraction, buffers: Mapping[Node, Buffer]) -> int:
    """Scalar operations an element that follow the sum."""
    computed = {node for node, _ in contraction.stores}
    pending, seen, cost = list(computed), {contraction.node}, 0
    while pending:
        node = pending.pop()
        if node in seen or (node in buffers and node not in computed):
            continue
        seen.add(node)
        cost += node.op.cost
        pending += node.operands
    return cost
