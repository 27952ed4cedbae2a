"""From a fused graph to one LLVM module: its kernels, and the step that runs them in order.

Owns `emit_module`. Imports `ir` and `codegen`. Invariant: the text depends on the graph and the
target alone, so equal graphs give equal objects.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace

from graphc.codegen.contraction import emit_contraction
from graphc.codegen.emit import Function, Module
from graphc.codegen.guards import IndexGuard, guard_graph
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.loops import emit_loop_nest
from graphc.codegen.plan import KernelPlan, StepPlan, buffer_of, plan_step
from graphc.codegen.routine import Routine, emit_routine
from graphc.codegen.routine_builder import Callee
from graphc.codegen.target import Target
from graphc.codegen.values import POINTER, Value, constant, index
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.plan_memory import MemoryPlan, Storage
from graphc.ir.printer import value_names
from graphc.ir.types import int8, int32


def emit_module(symbol: str, plan: StepPlan, guards: Sequence[IndexGuard], target: Target) -> str:
    """The LLVM text of a whole step.

    Defines `i32 @symbol(ptr buffers, ptr workspace)`. It returns 0; or k > 0 if guard k - 1 failed,
    guards run before anything is written; or the status with which a function that it calls failed.
    """
    attributes = f'"prefer-vector-width"="{target.vector_bits}"'
    module = Module(attributes, converts_half=target.converts_half)
    step = _StepWriter(module, symbol, plan, "i32")
    for number, guard in enumerate(guards):
        _emit_guard(module, step, guard, number, target)
    _emit_kernels(module, step, plan)
    step.function.finish()
    return module.text()


def _emit_kernels(module: Module, step: _StepWriter, plan: StepPlan) -> None:
    """Write the functions of a step's kernels, and the calls of them in order."""
    symbol, names = step.function.name, value_names(plan.graph)
    callees = {inner.graph: _emit_nested(module, symbol, inner) for inner in plan.nested}
    written: dict[Hashable, Function] = {}
    for kernel in plan.kernels:
        if kernel.key not in written:
            name = f"{symbol}.{kernel.group.name}"
            written[kernel.key] = emit_kernel(module, name, kernel, plan.memory, names, callees)
        step.call(kernel, written[kernel.key])


def _emit_nested(module: Module, symbol: str, plan: StepPlan) -> Callee:
    """Write the step of a nested graph. It has no constants in memory: they are captured."""
    name = f"{symbol}.{re.sub(r'[^A-Za-z0-9_]', '_', plan.graph.name)}.{len(module.functions)}"
    step = _StepWriter(module, name, plan, _returning(plan.may_fail))
    _emit_kernels(module, step, plan)
    step.function.finish()
    return Callee(step.function, len(plan.graph.boundary) + len(plan.graph.outputs))


def emit_kernel(
    module: Module,
    name: str,
    kernel: KernelPlan,
    memory: MemoryPlan,
    names: Mapping[Node, str],
    callees: Mapping[Graph, Callee],
) -> Function:
    """Write the function of one kernel; its parameters are the addresses of what it touches.

    `names` are those of the values, as dumps print them; `callees` are the nested graphs.
    """
    written = {memory.storage[node] for node in kernel.writes}
    slots = _slots(kernel, memory)
    parameters = {slot: Value(f"%buffer{i}", POINTER) for i, slot in enumerate(slots)}
    scratch = Value("%scratch", POINTER) if kernel.scratch_bytes else None
    taken = [*parameters.values(), *([scratch] if scratch else [])]
    function = module.function(name, taken, _returning(kernel.may_fail))
    function.names = names
    function.comment(f"kernel {kernel.group.name}: {kernel.group.shape}")
    buffers = {}
    for node in (*kernel.reads, *kernel.writes):
        slot = memory.storage[node]
        function.comment(f"{parameters[slot].ref} is {names[node]} : {node.type}")
        buffers[node] = buffer_of(node, parameters[slot], slot in written)
    if isinstance(kernel.loops, LoopNest):
        emit_loop_nest(function, kernel.loops, buffers, scratch)
    elif isinstance(kernel.loops, Routine):
        emit_routine(function, kernel.loops, buffers, scratch, callees)
    else:
        stores = tuple((node, buffers[node]) for node in kernel.writes)
        contraction = replace(kernel.loops, stores=stores, scratch=scratch)
        assert kernel.schedule is not None
        emit_contraction(function, contraction, buffers, kernel.schedule)
    function.finish()
    return function


def _returning(may_fail: bool) -> str:
    return "internal i32" if may_fail else "internal void"


def _slots(kernel: KernelPlan, memory: MemoryPlan) -> list[Storage]:
    """The distinct places a kernel touches, in the order of its parameters."""
    return list(dict.fromkeys(memory.storage[node] for node in (*kernel.reads, *kernel.writes)))


class _StepWriter:
    """Writes the function that loads addresses and calls the kernels."""

    def __init__(self, module: Module, symbol: str, plan: StepPlan, attributes: str) -> None:
        self.buffers, self.workspace = Value("%buffers", POINTER), Value("%workspace", POINTER)
        self.function = module.function(symbol, [self.buffers, self.workspace], attributes)
        self.memory = memory = plan.memory
        graph = plan.graph
        first = {"input": 0, "param": len(graph.inputs)}
        first["constant"] = first["param"] + len(graph.params)
        first["output"] = first["constant"] + len(memory.constants)
        self._first = first

    def address(self, slot: Storage) -> Value:
        if slot.place == "workspace":
            return self.function.offset(self.workspace, int8, index(slot.position))
        number = self._first[slot.place] + slot.position
        place = self.function.offset(self.buffers, POINTER, index(number))
        return self.function.load(place, POINTER)

    def call(self, kernel: KernelPlan, callee: Function) -> None:
        arguments = [self.address(slot) for slot in _slots(kernel, self.memory)]
        if kernel.scratch_bytes:
            offset = self.memory.scratch[kernel.group.name]
            arguments.append(self.address(Storage("workspace", offset)))
        self.function.call(callee, arguments)


def _emit_guard(
    module: Module, step: _StepWriter, guard: IndexGuard, number: int, target: Target
) -> None:
    """Write the check of one index input, and the early return if it fails."""
    plan = plan_step(fuse(guard_graph(guard)), target)
    (kernel,) = plan.kernels
    function = step.function
    name = f"{function.name}.guard{number}"
    callee = emit_kernel(module, name, kernel, plan.memory, value_names(plan.graph), {})
    verdict = function.stack_slot(int32)
    function.call(callee, [step.address(step.memory.storage[guard.input]), verdict])
    failed = function.compare("icmp ne", function.load(verdict, int32), constant(0, int32))
    with function.when(failed, "refused", falls_through=False):
        function.raw(f"ret i32 {number + 1}")
