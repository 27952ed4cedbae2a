"""Assign nodes to kernels, one after the other.

Owns `Kernel` and `group_nodes`, the first two of the fusion rules that `fuse` documents. Imports
`ir` only. Invariant: a kernel reads only what kernels before it, or itself, have made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphc.ir.access import compose
from graphc.ir.domain import Domain, same_place
from graphc.ir.graph import Graph, Node
from graphc.ir.op import AccessMap, Family
from graphc.ir.passes.inline import Inlining, Read, is_stored_source, reads_of

MAX_NODES = 64
"""Most nodes computed by one kernel; bounds its compile time and its register pressure."""


@dataclass(eq=False)
class Kernel:
    """A kernel being put together: its loops, its nodes in order, why it was begun."""

    order: int
    domain: Domain
    reason: str
    contraction: Node | None = None
    nodes: dict[Node, AccessMap] = field(default_factory=dict)
    """Each node with where it is in the domain."""

    @property
    def shape(self) -> str:
        """Which of the kernel shapes this is: one loop, one reduction and what follows from it,
        a row kept through several sweeps, or a matrix product."""
        if self.contraction is not None:
            return "contract"
        if self.domain.reduced is None:
            return "map"
        reductions = [node for node in self.nodes if node.op.family is Family.REDUCTION]
        return "reduce" if len(reductions) == 1 else "row"


class Grouping:
    """The kernels of a graph, and which of them makes each node."""

    def __init__(self, graph: Graph, inlining: Inlining) -> None:
        self.inlining = inlining
        self.kernels: list[Kernel] = []
        self.home: dict[Node, Kernel] = {}
        self.reads: dict[Node, list[Read]] = {}
        for node in graph.nodes:
            if self.is_computed(node):
                self._place(node)

    def is_computed(self, node: Node) -> bool:
        """Whether a node is made by a kernel, once."""
        return not (
            node in self.inlining.inlined or node in self.inlining.views or is_stored_source(node)
        )

    def kernels_read(self, node: Node) -> Iterator[Kernel]:
        """The kernels that make what a node reads."""
        for read, _ in self.reads[node]:
            kernel = self.home.get(self.inlining.base(read))
            if kernel is not None:
                yield kernel

    def _place(self, node: Node) -> None:
        self.reads[node] = reads_of(node, self.inlining)
        last = max(self.kernels_read(node), key=lambda kernel: kernel.order, default=None)
        reason = "reads no other kernel" if last is None else self._misfit(node, last)
        if last is None or reason:
            last = Kernel(len(self.kernels), _domain_begun_by(node), reason)
            if node.op.family is Family.CONTRACTION:
                last.contraction, last.reason = node, "matrix product"
            self.kernels.append(last)
        elif node.op.family is Family.REDUCTION:
            last.domain = Domain.reducing(node)
        place = last.domain.coordinates(node.shape)
        assert place is not None
        last.nodes[node] = place
        self.home[node] = last

    def _misfit(self, node: Node, kernel: Kernel) -> str:
        """Why a node cannot be computed in a kernel; "" if it can."""
        name = f"k{kernel.order}"
        if len(kernel.nodes) >= MAX_NODES:
            return f"{name} has {MAX_NODES} nodes"
        domain = kernel.domain
        if node.op.family is Family.CONTRACTION:
            return "matrix product"
        if node.op.family is Family.REDUCTION:
            if kernel.contraction is not None:
                return f"reduces the matrix product of {name}"
            wanted = Domain.reducing(node)
            if domain.shape != wanted.shape or domain.reduced not in (None, wanted.reduced):
                return f"reduces other axes than {name} loops over"
            place: AccessMap | None = wanted.coordinates(domain.shape)
        else:
            place = domain.coordinates(node.shape)
        if place is None:
            return f"has another shape than {name}"
        for read, mapping in self.reads[node]:
            if self.home.get(self.inlining.base(read)) is not kernel:
                continue
            if read in self.inlining.views:
                return f"reads {name} reshaped"
            at = None if mapping is None else compose(mapping, place)
            if at is None or not same_place(at, kernel.nodes[read], read.shape):
                return f"reads other elements of {name} than the one it is at"
        return ""


def _domain_begun_by(node: Node) -> Domain:
    if node.op.family is Family.REDUCTION:
        return Domain.reducing(node)
    return Domain(node.shape)
