"""The cheapest set of values from which others can be computed.

Owns `minimum_cut`. Imports `ir` and networkx, so it is loaded only on demand. Invariant: every path
of operands from a given node to a wanted one goes through a value of the cut.

A value is split into two nodes of a flow network, joined by an edge that costs the bytes it takes
to keep; the cheapest cut between what cannot be computed again and what is wanted is found by
maximum flow (Ford and Fulkerson 1956). PyTorch's AOTAutograd partitions its graphs in this way.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import networkx as nx  # type: ignore[import-untyped]

from graphc.ir.graph import Node


def minimum_cut(
    nodes: Sequence[Node],
    given: Collection[Node],
    wanted: Collection[Node],
    cost: Callable[[Node], int | None],
    *,
    in_order: bool = False,
) -> tuple[set[Node], set[Node]]:
    """The values to keep, and the nodes on the side of the given ones.

    `cost(node)` is what keeping a node costs; None: it cannot be kept. Operands that are not among
    `nodes` are there in any case. `in_order` leaves no node on the side of the given ones which
    depends on one on the other side. If no cut is finite, `wanted` are kept themselves.
    """
    number = {node: 2 * i for i, node in enumerate(nodes)}
    network = nx.DiGraph()
    network.add_nodes_from(("given", "wanted"))
    for node, entry in number.items():
        price, leaving = cost(node), entry + 1
        network.add_edge(entry, leaving, **({} if price is None else {"capacity": price}))
        for operand in node.operands:
            if operand in number:
                network.add_edge(number[operand] + 1, entry)
                if in_order:
                    network.add_edge(entry, number[operand])
        if node in given:
            network.add_edge("given", entry)
        if node in wanted:
            network.add_edge(leaving, "wanted")
    try:
        _, (near, _) = nx.minimum_cut(network, "given", "wanted")
    except nx.NetworkXUnbounded:
        return set(wanted), set(nodes)
    side = {node for node, entry in number.items() if entry in near}
    return {node for node in side if number[node] + 1 not in near}, side
