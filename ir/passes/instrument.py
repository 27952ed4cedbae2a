"""Instrument: a graph that tells which of its nodes made the first NaN or infinity.

Owns `instrument`. Imports builders and `ir.graph`. Invariant: the outputs are what they were; one
more says which node is at fault, and while one is, every update gives a parameter its old value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.ir import build
from graphc.ir.build import Expression, ops
from graphc.ir.graph import Graph, Node, Update, fresh_name
from graphc.ir.location import Origin, provenance
from graphc.ir.op import Family
from graphc.ir.ops import source
from graphc.ir.types import int32


@dataclass(frozen=True)
class Watched:
    """An instrumented graph. Its last output is the position in `suspects` of the node at fault,
    or their number where there is none."""

    graph: Graph
    suspects: tuple[Node, ...]


@dataclass(frozen=True)
class _State:
    """Whether a value has a NaN, and whether it has a NaN or an infinity: scalars."""

    nan: Node
    bad: Node


def instrument(graph: Graph, name: str = "not_finite") -> Watched:
    """Watch every node that computes floats, in the order of the graph.

    A node is at fault if its result has a NaN or an infinity and no operand has, or a NaN and no
    operand has one: infinity - infinity makes a NaN. Constants are not, and neither are ops that
    only move elements. An input or a parameter is at fault if it has a NaN.
    """
    states: dict[Node, _State] = {}
    suspects, faults = [], []
    for node in graph.nodes:
        if not node.dtype.is_float or not node.type.size:
            continue
        with provenance(node.loc, Origin("debug_nans", node.name)):
            states[node] = state = _state(node)
            fault = _fault(node, state, states)
        if fault is not None:
            suspects.append(node)
            faults.append(fault)
    with provenance(None, Origin("debug_nans")):
        verdict = _first(faults)
        fine = ops.eq(verdict, build.scalar(len(faults), int32))
        updates = tuple(
            Update(update.param, ops.where(fine, update.value, update.param))
            for update in graph.updates
        )
    watched = replace(
        graph,
        outputs=(*graph.outputs, verdict),
        output_names=(*graph.output_names, fresh_name(name, graph.output_names)),
        updates=updates,
        nodes=(),
    )
    return Watched(watched, tuple(suspects))


def _state(node: Node) -> _State:
    value = Expression(build.cast(node, node.dtype.arithmetic))
    infinite = value.abs().lt(math.inf).logical_not()
    return _State(_any(value.ne(value).node), _any(infinite.node))


def _any(condition: Node) -> Node:
    axes = tuple(range(len(condition.shape)))
    if not axes:
        return condition
    return Expression(ops.max(build.cast(condition, int32), axes=axes)).gt(0).node


def _fault(node: Node, state: _State, states: dict[Node, _State]) -> Node | None:
    """Whether the node made what it has; None for a node that makes nothing."""
    if node.op in (source.input, source.param):
        return state.nan
    if node.op.family in (Family.SOURCE, Family.LAYOUT):
        return None
    known = [states[operand] for operand in _operands(node) if operand in states]
    by_nan = _unless(state.nan, [each.nan for each in known])
    by_any = _unless(state.bad, [each.bad for each in known])
    return ops.logical_or(by_nan, by_any)


def _operands(node: Node) -> tuple[Node, ...]:
    """What a value is computed from; of one of several results, what all of them are."""
    return node.operands[0].operands if node.op.family is Family.ITEM else node.operands


def _unless(condition: Node, excuses: Sequence[Node]) -> Node:
    for excuse in excuses:
        condition = ops.logical_and(condition, ops.logical_not(excuse))
    return condition


def _first(faults: Sequence[Node]) -> Node:
    """The position of the first fault; their number if there is none."""
    verdict = build.scalar(len(faults), int32)
    for position in reversed(range(len(faults))):
        verdict = ops.where(faults[position], build.scalar(position, int32), verdict)
    return verdict
