"""Give every stored value of a fused graph a place in memory.

Owns `MemoryPlan` and `plan_memory`. Inputs, parameters, constants and outputs have memory of
their own; an updated value lies where its parameter does; every other stored value gets an
offset in the workspace, which values share whose lifetimes do not meet. Imports `ir` only.
Invariant: two values that are needed at the same time never overlap, unless one is written over
the other element by element (`reuse`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family
from graphc.ir.passes.inline import is_stored_source, is_view
from graphc.ir.passes.lifetimes import Lifetimes
from graphc.ir.passes.pack_blocks import Block, pack_blocks
from graphc.ir.passes.reuse import Reuse


@dataclass(frozen=True)
class Storage:
    """Where a value lies: `place` is one of the places below; `position` its number among
    those, or, in the workspace, its offset in bytes."""

    place: str
    position: int


@dataclass(frozen=True)
class MemoryPlan:
    """Storage of every stored value, the scratch memory of each kernel by name (offset in the
    workspace), and the size of the workspace in bytes. `constants` lists the constants that lie
    in memory, in order; `reused` says which values are written over which."""

    storage: Mapping[Node, Storage]
    scratch: Mapping[str, int]
    constants: tuple[Node, ...]
    workspace_bytes: int
    reused: Reuse


def plan_memory(graph: Graph, scratch_bytes: Mapping[str, int], reused: Reuse) -> MemoryPlan:
    """Place every stored value; `scratch_bytes` says what each kernel needs besides, and `reused`
    which values are written over others."""
    storage: dict[Node, Storage] = {}
    storage.update((node, Storage("input", i)) for i, node in enumerate(graph.inputs))
    storage.update((node, Storage("param", i)) for i, node in enumerate(graph.params))
    constants = tuple(
        node
        for node in graph.nodes
        if node.op.family is Family.SOURCE and node.op.value is not None and is_stored_source(node)
    )
    storage.update((node, Storage("constant", i)) for i, node in enumerate(constants))
    storage.update((u.value, storage[u.param]) for u in graph.updates)
    storage.update((node, Storage("output", i)) for i, node in enumerate(graph.outputs))
    lifetimes = Lifetimes.of(graph)
    values = _blocks_of_values(lifetimes, reused)
    scratch = {
        group.name: Block(scratch_bytes[group.name], number, number)
        for number, group in enumerate(graph.kernels)
        if scratch_bytes.get(group.name)
    }
    blocks = [*values.values(), *scratch.values()]
    packing = pack_blocks(blocks)
    for node, offset in zip(values, packing.offsets, strict=False):
        storage[node] = Storage("workspace", offset)
    for node in lifetimes.of_workspace:
        if node in reused:
            storage[node] = storage[reused[node]]
    for node in graph.nodes:
        if is_view(node) and node not in storage:
            storage[node] = storage[node.operands[0]]
    places = dict(zip(scratch, packing.offsets[len(values) :], strict=True))
    return MemoryPlan(storage, places, constants, packing.size, reused)


def _blocks_of_values(lifetimes: Lifetimes, reused: Reuse) -> dict[Node, Block]:
    """A block for each value that is not written over another; it is needed as long as any that
    is written over it."""
    first_of: dict[Node, Node] = {}
    lasting: dict[Node, int] = {}
    for node, (_, last) in lifetimes.of_workspace.items():
        first_of[node] = first_of[reused[node]] if node in reused else node
        lasting[first_of[node]] = last
    return {
        node: Block(node.type.bytes, lifetimes.spans[node][0], last)
        for node, last in lasting.items()
    }
