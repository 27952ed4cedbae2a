"""From a group of nodes to a loop nest: axes, sweeps, accesses, schedule.

Owns `LoopNest` and the analysis of its sweeps and accesses; `loops` writes the code. Serves the
kernel shapes map, reduce and row, which are one: loops over parallel axes, and at each of their
points a number of sweeps over the reduced axes. Imports `ir` and `codegen`. Invariant: a loop
nest is a plain value that the dump prints whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from graphc.codegen.calls import COSTLY
from graphc.codegen.coordinates import Axis, Index, Indices, affine_index
from graphc.codegen.loop_schedule import (
    Access,
    LoopSchedule,
    choose_schedule,
    merged_extents,
    with_frame,
)
from graphc.codegen.segments import Segment, cut_segments
from graphc.codegen.target import Target
from graphc.ir.access import broadcast_map, compose, operand_maps
from graphc.ir.domain import Domain
from graphc.ir.graph import KernelGroup, Node
from graphc.ir.op import AccessMap, Affine, Family, Indirect
from graphc.ir.passes.inline import is_stored_source
from graphc.ir.passes.pack_blocks import aligned
from graphc.ir.types import row_major_strides


@dataclass(frozen=True)
class Sweep:
    """One pass over the reduced axes: reductions that it accumulates, values that it stores, and
    values that it keeps in scratch memory for the sweeps after it."""

    reductions: tuple[Node, ...]
    stores: tuple[Node, ...]
    caches: tuple[Node, ...] = ()


@dataclass(frozen=True)
class LoopNest:
    """A kernel of shape map, reduce or row.

    `axes` are those of the domain. At each point of the parallel axes the `sweeps` run one after
    the other, then `stores` are written.
    """

    name: str
    shape: str
    domain: Domain
    axes: tuple[Axis, ...]
    sweeps: tuple[Sweep, ...]
    stores: tuple[Node, ...]
    accesses: tuple[Access, ...]
    schedule: LoopSchedule
    segments: tuple[Segment, ...] = ()

    @property
    def lanes_reduce(self) -> bool:
        """Whether the vectorised axis is a reduced one."""
        lane_axis = self.schedule.lane_axis
        return lane_axis is not None and self.axes[lane_axis].reduced

    def index(self, node: Node) -> Indices:
        """Where `node` is at the current point."""
        mapping = self.domain.coordinates(node.shape)
        assert mapping is not None
        return self._at(mapping)

    def places(self, node: Node) -> list[tuple[Node, Indices]]:
        """What is stored of a node at the current point, and where in it: the node itself, or each
        of its parts."""
        if self.domain.coordinates(node.shape) is not None:
            return [(node, self.index(node))]
        return [(part, self._at(mapping)) for part, mapping in part_maps(node)]

    def _at(self, mapping: AccessMap) -> Indices:
        point = tuple(Index(((axis, 1),)) if axis.extent > 1 else Index() for axis in self.axes)
        return tuple(
            affine_index(entry, point) if isinstance(entry, Affine) else Index()
            for entry in mapping
        )

    def loops(self, *, reduced: bool) -> list[tuple[int, int]]:
        """The loops over parallel or reduced axes, outermost first and the vectorised one last:
        each by its last axis, with the number of its rounds."""
        solid = [i for i, axis in enumerate(self.axes) if axis.extent > 1]
        extents = merged_extents(self.axes, solid, self.schedule.merged)
        chosen = [(i, n) for i, n in extents.items() if self.axes[i].reduced == reduced]
        return sorted(chosen, key=lambda loop: loop[0] == self.schedule.lane_axis)

    def position(self) -> Index:
        """The number of the current point along the reduced axes, counted row by row."""
        terms, stride = [], 1
        for axis in reversed(self.axes):
            if axis.reduced:
                terms.append((axis, stride))
                stride *= axis.extent
        return Index(tuple(terms))

    def row_strides(self) -> tuple[int, ...]:
        """Strides in scratch memory, which holds the reduced axes and not the parallel ones."""
        row = tuple(axis.extent if axis.reduced else 1 for axis in self.axes)
        strides = row_major_strides(row)
        return tuple(s if a.reduced else 0 for a, s in zip(self.axes, strides, strict=True))

    def scratch_offsets(self) -> dict[Node, int]:
        """Where in scratch memory each kept value begins, in bytes: on a cache line of its own."""
        kept = [node for sweep in self.sweeps for node in sweep.caches]
        ends = accumulate((self._row_bytes(node) for node in kept), initial=0)
        return dict(zip(kept, ends, strict=False))

    @property
    def scratch_bytes(self) -> int:
        """Size of the scratch memory."""
        return self.row_bytes * self.schedule.rows

    @property
    def row_bytes(self) -> int:
        """Size of the scratch memory of one row."""
        return sum(self._row_bytes(node) for sweep in self.sweeps for node in sweep.caches)

    @property
    def row_loop(self) -> int | None:
        """The parallel loop of which several rounds are written side by side."""
        if self.schedule.rows == 1:
            return None
        return self.loops(reduced=False)[-1][0]

    def _row_bytes(self, node: Node) -> int:
        row = math.prod(axis.extent for axis in self.axes if axis.reduced)
        return aligned(row * node.dtype.bytes)


def part_maps(node: Node) -> list[tuple[Node, AccessMap]]:
    """The parts of a node that is stored part by part, each with the map from a point of the domain
    to the part's element in the node."""
    found: list[tuple[Node, AccessMap]] = []
    offset = 0
    axis: int = vars(node.attrs)["axis"]
    for part in node.operands:
        shifts = [offset if i == axis else 0 for i in range(len(node.shape))]
        entries = (Affine.along(i, 1, shift) for i, shift in enumerate(shifts))
        found.append((part, tuple(entries)))
        offset += part.shape[axis]
    return found


def build_loop_nest(group: KernelGroup, stored: Sequence[Node], target: Target) -> LoopNest:
    """The loop nest of a fused group; `stored` are the nodes it must write."""
    domain = Domain.of(group.nodes)
    reduced = domain.reduced or frozenset()
    axes = tuple(
        Axis(f"{'r' if i in reduced else 'i'}{i}", extent, i in reduced)
        for i, extent in enumerate(domain.shape)
    )
    accesses, positional = _accesses(group, stored, domain)
    inside = {node for node in group.nodes if _is_inside(node, domain)}
    sweeps = _sweeps(group, stored, inside) if domain.reduced is not None else ()
    work = max((_work(sweep, inside) for sweep in sweeps), default=0)
    schedule = choose_schedule(group, axes, accesses, positional, work, target)
    segments: tuple[Segment, ...] = ()
    if schedule.calls:
        segments = cut_segments(group.nodes, stored, domain.shape)
        kept = sum(segment.root.dtype.bytes for segment in segments if segment.readers != 1)
        schedule = with_frame(schedule, kept, target)
    if _keeps_rows(axes, schedule):
        sweeps = _with_caches(group, sweeps, inside)
    swept = {node for sweep in sweeps for node in sweep.stores}
    return LoopNest(
        group.name,
        group.shape,
        domain,
        axes,
        sweeps,
        tuple(node for node in stored if node not in swept),
        accesses,
        schedule,
        segments,
    )


def _is_inside(node: Node, domain: Domain) -> bool:
    """Whether a node has a value at each step of a sweep (and not only after it)."""
    return (
        domain.reduced is not None
        and node.shape == domain.shape
        and node.op.family is not Family.REDUCTION
        and any(domain.shape[axis] != 1 for axis in domain.reduced)
    )


def _sweep_numbers(group: KernelGroup) -> dict[Node, int]:
    """For each node how many sweeps must be over before it can be computed."""
    number: dict[Node, int] = {}
    for node in group.nodes:
        number[node] = max(
            (
                number[operand] + (operand.op.family is Family.REDUCTION)
                for operand in node.operands
                if operand in number
            ),
            default=0,
        )
    return number


def _sweeps(group: KernelGroup, stored: Sequence[Node], inside: set[Node]) -> tuple[Sweep, ...]:
    number = _sweep_numbers(group)
    reductions = [node for node in group.nodes if node.op.family is Family.REDUCTION]
    written = [node for node in stored if node in inside]
    count = 1 + max(number[node] for node in (*reductions, *written))
    return tuple(
        Sweep(
            tuple(node for node in reductions if number[node] == i),
            tuple(node for node in written if number[node] == i),
        )
        for i in range(count)
    )


def _keeps_rows(axes: Sequence[Axis], schedule: LoopSchedule) -> bool:
    """Whether scratch memory of one row serves: it is not empty, and lanes run along its last
    axis."""
    reduced = [i for i, axis in enumerate(axes) if axis.reduced and axis.extent != 1]
    if not reduced or any(axes[i].extent == 0 for i in reduced):
        return False
    return schedule.lane_axis in (None, reduced[-1])


def _with_caches(
    group: KernelGroup, sweeps: Sequence[Sweep], inside: set[Node]
) -> tuple[Sweep, ...]:
    """The sweeps with the expensive values that several of them need, and that are not stored
    anyway, kept by the first."""
    stored = {node for sweep in sweeps for node in sweep.stores}
    needed = [_needed_in(sweep, inside) for sweep in sweeps]
    result, kept = [], set(stored)
    for i, sweep in enumerate(sweeps):
        caches = tuple(
            node
            for node in group.nodes
            if node in needed[i]
            and node not in kept
            and node.op.cost >= COSTLY
            and any(node in later for later in needed[i + 1 :])
        )
        kept.update(caches)
        result.append(replace(sweep, caches=caches))
    return tuple(result)


def _work(sweep: Sweep, inside: set[Node]) -> int:
    """Operations an element."""
    return sum(node.op.cost for node in (*sweep.reductions, *_needed_in(sweep, inside)))


def _needed_in(sweep: Sweep, inside: set[Node]) -> set[Node]:
    """The values at the points of a sweep that it computes."""
    pending = [*sweep.stores, *(node.operands[0] for node in sweep.reductions)]
    needed: set[Node] = set()
    while pending:
        node = pending.pop()
        if node in inside and node not in needed:
            needed.add(node)
            pending += node.operands
    return needed


def _accesses(
    group: KernelGroup, stored: Sequence[Node], domain: Domain
) -> tuple[tuple[Access, ...], frozenset[int]]:
    """Every access of the kernel, and the domain's axes whose position matters by itself."""
    rank = len(domain.shape)
    own, written = set(group.nodes), set(stored)
    found: dict[Access, None] = {}
    positional: set[int] = set()
    pending: list[tuple[Node, AccessMap]] = []
    for node in group.nodes:
        mapping = domain.coordinates(node.shape)
        if node.op.family is Family.REDUCTION:
            pending.append((node.operands[0], domain.coordinates(domain.shape) or ()))
        if node in written and mapping is not None:
            found[Access(node, _factors(node, mapping, rank), write=True)] = None
            pending.append((node, mapping))
        elif node in stored:
            for part, place in part_maps(node):
                found[Access(node, _factors(node, place, rank), write=True)] = None
                pending.append((part, domain.coordinates(part.shape) or ()))
    seen: set[tuple[Node, AccessMap]] = set()
    while pending:
        node, mapping = pending.pop()
        if (node, mapping) in seen or (node.op.family is Family.REDUCTION and node in own):
            continue
        seen.add((node, mapping))
        if node.op.position is not None:
            positional |= _axes_of(mapping[node.op.position(node.attrs)])
        elif node not in own:
            if node.op.family is Family.SOURCE and not is_stored_source(node):
                continue
            indirect = any(isinstance(entry, Indirect) for entry in mapping)
            found[Access(node, _factors(node, mapping, rank), indirect=indirect)] = None
        else:
            for operand, inner in _operand_maps(node, mapping):
                if node.op.fill is not None:
                    positional |= {axis for entry in inner for axis in _axes_of(entry)}
                pending.append((operand, inner))
    return tuple(found), frozenset(positional)


def _operand_maps(node: Node, mapping: AccessMap) -> Iterable[tuple[Node, AccessMap]]:
    for operand, inner in zip(node.operands, operand_maps(node) or (), strict=True):
        direct = broadcast_map(operand.shape, node.shape) if inner is None else inner
        yield operand, compose(direct, mapping)


def _axes_of(entry: Affine | Indirect) -> set[int]:
    return {axis for axis, _ in entry.terms} if isinstance(entry, Affine) else set()


def _factors(node: Node, mapping: AccessMap, rank: int) -> tuple[int, ...]:
    factors = [0] * rank
    for entry, stride, size in zip(mapping, row_major_strides(node.shape), node.shape, strict=True):
        if isinstance(entry, Affine) and size != 1:
            for axis, scale in entry.terms:
                factors[axis] += scale * stride
    return tuple(factors)
