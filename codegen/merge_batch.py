"""Batch axes of a contraction that run on as rows.

Owns `merge_batch`. Imports `ir` and the questions asked of operands. Invariant: the merged
contraction touches the same elements; only how they are counted changes, so it is asked of strides
and access maps alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from graphc.codegen.coordinates import Axis, Buffer, Index, Indices, affine_index
from graphc.codegen.operand import Contraction, varies_along
from graphc.ir.access import operand_maps
from graphc.ir.graph import Node
from graphc.ir.op import Affine, Family


def merge_batch(contraction: Contraction, buffers: Mapping[Node, Buffer]) -> Contraction:
    """The same product with as many batch axes as possible made part of its rows.

    A stack of matrices that are all multiplied by one matrix is one tall matrix, if in everything
    that is read and stored the rows of one run on into those of the next. Of `buffers` only the
    strides are looked at.
    """
    while contraction.batch and not contraction.rows.parts:
        merged = _without_last(contraction, buffers)
        if merged is None:
            break
        contraction = merged
    return contraction


def _without_last(contraction: Contraction, buffers: Mapping[Node, Buffer]) -> Contraction | None:
    """The innermost batch axis and the rows as one axis; None if they cannot be."""
    *outer, batch = contraction.batch
    rows = contraction.rows
    if batch.extent != 1:
        if varies_along(contraction.right, (batch,)):
            return None
        touched = _touched(contraction, buffers)
        if touched is None or not all(_runs_on(strides, batch, rows) for strides in touched):
            return None
    merged = Axis(rows.name, batch.extent * rows.extent)
    # The rows of a matrix of one row are as far apart as the matrices.
    kept, dropped = (rows, batch) if rows.extent != 1 else (batch, rows)

    def renamed(at: Indices) -> Indices:
        return tuple(_renamed(entry, kept, dropped, merged) for entry in at)

    left, right = (
        replace(operand, at=renamed(operand.at))
        for operand in (contraction.left, contraction.right)
    )
    return replace(
        contraction,
        batch=tuple(outer),
        rows=merged,
        left=left,
        right=right,
        at=renamed(contraction.at),
    )


def _renamed(entry: Index, kept: Axis, dropped: Axis, merged: Axis) -> Index:
    terms = [
        (merged if axis is kept else axis, factor)
        for axis, factor in entry.terms
        if axis is not dropped
    ]
    return Index(tuple(terms), entry.offset, entry.dynamic)


def _runs_on(strides: Mapping[Axis, int], batch: Axis, rows: Axis) -> bool:
    """Whether the row behind the last of one matrix lies where the first of the next does."""
    return rows.extent == 1 or strides.get(batch, 0) == rows.extent * strides.get(rows, 0)


def _touched(
    contraction: Contraction, buffers: Mapping[Node, Buffer]
) -> list[Mapping[Axis, int]] | None:
    """The strides of everything that is read or stored, but for the right operand, which stays as
    it is; None if something on the way depends on more than where it lies."""
    strides: list[Mapping[Axis, int]] = []
    strides += [_strides(buffer, contraction.at) for _, buffer in contraction.stores]
    computed = {node for node, _ in contraction.stores}
    loadable = {node: buffer for node, buffer in buffers.items() if node not in computed}
    reads = [(contraction.left.node, contraction.left.at)]
    reads += [(node, contraction.at) for node in computed]
    for buffer, at in _loads(reads, loadable, contraction.node):
        if buffer is None:
            return None
        strides.append(_strides(buffer, at))
    return strides


def _loads(
    reads: Sequence[tuple[Node, Indices]], buffers: Mapping[Node, Buffer], product: Node
) -> Iterator[tuple[Buffer | None, Indices]]:
    """Every buffer that is loaded from, with the index; None for a node whose value depends on
    its coordinates."""
    pending, seen = list(reads), set()
    while pending:
        node, at = pending.pop()
        if (node, at) in seen or node is product:
            continue
        seen.add((node, at))
        if node in buffers:
            yield buffers[node], at
            continue
        if node.op.family is Family.SOURCE and node.op.position is None:
            continue
        maps = operand_maps(node)
        if maps is None or node.op.fill is not None:
            yield None, at
            continue
        for operand, entries in zip(node.operands, maps, strict=True):
            mapped = [affine_index(e, at) for e in entries or () if isinstance(e, Affine)]
            if entries is None or len(mapped) != len(entries):
                yield None, at
            else:
                pending.append((operand, tuple(mapped)))


def _strides(buffer: Buffer, at: Indices) -> dict[Axis, int]:
    strides: dict[Axis, int] = {}
    for stride, entry in zip(buffer.strides, at, strict=True):
        for axis, factor in entry.terms:
            strides[axis] = strides.get(axis, 0) + stride * factor
    return strides
