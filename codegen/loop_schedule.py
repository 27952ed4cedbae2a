"""How a loop nest is run: which axis in vectors, of how many lanes, and how many rows side by side.

Owns `LoopSchedule` and the rules that choose one. Imports `ir`, the target and coordinates.
Invariant: a schedule depends on shapes, accesses and the target alone, so that the order of every
sum does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from graphc.codegen.calls import is_costly
from graphc.codegen.coordinates import Axis
from graphc.codegen.target import Target
from graphc.ir.graph import KernelGroup, Node
from graphc.ir.passes.grouping import MAX_NODES

REGISTERS = 4
"""Registers that are computed in at a time where there is much to do, of one vector or of several
rows: what is computed in one of them hides the latency of the others. LLVM splits a vector that is
wider than a register."""

MOST_INLINED = 6
"""Most costly operations that a kernel has in its own code. More, if they are of few kinds, are
calls of functions. So code is short: it is its size that LLVM takes time for."""

STACK_BYTES = 128 << 10
"""Stack memory for the vectors of a kernel, unless it needs more for vectors of one register."""

MOST_WORK = 40
"""Operations an element from which code is too long to be written for several registers."""

ROW_BYTES = 4096
"""Most that is read and written along a row for several of them to be swept side by side: they stay
in the L1 cache from sweep to sweep."""


@dataclass(frozen=True)
class Access:
    """A tensor read or written in the nest: by how many elements its address moves for a step on
    each axis of the domain. `indirect` marks an address that comes partly from data."""

    node: Node
    factors: tuple[int, ...]
    write: bool = False
    indirect: bool = False


@dataclass(frozen=True)
class LoopSchedule:
    """How the nest is run: which axis is vectorised, by how many lanes, and which axes are run as
    one with the axis after them. Of the innermost parallel loop, `rows` rounds are written side by
    side. With `calls`, the kernel is cut into functions and keeps its vectors on the stack; if it
    is `masked`, too, each vector has a mask, so that the last needs no code of its own."""

    lane_axis: int | None
    lanes: int
    merged: frozenset[int]
    rows: int = 1
    calls: bool = False
    masked: bool = False


def choose_schedule(
    group: KernelGroup,
    axes: Sequence[Axis],
    accesses: Sequence[Access],
    positional: frozenset[int],
    sweep_work: int,
    target: Target,
) -> LoopSchedule:
    """The schedule of a nest. Addresses of `positional` axes are used as numbers, too;
    `sweep_work` are the operations an element of the longest sweep."""
    solid = [i for i, axis in enumerate(axes) if axis.extent > 1]
    merged = frozenset(
        i
        for i, following in pairwise(solid)
        if axes[i].reduced == axes[following].reduced
        and not positional & {i, following}
        and all(_runs_on(access, i, following, axes) for access in accesses)
    )
    extents = merged_extents(axes, solid, merged)
    costly = [(node.op.name, node.attrs, node.type) for node in group.nodes if is_costly(node)]
    most_inlined = max(MOST_INLINED, 2 * len(set(costly)))
    calls = len(costly) > most_inlined or len(group.nodes) > MAX_NODES
    candidates = [axis for axis in extents if _can_be_lanes(axis, accesses)]
    if not candidates:
        return LoopSchedule(None, 1, merged, calls=calls)
    lane_axis = min(candidates, key=lambda i: (_lane_cost(i, accesses, extents[i]), -i))
    reduces = axes[lane_axis].reduced
    work = sweep_work if reduces else sum(node.op.cost for node in group.nodes)
    registers = REGISTERS if work <= MOST_WORK or calls else 1
    abreast = reduces and not calls
    rows = _rows_together(axes, accesses, extents, registers) if abreast else 1
    widest = max([32, *(node.dtype.bits for node in group.nodes if node.dtype.is_float)])
    one = max(target.vector_bits // widest, 1)
    lanes = _lanes(one, registers // rows, extents[lane_axis])
    # The instructions of other targets have masks for few types, and are slow with them.
    masked = calls and target.vector_bits >= 512
    return LoopSchedule(lane_axis, lanes, merged, rows, calls, masked)


def with_frame(schedule: LoopSchedule, lane_bytes: int, target: Target) -> LoopSchedule:
    """The schedule with fewer lanes, but a register full, where the vectors that are kept on the
    stack, of so many bytes a lane, would take too much."""
    lanes = schedule.lanes
    while lane_bytes * lanes > STACK_BYTES and lanes > target.lanes(4):
        lanes //= 2
    return replace(schedule, lanes=lanes)


def _rows_together(
    axes: Sequence[Axis], accesses: Sequence[Access], extents: dict[int, int], registers: int
) -> int:
    """Short rows are swept side by side: while one waits for the result of a reduction, the others
    have work. Along long ones there is enough of it, and more of them would not stay in the cache.
    """
    reduced = [i for i, axis in enumerate(axes) if axis.reduced]
    along = [access for access in accesses if any(access.factors[i] for i in reduced)]
    row = math.prod(axes[i].extent for i in reduced)
    if sum(row * access.node.dtype.bytes for access in along) > ROW_BYTES:
        return 1
    innermost = [n for i, n in extents.items() if not axes[i].reduced][-1:]
    rows = registers
    while rows > 1 and rows > math.prod(innermost):
        rows //= 2
    return rows


def _lanes(one: int, registers: int, extent: int) -> int:
    """Lanes of a vector in so many registers of `one` lanes; fewer where the axis is shorter."""
    lanes = one * registers
    while lanes > one and lanes > extent:
        lanes //= 2
    while lanes // 2 >= extent:
        lanes //= 2
    return lanes


def _runs_on(access: Access, axis: int, following: int, axes: Sequence[Axis]) -> bool:
    """Whether the address moves over the end of the following axis as to its next element."""
    step = access.factors[following] * axes[following].extent
    return not access.indirect and access.factors[axis] == step


def merged_extents(
    axes: Sequence[Axis], solid: Sequence[int], merged: frozenset[int]
) -> dict[int, int]:
    """The loops that are left, each by its last axis, with the number of its rounds."""
    extents, run = {}, 1
    for i in solid:
        run *= axes[i].extent
        if i not in merged:
            extents[i], run = run, 1
    return extents


def _can_be_lanes(axis: int, accesses: Sequence[Access]) -> bool:
    return all(access.factors[axis] in (0, 1) for access in accesses if access.write)


def _lane_cost(axis: int, accesses: Sequence[Access], extent: int) -> float:
    """Rough cycles an element along this axis: neighbours are cheap, gathers dear."""
    cost = 0.0
    for access in accesses:
        if access.indirect or access.factors[axis] not in (0, 1):
            cost += 16
        else:
            cost += 1 if access.factors[axis] else 0.5
    return cost + 64 / extent
