"""What a contraction is, and how it reads its operands.

Owns `Contraction`, `Operand` and the questions asked of an operand before a schedule is chosen: can
it be read where it lies, along which axis are its elements neighbours, on which axes does it
depend. Imports `ir` and the evaluator. Invariant: an answer depends on strides and access maps
alone, so it can be asked before any address is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import Axis, Buffer, Index, Indices, affine_index, indices_of
from graphc.codegen.place import Place
from graphc.codegen.values import Value, index
from graphc.ir.access import operand_maps
from graphc.ir.graph import Node
from graphc.ir.op import AccessMap, Affine, Family
from graphc.ir.types import DType


@dataclass(frozen=True)
class Operand:
    """A node and where the contraction reads it, as a function of the contraction's axes."""

    node: Node
    at: Indices


@dataclass(frozen=True, eq=False)
class Contraction:
    """result[batch, rows, columns] = the sum over depth of left * right, and what follows from it.

    `node` is the result, whose index is `at`. `stores` are the values of its shape that are
    computed from it while it is in registers, and the buffers they go to. `scratch` is the address
    of the 64-byte aligned block that `scratch_bytes` asked for.
    """

    node: Node
    batch: tuple[Axis, ...]
    rows: Axis
    columns: Axis
    depth: Axis
    left: Operand
    right: Operand
    at: Indices
    stores: tuple[tuple[Node, Buffer], ...] = ()
    scratch: Value | None = None

    @property
    def dtype(self) -> DType:
        return self.node.dtype

    def swapped(self) -> Contraction:
        """The same product with its two sides exchanged: vectors then run along the rows."""
        return replace(self, rows=self.columns, columns=self.rows, left=self.right, right=self.left)


def matmul_contraction(node: Node) -> Contraction:
    """The contraction that a matmul node is, without its stores and scratch.

    `node` has operands [..., m, k] and [..., k, n] whose leading axes broadcast.
    """
    left, right = node.operands
    *lead, m, n = node.shape
    batch = tuple(Axis(f"batch{number}", size) for number, size in enumerate(lead))
    rows, columns = Axis("row", m), Axis("column", n)
    depth = Axis("depth", left.shape[-1], reduced=True)
    return Contraction(
        node=node,
        batch=batch,
        rows=rows,
        columns=columns,
        depth=depth,
        left=_batched(left, batch, rows, depth),
        right=_batched(right, batch, depth, columns),
        at=indices_of((*batch, rows, columns)),
    )


def _batched(node: Node, batch: Sequence[Axis], *matrix: Axis) -> Operand:
    """An operand with leading axes: those of size 1 are broadcast."""
    lead = node.shape[:-2]
    used = zip(lead, batch[len(batch) - len(lead) :], strict=True)
    at = (Index() if size == 1 else Index(((axis, 1),)) for size, axis in used)
    return Operand(node, (*at, *indices_of(matrix)))


@dataclass(frozen=True)
class StridedAccess:
    """An operand that lies in a buffer: its element is at `offset` + the sum of stride * axis."""

    buffer: Buffer
    strides: Mapping[Axis, int]
    offset: int

    def stride(self, axis: Axis) -> int:
        return self.strides.get(axis, 0)

    def address(self, place: Place, dtype: DType) -> Value:
        """The address of the element at a place."""
        function, position = place.function, index(self.offset)
        for axis, stride in self.strides.items():
            step = function.scale_index(place.where[axis], stride)
            position = function.add_index(position, step)
        return function.offset(self.buffer.address, dtype, position)


def strided_access(operand: Operand, buffers: Mapping[Node, Buffer]) -> StridedAccess | None:
    """How to read the operand in place; None if it must be computed or gathered."""
    node, at = operand.node, operand.at
    while node not in buffers:
        maps = operand_maps(node) if node.op.family is Family.LAYOUT else None
        if maps is None or node.op.fill is not None or len(maps) != 1 or maps[0] is None:
            return None
        if not all(isinstance(entry, Affine) for entry in maps[0]):
            return None
        node, at = node.operands[0], _mapped(at, maps[0])
    if any(entry.dynamic for entry in at):
        return None
    buffer = buffers[node]
    strides: dict[Axis, int] = {}
    for stride, entry in zip(buffer.strides, at, strict=True):
        for axis, factor in entry.terms:
            strides[axis] = strides.get(axis, 0) + stride * factor
    offset = sum(stride * entry.offset for stride, entry in zip(buffer.strides, at, strict=True))
    present = {axis: stride for axis, stride in strides.items() if stride}
    return StridedAccess(buffer, present, offset)


def neighbours_along(
    operand: Operand, buffers: Mapping[Node, Buffer], candidates: Sequence[Axis]
) -> Axis:
    """The candidate along which most stored elements that the operand reads are neighbours; the
    first of those that are equal in this. An axis of one element has no neighbours."""
    votes = dict.fromkeys(candidates, 0)
    for buffer, at in _loads(operand, buffers):
        for axis in candidates:
            votes[axis] += axis.extent > 1 and _stride(buffer, at, axis) == 1
    return max(candidates, key=lambda axis: votes[axis])


def varies_along(operand: Operand, axes: Sequence[Axis]) -> bool:
    """Whether the operand's index moves with any of the axes."""
    return any(axis in axes for entry in operand.at for axis, _ in entry.terms)


def _loads(operand: Operand, buffers: Mapping[Node, Buffer]) -> Iterator[tuple[Buffer, Indices]]:
    """Every stored tensor that the operand reads, with the index it is read at."""
    pending, seen = [(operand.node, operand.at)], set()
    while pending:
        node, at = pending.pop()
        if (node, at) in seen:
            continue
        seen.add((node, at))
        if node in buffers:
            yield buffers[node], at
            continue
        for source, mapping in zip(node.operands, operand_maps(node) or (), strict=False):
            if mapping is not None:
                pending.append((source, _mapped(at, mapping)))


def _mapped(at: Indices, mapping: AccessMap) -> Indices:
    """An index on the operand; a coordinate that is read from data counts as constant."""
    return tuple(
        affine_index(entry, at) if isinstance(entry, Affine) else Index() for entry in mapping
    )


def _stride(buffer: Buffer, at: Indices, axis: Axis) -> int:
    return sum(
        stride * factor
        for stride, entry in zip(buffer.strides, at, strict=True)
        for other, factor in entry.terms
        if other is axis
    )
