"""Several steps over one state as one object, with functions that C calls.

Owns `compile_library`. Imports the pipeline and the contract of libraries. Invariants: the object
needs no other but, with threads, that of pthreads; it allocates nothing, and keeps nothing but
which processor it found; equal graphs and targets give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphc.codegen.backend import compile_parts
from graphc.codegen.guards import IndexGuard, find_guards
from graphc.codegen.isolated import isolated
from graphc.codegen.library_functions import StepVersion, library_text
from graphc.codegen.module import PlannedStep, emit_steps
from graphc.codegen.object_symbols import undefined_symbols
from graphc.codegen.pipeline import (
    arguments,
    constant_value,
    fitted,
    manifest_guards,
    run_passes,
    source_map,
    updated_names,
)
from graphc.codegen.plan import StepPlan, plan_step
from graphc.codegen.requirements import requirements_of
from graphc.codegen.target import Target, host_target
from graphc.ir.diagnostics import MemoryLimitError
from graphc.ir.graph import Graph
from graphc.runtime.artifact import Argument, Structure, TargetRecord
from graphc.runtime.library_manifest import LibraryEntry, LibraryManifest, lay_out

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class EntrySource:
    """An entry before it is compiled: its graph, how its outputs are put together, and the most
    bytes of workspace that it may need, None for any."""

    graph: Graph
    structure: Structure
    memory_limit: int | None = None


@dataclass(frozen=True)
class CompiledEntry:
    """An entry at every stage; `plans` and `steps` have one for each target."""

    graph: Graph
    structure: Structure
    plans: tuple[StepPlan, ...]
    guards: tuple[IndexGuard, ...]
    steps: tuple[StepVersion, ...]


@dataclass(frozen=True)
class CompiledLibrary:
    """The manifest and the object; `entries` say how the code came about."""

    manifest: LibraryManifest
    object_bytes: bytes
    entries: Mapping[str, CompiledEntry]

    @cached_property
    def undefined(self) -> tuple[str, ...]:
        """The functions of other libraries that the object calls."""
        return undefined_symbols(self.object_bytes)


def compile_library(
    name: str,
    sources: Mapping[str, EntrySource],
    initial: Mapping[str, Array],
    targets: Sequence[Target],
    threads: int = 1,
    pool: str = "",
    version: str = "",
) -> CompiledLibrary:
    """Compile entries that share the state whose `initial` values are given, by parameter.

    `targets` are processors of one platform, the least demanding first; the last whose code can run
    is chosen where the library is called. `name` and the names of entries are C identifiers. For
    several `threads`, `pool` is the LLVM text of their pool; `version` is that of graphc. Raises
    `MemoryLimitError` for what the targets' addresses do not reach.
    """
    compiled = {
        entry: _compiled(f"graphc.{name}.{entry}", source, targets, threads)
        for entry, source in sources.items()
    }
    used = [node for each in compiled.values() for node in each.graph.params]
    params = {node.name: Argument(node.name, node.dtype.name, node.shape) for node in used}
    manifest = LibraryManifest(
        name=name,
        targets=tuple(TargetRecord(each.triple, each.cpu, each.features) for each in targets),
        requirements=tuple(map(requirements_of, targets)),
        state=lay_out([*params.values()]),
        entries=tuple(_entry(entry, each) for entry, each in compiled.items()),
        threads=threads,
        graphc_version=version,
    )
    _check_addresses(manifest, targets[0])
    steps = {entry: each.steps for entry, each in compiled.items()}
    text = library_text(manifest, steps, initial, targets[0])
    parts = [(_text(compiled.values(), i, target), target) for i, target in enumerate(targets)]
    if threads > 1:
        parts.append((pool, targets[0]))
    if all(map(_is_tried, targets)):
        code = compile_parts(text, parts, targets[0])
    else:
        code = isolated(compile_parts, text, parts, targets[0])
    return CompiledLibrary(manifest, code, compiled)


def _check_addresses(manifest: LibraryManifest, target: Target) -> None:
    """C would take the sizes of a library that is too large for what is left of them."""
    sizes = {"state and workspace": manifest.state_bytes + manifest.workspace_bytes}
    for entry in manifest.entries:
        for each in (*entry.inputs, *entry.outputs):
            sizes[f"{each.name} of {entry.name}"] = each.bytes
    most = 2**target.pointer_bits
    for what, size in sizes.items():
        if size >= most:
            raise MemoryLimitError(
                f"{size:,} bytes for {what} are beyond the addresses of {target.triple}, which "
                f"reach {most:,}",
                help="make the batch smaller, or compile the step with a memory_limit",
            )


def _is_tried(target: Target) -> bool:
    """Whether LLVM compiles for it all the time. It has more ways to give up on processors that
    are not this machine's, and on those of which instruction sets are taken."""
    host = host_target()
    return target == host or (target.triple == host.triple and not target.features)


def _compiled(
    symbol: str, source: EntrySource, targets: Sequence[Target], threads: int
) -> CompiledEntry:
    """An entry planned and written for each target, under names that begin with `symbol`."""
    stages = run_passes(source.graph)
    plans = tuple(_planned(stages, target, threads, source.memory_limit) for target in targets)
    guards = find_guards(stages["simplified"])
    steps = []
    for number, plan in enumerate(plans, 1):
        constants = tuple(constant_value(node) for node in plan.memory.constants)
        params = tuple(node.name for node in plan.graph.params)
        steps.append(StepVersion(f"{symbol}.{number}", number, params, constants))
    return CompiledEntry(
        graph=source.graph,
        structure=source.structure,
        plans=plans,
        guards=tuple(guards),
        steps=tuple(steps),
    )


def _text(entries: Iterable[CompiledEntry], number: int, target: Target) -> str:
    """The code of all entries for one target."""
    steps = [PlannedStep(e.steps[number].symbol, e.plans[number], e.guards) for e in entries]
    return emit_steps(steps, target)


def _planned(
    stages: Mapping[str, Graph], target: Target, threads: int, memory_limit: int | None
) -> StepPlan:
    if memory_limit is None:
        return plan_step(stages["fused"], target, threads)
    return fitted(stages["simplified"], memory_limit, target, threads).plan


def _entry(name: str, compiled: CompiledEntry) -> LibraryEntry:
    graph, plans = compiled.plans[0].graph, compiled.plans
    return LibraryEntry(
        name=name,
        inputs=arguments(graph.inputs),
        outputs=arguments(graph.outputs, graph.output_names),
        structure=compiled.structure,
        updates=updated_names(graph),
        guards=manifest_guards(compiled.guards),
        workspace_bytes=max(plan.memory.workspace_bytes for plan in plans),
        kernels=tuple(map(source_map, plans[0].kernels)),
    )
