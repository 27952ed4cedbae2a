"""A failing graph cut down to the ops that fail.

Owns `cut_down`. One result is kept, and values on the way to it become inputs that hold what the
interpreter gives. Invariant: what comes out still fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node, topological, with_operands
from graphc.ir.interpreter import evaluate
from graphc.ir.op import Array
from graphc.ir.types import TensorType
from tests.random_graphs import Case


def cut_down(case: Case, fails: Callable[[Case], bool]) -> Case:
    """The smallest case found that fails, without derivatives; `case` if it does not fail so."""
    given = {leaf: case.arrays[leaf.name] for leaf in case.graph.boundary}
    for root in dict.fromkeys(case.graph.roots):
        smallest = _ending_at(root, given)
        if fails(smallest):
            break
    else:
        return case
    cuts = dict(given)
    # The latest values first: what only they need is gone with them.
    for node in reversed(list(topological([root]))):
        is_inner = node in _needed(root, cuts) and node is not root
        if is_inner and node.operands and type(node.type) is TensorType:
            (value,) = evaluate([node], given)
            smaller = _ending_at(root, {**cuts, node: value})
            if fails(smaller):
                smallest, cuts = smaller, {**cuts, node: value}
    return smallest


def _ending_at(root: Node, cuts: Mapping[Node, Array]) -> Case:
    """The program that computes `root` from the values in `cuts`, as its inputs."""
    needed = _needed(root, cuts)
    order = [node for node in topological([root], cuts) if node in needed]
    mapping: dict[Node, Node] = {}
    arrays: dict[str, Array] = {}
    for node in order:
        if node in cuts:
            name = f"x{len(arrays)}"
            mapping[node] = ops.input(name=name, type=node.type)
            arrays[name] = cuts[node]
        else:
            operands = tuple(mapping[operand] for operand in node.operands)
            mapping[node] = with_operands(node, operands)
    inputs = tuple(mapping[node] for node in order if node in cuts)
    return Case(Graph("g", inputs, (), (mapping[root],), ("out0",)), arrays, None)


def _needed(root: Node, cuts: Mapping[Node, Array]) -> set[Node]:
    """What `root` is computed from, no further than the cuts."""
    found, pending = {root}, [root]
    while pending:
        node = pending.pop()
        if node not in cuts:
            pending += [operand for operand in node.operands if operand not in found]
            found.update(node.operands)
    return found
