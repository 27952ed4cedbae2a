"""Assign nodes to kernels, one after the other.

Owns `Kernel` and `Grouping`, the first two of the fusion rules that `fuse` documents. Imports `ir`
only. Invariant: kernels do not depend on one another in a circle.
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
"""Most nodes computed by one kernel whose values are in registers or swept again."""

MAX_CHAIN = 4096
"""Most nodes computed by one kernel that sweeps once; bounds its stack memory and compile time."""

MAX_SEARCH = 64
"""Most kernels looked at before a node is held to depend on a kernel it might join; keeps fusion
linear in the size of the graph."""


@dataclass(eq=False)
class Kernel:
    """A kernel being put together: its loops, its nodes in order, why it was begun.

    `reason` has a place, `{}`, for the name of the kernel that it speaks of, `because_of`.
    """

    order: int
    domain: Domain
    reason: str
    because_of: Kernel | None = None
    contraction: Node | None = None
    alone: bool = False
    """Whether it is one op that nothing is fused with."""
    nodes: dict[Node, AccessMap | None] = field(default_factory=dict)
    """Each node with where it is in the domain; None for one that is stored part by part."""
    after: set[Node] = field(default_factory=set)
    """The nodes that wait for a reduction of this kernel, so that it may sweep again for them."""
    sources: set[Kernel] = field(default_factory=set)
    """Other kernels whose results this one reads."""
    users: set[Kernel] = field(default_factory=set)
    """Other kernels that read this one's results."""
    merged_into: Kernel | None = None


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
        read = set(self.kernels_read(node))
        kernel, reason, because_of = self._fitting(node, read)
        if kernel is None:
            kernel = Kernel(len(self.kernels), _domain_begun_by(node), reason, because_of)
            if node.op.family is Family.CONTRACTION:
                kernel.contraction = node
            kernel.alone = node.op.family is Family.ROUTINE
            self.kernels.append(kernel)
        elif node.op.family is Family.REDUCTION:
            kernel.domain = Domain.reducing(node)
        place = kernel.domain.coordinates(node.shape)
        assert place is not None or kernel.alone
        kernel.nodes[node] = () if kernel.alone else place
        if _waits(node, kernel):
            kernel.after.add(node)
        self.home[node] = kernel
        for source in read - {kernel}:
            source.users.add(kernel)
            kernel.sources.add(source)

    def _fitting(self, node: Node, read: set[Kernel]) -> tuple[Kernel | None, str, Kernel | None]:
        """The latest of the kernels read that a node fits; or none, and why not which."""
        if node.op.family is Family.ITEM:
            return self.home[node.operands[0]], "", None
        if node.op.family is Family.ROUTINE:
            return None, f"{node.op.name} runs alone", None
        if node.op.family is Family.CONTRACTION:
            return None, "matrix product", None
        latest = sorted(read, key=lambda kernel: -kernel.order)
        reasons = []
        for kernel in latest:
            reason = self._misfit(node, kernel)
            if not reason and leads_to(kernel, read - {kernel}):
                reason = "needs elsewhere what {} makes"
            if not reason:
                return kernel, "", None
            reasons.append(reason)
        return (None, reasons[0], latest[0]) if reasons else (None, "reads no other kernel", None)

    def _misfit(self, node: Node, kernel: Kernel) -> str:
        """Why a node cannot be computed in a kernel, called `{}`; "" if it can."""
        short = kernel.contraction is not None or kernel.after or _waits(node, kernel)
        if len(kernel.nodes) >= (MAX_NODES if short else MAX_CHAIN):
            return f"{{}} has {len(kernel.nodes)} nodes"
        if kernel.alone:
            return "reads the results of {}, which runs alone"
        domain = kernel.domain
        if node.op.family is Family.REDUCTION:
            if kernel.contraction is not None:
                return "reduces the matrix product of {}"
            wanted = Domain.reducing(node)
            if domain.shape != wanted.shape or domain.reduced not in (None, wanted.reduced):
                return "reduces other axes than {} loops over"
            place: AccessMap | None = wanted.coordinates(domain.shape)
        else:
            place = domain.coordinates(node.shape)
        if place is None:
            return "has another shape than {}"
        for read, mapping in self.reads[node]:
            if self.home.get(self.inlining.base(read)) is not kernel:
                continue
            if read in self.inlining.views:
                return "reads {} reshaped"
            at = None if mapping is None else compose(mapping, place)
            if at is None or not same_place(at, kernel.nodes[read], read.shape):
                return "reads other elements of {} than the one it is at"
        return ""


def _waits(node: Node, kernel: Kernel) -> bool:
    """Whether a node reads a reduction of a kernel, or what waits for one."""
    return any(
        operand in kernel.after
        or (operand.op.family is Family.REDUCTION and operand in kernel.nodes)
        for operand in node.operands
    )


def leads_to(kernel: Kernel, others: set[Kernel], *, but_not_directly: bool = False) -> bool:
    """Whether any of `others` depends on `kernel` (through a third), or might for all that a
    short search tells."""
    if not others:
        return False
    seen = {kernel}
    pending = list(kernel.users - others) if but_not_directly else [kernel]
    while pending:
        for user in pending.pop().users - seen:
            if user in others or len(seen) >= MAX_SEARCH:
                return True
            seen.add(user)
            pending.append(user)
    return False


def _domain_begun_by(node: Node) -> Domain:
    if node.op.family is Family.REDUCTION:
        return Domain.reducing(node)
    return Domain(node.shape)
