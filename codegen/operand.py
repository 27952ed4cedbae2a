"""What a contraction is, and how it reads its operands.

Owns `Contraction`, `Operand` and the questions asked of an operand before a schedule is chosen: can
it be read where it lies, along which axis are its elements neighbours, on which axes does it
depend. Imports `ir` and the evaluator. Invariant: an answer depends on strides and access maps
alone, so it can be asked before any address is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.coordinates import (
    Axis,
    Buffer,
    Index,
    Indices,
    affine_index,
    step_along,
)
from graphc.codegen.place import Place
from graphc.codegen.values import Value, index
from graphc.ir.access import operand_maps
from graphc.ir.graph import Node
from graphc.ir.op import AccessMap, Affine, Family
from graphc.ir.types import DType


@dataclass(frozen=True)
class Operand:
    """A node and where the contraction reads it, as a function of the contraction's axes.

    `groups` are those of these axes that have parts; the index is said in terms of parts. `slides`
    are pairs of axes with a number: a step on the first reads what so many steps on the second
    would, as the next element of a window and the next window do.
    """

    node: Node
    at: Indices
    groups: tuple[Axis, ...] = ()
    slides: tuple[tuple[Axis, Axis, int], ...] = ()

    def slides_along(self, axis: Axis) -> dict[Axis, int]:
        """The axes that slide along one, and how many steps on it a step on each is worth."""
        return {part: steps for part, along, steps in self.slides if along is axis}


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

    @property
    def extents(self) -> tuple[int, int, int]:
        """How many rows, columns and terms."""
        return self.rows.extent, self.columns.extent, self.depth.extent

    def swapped(self) -> Contraction:
        """The same product with its two sides exchanged: vectors then run along the rows."""
        return replace(self, rows=self.columns, columns=self.rows, left=self.right, right=self.left)


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
    for group in operand.groups:
        step = step_along(group, strides)
        if step is None:
            return None
        strides = {axis: n for axis, n in strides.items() if axis not in group.leaves}
        strides[group] = step
    present = {axis: stride for axis, stride in strides.items() if stride}
    return StridedAccess(buffer, present, offset)


def neighbours_along(
    operand: Operand, buffers: Mapping[Node, Buffer], candidates: Sequence[Axis]
) -> Axis:
    """The candidate along which most stored elements that the operand reads are neighbours; the
    first of those that are equal in this. An axis of one element has no neighbours.

    Where a candidate is a group, how many elements in a row are neighbours counts, too; a few
    elements apart is half as good.
    """
    votes = dict.fromkeys(candidates, 0.0)
    in_groups = bool(operand.groups)
    for buffer, at in _loads(operand, buffers):
        for axis in candidates:
            step = _stride(buffer, at, axis.innermost)
            if not in_groups:
                votes[axis] += axis.extent > 1 and step == 1
            elif axis.extent > 1 and 0 < step <= _NEAR:
                votes[axis] += min(axis.innermost.extent, _LONG_RUN) / (1 if step == 1 else 2)
    return max(candidates, key=lambda axis: votes[axis])


_NEAR = 4
_LONG_RUN = 32


def varies_along(operand: Operand, axes: Sequence[Axis]) -> bool:
    """Whether the operand's index moves with any of the axes."""
    return any(axis in axes for entry in operand.at for axis, _ in entry.terms)


def step_of_loads(operand: Operand, buffers: Mapping[Node, Buffer], axis: Axis) -> int:
    """The most elements between what is loaded at one position of an axis and at the next."""
    steps = (abs(_stride(buffer, at, axis)) for buffer, at in _loads(operand, buffers))
    return max(steps, default=0)


def is_even(operand: Operand, buffers: Mapping[Node, Buffer], axis: Axis) -> bool:
    """Whether all steps on a group are alike for what the operand reads."""
    return all(
        inside or entry.factor(axis) is not None for entry, inside in _coordinates(operand, buffers)
    )


def sliding(
    operand: Operand, buffers: Mapping[Node, Buffer], along: Axis, parts: Sequence[Axis]
) -> tuple[tuple[Axis, Axis, int], ...]:
    """The parts on which a step is, wherever the operand reads, a number of steps on the axis
    `along`; with both this number, which may be 0 or negative."""
    entries = list(_coordinates(operand, buffers))
    found = ((part, along, _steps(entries, along, part)) for part in parts)
    return tuple((part, along, steps) for part, along, steps in found if steps is not None)


def _steps(entries: Sequence[tuple[Index, bool]], along: Axis, part: Axis) -> int | None:
    steps: int | None = None
    for entry, inside in entries:
        far, near = entry.factor(part) or 0, entry.factor(along) or 0
        if not near and (inside or not far):
            continue
        if not near or far % near or steps not in (None, far // near):
            return None
        steps = far // near
    return steps or 0


def _coordinates(operand: Operand, buffers: Mapping[Node, Buffer]) -> Iterator[tuple[Index, bool]]:
    """Every coordinate on which what the operand reads depends: where stored elements are, where
    an operand may end, positions. With each whether it only says that an index is inside."""
    for node, at in _walk(operand, buffers):
        if node in buffers:
            yield from ((entry, False) for entry in at)
        elif node.op.position is not None:
            yield at[node.op.position(node.attrs)], False
        elif node.op.fill is not None:
            yield from _limits(node, at)


def _limits(node: Node, at: Indices) -> Iterator[tuple[Index, bool]]:
    """The coordinates on operands that may end, with whether they are inside at all points."""
    for source, mapping in zip(node.operands, operand_maps(node) or (), strict=False):
        for entry, size in zip(_mapped(at, mapping or ()), source.shape, strict=False):
            low, high = entry.bounds()
            yield entry, low >= 0 and high < size


def _loads(operand: Operand, buffers: Mapping[Node, Buffer]) -> Iterator[tuple[Buffer, Indices]]:
    """Every stored tensor that the operand reads, with the index it is read at."""
    for node, at in _walk(operand, buffers):
        if node in buffers:
            yield buffers[node], at


def _walk(operand: Operand, buffers: Mapping[Node, Buffer]) -> Iterator[tuple[Node, Indices]]:
    """Every node between the operand and what is stored, both included, with the index it is
    read at."""
    pending, seen = [(operand.node, operand.at)], set()
    while pending:
        node, at = pending.pop()
        if (node, at) in seen:
            continue
        seen.add((node, at))
        yield node, at
        if node in buffers:
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
