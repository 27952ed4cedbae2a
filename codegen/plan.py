"""What each kernel of a fused graph reads and writes, and how it loops.

Owns `StepPlan`, `KernelPlan` and `plan_step`. Imports `ir` and `codegen`. Invariant: two kernels
that differ in nothing but addresses have equal keys, and are planned and written once.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from graphc.codegen.bundles import Bundle, find_bundles
from graphc.codegen.coordinates import Buffer
from graphc.codegen.estimate import nanoseconds
from graphc.codegen.loop_nest import LoopNest, build_loop_nest
from graphc.codegen.merge_batch import merge_batch
from graphc.codegen.operand import Contraction
from graphc.codegen.roles import contraction_of
from graphc.codegen.routine import Routine, plan_routine
from graphc.codegen.scratch_layout import scratch_bytes
from graphc.codegen.sharing import Sharing, nest_scratch_bytes, share_contraction, share_nest
from graphc.codegen.target import Target
from graphc.codegen.tiling import ContractionSchedule, schedule_contraction
from graphc.codegen.values import POINTER, Value
from graphc.ir.graph import Graph, KernelGroup, Node
from graphc.ir.nested import all_graphs, nested_graphs
from graphc.ir.op import Family
from graphc.ir.ops.slicing import SliceAttrs
from graphc.ir.passes.inline import is_stored_source, is_view
from graphc.ir.passes.lifetimes import stored_nodes
from graphc.ir.passes.plan_memory import MemoryPlan, plan_memory
from graphc.ir.passes.reuse import Reuse, choose_reuse
from graphc.ir.types import Shape, row_major_strides


@dataclass(frozen=True)
class KernelPlan:
    """One kernel before its code is written.

    `key` says what code it is. Of a kernel with the code of an earlier one, `same_as` is that
    one's name, and `loops` are that one's, too. A kernel that calls a function from outside,
    or runs one that does, `may_fail`: it gives a status. `sharing` says how tasks share it, None
    where it is not worth it; `nanoseconds` is the time on one core, as estimated.

    Of reads of which it takes slices alone, `origins` says at which element the first starts, and
    `distances` how many elements that is after where the code that it shares starts.
    """

    group: KernelGroup
    reads: tuple[Node, ...]
    writes: tuple[Node, ...]
    loops: LoopNest | Contraction | Routine
    schedule: ContractionSchedule | None
    scratch_bytes: int
    key: Hashable
    nanoseconds: float
    sharing: Sharing | None = None
    same_as: str = ""
    may_fail: bool = False
    origins: Mapping[Node, int] = field(default_factory=dict)
    distances: Mapping[Node, int] = field(default_factory=dict)

    @property
    def tasks(self) -> int:
        """How many tasks it is run as."""
        return self.sharing.tasks if self.sharing else 1


@dataclass(frozen=True)
class StepPlan:
    """A fused graph, its kernels in order, which of them run side by side, and its memory; of
    nested graphs their plans, too."""

    graph: Graph
    kernels: tuple[KernelPlan, ...]
    bundles: tuple[Bundle, ...]
    memory: MemoryPlan
    nested: tuple[StepPlan, ...]

    @property
    def may_fail(self) -> bool:
        return any(kernel.may_fail for kernel in self.kernels)

    @property
    def threads(self) -> int:
        """The most threads that work at the same time."""
        kernels, bundles = (k.tasks for k in self.kernels), (b.tasks for b in self.bundles)
        return max([1, *kernels, *bundles, *(inner.threads for inner in self.nested)])


def plan_step(graph: Graph, target: Target, threads: int = 1) -> StepPlan:
    """Choose kernels and memory of a fused graph and of the graphs nested in it, for so many
    threads."""
    plans: dict[int, StepPlan] = {}
    for current in all_graphs(graph):
        reused = choose_reuse(current)
        kernels = tuple(_plan_kernels(current, reused, target, threads, plans))
        scratch = {kernel.group.name: kernel.scratch_bytes for kernel in kernels}
        memory = plan_memory(current, scratch, reused)
        bundles = tuple(find_bundles(kernels, memory, threads))
        inner = {
            id(g): plans[id(g)] for n in current.nodes for g in nested_graphs(n.attrs).values()
        }
        plans[id(current)] = StepPlan(current, kernels, bundles, memory, tuple(inner.values()))
    return plans[id(graph)]


def _plan_kernels(
    graph: Graph,
    reused: Reuse,
    target: Target,
    threads: int,
    nested: Mapping[int, StepPlan],
) -> Iterator[KernelPlan]:
    """Choose loops and schedule of every kernel of a fused graph, in order."""
    places = _places(graph, reused)
    first: dict[Hashable, KernelPlan] = {}
    for group, stored in stored_nodes(graph).items():
        reads, writes = _reads(group), tuple(stored)
        starts = _starts(group, reads, writes, places)
        key = _key(group, reads, writes, places, starts)
        origins = {node: _position(node, start) for node, start in starts.items()}
        if key in first:
            plan = _same_code(first[key], group, reads, writes, origins)
        else:
            plan = _plan_kernel(group, reads, writes, key, target, threads, nested)
            plan = first[key] = replace(plan, origins=origins)
        yield plan


def _same_code(
    first: KernelPlan,
    group: KernelGroup,
    reads: tuple[Node, ...],
    writes: tuple[Node, ...],
    origins: Mapping[Node, int],
) -> KernelPlan:
    """A kernel with the code of an earlier one, of which it differs in addresses."""
    distances = {
        node: origins[node] - first.origins[other]
        for node, other in zip(reads, first.reads, strict=True)
        if node in origins
    }
    return replace(
        first,
        group=group,
        reads=reads,
        writes=writes,
        same_as=first.group.name,
        origins=origins,
        distances=distances,
    )


def buffer_of(node: Node, address: Value, written: bool = False, origin: int = 0) -> Buffer:
    """A stored node at an address: row-major, without gaps."""
    return Buffer(address, row_major_strides(node.shape), written, origin)


def _position(node: Node, at: Shape) -> int:
    """How many elements of a stored node lie before one."""
    return sum(map(operator.mul, at, row_major_strides(node.shape)))


def _plan_kernel(
    group: KernelGroup,
    reads: tuple[Node, ...],
    writes: tuple[Node, ...],
    key: Hashable,
    target: Target,
    threads: int,
    nested: Mapping[int, StepPlan],
) -> KernelPlan:
    if any(node.op.family is Family.ROUTINE for node in group.nodes):
        inner = [nested[id(g)] for n in group.nodes for g in nested_graphs(n.attrs).values()]
        workspace = max((step.memory.workspace_bytes for step in inner), default=0)
        routine = plan_routine(group.nodes, writes, target.vector_bits // 8, workspace)
        may_fail = routine.node.op.foreign or any(step.may_fail for step in inner)
        size, time = routine.scratch_bytes, nanoseconds(group.nodes, routine, target)
        return KernelPlan(group, reads, writes, routine, None, size, key, time, may_fail=may_fail)
    products = [node for node in group.nodes if node.op.family is Family.CONTRACTION]
    if not products:
        nest = build_loop_nest(group, writes, target)
        time = nanoseconds(group.nodes, nest, target)
        sharing = share_nest(nest, time, threads)
        size = nest_scratch_bytes(nest, sharing)
        return KernelPlan(group, reads, writes, nest, None, size, key, time, sharing)
    nowhere = Value("null", POINTER)
    buffers = {node: buffer_of(node, nowhere) for node in (*reads, *writes)}
    loadable = {node: buffers[node] for node in reads}
    contraction = replace(
        contraction_of(products[0], loadable),
        stores=tuple((node, buffers[node]) for node in writes),
    )
    contraction = merge_batch(contraction, buffers)
    schedule = schedule_contraction(contraction, buffers, target)
    time = nanoseconds(group.nodes, contraction, target)
    sharing = share_contraction(contraction, schedule, time, threads)
    size = scratch_bytes(contraction, schedule, sharing.tasks if sharing else 1)
    return KernelPlan(group, reads, writes, contraction, schedule, size, key, time, sharing)


def _reads(group: KernelGroup) -> tuple[Node, ...]:
    """The stored nodes that a kernel reads and does not make."""
    own = set(group.nodes)
    operands = (operand for node in group.nodes for operand in node.operands)
    return tuple(dict.fromkeys(o for o in operands if o not in own and _is_in_memory(o)))


def _is_in_memory(node: Node) -> bool:
    return node.op.family is not Family.SOURCE or is_stored_source(node)


def _places(graph: Graph, reused: Reuse) -> dict[Node, Node]:
    """For each node the one whose memory it has: a view its base's, an update its parameter's, and
    a value that of the other that it is written over."""
    updated = {update.value: update.param for update in graph.updates}
    places: dict[Node, Node] = {}
    for node in graph.nodes:
        other = node.operands[0] if is_view(node) else reused.get(node)
        places[node] = updated.get(node, node) if other is None else places[other]
    return places


def _starts(
    group: KernelGroup,
    reads: Sequence[Node],
    writes: Sequence[Node],
    places: Mapping[Node, Node],
) -> dict[Node, Shape]:
    """Where the first slice starts of each read that a kernel takes slices of alone. One that
    shares memory with another value has one address with it, and is left out."""
    starts: dict[Node, Shape] = {}
    whole: set[Node] = set()
    for node in group.nodes:
        for operand in node.operands:
            if isinstance(node.attrs, SliceAttrs) and node.type.size:
                starts.setdefault(operand, node.attrs.start)
            else:
                whole.add(operand)
    touched = Counter(places[node] for node in (*reads, *writes))
    return {
        node: starts[node]
        for node in reads
        if node in starts and node not in whole and touched[places[node]] == 1
    }


def _key(
    group: KernelGroup,
    reads: Sequence[Node],
    writes: Sequence[Node],
    places: Mapping[Node, Node],
    starts: Mapping[Node, Shape],
) -> Hashable:
    """What a kernel computes, without names, lines and addresses; and which of its reads and
    writes share memory. Slices of a read that has a start are said to start relative to it."""
    number = {node: i for i, node in enumerate((*reads, *group.nodes))}

    def attributes(node: Node) -> Hashable:
        if not isinstance(node.attrs, SliceAttrs) or node.operands[0] not in starts:
            return node.attrs
        first = starts[node.operands[0]]
        return replace(node.attrs, start=tuple(map(operator.sub, node.attrs.start, first)))

    def operand(node: Node) -> Hashable:
        return number.get(node, (node.op.name, node.attrs, node.type))

    touched = [places[node] for node in (*reads, *writes)]
    return (
        tuple(node.type for node in reads),
        tuple(
            (node.op.name, attributes(node), node.type, tuple(operand(o) for o in node.operands))
            for node in group.nodes
        ),
        tuple(number[node] for node in writes),
        tuple(touched.index(place) for place in touched),
    )
