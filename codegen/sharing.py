"""How the work of a kernel is cut into tasks that threads share.

Owns `Sharing`, what is decided when a kernel is planned, and `Share`, the part of one task in the
code. Imports loop nests and contractions. Invariant: only the number of tasks depends on the number
of threads; the code, and with it the order of every sum, depends on shapes alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from graphc.codegen.depth_blocks import ENOUGH_UNITS
from graphc.codegen.emit import Function
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.operand import Contraction
from graphc.codegen.tiling import ContractionSchedule, shared_units
from graphc.codegen.values import Value, index
from graphc.ir.graph import Node
from graphc.ir.passes.pack_blocks import aligned
from graphc.ir.types import DType

SHARED_NANOSECONDS = 20_000
"""Estimated time from which a kernel is shared: several times what it costs to wake and join."""

TASK_NANOSECONDS = 8_000
"""Estimated time that a task takes at least."""

MOST_BLOCKS = 64
"""Blocks that a reduced axis is cut into."""


@dataclass(frozen=True)
class Sharing:
    """What the tasks of a kernel divide among them.

    `axis` is cut into `units`, of which none is divided. Where it is a reduced axis they are
    `blocks`: each has accumulators of its own, which are combined in their order. `loop` is the
    number of a loop nest's axis.
    """

    axis: str
    units: int
    tasks: int
    loop: int = -1
    blocks: bool = False


@dataclass(frozen=True)
class Share:
    """The part of one task, in the function being written: its number, and how many there are.
    No kernel has more tasks than units, so every task has one."""

    number: Value
    tasks: Value

    def bounds(self, function: Function, units: int) -> tuple[Value, Value]:
        """The first unit of this task and the first that is not."""
        following = function.add_index(self.number, index(1))
        first, end = (
            function.binary("udiv", function.scale_index(number, units), self.tasks)
            for number in (self.number, following)
        )
        return first, end

    def is_last(self, function: Function) -> Value:
        following = function.add_index(self.number, index(1))
        return function.compare("icmp eq", following, self.tasks)


def share_nest(nest: LoopNest, nanoseconds: float, threads: int) -> Sharing | None:
    """How the tasks of a map, reduce or row kernel share it; None for one that is not worth it.

    They share the outermost parallel loop that has enough rounds, or a reduced axis if the rounds
    of parallel loops are few.
    """
    if threads == 0 or nanoseconds < SHARED_NANOSECONDS:
        return None
    if any(axis.extent == 0 for axis in nest.axes):
        return None
    rounds = {number: units_of(nest, number, n) for number, n in nest.loops(reduced=False)}
    chosen = next((i for i, units in rounds.items() if units >= ENOUGH_UNITS), None)
    few = max(rounds.values(), default=0) < ENOUGH_UNITS // 2
    if few and (blocks := _blocks(nest, nanoseconds, threads)):
        return blocks
    if chosen is None:
        chosen = max(rounds, key=lambda i: rounds[i], default=None)
    if chosen is None or rounds[chosen] < 2:
        return None
    tasks = _tasks(rounds[chosen], nanoseconds, threads)
    return Sharing(nest.axes[chosen].name, rounds[chosen], tasks, chosen)


def share_contraction(
    contraction: Contraction, schedule: ContractionSchedule, nanoseconds: float, threads: int
) -> Sharing | None:
    """The same for a contraction, whose schedule names the axis."""
    units = shared_units(contraction, schedule)
    if nanoseconds < SHARED_NANOSECONDS or units < 2:
        return None
    return Sharing(schedule.parallel, units, _tasks(units, nanoseconds, threads))


def _tasks(units: int, nanoseconds: float, threads: int) -> int:
    return max(min(threads, units, int(nanoseconds // TASK_NANOSECONDS)), 1)


def units_of(nest: LoopNest, number: int, rounds: int) -> int:
    """Whole rounds of a loop: along the lanes of a vector each, or of several rows."""
    return rounds // step_of(nest, number)


def step_of(nest: LoopNest, number: int) -> int:
    if number == nest.row_loop:
        return nest.schedule.rows
    return nest.schedule.lanes if number == nest.schedule.lane_axis else 1


def _blocks(nest: LoopNest, nanoseconds: float, threads: int) -> Sharing | None:
    """Blocks of the reduced loop with most rounds, if it has enough of them.

    Scratch memory holds the row of one point, and all points are swept before the next sweep.
    Rows that are short enough to be swept side by side are not cut.
    """
    points = math.prod(n for _, n in nest.loops(reduced=False))
    if nest.row_loop is not None or (points > 1 and nest.scratch_bytes):
        return None
    rounds = {number: units_of(nest, number, n) for number, n in nest.loops(reduced=True)}
    chosen = max(rounds, key=lambda i: rounds[i], default=None)
    if chosen is None or rounds[chosen] < ENOUGH_UNITS:
        return None
    units = min(rounds[chosen], MOST_BLOCKS)
    return Sharing(
        nest.axes[chosen].name, units, _tasks(units, nanoseconds, threads), chosen, blocks=True
    )


def nest_scratch_bytes(nest: LoopNest, sharing: Sharing | None) -> int:
    """Scratch memory of a shared nest: each task keeps rows of its own; blocks of one row share
    it, and keep their accumulators behind it."""
    if sharing is None:
        return nest.scratch_bytes
    if not sharing.blocks:
        return nest.scratch_bytes * sharing.tasks
    return nest.scratch_bytes + BlockLayout(nest, sharing).total


@dataclass(frozen=True)
class Accumulator:
    """A part of the state of a reduction."""

    node: Node
    part: int


class BlockLayout:
    """Where the accumulators of each block and each point of the parallel axes are kept.

    `size` are the rounds of a block along its axis, in elements, and `rest` those behind the last
    whole block, which make one more. `places` are offsets behind the rows in scratch memory;
    accumulators of one kind lie block by block, and in a block point by point.
    """

    def __init__(self, nest: LoopNest, sharing: Sharing) -> None:
        extent = dict(nest.loops(reduced=True))[sharing.loop]
        step = step_of(nest, sharing.loop)
        self.size = extent // sharing.units // step * step
        self.rest = extent - self.size * sharing.units
        self.blocks = sharing.units + (1 if self.rest else 0)
        lanes = nest.schedule.lanes
        self.width = lanes if nest.lanes_reduce else 1
        """Elements of an accumulator at one point."""
        self.strides: dict[int, int] = {}
        self.points = 1
        for number, rounds in reversed(nest.loops(reduced=False)):
            self.strides[number] = self.points
            along = number == nest.schedule.lane_axis
            self.points *= -(-rounds // lanes) * lanes if along else rounds
        self.places: dict[Accumulator, int] = {}
        self.total = 0
        for accumulator, dtype in self._accumulators(nest):
            self.places[accumulator] = nest.scratch_bytes + self.total
            self.total += aligned(self.blocks * self.points * self.width * dtype.bytes)

    def _accumulators(self, nest: LoopNest) -> Iterator[tuple[Accumulator, DType]]:
        for sweep in nest.sweeps:
            for node in sweep.reductions:
                assert node.op.monoid is not None
                for part, dtype in enumerate(node.op.monoid.state(node.operands[0].dtype)):
                    yield Accumulator(node, part), dtype
