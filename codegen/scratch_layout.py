"""The scratch memory of a contraction.

Owns `ScratchLayout`. Imports the schedule. Invariant: what tasks write at the same time lies apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from graphc.codegen.operand import Contraction
from graphc.codegen.part_copy import PartLayout
from graphc.codegen.tiling import ContractionSchedule
from graphc.ir.passes.pack_blocks import aligned


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
    elements: the `room` of the copies and the distance of the rows of partial sums; `parts` is how
    a right operand is laid out that is copied by part.
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
    parts: PartLayout | None

    @staticmethod
    def of(
        contraction: Contraction, schedule: ContractionSchedule, tasks: int = 1
    ) -> ScratchLayout:
        rows, columns, depth = (
            axis.extent for axis in (contraction.rows, contraction.columns, contraction.depth)
        )
        lanes, terms = schedule.lanes, min(schedule.depth_block, depth)
        padded_columns = -(-columns // lanes) * lanes
        block_rows, block_columns = _block(contraction, schedule, tasks)
        # A vector more than a row needs: rows a power of two apart would share cache sets.
        row_room = (-(-terms // lanes) + 1) * lanes
        right_room = row_room if schedule.right == "by row" else terms + 1
        left_room = row_room if schedule.left == "by row" else terms + -(-lanes // schedule.rows)
        right_size = block_columns * right_room if schedule.right != "in place" else 0
        parts = _by_part(contraction, schedule, (block_columns, terms))
        if parts is not None:
            right_size = parts.size
        sizes = {
            "right": right_size,
            "left": block_rows * left_room if schedule.left != "in place" else 0,
            "computed": block_columns * row_room if schedule.right == "computed" else 0,
            "spill": _spilled(contraction, schedule),
            "partial": schedule.depth_parts * rows * padded_columns
            if schedule.depth_block < depth
            else 0,
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
            right_room=right_room,
            left_room=left_room,
            computed_room=row_room,
            partial_width=padded_columns,
            parts=parts,
        )


def _block(contraction: Contraction, schedule: ContractionSchedule, tasks: int) -> tuple[int, int]:
    """Rows and columns that a task works on at a time."""
    columns = contraction.columns.extent
    panels, row_tiles = -(-columns // schedule.width), -(-contraction.rows.extent // schedule.rows)
    if schedule.parallel == "columns":
        panels = -(-panels // tasks)
    elif schedule.parallel == "rows":
        row_tiles = -(-row_tiles // tasks)
    padded_columns = -(-columns // schedule.lanes) * schedule.lanes
    block_columns = min(padded_columns, panels * schedule.width)
    block_rows = row_tiles * schedule.rows
    if schedule.inner:
        return block_rows, block_columns
    return min(schedule.row_block, block_rows), min(schedule.column_block, block_columns)


def _by_part(
    contraction: Contraction, schedule: ContractionSchedule, block: tuple[int, int]
) -> PartLayout | None:
    """The layout of a right operand that is copied by part, in blocks of columns and terms."""
    if schedule.right != "by part":
        return None
    columns, depth = contraction.columns, contraction.depth
    return PartLayout.of(columns, depth, contraction.right, block, schedule.lanes)


def _spilled(contraction: Contraction, schedule: ContractionSchedule) -> int:
    """Elements of a tile that is stored before its epilogue, and of its transpose."""
    lanes, rows = schedule.lanes, schedule.rows
    width = -(-schedule.width // lanes) * lanes
    if schedule.swapped and contraction.rows.extent > 1:
        return rows * width + width * -(-rows // lanes) * lanes
    return rows * width if schedule.looped_epilogue else 0
