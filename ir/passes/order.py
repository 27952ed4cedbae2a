"""Put kernels in an order in which updates can be written in place, and write the result down.

Owns `order_kernels`. A kernel that makes a parameter's new value must run after every kernel that
reads the old one; then it writes straight into the parameter. Where that cannot be (two
parameters that swap values), the new value is kept aside and copied at the end. What that leaves
open is decided by the memory that values need. Imports `ir` only. Invariant: in a fused graph every
update may be written where the parameter lies.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from graphc.ir.access import compose
from graphc.ir.domain import kernel_shape, same_place
from graphc.ir.graph import Graph, KernelGroup, Node, Update, with_operands
from graphc.ir.op import Family
from graphc.ir.ops import OPS
from graphc.ir.passes.grouping import Grouping, Kernel
from graphc.ir.passes.kept_values import Growth, KeptValues


def order_kernels(graph: Graph, grouping: Grouping) -> Graph:
    """The fused graph: kernels in order, each with its own copies of what it inlines."""
    kernels, kept_aside = _order(graph, grouping)
    writer = _Writer(graph, grouping)
    for kernel in kernels:
        writer.write(kernel)
    updates = []
    for update in graph.updates:
        value = writer.stored[update.value]
        if update in kept_aside:
            value = writer.write_copy(
                value, f"%{update.param.name} is still read by its own kernel"
            )
        updates.append(Update(update.param, value))
    return replace(
        graph,
        outputs=tuple(writer.stored[node] for node in graph.outputs),
        updates=tuple(updates),
        stage="fused",
        kernels=tuple(writer.groups),
        nodes=tuple(writer.nodes),
    )


def _order(graph: Graph, grouping: Grouping) -> tuple[list[Kernel], set[Update]]:
    """Kernels sorted so that readers of a parameter precede its writer, and the updates for which
    that is not possible. Of two orders the one that keeps less in memory: as near as possible to
    the order they have, or with kernels first that free at least as much as they make."""
    rules = _constraints(graph, grouping)
    values = KeptValues.of(graph, grouping)
    lines = (_Line(grouping.kernels, values), _Line(grouping.kernels, None))
    found = [_sorted(line, rules) for line in lines]
    return min(found, key=lambda each: (len(each[1]), values.peak(each[0])))


@dataclass(frozen=True)
class _Constraints:
    """For each kernel the kernels it waits for: those whose results it reads, and those that read
    a parameter which it writes, with the updates that are kept aside if it does not wait.
    `kept_aside` are the updates that are in any case."""

    waits_for: dict[Kernel, set[Kernel]]
    holding: dict[Kernel, dict[Kernel, list[Update]]]
    kept_aside: set[Update]


def _constraints(graph: Graph, grouping: Grouping) -> _Constraints:
    readers: dict[Node, dict[Kernel, None]] = {param: {} for param in graph.params}
    waits_for: dict[Kernel, set[Kernel]] = {kernel: set() for kernel in grouping.kernels}
    for node, kernel in grouping.home.items():
        waits_for[kernel].update(k for k in grouping.kernels_read(node) if k is not kernel)
        for read, _ in grouping.reads[node]:
            base = grouping.inlining.base(read)
            if base in readers:
                readers[base][kernel] = None
    kept_aside: set[Update] = set()
    holding: dict[Kernel, dict[Kernel, list[Update]]] = {k: {} for k in grouping.kernels}
    for update in graph.updates:
        writer = grouping.home[update.value]
        for reader in readers[update.param]:
            if reader is not writer:
                holding[writer].setdefault(reader, []).append(update)
            elif not _reads_where_it_writes(grouping, writer, update):
                kept_aside.add(update)
    return _Constraints(waits_for, holding, kept_aside)


class _Line:
    """Kernels that are ready, in their order; if `values` are given, first those that leave less
    of them, then those that leave as much."""

    def __init__(self, kernels: Iterable[Kernel], values: KeptValues | None) -> None:
        self._by_order = {kernel.order: kernel for kernel in kernels}
        self._growth = Growth(values) if values else None
        self._ready: list[tuple[int, int]] = []
        self._held: list[tuple[int, int]] = []
        self._in_line: dict[Kernel, bool] = {}
        self._done: set[Kernel] = set()

    def push(self, kernel: Kernel, held: bool) -> None:
        """Let a kernel stand in line; one that is `held` goes when no other is there."""
        if kernel in self._done:
            return
        self._in_line[kernel] = held
        sign = self._growth.sign(kernel) if self._growth else 0
        heapq.heappush(self._held if held else self._ready, (sign, kernel.order))

    def __iter__(self) -> Iterator[Kernel]:
        """Each kernel once; more may be pushed meanwhile."""
        while self._ready or self._held:
            kernel = self._by_order[heapq.heappop(self._ready or self._held)[1]]
            if kernel in self._done:
                continue
            self._done.add(kernel)
            for other in self._growth.ran(kernel) if self._growth else ():
                if other in self._in_line:
                    self.push(other, self._in_line[other])
            yield kernel


def _sorted(line: _Line, rules: _Constraints) -> tuple[list[Kernel], set[Update]]:
    """Kahn's algorithm with two kinds of edges; when only the second kind is left in the way,
    the first writer in line is let through and its updates are kept aside."""
    waits_for = {kernel: set(others) for kernel, others in rules.waits_for.items()}
    holding = {kernel: dict(others) for kernel, others in rules.holding.items()}
    kept_aside = set(rules.kept_aside)
    followers: dict[Kernel, list[Kernel]] = {kernel: [] for kernel in waits_for}
    for kernel in waits_for:
        for earlier in waits_for[kernel] | holding[kernel].keys():
            followers[earlier].append(kernel)
        if not waits_for[kernel]:
            line.push(kernel, held=bool(holding[kernel]))
    order = []
    for kernel in line:
        kept_aside.update(u for updates in holding[kernel].values() for u in updates)
        order.append(kernel)
        for follower in followers[kernel]:
            waits_for[follower].discard(kernel)
            holding[follower].pop(kernel, None)
            if not waits_for[follower]:
                line.push(follower, held=bool(holding[follower]))
    return order, kept_aside


def _reads_where_it_writes(grouping: Grouping, kernel: Kernel, update: Update) -> bool:
    """Whether a kernel reads the parameter only at the element that it writes there, and does
    not read it again after."""
    place = kernel.nodes[update.value]
    if place is None:
        return False
    if kernel.domain.reduced is not None and update.value.shape == kernel.domain.shape:
        return False
    for node, at in kernel.nodes.items():
        for read, mapping in grouping.reads[node]:
            if grouping.inlining.base(read) is not update.param or _overwrites(node, update):
                continue
            if (
                read is not update.param
                or mapping is None
                or at is None
                or node.op.family is Family.REDUCTION
            ):
                return False
            if not same_place(compose(mapping, at), place, read.shape):
                return False
    return True


def _overwrites(node: Node, update: Update) -> bool:
    """Whether a routine may write the parameter's new value over the parameter that it takes."""
    place = node.op.in_place
    if place is None or node is not update.value or node.operands.count(update.param) != 1:
        return False
    return node.operands[place] is update.param


class _Writer:
    """Writes kernels into the node list of the fused graph."""

    def __init__(self, graph: Graph, grouping: Grouping) -> None:
        self.inlining = grouping.inlining
        self.position = {node: i for i, node in enumerate(graph.nodes)}
        self.nodes = [n for n in graph.nodes if n.op.family is Family.SOURCE]
        self.stored = {node: node for node in self.nodes}
        self.groups: list[KernelGroup] = []
        self._copied: set[Node] = set()
        self._names: dict[Kernel, str] = {}
        self._views: dict[Node, list[Node]] = {}
        for node in graph.nodes:
            if node in self.inlining.views:
                for operand in node.operands:
                    self._views.setdefault(operand, []).append(node)
        for node in list(self.nodes):
            self._write_views(node)

    def write(self, kernel: Kernel) -> None:
        local: dict[Node, Node] = {}
        for node in sorted(self._needed(kernel), key=self.position.__getitem__):
            operands = tuple(local.get(o) or self.stored[o] for o in node.operands)
            copy = with_operands(node, operands)
            if copy in self._copied:
                copy = replace(copy)
            self._copied.add(copy)
            local[node] = copy
            if node in kernel.nodes:
                self.stored[node] = copy
        nodes = tuple(local.values())
        self._append(kernel_shape(nodes), nodes, self._reason(kernel))
        self._names[kernel] = self.groups[-1].name
        for node in kernel.nodes:
            self._write_views(node)

    def write_copy(self, node: Node, reason: str) -> Node:
        copy = OPS["copy"](node, name=node.name)
        self._append("map", (copy,), reason)
        return copy

    def _reason(self, kernel: Kernel) -> str:
        other = kernel.because_of
        while other is not None and other.merged_into is not None:
            other = other.merged_into
        if other is None or other not in self._names:
            return kernel.reason.format("another kernel")
        return kernel.reason.format(self._names[other])

    def _append(self, shape: str, nodes: tuple[Node, ...], reason: str) -> None:
        self.nodes += nodes
        self.groups.append(KernelGroup(f"k{len(self.groups)}", shape, nodes, reason))

    def _needed(self, kernel: Kernel) -> set[Node]:
        """The kernel's nodes and the inlined ones under them that are no sources."""
        needed = set(kernel.nodes)
        pending = list(kernel.nodes)
        while pending:
            for operand in pending.pop().operands:
                inlined = operand in self.inlining.inlined and operand.operands
                if inlined and operand not in needed:
                    needed.add(operand)
                    pending.append(operand)
        return needed

    def _write_views(self, base: Node) -> None:
        pending = list(self._views.get(base, ()))
        while pending:
            view = pending.pop(0)
            if view in self.stored or not all(o in self.stored for o in view.operands):
                continue
            operands = tuple(self.stored[operand] for operand in view.operands)
            self.stored[view] = with_operands(view, operands)
            self.nodes.append(self.stored[view])
            pending += self._views.get(view, ())
