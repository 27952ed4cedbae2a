"""Access maps: where on its operands an output element reads, and how such maps compose.

Owns the composition of `Affine`/`Indirect` maps through elementwise and layout ops. Imports
`ir.op`. Invariant: a map has one entry for each axis of the operand.
"""

from __future__ import annotations

from functools import cache, lru_cache

from graphc.ir.graph import Node
from graphc.ir.op import AccessMap, Affine, Family, Indirect
from graphc.ir.types import Shape


@cache
def identity(rank: int) -> AccessMap:
    return tuple(Affine.along(axis) for axis in range(rank))


@lru_cache(maxsize=4096)
def broadcast_map(operand: Shape, result: Shape) -> AccessMap:
    """Where an operand that is broadcast to `result` is read.

    >>> broadcast_map((3, 1), (2, 3, 4))
    (Affine(terms=((1, 1),), offset=0), Affine(terms=(), offset=0))
    """
    shift = len(result) - len(operand)
    return tuple(
        Affine() if size == 1 and result[axis + shift] != 1 else Affine.along(axis + shift)
        for axis, size in enumerate(operand)
    )


def operand_maps(node: Node) -> tuple[AccessMap | None, ...] | None:
    """For each operand of an elementwise or layout node, the map from the node's index to the
    operand's; None in all if the node is not such a map (a general reshape, a reduction, ...)."""
    if node.op.family is Family.ELEMENTWISE:
        return tuple(broadcast_map(operand.shape, node.shape) for operand in node.operands)
    if node.op.access is not None:
        return node.op.access(node)
    return None


def compose(outer: AccessMap, inner: AccessMap) -> AccessMap:
    """`outer` reads at an index that `inner` computes: the map of both in one.

    A coordinate of which any part is read from data is `Indirect`.

    >>> compose((Affine(((0, 2), (1, -1)), 3),), (Affine.along(1), Affine.along(0, 5, 1)))
    (Affine(terms=((0, -5), (1, 2)), offset=2),)
    """
    return tuple(
        entry if isinstance(entry, Indirect) else _composed(entry, inner) for entry in outer
    )


def _composed(entry: Affine, inner: AccessMap) -> Affine | Indirect:
    scales: dict[int, int] = {}
    offset = entry.offset
    for axis, scale in entry.terms:
        source = inner[axis]
        if isinstance(source, Indirect):
            return source
        offset += scale * source.offset
        for below, factor in source.terms:
            scales[below] = scales.get(below, 0) + scale * factor
    return Affine(tuple(sorted(term for term in scales.items() if term[1])), offset)
