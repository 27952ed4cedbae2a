"""What it costs to copy an operand whose axes are groups, and into which blocks it is cut.

Owns the part of a schedule that knows of groups. Imports the copies and the target. Invariant: that
of a schedule: an answer depends on shapes, strides and the target alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from graphc.codegen.coordinates import Axis, Buffer
from graphc.codegen.operand import Contraction, Operand, step_of_loads, varies_along
from graphc.codegen.packing import Runs
from graphc.codegen.part_copy import PartLayout
from graphc.codegen.target import Target
from graphc.ir.graph import Node

# Cycles a vector of a copy, by how far apart its elements are; measured on Zen 4.
_NEIGHBOURS_COST = 4.0
_APART_COST = 24.0
_GATHER_COST = 2.0  # an element

_LARGEST_KEPT = 4 << 20  # bytes of a left operand that are copied for a whole batch


def copy_cost(operand: Operand, buffers: Mapping[Node, Buffer], along: Axis, lanes: int) -> float:
    """Cycles an element to copy by vectors along an axis: shorter ones at the ends of runs."""
    run = Runs.of(operand, buffers, along, along.extent).inner
    neighbours = step_of_loads(operand, buffers, run.innermost) <= 1
    vectors = -(-run.extent // lanes)
    return vectors * (_NEIGHBOURS_COST if neighbours else _APART_COST) / max(run.extent, 1)


def group_costs(
    contraction: Contraction, buffers: Mapping[Node, Buffer], left: str, right: str, lanes: int
) -> float:
    """Cycles of the copies of operands whose axes are groups, copied in these ways; of one of
    which there is one for a whole batch its part."""
    cost, (x, y) = 0.0, (contraction.left, contraction.right)
    rows, columns, depth = contraction.rows, contraction.columns, contraction.depth
    if left != "in place" and x.groups:
        along = depth if left == "by row" else rows
        batch = math.prod(axis.extent for axis in contraction.batch)
        times = 1 if varies_along(x, contraction.batch) else max(batch, 1)
        cost += rows.extent * depth.extent * copy_cost(x, buffers, along, lanes) / times
    if right == "by part":
        # What slides along the columns is copied once.
        block = columns.extent, depth.extent
        elements = PartLayout.of(columns, depth, y, block, lanes).size
        cost += elements * copy_cost(y, buffers, columns.innermost, lanes)
    elif right == "computed" and y.groups:
        cost += columns.extent * depth.extent * copy_cost(y, buffers, depth, lanes)
    return cost


def by_row_costs(
    contraction: Contraction, buffers: Mapping[Node, Buffer], left: str, right: str, lanes: int
) -> float:
    """Cycles of the copies of operands whose vectors run along the depth."""
    cost, depth = 0.0, contraction.depth
    for packing, operand, across in (
        (left, contraction.left, contraction.rows),
        (right, contraction.right, contraction.columns),
    ):
        if packing != "in place":
            in_groups = bool(operand.groups)
            each = copy_cost(operand, buffers, depth, lanes) if in_groups else _GATHER_COST
            cost += each * depth.extent * across.extent
    return cost


def block_of_parts(contraction: Contraction, by_part: bool, depth_block: int, step: int) -> int:
    """Terms of a block, near so many: whole runs of a depth of several parts, of the longest that
    fit, and whole `step`s. Of what is copied by part whole steps on the first part, and all terms
    if that slides along the columns."""
    depth, right = contraction.depth, contraction.right
    leaves = depth.leaves
    if not depth.extent:
        return depth_block
    if by_part:
        if leaves[0] in right.slides_along(contraction.columns.leaves[0]):
            return depth.extent
        inside = depth.extent // max(leaves[0].extent, 1)
        return min(max(depth_block // max(inside, 1), 1) * inside, depth.extent)
    if depth_block >= depth.extent:
        return depth_block
    for cut in range(1, len(leaves)):
        unit = math.lcm(math.prod(part.extent for part in leaves[cut:]), step)
        if unit <= 2 * depth_block:
            return min(max(depth_block // unit, 1) * unit, depth.extent)
    return depth_block


def rows_at_a_time(
    contraction: Contraction, left: str, tile: int, row_bytes: int, target: Target
) -> int:
    """As many rows as fit half of the L2 cache, in whole tiles. All of them, unless they are very
    large, if they are copied: there is one copy for a whole batch then."""
    block = max(target.l2_bytes // 2 // (row_bytes * tile), 1) * tile
    whole = -(-contraction.rows.extent // tile) * tile
    shared = left != "in place" and not varies_along(contraction.left, contraction.batch)
    if shared and contraction.batch and whole * row_bytes <= _LARGEST_KEPT:
        return max(block, whole)
    return block


def columns_by_part(contraction: Contraction, depth_block: int, width: int, target: Target) -> int:
    """As many columns as can be copied by part into half of the L2 cache."""
    columns, depth, size = contraction.columns, contraction.depth, contraction.dtype.bytes
    one = PartLayout.of(columns, depth, contraction.right, (1, depth_block), 1)
    line_bytes = one.size // one.room * size
    reach = one.longer.extent - columns.leaves[0].extent
    positions = target.l2_bytes // 2 // max(line_bytes, 1) - reach
    most = max(positions * one.inner, width)
    blocks = -(-columns.extent // most)
    return -(-columns.extent // (blocks * width)) * width
