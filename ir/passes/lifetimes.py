"""From which kernel to which the values of a fused graph are needed.

Owns `Lifetimes` and `stored_nodes`. Imports `ir` only. Invariant: a value is needed as long as any
view of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphc.ir.graph import Graph, KernelGroup, Node
from graphc.ir.passes.inline import is_view


@dataclass(frozen=True)
class Lifetimes:
    """The numbers of the kernel that makes a value and of the last that reads it, for each node of
    a kernel. `of_workspace` are the stored values that have no memory of their own."""

    spans: Mapping[Node, tuple[int, int]]
    of_workspace: Mapping[Node, tuple[int, int]]
    _ending: Mapping[int, tuple[Node, ...]]
    _numbers: Mapping[KernelGroup, int]

    @staticmethod
    def of(graph: Graph) -> Lifetimes:
        spans = _spans(graph)
        elsewhere = set(graph.roots)
        stored = (node for nodes in stored_nodes(graph).values() for node in nodes)
        workspace = {node: spans[node] for node in stored if node not in elsewhere}
        ending: dict[int, list[Node]] = {}
        for node, (_, last) in workspace.items():
            ending.setdefault(last, []).append(node)
        return Lifetimes(
            spans,
            workspace,
            {number: tuple(nodes) for number, nodes in ending.items()},
            {group: number for number, group in enumerate(graph.kernels)},
        )

    def ending_in(self, group: KernelGroup) -> list[Node]:
        """The values of the workspace that a kernel is the last to read, and does not make."""
        number = self._numbers[group]
        return [node for node in self._ending.get(number, ()) if self.spans[node][0] < number]


def stored_nodes(graph: Graph) -> dict[KernelGroup, list[Node]]:
    """Per kernel the nodes that others need: those read outside of it, and outputs."""
    home = {node: group for group in graph.kernels for node in group.nodes}
    needed = set(graph.roots)
    for node in graph.nodes:
        for operand in node.operands:
            if home.get(operand) is not home.get(node):
                needed.add(operand)
    return {group: [node for node in group.nodes if node in needed] for group in graph.kernels}


def _spans(graph: Graph) -> dict[Node, tuple[int, int]]:
    home = {node: i for i, group in enumerate(graph.kernels) for node in group.nodes}
    last = dict(home)
    base: dict[Node, Node] = {}
    for node in graph.nodes:
        base[node] = base[node.operands[0]] if is_view(node) else node
        for operand in node.operands:
            if base[operand] in last and node in home:
                last[base[operand]] = max(last[base[operand]], home[node])
    return {node: (home[node], last[node]) for node in home}
