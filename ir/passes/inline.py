"""Which values are never stored, because each user can read through them.

Owns `choose_inlined`: layout moves, positions and cheap arithmetic are written again where they
are used; a general reshape is a view of what it reshapes. Imports `ir` only. Invariant: a chain of
inlined nodes is short, so that evaluating one is bounded whatever the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.access import broadcast_map, compose, identity, operand_maps
from graphc.ir.domain import has_parts
from graphc.ir.graph import Graph, Node
from graphc.ir.nested import nested_graphs
from graphc.ir.op import AccessMap, Affine, Family
from graphc.ir.passes.barely_read import barely_read
from graphc.ir.types import HALVES

MAX_DEPTH = 16
"""Longest chain of inlined nodes."""

MAX_COST = 2
"""Most arithmetic an element that is worth doing again rather than storing its result."""


@dataclass(frozen=True)
class Inlining:
    """`inlined` nodes are computed in each kernel that uses them; `views` are reshapes of stored
    values and share their memory; every other node that is no source is computed once."""

    inlined: frozenset[Node]
    views: frozenset[Node]

    def base(self, node: Node) -> Node:
        """The stored node whose memory a view shares; another node itself."""
        while node in self.views:
            node = node.operands[0]
        return node

    def awaited(self, node: Node) -> list[Node]:
        """What must be there before a view may be read, beside the stored node."""
        tokens: list[Node] = []
        while node in self.views:
            tokens += node.operands[1:]
            node = node.operands[0]
        return tokens


def is_stored_source(node: Node) -> bool:
    """Whether a source lies in memory: inputs, parameters and constants of several elements."""
    if node.op.family is not Family.SOURCE or node.op.position is not None:
        return False
    return node.op.value is None or node.type.size != 1


def is_unstored(node: Node) -> bool:
    """Whether a source is a number or a position, which is written where it is used."""
    return node.op.family is Family.SOURCE and not is_stored_source(node)


def choose_inlined(graph: Graph) -> Inlining:
    """Decide for each node of a graph whether it is inlined or a view."""
    roots = set(graph.roots)
    users = graph.users()
    views = {node for node in graph.nodes if is_view(node)}
    barely = barely_read(graph, users)
    depth: dict[Node, int] = {}
    cost: dict[Node, int] = {}
    inlined: set[Node] = set()
    strided: set[Node] = set()
    for node in graph.nodes:
        below = [operand for operand in node.operands if operand in inlined]
        depth[node] = 1 + max((depth[operand] for operand in below), default=0)
        cost[node] = node.op.cost + sum(cost[operand] for operand in below)
        if node.op.family is Family.SOURCE:
            if not is_stored_source(node):
                inlined.add(node)
                depth[node] = cost[node] = 0
        elif node not in roots and node not in views and depth[node] <= MAX_DEPTH:
            if _is_strided(node) and all(o in strided for o in below):
                strided.add(node)
            wanted_whole = any(
                user in views or not _takes(user, node, strided) for user in users[node]
            )
            if wanted_whole or (has_parts(node) and not below):
                continue
            if node in barely or _is_free(node, cost[node], users[node]):
                inlined.add(node)
    return Inlining(frozenset(inlined), frozenset(views))


def is_view(node: Node) -> bool:
    """Whether a node only gives another shape to the same memory."""
    return node.op.family is Family.LAYOUT and operand_maps(node) is None


def takes_strided(node: Node) -> bool:
    """Whether a node is a routine that can read an operand where it lies, with other strides: a
    nested graph or a function from outside wants its values without gaps."""
    is_routine = node.op.family is Family.ROUTINE
    return is_routine and not node.op.foreign and not nested_graphs(node.attrs)


def _takes(user: Node, node: Node, strided: set[Node]) -> bool:
    """Whether a user can take a node that is not stored."""
    return user.op.family is not Family.ROUTINE or (node in strided and takes_strided(user))


def _is_strided(node: Node) -> bool:
    """Whether a node is its operand seen with other strides, so that it can be taken whole where
    the operand lies."""
    maps = operand_maps(node) if node.op.family is Family.LAYOUT else None
    if maps is None or len(maps) != 1 or node.op.fill is not None:
        return False
    return maps[0] is not None and all(isinstance(entry, Affine) for entry in maps[0])


def _is_free(node: Node, cost: int, users: Sequence[Node]) -> bool:
    if node.op.family is Family.LAYOUT:
        return True
    if node.op.family is not Family.ELEMENTWISE or cost > MAX_COST:
        return False
    if any(user.op.family is Family.CONTRACTION for user in users):
        return False
    if _only_widens(node):
        return True
    return len(users) >= 2 and len(_large_operands(node)) <= 1


def _only_widens(node: Node) -> bool:
    """Whether a node is the f32 of a 16-bit float, which is cheaper to convert than to store."""
    return node.op.stored and node.operands[0].dtype in HALVES and node.dtype not in HALVES


def _large_operands(node: Node) -> set[Node]:
    return {operand for operand in node.operands if operand.type.size > 1}


Read = tuple[Node, "AccessMap | None"]
"""A stored node, and the map from the reader's index to the index read. None: the whole of it
is wanted, not one element at a time."""


def reads_of(node: Node, inlining: Inlining) -> list[Read]:
    """What a node reads, once the inlined nodes between are looked through.

    Maps are from the node's own index; for a reduction from that of its operand.
    """
    if node.op.family is Family.REDUCTION:
        pending: list[Read] = [(node.operands[0], identity(len(node.operands[0].shape)))]
    else:
        pending = _operand_reads(node)
    reads: list[Read] = []
    while pending:
        operand, mapping = pending.pop()
        if operand not in inlining.inlined:
            reads.append((operand, mapping))
            reads += [(token, None) for token in inlining.awaited(operand)]
            continue
        for inner, inner_map in _operand_reads(operand):
            both = mapping is not None and inner_map is not None
            pending.append((inner, compose(inner_map, mapping) if both else None))  # type: ignore[arg-type]
    return reads


def _operand_reads(node: Node) -> list[Read]:
    maps = operand_maps(node)
    if maps is None:
        return [(operand, None) for operand in node.operands]
    # An operand without a map is an index: it is read where the result is computed.
    return [
        (operand, broadcast_map(operand.shape, node.shape) if mapping is None else mapping)
        for operand, mapping in zip(node.operands, maps, strict=True)
    ]
