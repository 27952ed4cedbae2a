"""From a declared graph to an artifact.

Owns `compile_graph`, the list of passes and the `Compilation` they leave behind for inspection.
Imports `ir`, `codegen` and the artifact contract. Invariant: every stage is kept, so that what is
dumped is what was compiled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.codegen.backend import CompiledModule, compile_text
from graphc.codegen.describe import describe_kernels
from graphc.codegen.entry import emit_entry
from graphc.codegen.guards import IndexGuard, find_guards
from graphc.codegen.memory_report import describe_memory
from graphc.codegen.module import emit_module
from graphc.codegen.plan import KernelPlan, StepPlan, plan_step
from graphc.codegen.target import Target, host_target
from graphc.ir.foreign import ForeignFunction
from graphc.ir.graph import Graph, Node
from graphc.ir.nested import everywhere, inside, outside_in
from graphc.ir.passes.capture import capture_constants
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.hoist_from_scans import hoist_from_scans
from graphc.ir.passes.inline_regions import inline_regions
from graphc.ir.passes.join_parts import join_parts
from graphc.ir.passes.mask_by_result import mask_by_result
from graphc.ir.passes.merge_scans import merge_scans
from graphc.ir.passes.plan_memory import MemoryPlan
from graphc.ir.passes.prune_scans import prune_scans
from graphc.ir.passes.scatter_updates import scatter_updates
from graphc.ir.passes.simplify import simplify
from graphc.ir.passes.sink_from_scans import sink_from_scans
from graphc.ir.passes.stabilize import stabilize
from graphc.ir.passes.take_while_sweeping import take_while_sweeping
from graphc.ir.passes.widen import widen
from graphc.ir.verifier import verify
from graphc.runtime.artifact import Argument, Artifact, Guard, Manifest, Structure, TargetRecord

if TYPE_CHECKING:
    from graphc.codegen.fit_memory import MemoryFit

Pass = Callable[[Graph], Graph]

PIPELINE: tuple[tuple[str, tuple[Pass, ...]], ...] = (
    (
        "simplified",
        (
            outside_in(merge_scans),
            outside_in(prune_scans),
            inside(inline_regions),
            inside(sink_from_scans),
            outside_in(prune_scans),
            inside(hoist_from_scans),
            inside(stabilize),
            inside(widen),
            inside(simplify),
            inside(join_parts),
            inside(scatter_updates),
        ),
    ),
    (
        "fused",
        (
            inside(mask_by_result),
            inside(take_while_sweeping),
            inside(capture_constants),
            inside(fuse),
        ),
    ),
)
"""The stages after the declared graph, each with the passes that lead to it, in order."""


@dataclass(frozen=True)
class Compilation:
    """An artifact, and how it came about.

    `graphs` are the graph stages by name: adjoint, simplified, fused. `constants` are the values
    that the artifact's constants are bound to, in order; `externals` the functions of this process
    that it calls; `fit` is how the plan keeps to a memory limit.
    """

    artifact: Artifact
    graphs: dict[str, Graph]
    plan: StepPlan
    fit: MemoryFit | None
    constants: tuple[np.ndarray[Any, Any], ...]
    externals: tuple[ForeignFunction, ...]
    llvm: str
    module: CompiledModule

    @property
    def kernels(self) -> tuple[KernelPlan, ...]:
        """The plans of the kernels of the whole program, those of nested graphs left out."""
        return self.plan.kernels

    @cached_property
    def texts(self) -> dict[str, Callable[[], str]]:
        """The stages that are text, by name, each made when it is called for."""
        return {
            "kernels": lambda: describe_kernels(self.plan),
            "memory": lambda: describe_memory(self.plan, self.fit),
            "llvm": lambda: self.llvm,
            "llvm-opt": lambda: self.module.optimised_ir_text,
            "asm": lambda: self.module.assembly_text,
        }


def run_passes(graph: Graph, verify_level: int = 1) -> dict[str, Graph]:
    """The graph at every stage, from the one it is at.

    A graph as declared is called adjoint here, for it holds all derivatives. `verify_level` says
    when invariants are checked: 0 never, 1 on what goes in and what comes out at the end, 2 after
    every pass. Raises `VerificationError`, which names the node.
    """
    names = ["adjoint", *(stage for stage, _ in PIPELINE)]
    if graph.stage not in names:
        graph = replace(graph, stage=names[0])
    stages = {graph.stage: graph}
    if verify_level:
        verify(graph)
    for stage, passes in PIPELINE[names.index(graph.stage) :]:
        for apply in passes:
            graph = apply(graph)
            if verify_level >= 2:
                verify(graph)
        if graph.stage != stage:
            graph = everywhere(partial(replace, stage=stage), graph)
        stages[stage] = graph
    if verify_level:
        verify(graph)
    return stages


def compile_graph(
    graph: Graph,
    *,
    structure: Structure | None = None,
    target: Target | None = None,
    threads: int = 1,
    memory_limit: int | None = None,
    verify_level: int = 1,
) -> Compilation:
    """Compile a graph for `target` (the host unless said otherwise) and at most so many threads.

    `structure` says how the outputs are put together; a tuple unless said otherwise.
    `memory_limit` is in bytes of workspace. `verify_level` is that of `run_passes`.
    """
    target = target or host_target()
    stages = run_passes(graph, verify_level)
    fit = None
    if memory_limit is not None:
        fit = fitted(stages["simplified"], memory_limit, target, threads)
        stages["fused"] = fit.plan.graph
        if verify_level:
            verify(fit.plan.graph)
    fused = stages["fused"]
    plan = fit.plan if fit else plan_step(fused, target, threads)
    memory = plan.memory
    guards = find_guards(stages.get("simplified", fused))
    symbol = _symbol(graph.name)
    text = emit_module(symbol, plan, guards, target)
    module = compile_text(text, target)
    manifest = _manifest(symbol, plan, guards, target, structure)
    entry = compile_text(emit_entry(manifest), target, optimise=False).object_bytes
    artifact = Artifact(manifest, module.object_bytes, entry)
    constants = tuple(constant_value(node) for node in memory.constants)
    externals = _externals(memory)
    return Compilation(artifact, stages, plan, fit, constants, externals, text, module)


def fitted(graph: Graph, limit: int, target: Target, threads: int) -> MemoryFit:
    """The plan of a simplified graph that keeps to a limit of bytes of workspace.

    Raises `MemoryLimitError` where there is none.
    """
    from graphc.codegen.fit_memory import fit_memory  # it loads networkx, which few steps need

    stage, (*passes, fuse_all) = PIPELINE[-1]
    for apply in passes:
        graph = apply(graph)

    def planned(candidate: Graph) -> StepPlan:
        fused = everywhere(partial(replace, stage=stage), fuse_all(candidate))
        return plan_step(fused, target, threads)

    return fit_memory(graph, limit, planned)


def _symbol(name: str) -> str:
    """A C identifier from a graph's name; prefixed, so that it shadows nothing of libc."""
    return "graphc_" + re.sub(r"\W", "_", name, flags=re.ASCII)


def _externals(memory: MemoryPlan) -> tuple[ForeignFunction, ...]:
    """The functions whose places are among the constants."""
    return tuple(vars(node.attrs)["function"] for node in memory.constants if node.op.foreign)


def constant_value(node: Node) -> np.ndarray[Any, Any]:
    """What a constant that lies in memory holds."""
    assert node.op.value is not None
    return node.op.value(node.attrs)


def _manifest(
    symbol: str,
    plan: StepPlan,
    guards: Sequence[IndexGuard],
    target: Target,
    structure: Structure | None,
) -> Manifest:
    graph, memory = plan.graph, plan.memory
    _, default = Structure.of(tuple(graph.outputs))
    constants = [f"c{i}" for i in range(len(memory.constants))]
    return Manifest(
        name=graph.name,
        symbol=symbol,
        target=TargetRecord(target.triple, target.cpu, target.features),
        inputs=arguments(graph.inputs),
        params=arguments(graph.params),
        constants=arguments(memory.constants, constants),
        outputs=arguments(graph.outputs, graph.output_names),
        structure=structure or default,
        updates=updated_names(graph),
        guards=manifest_guards(guards),
        workspace_bytes=memory.workspace_bytes,
        work_nanoseconds=round(sum(kernel.nanoseconds for kernel in plan.kernels)),
        threads=plan.threads,
        kernels=tuple(map(source_map, plan.kernels)),
        externals=tuple(function.name for function in _externals(memory)),
    )


def arguments(nodes: Sequence[Node], names: Sequence[str] = ()) -> tuple[Argument, ...]:
    """Buffers as the manifest has them, under their own names unless others are given."""
    named = zip(nodes, names or [node.name for node in nodes], strict=True)
    return tuple(Argument(name, node.dtype.name, node.shape) for node, name in named)


def updated_names(graph: Graph) -> tuple[str, ...]:
    """The params that a step changes, in the order of the params."""
    updated = {update.param for update in graph.updates}
    return tuple(node.name for node in graph.params if node in updated)


def manifest_guards(guards: Sequence[IndexGuard]) -> tuple[Guard, ...]:
    """As a manifest has them. Indices that have signs may count from the end."""
    return tuple(
        Guard(
            guard.input.name,
            guard.size,
            guard.location,
            -guard.size if guard.input.dtype.kind == "int" else 0,
        )
        for guard in guards
    )


def source_map(kernel: KernelPlan) -> dict[str, Any]:
    """The record of a kernel in a manifest: its name and shape, and what of the program it is."""
    nodes = kernel.group.nodes
    return {
        "name": kernel.group.name,
        "shape": kernel.group.shape,
        "values": list(dict.fromkeys(node.name for node in nodes if node.name)),
        "lines": list(dict.fromkeys(str(node.loc) for node in nodes if node.loc is not None)),
    }
