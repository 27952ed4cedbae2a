"""The variant of a compiled step that measures its kernels.

Owns `profiled_artifact`. Imports `ir`, `codegen` and the artifact contract. Invariant: kernels,
schedules and memory are those of the plan that the step itself was compiled from.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from graphc.codegen.backend import compile_text
from graphc.codegen.clocks import Clocks, every_kernel
from graphc.codegen.guards import find_guards
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.module import emit_module
from graphc.codegen.pipeline import Compilation, source_map
from graphc.codegen.plan import KernelPlan, StepPlan
from graphc.codegen.routine import Routine
from graphc.ir.cost import Cost, costs_of_node
from graphc.ir.graph import Node
from graphc.ir.nested import nested_graphs
from graphc.ir.types import float64
from graphc.runtime.artifact import Artifact


def profiled_artifact(compilation: Compilation) -> Artifact:
    """The step with a clock around each kernel, for a caller who gives it the table.

    The records of its source map, in the order of the table, say more than those of the step: of
    which graph a kernel is and which kernel runs that graph (its number, -1 for the whole program),
    how many tasks it is run as, and what a run of it costs.
    """
    plan, target = compilation.plan, compilation.module.target
    manifest = compilation.artifact.manifest
    guards = find_guards(compilation.graphs.get("simplified", plan.graph))
    text = emit_module(manifest.symbol, plan, guards, target, Clocks(plan, target))
    code = compile_text(text, target).object_bytes
    kernels = tuple(_records(plan))
    return Artifact(replace(manifest, kernels=kernels), code, compilation.artifact.entry)


def _records(plan: StepPlan) -> Iterator[dict[str, Any]]:
    outer: dict[int, int] = {}
    for number, (step, kernel) in enumerate(every_kernel(plan)):
        for node in kernel.group.nodes:
            for graph in nested_graphs(node.attrs).values():
                outer.setdefault(id(graph), number)
        cost = _cost(step, kernel)
        yield {
            **source_map(kernel),
            "graph": step.graph.name,
            "within": outer.get(id(step.graph), -1),
            "tasks": kernel.tasks,
            "shared": kernel.sharing.axis if kernel.sharing and kernel.tasks > 1 else "",
            "doubles": any(node.dtype is float64 for node in kernel.group.nodes),
            "multiply_adds": cost.multiply_adds,
            "operations": cost.operations,
            "bytes_read": _moved(step, kernel, write=False),
            "bytes_written": _moved(step, kernel, write=True),
        }


def _cost(step: StepPlan, kernel: KernelPlan) -> Cost:
    """What its nodes cost; of a routine that changes an array in place, the changes alone."""
    changes = _changes(step, kernel)
    if changes is not None and isinstance(kernel.loops, Routine):
        return Cost("kernel", operations=changes * kernel.loops.node.op.cost)
    return sum((cost for n in kernel.group.nodes for cost in costs_of_node(n)), Cost("kernel"))


def _changes(step: StepPlan, kernel: KernelPlan) -> int | None:
    """How many elements a routine goes through that is written over one of its operands: as many
    as the largest other one has. None for other kernels."""
    if not isinstance(kernel.loops, Routine):
        return None
    node = kernel.loops.node
    place = node.op.in_place
    if place is None:
        return None
    changed = node.operands[place]
    if step.memory.storage.get(changed) != step.memory.storage[node]:
        return None
    others = (each.type.size for n, each in enumerate(node.operands) if n != place)
    return max(others, default=0)


def _moved(step: StepPlan, kernel: KernelPlan, *, write: bool) -> int:
    """Bytes of stored arrays that a run reads or writes, each counted once, as far as shapes tell.

    Of one that is indexed by data, or of which a part is read, no more elements are counted than
    the kernel's loops have points for.
    """
    nest = kernel.loops
    if not isinstance(nest, LoopNest):
        touched = kernel.writes if write else kernel.reads
        changes = _changes(step, kernel)
        most = math.inf if changes is None else changes
        parts = (part for node in touched for part in node.type.parts)
        return sum(int(min(part.size, most)) * part.dtype.bytes for part in parts)
    points: dict[Node, int] = {}
    for access in nest.accesses:
        if access.write is write:
            factors = zip(nest.axes, access.factors, strict=True)
            moving = (axis.extent for axis, factor in factors if factor or access.indirect)
            points[access.node] = points.get(access.node, 0) + math.prod(moving)
    return sum(min(node.type.size, count) * node.dtype.bytes for node, count in points.items())
