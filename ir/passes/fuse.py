"""Put the nodes of a graph into kernels.

The fusion rules are few, so that a reader can predict them:

1. A node joins a kernel that makes one of its operands, the latest whose loops it fits, unless
   another operand needs that kernel to have run; otherwise it begins a kernel of its own.
2. A kernel loops over one space, its domain. An elementwise node fits if it has the domain's
   shape and reads the kernel's own values at the element being computed. A reduction fits if it
   reduces the domain, over the axes that the kernel reduces already or none yet. What is computed
   of a reduction's result, at the shape without those axes, fits too.
3. Two kernels that turn out to loop over the same space, one of which reads the other only at the
   element being computed, become one (`merge`). So does a kernel that does little more than copy
   with one that reads the same, or updates it.
   A concatenation of what one kernel makes is stored by it, part by part.
4. A matrix product begins a kernel; elementwise nodes of its result's shape are its epilogue, but
   for cheap ones that one later kernel alone reads, if less is stored without them
   (`sink_epilogues`).
5. A kernel of elementwise nodes that only feeds one matrix product dissolves into its prologue,
   unless that would compute what is not cheap several times, as through overlapping windows.
6. Moves of data, positions and cheap arithmetic are written again in each kernel that uses them
   (`inline`, `sink`).
7. A routine, and an op with sub-graphs, is a kernel of its own.
8. A kernel that updates a parameter runs after those that read it, and writes in place (`order`).
9. Beside that, kernels that free memory run first, where less memory is needed so (`order`).

Owns `fuse`. Imports `ir` only. Invariant: every node that is neither a source nor a view is in
exactly one kernel.
"""

from __future__ import annotations

from dataclasses import replace

from graphc.ir.domain import has_parts
from graphc.ir.graph import Attrs, Graph, Node, Update, rewrite, with_operands
from graphc.ir.op import Family
from graphc.ir.ops import OPS, layout
from graphc.ir.passes.grouping import MAX_NODES, Grouping, Kernel
from graphc.ir.passes.inline import (
    MAX_COST,
    Inlining,
    choose_inlined,
    is_unstored,
    is_view,
    takes_strided,
)
from graphc.ir.passes.merge import merge_kernels
from graphc.ir.passes.order import order_kernels
from graphc.ir.passes.sink import choose_sunk
from graphc.ir.passes.sink_epilogues import sunk_from_epilogues


def fuse(graph: Graph) -> Graph:
    """The same program with its nodes in kernels, in the order in which they run."""
    graph = _with_own_outputs(_with_stored_views(graph))
    inlining = choose_inlined(graph)
    grouping = _group(graph, inlining)
    apart = _apart(graph, grouping)
    if apart:
        inlining = replace(inlining, inlined=inlining.inlined | apart)
        grouping = _group(graph, inlining)
    dissolved = frozenset(node for kernel in _prologues(graph, grouping) for node in kernel.nodes)
    moved = dissolved | sunk_from_epilogues(graph, grouping)
    if moved:
        inlining = replace(inlining, inlined=inlining.inlined | moved)
        grouping = _group(graph, inlining)
    sunk = choose_sunk(graph, grouping)
    if sunk:
        grouping = _group(graph, replace(inlining, inlined=inlining.inlined | sunk))
    return order_kernels(graph, grouping)


def _apart(graph: Graph, grouping: Grouping) -> frozenset[Node]:
    """Values with parts that no one kernel makes: each reader reads through them after all, unless
    one reads them again and again, as a matrix product does, or wants them whole."""
    found = {
        node
        for node, kernel in grouping.home.items()
        if has_parts(node) and kernel.nodes[node] is not None
    }
    if not found:
        return frozenset()
    wanted = set(graph.roots)
    for node in graph.nodes:
        if node.op.family not in (Family.ELEMENTWISE, Family.REDUCTION):
            wanted.update(node.operands)
    return frozenset(found - wanted)


def _group(graph: Graph, inlining: Inlining) -> Grouping:
    grouping = Grouping(graph, inlining)
    merge_kernels(grouping, graph.updates)
    return grouping


def _with_own_outputs(graph: Graph) -> Graph:
    """Give every output and update a node that no other has and that a kernel computes."""
    taken: set[Node] = set()

    def own(node: Node) -> Node:
        moved = node.op.family in (Family.SOURCE, Family.LAYOUT) and not has_parts(node)
        if moved or node in taken:
            node = OPS["copy"](node, name=node.name)
        taken.add(node)
        return node

    return replace(
        graph,
        outputs=tuple(own(node) for node in graph.outputs),
        updates=tuple(Update(update.param, own(update.value)) for update in graph.updates),
        nodes=(),
    )


def _with_stored_views(graph: Graph) -> Graph:
    """Give positions (iota) and scalar constants memory of their own where they are wanted whole:
    as what a reshape is a view of, and as operands of ops that run alone. Equal items become one:
    a result has one place."""
    items: dict[tuple[Node, Attrs], Node] = {}

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        if node.op.family is Family.ITEM:
            return items.setdefault((operands[0], node.attrs), with_operands(node, operands))
        if is_view(node) or node.op.family is Family.ROUTINE:
            operands = tuple(_with_memory(operand, takes_strided(node)) for operand in operands)
        return with_operands(node, operands)

    return rewrite(graph, visit)


def _with_memory(node: Node, strided: bool) -> Node:
    """A source that is not stored as a value that is; for who takes it `strided`, a broadcast of
    one as a broadcast of such, which is read where it lies."""
    if is_unstored(node):
        return OPS["copy"](node)
    if strided and node.op is layout.broadcast_to and is_unstored(node.operands[0]):
        return with_operands(node, (OPS["copy"](node.operands[0]),))
    return node


def _prologues(graph: Graph, grouping: Grouping) -> list[Kernel]:
    """Kernels of elementwise nodes whose results are read by one matrix product only."""
    readers: dict[Kernel, set[Node]] = {kernel: set() for kernel in grouping.kernels}
    pinned = {grouping.home[root] for root in graph.roots}
    for node, kernel in grouping.home.items():
        for read, _ in grouping.reads[node]:
            source = grouping.home.get(grouping.inlining.base(read))
            if source is None or source is kernel:
                continue
            readers[source].add(node)
            if read in grouping.inlining.views:
                pinned.add(source)
    return [
        kernel
        for kernel, nodes in readers.items()
        if kernel.contraction is None
        and not kernel.alone
        and kernel.domain.reduced is None
        and kernel not in pinned
        and len(nodes) == 1
        and len(kernel.nodes) <= MAX_NODES
        and all(
            node.op.family is Family.CONTRACTION and _read_once(node, kernel, grouping.inlining)
            for node in nodes
        )
    ]


def _read_once(product: Node, kernel: Kernel, inlining: Inlining) -> bool:
    """Whether a product reads no element of what a kernel makes several times, as it does through
    windows; or at least none that is dear to compute again."""
    if sum(node.op.cost for node in kernel.nodes) <= MAX_COST:
        return True
    for operand in product.operands:
        pending, seen = [operand], set()
        while pending:
            node = pending.pop()
            if node in kernel.nodes and operand.type.size > node.type.size:
                return False
            if node in inlining.inlined and node not in seen:
                seen.add(node)
                pending += node.operands
    return True
