"""An index taken apart: which elements of a tensor `t[index]` means.

Owns `Selection`, which reads and writes those elements, and `selection_of`. Imports the op records.
Invariant: shapes and the order of axes are NumPy's for basic, integer-array and mixed indices; only
the values of integer tensors are unknown while the graph is declared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.functions.index_entries import Entry, Positions, entries_of
from graphc.functions.positions import picked
from graphc.ir.build import Expression, broadcast, constant, full, ops, reshape
from graphc.ir.graph import Node
from graphc.ir.ops.scatter import Mode
from graphc.ir.ops.slicing import put_back
from graphc.ir.types import Shape, bool_


@dataclass(frozen=True, eq=False)
class Lookup:
    """Rows picked by number. `perm` brings the axes that are looked up side by side, where they are
    one axis, `place`, of `shape`; `rows` are the positions on it."""

    perm: tuple[int, ...]
    place: int
    shape: Shape
    rows: Positions | Node

    @property
    def count(self) -> int:
        return self.rows.size if isinstance(self.rows, np.ndarray) else self.rows.type.size

    @property
    def result(self) -> Shape:
        return (*self.shape[: self.place], self.count, *self.shape[self.place + 1 :])

    def indices(self) -> Node:
        """The positions, for every element of a row."""
        rows = constant(self.rows) if isinstance(self.rows, np.ndarray) else self.rows
        unit = (*[1] * self.place, self.count, *[1] * (len(self.shape) - self.place - 1))
        return broadcast(reshape(rows, unit), self.result)


@dataclass(frozen=True, eq=False)
class Selection:
    """For each axis of the source the first element, the step and how many; and what is looked up
    in that part. `shape` is that of the result."""

    source: Shape
    start: tuple[int, ...]
    step: tuple[int, ...]
    counts: Shape
    lookup: Lookup | None
    shape: Shape

    def read(self, node: Node) -> Node:
        """The elements."""
        part = self._part(node)
        if self.lookup is None:
            return reshape(part, self.shape)
        moved, lookup = self._moved(part, self.lookup), self.lookup
        if isinstance(lookup.rows, np.ndarray):
            found = picked(moved, lookup.place, lookup.rows)
        else:
            found = ops.take_along_axis(moved, lookup.indices(), axis=lookup.place)
        return reshape(found, self.shape)

    def write(self, node: Node, values: Node, mode: Mode) -> Node:
        """The source with its elements changed by values of the result's shape."""
        part = self._part(node)
        if self.lookup is None:
            return self._with_part(node, _combined(part, reshape(values, self.counts), mode))
        moved, lookup = self._moved(part, self.lookup), self.lookup
        updates = reshape(values, lookup.result)
        changed = ops.scatter(moved, lookup.indices(), updates, axis=lookup.place, mode=mode)
        return self._with_part(node, self._unmoved(changed, lookup))

    def _is_whole(self) -> bool:
        return self.counts == self.source and all(step == 1 for step in self.step)

    def _part(self, node: Node) -> Node:
        if self._is_whole():
            return node
        return ops.slice(node, start=self.start, step=self.step, shape=self.counts)

    def _with_part(self, node: Node, part: Node) -> Node:
        if self._is_whole():
            return part
        inside = put_back(full(True, bool_, part.shape), self.start, self.step, self.source)
        placed = put_back(part, self.start, self.step, self.source)
        return ops.where(inside, placed, node)

    def _moved(self, part: Node, lookup: Lookup) -> Node:
        if not self._keeps_order(lookup):
            part = ops.transpose(part, perm=lookup.perm)
        return reshape(part, lookup.shape)

    def _unmoved(self, rows: Node, lookup: Lookup) -> Node:
        if self._keeps_order(lookup):
            return reshape(rows, self.counts)
        part = reshape(rows, tuple(self.counts[axis] for axis in lookup.perm))
        return ops.transpose(part, perm=tuple(int(i) for i in np.argsort(lookup.perm)))

    def _keeps_order(self, lookup: Lookup) -> bool:
        """Whether only axes of size 1 are moved, which moves no element."""
        moved = [axis for axis in lookup.perm if self.counts[axis] != 1]
        return moved == sorted(moved)


def _combined(old: Node, new: Node, mode: Mode) -> Node:
    if mode == "set":
        return new
    if old.dtype is bool_:
        return (ops.logical_or if mode in ("add", "max") else ops.logical_and)(old, new)
    if mode in ("add", "mul"):
        return ops.add(old, new) if mode == "add" else ops.mul(old, new)
    return ops.maximum(old, new) if mode == "max" else ops.minimum(old, new)


def selection_of(index: object, node: Node) -> Selection:
    """What `node[index]` means. Raises `AttributeValueError` and `DTypeError` for bad indices."""
    entries = entries_of(index, node)
    start, step, counts = [], [], []
    for entry in entries:
        if entry.axis is None:
            continue
        size = node.shape[entry.axis]
        first, count, stride = (0, size, 1) if entry.rows is not None else entry.range
        start.append(first)
        step.append(stride)
        counts.append(count)
    lookup = _lookup(entries, tuple(counts))
    shape = _shape(entries)
    return Selection(node.shape, tuple(start), tuple(step), tuple(counts), lookup, shape)


def _shape(entries: Sequence[Entry]) -> Shape:
    """Of the result: the shape of the lookups stands where they do, or first if they do not stand
    side by side."""
    before: list[int] = []
    after: list[int] = []
    shape = _common_shape(entries)
    has_met = shape is not None and not _stand_together(entries)
    for entry in entries:
        if entry.is_advanced:
            has_met = has_met or shape is not None
            continue
        size = 1 if entry.axis is None else entry.range[1]
        (after if has_met else before).append(size)
    return (*before, *(shape or ()), *after)


def _common_shape(entries: Sequence[Entry]) -> Shape | None:
    shapes = [entry.rows.shape for entry in entries if entry.rows is not None]
    return np.broadcast_shapes(*shapes) if shapes else None


def _stand_together(entries: Sequence[Entry]) -> bool:
    """Whether integers and arrays stand side by side, with no slice or new axis between them."""
    places = [i for i, entry in enumerate(entries) if entry.is_advanced]
    return places[-1] - places[0] == len(places) - 1


def _lookup(entries: Sequence[Entry], counts: Shape) -> Lookup | None:
    shape = _common_shape(entries)
    if shape is None:
        return None
    looked_up = [entry for entry in entries if entry.rows is not None]
    axes = [entry.axis for entry in looked_up if entry.axis is not None]
    others = [entry.axis for entry in entries if entry.axis is not None and entry.rows is None]
    first = min(axes) if _stand_together(entries) else 0
    before = [axis for axis in others if axis < first]
    perm = (*before, *axes, *(axis for axis in others if axis not in before))
    sizes = [counts[axis] for axis in axes]
    moved = [counts[axis] for axis in perm]
    place = len(before)
    merged = (*moved[:place], math.prod(sizes), *moved[place + len(axes) :])
    rows = [entry.rows for entry in looked_up if entry.rows is not None]
    return Lookup(perm, place, merged, _row_numbers(rows, sizes, shape))


def _row_numbers(
    rows: Sequence[Positions | Node], sizes: Sequence[int], shape: Shape
) -> Positions | Node:
    """The positions on several axes as one position on all of them, row-major and flat."""
    count = math.prod(shape)
    arrays = [each for each in rows if isinstance(each, np.ndarray)]
    if not count:
        return np.zeros(0, np.int64)
    if len(arrays) == len(rows):
        flat = np.ravel_multi_index([*np.broadcast_arrays(*arrays)], tuple(sizes))
        return np.asarray(flat, np.int64).reshape(count)
    if len(rows) == 1:
        (only,) = rows
        assert isinstance(only, Node)
        return reshape(only, (count,))
    total: Expression | None = None
    for each, size in zip(rows, sizes, strict=True):
        known = constant(each) if isinstance(each, np.ndarray) else each
        position = Expression(broadcast(ops.wrap_index(known, size=max(size, 1)), shape))
        total = position if total is None else total * size + position
    assert total is not None
    return reshape(total.node, (count,))
