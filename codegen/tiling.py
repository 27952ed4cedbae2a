"""How a contraction is cut into blocks and register tiles.

Owns `ContractionSchedule` and the cost model that chooses one. Imports `ir`, the target and the
questions asked of operands. Invariant: a schedule depends on shapes, strides and the target alone,
so the same program is summed in the same order on every run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from graphc.codegen import copy_costs
from graphc.codegen.cache_sets import PAGE_BYTES, collide, overflows
from graphc.codegen.coordinates import Axis, Buffer
from graphc.codegen.depth_blocks import ENOUGH_UNITS, block_of_depth, part_of_depth
from graphc.codegen.microkernel import LINE_BYTES
from graphc.codegen.operand import Contraction, Operand, neighbours_along, strided_access
from graphc.codegen.target import Target
from graphc.codegen.tile_costs import (
    ADD_LATENCY,
    best_tile,
    depth_cost,
    depth_tile,
    loads_along_depth,
    product_cost,
    vector_lanes,
)
from graphc.ir.graph import Node

_LARGEST_PANELS = 4 << 20  # bytes of the right operand that are copied at a time
_PANELS_WORTH_A_COPY = 6  # how often a left operand must be read for a copy of it to pay
_TILES_WORTH_A_COPY = 8  # the same for a right operand as large as the L2 cache
_LONG_EPILOGUE = 4  # scalar operations an element that are worth a loop of their own

LeftPacking = Literal["in place", "by row", "by depth"]
RightPacking = Literal["in place", "by row", "by depth", "transposed", "computed", "by part"]
SharedAxis = Literal["batch", "rows", "columns", "depth"]

# Cycles an element, beside the multiply-adds.
_RIGHT_COPY_COST: dict[RightPacking, float] = {
    "in place": 0.0,
    "by row": 0.15,
    "by depth": 0.15,
    "transposed": 0.55,
    "computed": 0.7,
    "by part": 0.0,  # counted by parts
}
_LEFT_COPY_COST = 0.15
_COPY_START = 40.0  # cycles


@dataclass(frozen=True)
class ContractionSchedule:
    """The cut of one contraction; every field may be overridden with `dataclasses.replace`.

    A register tile is `rows` x (`vectors` * `lanes`) elements. `swapped` exchanges the two sides of
    the product first, and turns finished tiles back. With `inner`, vectors run along the depth
    instead of along the columns, and a tile is `rows` x `vectors` elements. Blocks of `row_block` x
    `column_block` elements are computed from `depth_block` terms at a time. `chains` sums of
    interleaved terms are kept apart and added at the end, where a tile is too small to hide the
    latency of an add.

    `left` and `right` say whether an operand is read where it lies or copied first. Neighbours in
    the copy lie along the depth ("by row") or across it ("by depth"). Rows that lie along the
    depth are "transposed" into a right copy, after they were "computed" if they are not stored.
    `looped_epilogue` writes a long epilogue once, in a loop over the rows of a tile. `parallel`
    names the axis whose tiles threads share, where the product is worth it. With several
    `depth_parts`, of `depth_block` terms each, sums of all parts are kept and added at the end.
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
    depth_parts: int = 1
    parallel: SharedAxis = "rows"

    @property
    def width(self) -> int:
        """Columns of a tile."""
        return self.vectors if self.inner else self.vectors * self.lanes


def schedule_contraction(
    contraction: Contraction, buffers: Mapping[Node, Buffer], target: Target
) -> ContractionSchedule:
    """Choose a schedule. Of `buffers` only the strides are looked at.

    Vectors run along the columns, along the rows or along the depth, whichever is estimated to be
    cheapest.
    """
    forms = [
        _tiled(contraction, buffers, target, swapped=False),
        _tiled(contraction, buffers, target, swapped=True),
        _along_depth(contraction, buffers, target),
    ]
    return min(forms, key=lambda form: form[0])[1]


def _tiled(
    contraction: Contraction, buffers: Mapping[Node, Buffer], target: Target, *, swapped: bool
) -> tuple[float, ContractionSchedule]:
    """The schedule with vectors along the columns, or along the rows, and its cost."""
    turned = swapped and contraction.columns.extent > 1
    epilogue = epilogue_cost(contraction, buffers)
    if swapped:
        contraction = contraction.swapped()
    m, n, k = contraction.extents
    lanes = vector_lanes(n, contraction.dtype, target)
    across = -(-n // lanes)
    rows, vectors = best_tile(m, across, k, _registers(contraction, target))
    row_tiles, panels = -(-m // rows), -(-across // vectors)
    depth_block = part_of_depth(contraction, max(row_tiles, panels), lanes, lanes, target)
    in_parts = depth_block < k
    if not in_parts and (row_tiles > 1 or panels > 1):
        depth_block = block_of_depth(contraction, rows + vectors * lanes, lanes, target)
    left = _left_packing(contraction, buffers, (rows, panels, depth_block), target)
    right = _right_packing(contraction, buffers, (row_tiles, depth_block), target)
    cost = product_cost(m, across, k, rows, vectors) + epilogue * m * across
    cost += _copy_start(left, right) + _RIGHT_COPY_COST[right] * n * k
    if left != "in place" and not contraction.left.groups:
        cost += _LEFT_COPY_COST * m * k
    cost += copy_costs.group_costs(contraction, buffers, left, right, lanes)
    cost += _turn_cost(m, across, rows, lanes) if turned else 0
    depth_block = copy_costs.block_of_parts(contraction, right == "by part", depth_block, lanes)
    schedule = ContractionSchedule(
        lanes=lanes,
        rows=rows,
        vectors=vectors,
        depth_block=depth_block,
        row_block=rows,
        column_block=vectors * lanes,
        left=left,
        right=right,
        chains=max(ADD_LATENCY // (rows * vectors), 1) if depth_block == k else 1,
        swapped=swapped,
        looped_epilogue=rows > 1 and epilogue > _LONG_EPILOGUE,
        depth_parts=-(-k // max(depth_block, 1)) if in_parts else 1,
    )
    return cost, _blocked(contraction, schedule, target)


def _along_depth(
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    target: Target,
    load_cost: float = 1.0,
) -> tuple[float, ContractionSchedule]:
    """The schedule with vectors along the depth, and its cost. `load_cost` is that of a vector; it
    is found out if tiles read again what does not stay in the L1 cache."""
    declared = contraction
    swapped = contraction.columns.extent == 1 and contraction.rows.extent > 1
    epilogue = epilogue_cost(contraction, buffers)
    contraction = contraction.swapped() if swapped else contraction
    m, n, k = contraction.extents
    lanes = vector_lanes(k, contraction.dtype, target)
    size = m, n, -(-k // lanes)
    rows, columns = depth_tile(size, lanes, _registers(contraction, target), load_cost)
    row_tiles, column_tiles = -(-m // rows), -(-n // columns)
    left, right = _depth_packings(contraction, buffers, (row_tiles, column_tiles))
    copied = m * (left != "in place") + n * (right != "in place")
    cost = depth_cost(size, (rows, columns), load_cost) + epilogue * m * column_tiles
    cost += _copy_start(left, right)
    cost += copy_costs.by_row_costs(contraction, buffers, left, right, lanes)
    chains = max(ADD_LATENCY // (rows * columns), 1)
    too_large = copied * k * contraction.dtype.bytes > target.l2_bytes // 2
    tiles = 1 if too_large else max(row_tiles, column_tiles)
    depth_block = part_of_depth(contraction, tiles, lanes, lanes * chains, target)
    depth_block = copy_costs.block_of_parts(contraction, False, depth_block, lanes * chains)
    reread = contraction.dtype.bytes * depth_block * min(m, n) * (min(row_tiles, column_tiles) > 1)
    if depth_block == k and loads_along_depth(reread, target) > load_cost:
        return _along_depth(declared, buffers, target, loads_along_depth(reread, target))
    if reread > target.l2_bytes:
        cost = math.inf  # every tile would read what has left the L2 cache
    schedule = ContractionSchedule(
        lanes=lanes,
        rows=rows,
        vectors=columns,
        depth_block=depth_block,
        row_block=max(row_tiles, 1) * rows,
        column_block=max(column_tiles, 1) * columns,
        left=left,
        right=right,
        chains=chains,
        swapped=swapped,
        inner=True,
        looped_epilogue=rows > 1 and epilogue > _LONG_EPILOGUE,
        depth_parts=-(-k // depth_block) if depth_block < k else 1,
    )
    return cost, replace(schedule, parallel=_shared_axis(contraction, schedule))


def _blocked(
    contraction: Contraction, schedule: ContractionSchedule, target: Target
) -> ContractionSchedule:
    """The schedule with blocks that fit the caches, and the axis that is shared."""
    rows, width = schedule.rows, schedule.width
    term_bytes = max(schedule.depth_block, 1) * contraction.dtype.bytes
    column_block = max(_LARGEST_PANELS // (term_bytes * width), 1) * width
    if schedule.right == "by part":
        column_block = copy_costs.columns_by_part(contraction, schedule.depth_block, width, target)
    return replace(
        schedule,
        row_block=copy_costs.rows_at_a_time(contraction, schedule.left, rows, term_bytes, target),
        column_block=column_block,
        parallel=_shared_axis(contraction, schedule),
    )


def _copy_start(left: LeftPacking, right: RightPacking) -> float:
    return _COPY_START * ((left != "in place") + (right != "in place"))


def _turn_cost(rows: int, vectors: int, tile_rows: int, lanes: int) -> float:
    """Cycles to turn all tiles: they are cut into squares, which are also stored and loaded."""
    squares = -(-rows // tile_rows) * -(-tile_rows // lanes) * vectors
    return squares * lanes * (math.log2(lanes) + 3)


def _registers(contraction: Contraction, target: Target) -> int:
    """Integers have no fused multiply-add: the product needs a register of its own."""
    return target.vector_registers - (0 if contraction.dtype.is_float else 1)


def _depth_packings(
    contraction: Contraction, buffers: Mapping[Node, Buffer], tiles: tuple[int, int]
) -> tuple[Literal["in place", "by row"], Literal["in place", "by row"]]:
    """How the operands are read by tiles along the depth, of which there are so many across the
    rows and across the columns."""
    row_tiles, column_tiles = tiles
    left = _depth_packing(contraction.left, contraction.rows, contraction, buffers, column_tiles)
    right = _depth_packing(contraction.right, contraction.columns, contraction, buffers, row_tiles)
    return left, right


def _depth_packing(
    operand: Operand,
    across: Axis,
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    times_read: int,
) -> Literal["in place", "by row"]:
    """Whether an operand is copied so that its terms are neighbours."""
    depth = contraction.depth
    if operand.groups:
        access = strided_access(operand, buffers)
        return "in place" if access is not None and access.stride(depth) == 1 else "by row"
    if neighbours_along(operand, buffers, (across, depth)) is not depth:
        return "by row"
    computed = strided_access(operand, buffers) is None
    return "by row" if computed and times_read > 1 else "in place"


def _batch_size(contraction: Contraction) -> int:
    return math.prod(axis.extent for axis in contraction.batch)


def _shared_axis(contraction: Contraction, schedule: ContractionSchedule) -> SharedAxis:
    """The axis of which there is enough and for which least is copied twice; else that of which
    there is most. Parts of the depth, if there are any."""
    if schedule.depth_parts > 1:
        return "depth"
    units: dict[SharedAxis, int] = {
        "columns": -(-contraction.columns.extent // schedule.width),
        "rows": -(-contraction.rows.extent // schedule.rows),
        "batch": _batch_size(contraction),
    }
    # Who shares the rows copies the same right operand, and the other way round.
    repeated: dict[SharedAxis, int] = {
        "columns": contraction.rows.extent if schedule.left != "in place" else 0,
        "rows": contraction.columns.extent if schedule.right != "in place" else 0,
    }

    def merit(axis: SharedAxis) -> tuple[float, int, int]:
        return _evenness(units[axis]), -repeated.get(axis, 0), units[axis]

    return max(units, key=merit)


def _evenness(units: int) -> float:
    """How well a few threads, however many, can share so many units."""
    if units >= ENOUGH_UNITS:
        return 3.0
    return sum(units / max(-(-units // threads) * threads, 1) for threads in (2, 4, 8))


def shared_units(contraction: Contraction, schedule: ContractionSchedule) -> int:
    """What there is to share on the schedule's parallel axis; `contraction` as declared."""
    if schedule.swapped:
        contraction = contraction.swapped()
    if schedule.parallel == "batch":
        return _batch_size(contraction)
    if schedule.parallel == "depth":
        return schedule.depth_parts
    if schedule.parallel == "rows":
        return -(-contraction.rows.extent // schedule.rows)
    return -(-contraction.columns.extent // schedule.width)


def _left_packing(
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    tiles: tuple[int, int, int],
    target: Target,
) -> LeftPacking:
    """`tiles` are the rows of one, how many of them share these, and the terms at a time."""
    rows, panels, terms = tiles
    left, depth = contraction.left, contraction.depth
    along = neighbours_along(left, buffers, (depth, contraction.rows))
    copied: LeftPacking = "by row" if along is depth or contraction.rows.parts else "by depth"
    access = strided_access(left, buffers)
    if access is None:
        return copied
    size = contraction.dtype.bytes
    if access.stride(depth) == 1:
        return copied if collide(access.stride(contraction.rows) * size, rows) else "in place"
    step = abs(access.stride(depth)) * size
    # A short tile uses little of every line that comes from beyond the L1 cache.
    wasteful = rows * size <= LINE_BYTES // 2 and step * terms > 4 * target.l1_bytes
    worth = (wasteful or step >= PAGE_BYTES) and panels >= _PANELS_WORTH_A_COPY
    return copied if worth or (panels > 1 and overflows(step, terms, target)) else "in place"


def _right_packing(
    contraction: Contraction,
    buffers: Mapping[Node, Buffer],
    tiles: tuple[int, int],
    target: Target,
) -> RightPacking:
    """`tiles` are how many share the same columns, and the terms at a time."""
    row_tiles, terms = tiles
    right, columns, depth = contraction.right, contraction.columns, contraction.depth
    access = strided_access(right, buffers)
    if access is not None and access.stride(columns) == 1:
        size = contraction.dtype.bytes
        read = terms * columns.extent * size
        # Rows of the left operand that pass through the L2 cache push out what is read in place.
        passing = terms * contraction.rows.extent * size
        crowded = read + passing > 3 * target.l2_bytes // 2
        small = read <= target.l2_bytes // (2 if crowded else 1)
        if not small and row_tiles * read >= _TILES_WORTH_A_COPY * target.l2_bytes:
            return "by depth"
        step = abs(access.stride(depth)) * size
        copied = row_tiles > 1 and overflows(step, terms, target)
        return "by depth" if copied else "in place"
    if access is not None and access.stride(depth) == 1:
        return "transposed"
    if neighbours_along(right, buffers, (columns, depth)) is depth:
        return "computed"
    if right.groups:
        return "by part"
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
