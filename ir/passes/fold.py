"""Fold: what only depends on constants is computed now.

Owns `FOLD_RULES` and the pass. Imports `ir.passes.rules` and builders. Invariant: the value is
what the op's reference gives, which is what every lowering is tested against; no constant grows
beyond a few elements by folding.
"""

from __future__ import annotations

from graphc.ir.build import broadcast, constant
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import apply
from graphc.ir.ops import layout, source
from graphc.ir.passes.rewriter import Observer, rewrite_graph
from graphc.ir.passes.rules import RuleSet, rule
from graphc.ir.passes.terms import constant_array
from graphc.ir.types import TupleType

SMALL = 64
"""A constant of so many elements may replace a node whatever the node was made from."""

LARGEST = 1 << 16
"""No constant of more elements is made, even from constants as large."""


def fold(graph: Graph, observer: Observer | None = None) -> Graph:
    """Replace nodes whose operands are all constants by their value."""
    return rewrite_graph(graph, FOLD_RULES, observer)


def _is_foldable(node: Node) -> bool:
    """Whether all operands are constants and the result is no larger than it may be. Broadcast
    constants stay as they are, since repeating elements costs nothing."""
    if any(operand.op is not source.constant for operand in node.operands):
        return False
    if isinstance(node.type, TupleType):
        return False
    largest = max((operand.type.size for operand in node.operands), default=0)
    small = node.type.size <= min(LARGEST, max(SMALL, largest))
    return small and node.op is not layout.broadcast_to


def _folded(node: Node) -> Node:
    arrays = [array for array in map(constant_array, node.operands) if array is not None]
    return constant(apply(node, arrays).astype(node.dtype.numpy))


def _scalar_broadcast(node: Node) -> Node | None:
    array = constant_array(node)
    if array is None or array.size < 2:
        return None
    flat = array.reshape(-1)
    if flat.tobytes() != flat[:1].tobytes() * flat.size:
        return None
    return broadcast(constant(flat[0]), node.shape)


FOLD_RULES = RuleSet(
    [
        rule(
            "equal-elements",
            "constant(...)",
            _scalar_broadcast,
            "x:f32[3]; [2, 2] -> broadcast_to(2, shape=(2,))",
        ),
        rule(
            "fold-elementwise",
            "elementwise(..., constant)",
            _folded,
            "x:f32[3]; add(2, 3) -> 5",
            _is_foldable,
        ),
        rule(
            "fold-reduction",
            "reduction(..., constant)",
            _folded,
            "x:f32[3]; sum([1, 2], axes=(0,)) -> 3",
            _is_foldable,
        ),
        rule(
            "fold-contraction",
            "contraction(..., constant)",
            _folded,
            "x:f32[3]; matmul([[1, 2]], [[3], [4]]) -> [[11]]",
            _is_foldable,
        ),
        rule(
            "fold-layout",
            "layout(..., constant)",
            _folded,
            "x:f32[3]; reshape([1, 2], shape=(2, 1)) -> [[1], [2]]",
            _is_foldable,
        ),
    ]
)
