"""From a fused graph to one LLVM module: its kernels, and the step that runs them in order.

Owns `emit_module` and `emit_steps`. Imports `ir` and `codegen`. Invariant: the text depends on the
graph and the target alone, so equal graphs give equal objects.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from graphc.codegen import blocks
from graphc.codegen.bundles import Bundle, emit_bundle
from graphc.codegen.clocks import Clocks
from graphc.codegen.contraction import emit_contraction, phases
from graphc.codegen.emit import Function, Module
from graphc.codegen.guards import IndexGuard, guard_graph
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.loops import Task, emit_loop_nest
from graphc.codegen.operand import Contraction
from graphc.codegen.plan import KernelPlan, StepPlan, buffer_of, plan_step
from graphc.codegen.routine import Routine, emit_routine
from graphc.codegen.routine_builder import Callee
from graphc.codegen.sharing import Share
from graphc.codegen.target import Target
from graphc.codegen.tiling import ContractionSchedule
from graphc.codegen.values import POINTER, Value, constant, index
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.plan_memory import MemoryPlan, Storage
from graphc.ir.printer import value_names
from graphc.ir.types import int8, int32, int64
from graphc.runtime.artifact import POOL_SYMBOL


@dataclass(frozen=True)
class Phase:
    """A function of a kernel, and how many tasks run it at the same time."""

    function: Function
    tasks: int


@dataclass(frozen=True)
class PlannedStep:
    """A step to be written: the name of its function, its plan, and what guards its inputs."""

    symbol: str
    plan: StepPlan
    guards: Sequence[IndexGuard]


@dataclass
class _Written:
    """What a module has: nested graphs, and kernels by their keys and where their reads begin."""

    nested: dict[Graph, Callee] = field(default_factory=dict)
    kernels: dict[Hashable, tuple[Phase, ...]] = field(default_factory=dict)


def emit_module(
    symbol: str,
    plan: StepPlan,
    guards: Sequence[IndexGuard],
    target: Target,
    clocks: Clocks | None = None,
) -> str:
    """The LLVM text of a whole step; with `clocks`, of one that measures its kernels.

    Defines `i32 @symbol(ptr buffers, ptr workspace)`. It returns 0; or k > 0 if guard k - 1 failed,
    guards run before anything is written; or the status with which a function that it calls failed.
    Kernels of several tasks call the pool, which the text declares and does not define.
    """
    module = _module(target, f'"prefer-vector-width"="{target.vector_bits}"', own_sections=False)
    _emit_step(module, PlannedStep(symbol, plan, guards), target, clocks, None)
    return module.text()


def emit_steps(steps: Sequence[PlannedStep], target: Target) -> str:
    """The same of several steps that are linked with code for other processors: functions say which
    they are for. Kernels that are the same in several steps are written once."""
    attributes = (
        f'"prefer-vector-width"="{target.vector_bits}" '
        f'"target-cpu"="{target.cpu}" "target-features"="{target.features}"'
    )
    module, common = _module(target, attributes, own_sections=target.is_elf), _Written()
    for step in steps:
        _emit_step(module, step, target, None, common)
    return module.text()


def _module(target: Target, attributes: str, *, own_sections: bool) -> Module:
    return Module(
        attributes,
        has_avx512=target.has_avx512,
        missing=target.missing,
        own_sections=own_sections,
    )


def _emit_step(
    module: Module,
    planned: PlannedStep,
    target: Target,
    clocks: Clocks | None,
    common: _Written | None,
) -> None:
    step = _StepWriter(module, planned.symbol, planned.plan, "i32", clocks)
    for number, guard in enumerate(planned.guards):
        _emit_guard(module, step, guard, number, target)
    with clocks.whole(step.function) if clocks else nullcontext():
        _emit_kernels(module, step, planned.plan, common)
    step.function.finish()


def _emit_kernels(
    module: Module, step: _StepWriter, plan: StepPlan, common: _Written | None
) -> None:
    """Write the functions of a step's kernels, and the calls of them in order."""
    symbol, names = step.function.name, value_names(plan.graph)
    found = common or _Written()
    for inner in plan.nested:
        if common is None or inner.graph not in common.nested:
            found.nested[inner.graph] = _emit_nested(module, step, inner, common)
    written: dict[Hashable, tuple[Phase, ...]] = {}
    for bundle in plan.bundles:
        kernels = [plan.kernels[number] for number in bundle.numbers]
        for kernel in kernels:
            if kernel.key not in written:
                whole = _whole_key(kernel, plan.memory)
                if whole not in found.kernels:
                    name = f"{symbol}.{kernel.group.name}"
                    found.kernels[whole] = emit_kernel(
                        module, name, kernel, plan.memory, names, found.nested
                    )
                written[kernel.key] = found.kernels[whole]
        # Clocks need kernels that run by themselves.
        if len(kernels) > 1 and not step.clocks:
            step.run_bundle(bundle, kernels, [written[kernel.key][0] for kernel in kernels])
            continue
        for kernel in kernels:
            with step.measured(kernel):
                step.run(kernel, written[kernel.key])


def _whole_key(kernel: KernelPlan, memory: MemoryPlan) -> Hashable:
    """What the code of a kernel depends on beside its step: where it begins to read, from which
    other kernels of the step keep their distance, and which of its parameters are one."""
    begins = tuple(kernel.origins.get(node) for node in kernel.reads)
    slots = _slots(kernel, memory)
    touched = (*kernel.reads, *kernel.writes)
    return kernel.key, begins, tuple(slots.index(memory.storage[node]) for node in touched)


def _emit_nested(
    module: Module, outer: _StepWriter, plan: StepPlan, common: _Written | None
) -> Callee:
    """Write the step of a nested graph. It has no constants in memory: they are captured."""
    symbol = outer.function.name
    name = f"{symbol}.{re.sub(r'[^A-Za-z0-9_]', '_', plan.graph.name)}.{len(module.functions)}"
    step = _StepWriter(module, name, plan, _returning(plan.may_fail), outer.clocks)
    _emit_kernels(module, step, plan, common)
    step.function.finish()
    return Callee(step.function, len(plan.graph.boundary) + len(plan.graph.outputs))


def emit_kernel(
    module: Module,
    name: str,
    kernel: KernelPlan,
    memory: MemoryPlan,
    names: Mapping[Node, str],
    callees: Mapping[Graph, Callee],
) -> tuple[Phase, ...]:
    """Write the functions of one kernel, which run one after the other; most kernels are one.

    Their parameters are the addresses of what they touch, or, in a kernel that is shared, a table
    of them, the number of a task and how many there are. `names` are those of the values, as dumps
    print them; `callees` are the nested graphs.
    """
    nest, sharing = kernel.loops, kernel.sharing
    if isinstance(nest, Contraction):
        return tuple(_contraction_phases(module, name, kernel, memory, names))
    if not isinstance(nest, LoopNest) or sharing is None or not sharing.blocks:
        writer = _KernelWriter(module, name, kernel, memory, names)
        if isinstance(nest, LoopNest):
            task = Task(sharing.loop, writer.share) if sharing and writer.share else None
            emit_loop_nest(writer.function, nest, writer.buffers, writer.scratch, task)
        elif isinstance(nest, Routine):
            emit_routine(writer.function, nest, writer.buffers, writer.scratch, callees)
        writer.function.finish()
        return (Phase(writer.function, kernel.tasks),)
    functions = []
    for phase in range(blocks.phases(nest)):
        writer = _KernelWriter(module, f"{name}.{phase}", kernel, memory, names)
        assert writer.scratch is not None
        assert writer.share is not None
        blocks.emit_phase(
            writer.function, nest, writer.buffers, writer.scratch, sharing, writer.share, phase
        )
        writer.function.finish()
        tasks = sharing.tasks if phase < len(nest.sweeps) else 1
        functions.append(Phase(writer.function, tasks))
    return tuple(functions)


def _contraction_phases(
    module: Module, name: str, kernel: KernelPlan, memory: MemoryPlan, names: Mapping[Node, str]
) -> Iterator[Phase]:
    """Write the functions of a matrix product; adding up parts of its depth is one task."""
    assert isinstance(kernel.loops, Contraction)
    assert kernel.schedule is not None
    count = phases(kernel.schedule)
    for phase in range(count):
        writer = _KernelWriter(
            module, f"{name}.{phase}" if count > 1 else name, kernel, memory, names
        )
        writer.contraction(kernel.loops, kernel.schedule, phase)
        writer.function.finish()
        yield Phase(writer.function, 1 if phase else kernel.tasks)


class _KernelWriter:
    """A kernel's function, and what its code needs to know: where buffers and scratch memory are,
    and which share it has."""

    def __init__(
        self,
        module: Module,
        name: str,
        kernel: KernelPlan,
        memory: MemoryPlan,
        names: Mapping[Node, str],
    ) -> None:
        self.kernel = kernel
        slots = _slots(kernel, memory)
        addresses = [Value(f"%buffer{i}", POINTER) for i in range(len(slots))]
        addresses += [Value("%scratch", POINTER)] if kernel.scratch_bytes else []
        number, tasks = Value("%task", int64), Value("%tasks", int64)
        taken = [Value("%table", POINTER), number, tasks] if kernel.sharing else addresses
        self.function = function = module.function(name, taken, _returning(kernel.may_fail))
        self.share = None
        if kernel.sharing:
            # A lone task is known as it is written: no division is left to a processor without one.
            alone = kernel.tasks == 1
            self.share = Share(index(0), index(1)) if alone else Share(number, tasks)
        function.names = names
        function.comment(f"kernel {kernel.group.name}: {kernel.group.shape}")
        if kernel.sharing:
            addresses = [
                function.load(function.offset(taken[0], POINTER, index(i)), POINTER)
                for i in range(len(addresses))
            ]
        self.scratch = addresses[-1] if kernel.scratch_bytes else None
        places = dict(zip(slots, addresses, strict=False))
        written = {memory.storage[node] for node in kernel.writes}
        self.buffers = {}
        for node in (*kernel.reads, *kernel.writes):
            slot = memory.storage[node]
            function.comment(f"{places[slot].ref} is {names[node]} : {node.type}")
            origin = kernel.origins.get(node, 0)
            self.buffers[node] = buffer_of(node, places[slot], slot in written, origin)

    def contraction(self, declared: Contraction, schedule: ContractionSchedule, phase: int) -> None:
        stores = tuple((node, self.buffers[node]) for node in self.kernel.writes)
        contraction = replace(declared, stores=stores, scratch=self.scratch)
        emit_contraction(
            self.function, contraction, self.buffers, schedule, self.share, self.kernel.tasks, phase
        )


def _returning(may_fail: bool) -> str:
    return "internal i32" if may_fail else "internal void"


def _slots(kernel: KernelPlan, memory: MemoryPlan) -> list[Storage]:
    """The distinct places a kernel touches, in the order of its parameters."""
    return list(dict.fromkeys(memory.storage[node] for node in (*kernel.reads, *kernel.writes)))


class _StepWriter:
    """Writes the function that loads addresses and calls the kernels."""

    def __init__(
        self,
        module: Module,
        symbol: str,
        plan: StepPlan,
        attributes: str,
        clocks: Clocks | None,
    ) -> None:
        self.clocks = clocks
        self.buffers, self.workspace = Value("%buffers", POINTER), Value("%workspace", POINTER)
        self.function = module.function(symbol, [self.buffers, self.workspace], attributes)
        self.memory = memory = plan.memory
        graph = plan.graph
        first = {"input": 0, "param": len(graph.inputs)}
        first["constant"] = first["param"] + len(graph.params)
        first["output"] = first["constant"] + len(memory.constants)
        self._first = first
        shared = [[kernel] for kernel in plan.kernels if kernel.sharing]
        several = (bundle.numbers for bundle in plan.bundles if bundle.tasks > 1)
        together = [[plan.kernels[number] for number in numbers] for numbers in several]
        sizes = [
            sum(len(_slots(kernel, memory)) + 1 for kernel in kernels)
            for kernels in (*shared, *together)
        ]
        self._table = self.function.stack_slots(POINTER, max(sizes)) if sizes else None

    def address(self, slot: Storage) -> Value:
        if slot.place == "workspace":
            return self.function.offset(self.workspace, int8, index(slot.position))
        number = self._first[slot.place] + slot.position
        place = self.function.offset(self.buffers, POINTER, index(number))
        return self.function.load(place, POINTER)

    def addresses(self, kernel: KernelPlan) -> list[Value]:
        """Of what a kernel touches, moved to where its code has it."""
        addresses = {slot: self.address(slot) for slot in _slots(kernel, self.memory)}
        for node, distance in kernel.distances.items():
            slot = self.memory.storage[node]
            addresses[slot] = self.function.offset(addresses[slot], node.dtype, index(distance))
        return list(addresses.values())

    def measured(self, kernel: KernelPlan) -> AbstractContextManager[None]:
        """Around the calls of a kernel: clocks, if this step is profiled."""
        return self.clocks.around(self.function, kernel) if self.clocks else nullcontext()

    def run(self, kernel: KernelPlan, phases: Sequence[Phase]) -> None:
        """Write the calls of a kernel's functions."""
        arguments = self.addresses(kernel)
        if kernel.scratch_bytes:
            offset = self.memory.scratch[kernel.group.name]
            arguments.append(self.address(Storage("workspace", offset)))
        if kernel.sharing is None:
            for phase in phases:
                self.function.call(phase.function, arguments)
            return
        table = self._filled_table(arguments)
        for phase in phases:
            self._run_tasks(phase, table)

    def run_bundle(
        self, bundle: Bundle, kernels: Sequence[KernelPlan], phases: Sequence[Phase]
    ) -> None:
        """Write the call of kernels that run side by side; each has one function."""
        arguments = [self.addresses(kernel) for kernel in kernels]
        table = self._filled_table([address for each in arguments for address in each])
        name = f"{self.function.name}.{kernels[0].group.name}.bundle"
        functions, sizes = [phase.function for phase in phases], [*map(len, arguments)]
        task = emit_bundle(self.function.module, name, bundle, functions, sizes)
        self._run_tasks(Phase(task, bundle.tasks), table)

    def _filled_table(self, addresses: Sequence[Value]) -> Value:
        assert self._table is not None
        for i, address in enumerate(addresses):
            self.function.store(address, self.function.offset(self._table, POINTER, index(i)))
        return self._table

    def _run_tasks(self, phase: Phase, table: Value) -> None:
        """On the pool, if there are several."""
        if phase.tasks == 1:
            self.function.call(phase.function, [table, index(0), index(1)])
            return
        module = self.function.module
        module.declare(f"declare void @{POOL_SYMBOL}(ptr, ptr, i64)")
        task, tasks = f"ptr @{phase.function.name}", index(phase.tasks).typed
        self.function.raw(f"call void @{POOL_SYMBOL}({task}, {table.typed}, {tasks})")


def _emit_guard(
    module: Module, step: _StepWriter, guard: IndexGuard, number: int, target: Target
) -> None:
    """Write the check of one index input, and the early return if it fails."""
    plan = plan_step(fuse(guard_graph(guard)), target, threads=0)
    (kernel,) = plan.kernels
    function = step.function
    name = f"{function.name}.guard{number}"
    (check,) = emit_kernel(module, name, kernel, plan.memory, value_names(plan.graph), {})
    verdict = function.stack_slot(int32)
    arguments = [step.address(step.memory.storage[guard.input]), verdict]
    function.call(check.function, arguments)
    failed = function.compare("icmp ne", function.load(verdict, int32), constant(0, int32))
    with function.when(failed, "refused", falls_through=False):
        function.raw(f"ret i32 {number + 1}")
