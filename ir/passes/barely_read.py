"""Which values are read in so few places that computing them there beats storing them.

Owns `barely_read`. Imports `ir` only. Invariant: what it finds is elementwise, and reached from the
rest of the graph only through ops that move elements to places known when they are compiled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.ir.access import operand_maps
from graphc.ir.graph import Graph, Node
from graphc.ir.op import Affine, Family

FEW = 4
"""A value is barely read if no more than one in so many of its elements is."""


def barely_read(graph: Graph, users: Mapping[Node, Sequence[Node]]) -> set[Node]:
    """The elementwise nodes of which few elements are wanted: a diagonal of a Jacobian, a slice.

    An element that is wanted twice counts twice.
    """
    wanted = {node: node.type.size for node in graph.roots}
    found: set[Node] = set()
    for node in reversed(graph.nodes):
        if node in wanted:
            continue
        wanted[node] = sum(_through(user, node, wanted, found) for user in users[node])
        is_elementwise = node.op.family is Family.ELEMENTWISE
        if is_elementwise and users[node] and FEW * wanted[node] <= node.type.size:
            found.add(node)
    return found


def _through(user: Node, node: Node, wanted: Mapping[Node, int], found: set[Node]) -> int:
    """How many elements of a node one of its users reads."""
    return wanted[user] if user in found or _moves(user) else node.type.size


def _moves(node: Node) -> bool:
    """Whether a node reads its operands at places that are known when it is compiled."""
    maps = operand_maps(node) if node.op.family is Family.LAYOUT else None
    return maps is not None and all(
        mapping is not None and all(isinstance(entry, Affine) for entry in mapping)
        for mapping in maps
    )
