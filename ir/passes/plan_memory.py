"""Give every stored value of a fused graph a place in memory.

Owns `MemoryPlan` and `plan_memory`. Inputs, parameters, constants and outputs have memory of
their own; an updated value lies where its parameter does; every other stored value gets an
offset in the workspace, which values share whose lifetimes do not meet. Imports `ir` only.
Invariant: two values that are needed at the same time never overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.ir.graph import Graph, KernelGroup, Node
from graphc.ir.op import Family
from graphc.ir.passes.inline import is_stored_source, is_view
from graphc.ir.printer import value_names

ALIGNMENT = 64
"""Bytes; a cache line, and the widest vector."""


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
    in memory, in order."""

    storage: Mapping[Node, Storage]
    scratch: Mapping[str, int]
    constants: tuple[Node, ...]
    workspace_bytes: int

    def text(self, graph: Graph) -> str:
        """A table for people: value, type, place, lifetime."""
        lifetimes, names = _lifetimes(graph), value_names(graph)
        rows = []
        for node, where in self.storage.items():
            used = lifetimes.get(node, ())
            lifetime = " - ".join(graph.kernels[number].name for number in used)
            place = f"{where.place}[{where.position}]"
            rows.append((names[node], str(node.type), place, lifetime))
        rows += [
            (f"scratch of {name}", "", f"workspace[{offset}]", name)
            for name, offset in self.scratch.items()
        ]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
        return "\n".join([*lines, f"workspace: {self.workspace_bytes} bytes", ""])


def stored_nodes(graph: Graph) -> dict[KernelGroup, list[Node]]:
    """Per kernel the nodes that others need: those read outside of it, and outputs."""
    home = {node: group for group in graph.kernels for node in group.nodes}
    needed = set(graph.roots)
    for node in graph.nodes:
        for operand in node.operands:
            if home.get(operand) is not home.get(node):
                needed.add(operand)
    return {group: [node for node in group.nodes if node in needed] for group in graph.kernels}


def plan_memory(graph: Graph, scratch_bytes: Mapping[str, int]) -> MemoryPlan:
    """Place every stored value; `scratch_bytes` says what each kernel needs besides."""
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
    arena = _Arena()
    scratch: dict[str, int] = {}
    lifetimes = _lifetimes(graph)
    ending: dict[int, list[Node]] = {}
    for number, (group, nodes) in enumerate(stored_nodes(graph).items()):
        for node in nodes:
            if node not in storage:
                storage[node] = Storage("workspace", arena.take(node.type.bytes))
                ending.setdefault(lifetimes[node][1], []).append(node)
        if scratch_bytes.get(group.name):
            scratch[group.name] = arena.take(scratch_bytes[group.name])
            arena.give_back(scratch[group.name], scratch_bytes[group.name])
        for node in ending.pop(number, ()):
            arena.give_back(storage[node].position, node.type.bytes)
    for node in graph.nodes:
        if is_view(node) and node not in storage:
            storage[node] = storage[node.operands[0]]
    return MemoryPlan(storage, scratch, constants, arena.size)


def _lifetimes(graph: Graph) -> dict[Node, tuple[int, int]]:
    """For each node of a kernel the numbers of that kernel and of the last one that reads it."""
    home = {node: i for i, group in enumerate(graph.kernels) for node in group.nodes}
    last = dict(home)
    base: dict[Node, Node] = {}
    for node in graph.nodes:
        base[node] = base[node.operands[0]] if is_view(node) else node
        for operand in node.operands:
            if base[operand] in last and node in home:
                last[base[operand]] = max(last[base[operand]], home[node])
    return {node: (home[node], last[node]) for node in home}


class _Arena:
    """First-fit allocation in one block that grows at the end.

    An empty value gets a place of its own, too: kernels tell values apart by where they are.
    """

    def __init__(self) -> None:
        self.size = 0
        self._free: list[tuple[int, int]] = []

    def take(self, size: int) -> int:
        size = aligned(max(size, 1))
        for i, (offset, room) in enumerate(self._free):
            if room >= size:
                self._free[i : i + 1] = [(offset + size, room - size)] if room > size else []
                return offset
        if self._free and sum(self._free[-1]) == self.size:
            offset = self._free.pop()[0]
        else:
            offset = self.size
        self.size = offset + size
        return offset

    def give_back(self, offset: int, size: int) -> None:
        size = aligned(max(size, 1))
        self._free.append((offset, size))
        self._free.sort()
        merged: list[tuple[int, int]] = []
        for start, room in self._free:
            if merged and sum(merged[-1]) == start:
                merged[-1] = (merged[-1][0], merged[-1][1] + room)
            else:
                merged.append((start, room))
        self._free = merged


def aligned(size: int) -> int:
    """A size in bytes rounded up, so that what comes behind is aligned.

    >>> aligned(65)
    128
    """
    return -(-size // ALIGNMENT) * ALIGNMENT
