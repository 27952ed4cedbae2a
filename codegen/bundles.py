"""Kernels that run side by side: neighbours that have nothing to do with each other.

Owns `Bundle`, `find_bundles` and `emit_bundle`. Imports `codegen` and the memory plan. Invariant:
no kernel of a bundle writes a byte that another one of it touches; what a kernel computes does not
depend on the bundle that it is in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from graphc.codegen import sharing
from graphc.codegen.emit import Function, Module
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.values import POINTER, Value, index
from graphc.ir.graph import Node
from graphc.ir.passes.plan_memory import MemoryPlan, Storage
from graphc.ir.types import int64

if TYPE_CHECKING:
    from graphc.codegen.plan import KernelPlan

MOST_KERNELS = 64
"""Kernels of a bundle, so that to find them takes no longer in large graphs."""

EVERY_TASK = -1
"""The owner of a kernel that all tasks of its bundle share."""


@dataclass(frozen=True)
class Bundle:
    """Kernels of a step that follow each other, from number `first` on: one that runs by itself;
    or several that run side by side as `tasks`. `owners` has for each of those the task that runs
    it as a whole, or `EVERY_TASK`."""

    first: int
    owners: tuple[int, ...] = (0,)
    tasks: int = 1

    @property
    def numbers(self) -> range:
        return range(self.first, self.first + len(self.owners))


def find_bundles(
    kernels: Sequence[KernelPlan], memory: MemoryPlan, threads: int
) -> Iterator[Bundle]:
    """Bundles of all kernels of a step, in order. Kernels come together where so many threads
    gain by it: what they all take, as estimated, is worth sharing."""
    run: list[int] = []
    touched = _Touched(memory)
    for number, kernel in enumerate(kernels):
        joins = threads > 1 and _can_join(kernel)
        if run and (not joins or len(run) == MOST_KERNELS or touched.meets(kernel)):
            yield from _bundled(run, kernels, threads)
            run, touched = [], _Touched(memory)
        if joins:
            run.append(number)
            touched.add(kernel)
        else:
            yield Bundle(number)
    yield from _bundled(run, kernels, threads)


def _can_join(kernel: KernelPlan) -> bool:
    """Whether tasks can run a kernel at any time: loops of one phase, without scratch memory, that
    cannot fail."""
    blocks = kernel.sharing is not None and kernel.sharing.blocks
    is_loops = isinstance(kernel.loops, LoopNest) and not blocks
    return is_loops and not kernel.scratch_bytes and not kernel.may_fail


def _bundled(run: Sequence[int], kernels: Sequence[KernelPlan], threads: int) -> Iterator[Bundle]:
    """A run of kernels side by side, or each by itself if that is not worth it."""
    total = sum(kernels[number].nanoseconds for number in run)
    tasks = min(threads, int(total // sharing.TASK_NANOSECONDS))
    if len(run) > 1 and tasks > 1 and total >= sharing.SHARED_NANOSECONDS:
        owners = _owners([kernels[number] for number in run], tasks)
        yield Bundle(run[0], owners, tasks)
    else:
        yield from map(Bundle, run)


def _owners(kernels: Sequence[KernelPlan], tasks: int) -> tuple[int, ...]:
    """Kernels that are shared have a part for each task; of the others, which are short, the
    longest first goes to the task that has least to do."""
    owners = [EVERY_TASK] * len(kernels)
    loads = [0.0] * tasks
    longest_first = sorted(range(len(kernels)), key=lambda n: -kernels[n].nanoseconds)
    for number in longest_first:
        shared = kernels[number].sharing
        # The code of a kernel that is one task has no parts for others.
        if shared is None or shared.tasks == 1 or shared.units < tasks:
            owner = loads.index(min(loads))
            owners[number] = owner
            loads[owner] += kernels[number].nanoseconds
    return tuple(owners)


class _Touched:
    """What the kernels of a run read and write: whole buffers, and parts of the workspace."""

    def __init__(self, memory: MemoryPlan) -> None:
        self._storage = memory.storage
        self._read: set[Storage] = set()
        self._written: set[Storage] = set()
        self._parts_read: list[tuple[int, int]] = []
        self._parts_written: list[tuple[int, int]] = []

    def add(self, kernel: KernelPlan) -> None:
        for nodes, buffers, parts in (
            (kernel.reads, self._read, self._parts_read),
            (kernel.writes, self._written, self._parts_written),
        ):
            for node in nodes:
                where = self._storage[node]
                if where.place == "workspace":
                    parts.append(self._part(node))
                else:
                    buffers.add(where)

    def meets(self, kernel: KernelPlan) -> bool:
        """Whether the kernel writes what one of the run touches, or reads what one writes."""
        return any(self._is_written(node) for node in kernel.reads) or any(
            self._is_written(node) or self._is_read(node) for node in kernel.writes
        )

    def _is_read(self, node: Node) -> bool:
        return self._is_among(node, self._read, self._parts_read)

    def _is_written(self, node: Node) -> bool:
        return self._is_among(node, self._written, self._parts_written)

    def _is_among(
        self, node: Node, buffers: set[Storage], parts: Sequence[tuple[int, int]]
    ) -> bool:
        if self._storage[node].place != "workspace":
            return self._storage[node] in buffers
        first, end = self._part(node)
        return any(first < other_end and other < end for other, other_end in parts)

    def _part(self, node: Node) -> tuple[int, int]:
        """The first byte in the workspace, and the one behind the last."""
        first = self._storage[node].position
        return first, first + sum(part.bytes for part in node.type.parts)


def emit_bundle(
    module: Module,
    name: str,
    bundle: Bundle,
    functions: Sequence[Function],
    sizes: Sequence[int],
) -> Function:
    """Write what a task of a bundle does. Its table has the addresses that each of the kernels'
    `functions` takes, one after the other; `sizes` says how many those are."""
    table, task, tasks = Value("%table", POINTER), Value("%task", int64), Value("%tasks", int64)
    function = module.function(name, [table, task, tasks])
    ends = [sum(sizes[:number]) for number in range(len(sizes) + 1)]
    for number, callee in enumerate(functions):
        start = function.offset(table, POINTER, index(ends[number]))
        owner = bundle.owners[number]
        if owner == EVERY_TASK:
            function.call(callee, [start, task, tasks])
            continue
        with function.when(function.compare("icmp eq", task, index(owner))):
            if callee.parameters[0].ref == table.ref:
                function.call(callee, [start, index(0), index(1)])
                continue
            places = (function.offset(start, POINTER, index(i)) for i in range(sizes[number]))
            function.call(callee, [function.load(place, POINTER) for place in places])
    function.finish()
    return function
