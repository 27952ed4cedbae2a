"""How the tiles of a contraction read its operands: from a copy, or where they lie.

Owns the choice of addresses. Imports the copies and the micro-kernel. Invariant: a side that may be
read by whole vectors is a copy, which has room for them.
"""

from __future__ import annotations

from graphc.codegen.coordinates import Axis
from graphc.codegen.microkernel import Side
from graphc.codegen.operand import (
    Contraction,
    Operand,
    StridedAccess,
    strided_access,
    varies_along,
)
from graphc.codegen.packing import Copy, copied_operand, strided_operand
from graphc.codegen.part_copy import PartCopy
from graphc.codegen.place import Place, Span
from graphc.codegen.tiling import ContractionSchedule


def left_is_shared(contraction: Contraction, schedule: ContractionSchedule) -> bool:
    """Whether a batch of matrices is multiplied by one, of which a copy is kept whole."""
    return (
        schedule.parallel != "rows"
        and schedule.row_block >= contraction.rows.extent
        and schedule.depth_block >= contraction.depth.extent
        and bool(contraction.batch)
        and not varies_along(contraction.left, contraction.batch)
    )


def left_of(
    place: Place,
    contraction: Contraction,
    access: StridedAccess | None,
    copy: Copy | None,
    terms: Span,
    by_row: bool,
) -> Side:
    """The left side of the tile at a place."""
    if copy is not None:
        address = copy.tile(place.function, place.where[contraction.rows])
        return Side(address, copy.room, 1) if by_row else Side(address, 1, copy.size)
    if access is None:
        raise ValueError(f"{contraction.left.node!r} cannot be read in place")
    address = access.address(place.moved(terms.axis, terms.start), contraction.dtype)
    return Side(address, access.stride(contraction.rows), access.stride(terms.axis))


def right_of(
    place: Place,
    contraction: Contraction,
    access: StridedAccess | None,
    copy: Copy | PartCopy | None,
    terms: Span,
    lanes: int,
) -> Side | None:
    """The right side of the tile at a place; None if values are computed where they are used."""
    columns, function = contraction.columns, place.function
    if isinstance(copy, PartCopy):
        return copy.side(function, place.where[columns])
    if copy is not None:
        return Side(
            copy.tile(function, place.where[columns]), copy.room * lanes, lanes, padded=True
        )
    if access is None or access.stride(columns) != 1:
        return None
    address = access.address(place.moved(terms.axis, terms.start), contraction.dtype)
    return Side(address, lanes, access.stride(terms.axis))


def terms_of(
    place: Place,
    contraction: Contraction,
    operand: Operand,
    copy: Copy | PartCopy | None,
    across: Axis,
) -> tuple[Place, Operand]:
    """An operand whose terms are neighbours, from its copy or where it lies, and a place that can
    load it; its index is said in whole axes, groups included."""
    if isinstance(copy, Copy):
        return copied_operand(place, copy)
    access = strided_access(operand, place.buffers) if operand.groups else None
    if access is None:
        return place, operand
    return strided_operand(place, operand, access, (*contraction.batch, across, contraction.depth))
