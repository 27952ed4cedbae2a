"""Access maps: where on its operands an output element reads, and how such maps compose.

Owns the composition of `Affine`/`Indirect` maps through elementwise and layout ops. Imports
`ir.op`. Invariant: a map has one entry for each axis of the operand.
"""

from __future__ import annotations

from graphc.ir.graph import Node
from graphc.ir.op import AccessMap, Affine, Family, Indirect
from graphc.ir.types import Shape


def identity(rank: int) -> AccessMap:
    return tuple(Affine(axis) for axis in range(rank))


def broadcast_map(operand: Shape, result: Shape) -> AccessMap:
    """Where an operand that is broadcast to `result` is read.

    >>> broadcast_map((3, 1), (2, 3, 4))
    (Affine(axis=1, scale=1, offset=0), Affine(axis=None, scale=1, offset=0))
    """
    shift = len(result) - len(operand)
    return tuple(
        Affine(None) if size == 1 and result[axis + shift] != 1 else Affine(axis + shift)
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
    """`outer` reads at an index that `inner` computes: the map of both in one."""
    composed: list[Affine | Indirect] = []
    for entry in outer:
        if isinstance(entry, Indirect):
            composed.append(entry)
            continue
        source = None if entry.axis is None else inner[entry.axis]
        if source is None:
            composed.append(Affine(None, 1, entry.offset))
        elif isinstance(source, Indirect):
            composed.append(source)
        else:
            offset = entry.scale * source.offset + entry.offset
            composed.append(Affine(source.axis, entry.scale * source.scale, offset))
    return tuple(composed)
