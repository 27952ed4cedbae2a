"""The space a kernel loops over, and where in it the kernel's values are.

Owns `Domain`. Imports `ir` only. Invariant: a value of a kernel is either at every point of the
domain or, once the reduced axes are done, at every point of what is left of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from graphc.ir.access import identity
from graphc.ir.graph import Node
from graphc.ir.op import AccessMap, Affine, Family
from graphc.ir.ops.indexing import concatenate
from graphc.ir.types import Shape

SHORTEST_RUN = 8
"""Fewest neighbours that are worth storing apart from what follows them."""


@dataclass(frozen=True)
class Domain:
    """A shape and the axes reduced in it; `reduced` is None where nothing is reduced."""

    shape: Shape
    reduced: frozenset[int] | None = None

    @staticmethod
    def of(nodes: Sequence[Node]) -> Domain:
        """The domain of a finished kernel, from its nodes."""
        for node in nodes:
            if node.op.family is Family.REDUCTION:
                return Domain.reducing(node)
        contractions = [node for node in nodes if node.op.family is Family.CONTRACTION]
        if contractions:
            return Domain(contractions[-1].shape)
        made = set(nodes)
        last = (n for n in reversed(nodes) if not (has_parts(n) and made.issuperset(n.operands)))
        return Domain(next(last, nodes[-1]).shape)

    @staticmethod
    def reducing(node: Node) -> Domain:
        return Domain(node.operands[0].shape, frozenset(node.attrs.axes))  # type: ignore[attr-defined]

    def coordinates(self, shape: Shape) -> AccessMap | None:
        """The map from a point of the domain to the index of a value of this shape; None if a
        value of this shape has no place here."""
        if shape == self.shape:
            return identity(len(self.shape))
        if self.reduced is None:
            return None
        kept = tuple(
            Affine() if axis in self.reduced else Affine.along(axis)
            for axis in range(len(self.shape))
        )
        if shape == tuple(1 if a in self.reduced else s for a, s in enumerate(self.shape)):
            return kept
        if shape == tuple(s for a, s in enumerate(self.shape) if a not in self.reduced):
            return tuple(entry for entry in kept if entry.terms)
        return None


def has_parts(node: Node) -> bool:
    """Whether a value consists of equally large computed ones side by side, so that a kernel which
    makes all of these may store it part by part: it has no one place in the kernel's domain."""
    if node.op is not concatenate or len(node.operands) < 2:
        return False
    shapes = {operand.shape for operand in node.operands}
    computed = all(operand.op.family is Family.ELEMENTWISE for operand in node.operands)
    if not computed or len(shapes) > 1 or node.shape in shapes:
        return False
    axis: int = vars(node.attrs)["axis"]
    return math.prod(node.operands[0].shape[axis:]) >= SHORTEST_RUN


def kernel_shape(nodes: Sequence[Node]) -> str:
    """Which shape a kernel of these nodes has: a matrix product, one loop, one sweep over the
    reduced axes and what follows from it, a row kept through several sweeps, or an op alone.
    """
    if any(node.op.family is Family.ROUTINE for node in nodes):
        return "routine"
    if any(node.op.family is Family.CONTRACTION for node in nodes):
        return "contract"
    domain = Domain.of(nodes)
    if domain.reduced is None:
        return "map"
    after: set[Node] = set()
    for node in nodes:
        is_reduction = node.op.family is Family.REDUCTION
        swept = is_reduction or node.shape == domain.shape
        if swept and any(operand in after for operand in node.operands):
            return "row"
        if is_reduction or any(operand in after for operand in node.operands):
            after.add(node)
    return "reduce"


def same_place(left: AccessMap | None, right: AccessMap | None, shape: Shape) -> bool:
    """Whether two maps read a tensor of this shape at the same index (an axis of size 1 has but
    one index)."""
    if left is None or right is None:
        return left is right
    return all(a == b or size == 1 for a, b, size in zip(left, right, shape, strict=True))
