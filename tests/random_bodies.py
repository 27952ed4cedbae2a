"""Nested graphs for the ops that take them: one builder for each class of attributes.

Owns `BODIES`. A body is grown like the graph around it, from inner inputs of the types of values
that are there. Invariant: every body that is repeated ends after a few rounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphc.ir.build import constant, ops
from graphc.ir.graph import Attrs, Graph, Node, Update
from graphc.ir.ops.branch import CondAttrs, WhileAttrs
from graphc.ir.ops.region import RegionAttrs
from graphc.ir.ops.scan import ScanAttrs
from graphc.ir.types import TensorType, bool_, int32

if TYPE_CHECKING:
    from tests.random_graphs import Growth

Built = tuple[list[Node], Attrs]
"""Operands and attributes of an op with a body."""

MOST_ROUNDS = 4


def scan_body(growth: Growth) -> Built:
    carries = _chosen(growth, growth.nodes, 2) or [growth.nodes[0]]
    slices = _chosen(growth, [n for n in growth.nodes if n.type.rank > 0], 2)
    lengths = {node.shape[0] for node in slices if node.shape[0] <= MOST_ROUNDS}
    length = min(lengths, default=growth.integer(MOST_ROUNDS))
    slices = [node for node in slices if node.shape[0] == length]
    captured = _chosen(growth, growth.nodes, 1)
    kinds = [TensorType(node.dtype, node.shape[1:]) for node in slices]
    params = _leaves(ops.param, "c", [node.type for node in carries])
    inputs = _leaves(ops.input, "s", [*kinds, *(node.type for node in captured)])
    body = _body(growth, params, inputs)
    reverse = growth.integer(1) == 1
    operands = [*carries, *slices, *captured]
    return operands, ScanAttrs(body, length, len(slices), reverse)


def branches(growth: Growth) -> Built:
    conditions = [n for n in growth.nodes if n.type == _FLAG]
    condition = (
        growth.one_of(conditions)
        if conditions and growth.integer(1)
        else growth.leaf(np.array(growth.integer(1) == 1))
    )
    operands = _chosen(growth, growth.nodes, 3) or [growth.nodes[0]]
    inputs = _leaves(ops.input, "s", [node.type for node in operands])
    then = _body(growth, [], inputs)
    others = _leaves(ops.input, "s", [node.type for node in operands])
    inner = growth.inner(others)
    outputs = []
    for output in then.outputs:
        alike = [node for node in inner.nodes if node.type == output.type]
        outputs.append(growth.one_of(alike) if alike else _zeros(output.type))
    otherwise = Graph("otherwise", tuple(others), (), tuple(outputs), then.output_names)
    return [condition, *operands], CondAttrs(then, otherwise)


def loop(growth: Growth) -> Built:
    """A loop that counts its rounds in a parameter of its own."""
    carries = _chosen(growth, growth.nodes, 2)
    captured = _chosen(growth, growth.nodes, 1)
    types = [_COUNT, *(node.type for node in carries)]
    given = [node.type for node in captured]
    params, inputs = _leaves(ops.param, "c", types), _leaves(ops.input, "s", given)
    grown = _body(growth, params[1:], inputs)
    counted = Update(params[0], ops.add(params[0], constant(np.int32(1))))
    updates = (counted, *grown.updates)
    body = Graph("body", tuple(inputs), tuple(params), (), (), updates)
    params, inputs = _leaves(ops.param, "c", types), _leaves(ops.input, "s", given)
    flag = ops.lt(params[0], constant(np.int32(growth.integer(MOST_ROUNDS))))
    condition = Graph("condition", tuple(inputs), tuple(params), (flag,), ("go",))
    return [constant(np.int32(0)), *carries, *captured], WhileAttrs(condition, body)


def part(growth: Growth) -> Built:
    operands = _chosen(growth, growth.nodes, 3) or [growth.nodes[0]]
    inputs = _leaves(ops.input, "s", [node.type for node in operands])
    return operands, RegionAttrs(_body(growth, [], inputs))


BODIES: dict[type[Attrs], Callable[[Growth], Built]] = {
    ScanAttrs: scan_body,
    CondAttrs: branches,
    WhileAttrs: loop,
    RegionAttrs: part,
}
"""How operands and bodies are found, by the class of the op's attributes."""

_FLAG = TensorType(bool_, ())
_COUNT = TensorType(int32, ())


def _chosen(growth: Growth, nodes: Sequence[Node], most: int) -> list[Node]:
    return [growth.one_of(nodes) for _ in range(growth.integer(most))] if nodes else []


def _leaves(make: Callable[..., Node], name: str, types: Sequence[TensorType]) -> list[Node]:
    return [make(name=f"{name}{i}", type=type_) for i, type_ in enumerate(types)]


def _body(growth: Growth, params: Sequence[Node], inputs: Sequence[Node]) -> Graph:
    """A grown graph with outputs and a new value for each parameter."""
    inner = growth.inner([*params, *inputs])
    outputs = [inner.one_of(inner.nodes) for _ in range(1 + inner.integer(1))]
    updates = []
    for param in params:
        alike = [node for node in inner.nodes if node.type == param.type]
        updates.append(Update(param, inner.one_of(alike)))
    names = tuple(f"out{i}" for i in range(len(outputs)))
    return Graph("body", tuple(inputs), tuple(params), tuple(outputs), names, tuple(updates))


def _zeros(type_: TensorType) -> Node:
    return constant(np.zeros(type_.shape, type_.dtype.numpy))
