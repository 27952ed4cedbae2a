"""The reference interpreter: a graph run op by op with the references of its records.

Owns `evaluate` and `interpret`. Imports NumPy and the graph. Invariant: every value has exactly
the dtype and shape that inference gave its node; nothing recurses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.diagnostics import BoundaryError
from graphc.ir.graph import Graph, Node, topological
from graphc.ir.op import Array
from graphc.ir.rounding import rounded, widened
from graphc.ir.types import HALVES, TensorType, TupleType


@dataclass(frozen=True)
class Results:
    """What one step gives: outputs by name, and the new values of updated parameters by name."""

    outputs: dict[str, Array]
    updates: dict[str, Array]


def apply(node: Node, operands: Sequence[Array]) -> Array:
    """The value of one node, by its record's reference, from the values of its operands.

    The value of a node with several results is a tuple of arrays, for `item` alone to see. On
    16-bit floats the reference computes in f32, and its result is rounded once.
    """
    if not node.op.stored:
        operands = [widened(operand) for operand in operands]
    with np.errstate(all="ignore"):
        value = node.op.reference(*operands, **vars(node.attrs))
    if isinstance(node.type, TupleType):
        return tuple(map(_as_declared, value, node.type.results))  # type: ignore[return-value]
    return _as_declared(value, node.type)


def _as_declared(value: Array, type: TensorType) -> Array:
    return rounded(value, type.dtype) if type.dtype in HALVES else np.asarray(value)


def evaluate(roots: Sequence[Node], values: Mapping[Node, Array]) -> list[Array]:
    """The values of `roots`, given the values of the inputs and parameters they need.

    A node that has an entry in `values` is not computed. Values are dropped after their last use.
    """
    order = list(topological(roots, values))
    last_use = {operand: node for node in order for operand in node.operands}
    kept = set(roots)
    found: dict[Node, Array] = dict(values)
    for node in order:
        if node not in found:
            found[node] = apply(node, [found[operand] for operand in node.operands])
        for operand in set(node.operands):
            if last_use[operand] is node and operand not in kept:
                found.pop(operand, None)
    return [found[root] for root in roots]


def interpret(graph: Graph, values: Mapping[str, object]) -> Results:
    """Run a graph on named inputs and parameters.

    Raises `BoundaryError` when a name is missing or unknown, or when a value does not have the
    declared dtype and shape.

    >>> from graphc.ir.build import ops
    >>> from graphc.ir.types import TensorType, float32
    >>> x = ops.input(type=TensorType(float32, (2,)), name="x")
    >>> graph = Graph("double", (x,), (), (ops.add(x, x),), ("y",))
    >>> interpret(graph, {"x": np.float32([1, 2])}).outputs["y"]
    array([2., 4.], dtype=float32)
    """
    nodes = {node.name: node for node in graph.boundary}
    unknown = [name for name in values if name not in nodes]
    if unknown:
        raise BoundaryError(f"@{graph.name} has no input or parameter named {unknown[0]}")
    environment = {node: _checked(node, values, graph.name) for node in nodes.values()}
    results = evaluate(graph.roots, environment)
    count = len(graph.outputs)
    return Results(
        dict(zip(graph.output_names, results[:count], strict=True)),
        {
            update.param.name: value
            for update, value in zip(graph.updates, results[count:], strict=True)
        },
    )


def _checked(node: Node, values: Mapping[str, object], graph: str) -> Array:
    if node.name not in values:
        raise BoundaryError(f"@{graph} needs a value for {node.name}, which is {node.type}")
    array = np.asarray(values[node.name])
    if array.dtype != node.dtype.numpy or array.shape != node.shape:
        raise BoundaryError(
            f"{node.name} is {node.type}, got an array of dtype {array.dtype} and shape "
            f"{list(array.shape)}"
        )
    return array
