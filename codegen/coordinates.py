"""Loop axes, coordinates on them, and tensors in memory.

Owns `Axis`, `Index` and `Buffer`. Imports `codegen.values` and access maps. Invariant: all are
values; a coordinate says how it moves with each axis, whatever code will stand on that axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.values import Value
from graphc.ir.op import Affine


@dataclass(frozen=True, eq=False)
class Axis:
    """A named loop axis of a kernel. Axes compare by identity.

    An axis may be a group: its positions are those of its `parts`, counted row by row. Coordinates
    are said in terms of parts; code stands on the group.
    """

    name: str
    extent: int
    reduced: bool = False
    parts: tuple[Axis, ...] = ()

    @staticmethod
    def group(name: str, parts: Sequence[Axis], reduced: bool = False) -> Axis:
        """The axis of several; the only one itself; one of a single position if there is none."""
        if len(parts) == 1:
            return parts[0]
        return Axis(name, math.prod(part.extent for part in parts), reduced, tuple(parts))

    @property
    def leaves(self) -> tuple[Axis, ...]:
        """The axes that coordinates are said in."""
        if not self.parts:
            return (self,)
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    @property
    def innermost(self) -> Axis:
        """The leaf that moves from one position to the next."""
        return self.leaves[-1]


@dataclass(frozen=True)
class Index:
    """A coordinate: `offset` + the sum of `scale` * axis, + a number computed at run time."""

    terms: tuple[tuple[Axis, int], ...] = ()
    offset: int = 0
    dynamic: tuple[tuple[Value, int], ...] = ()

    def affine(self, scale: int, offset: int) -> Index:
        """`scale` * self + `offset`."""
        return Index(
            tuple((axis, factor * scale) for axis, factor in self.terms),
            self.offset * scale + offset,
            tuple((value, factor * scale) for value, factor in self.dynamic),
        )

    def plus(self, other: Index) -> Index:
        """The sum of two coordinates."""
        if not self.terms and not self.dynamic:
            return other.affine(1, self.offset)
        factors = dict(self.terms)
        for axis, factor in other.terms:
            factors[axis] = factors.get(axis, 0) + factor
        return Index(
            tuple((axis, factor) for axis, factor in factors.items() if factor),
            self.offset + other.offset,
            self.dynamic + other.dynamic,
        )

    def shifted(self, axis: Axis, by: int) -> Index:
        """The coordinate when `axis` is further by a constant."""
        factor = sum(f for a, f in self.terms if a is axis)
        return self.affine(1, factor * by) if factor else self

    def factor(self, axis: Axis) -> int | None:
        """How far it moves for a step on an axis; None if the steps on a group are not alike."""
        factors = {leaf: sum(f for a, f in self.terms if a is leaf) for leaf in axis.leaves}
        return step_along(axis, factors)

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value over the whole axes (without the dynamic part)."""
        low = high = self.offset
        for axis, factor in self.terms:
            reach = factor * (axis.extent - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high


def step_along(axis: Axis, factors: Mapping[Axis, int]) -> int | None:
    """The step on an axis of what moves by `factors` on its leaves; None if the steps on a group
    are not alike."""
    first, reach = 0, 1
    for leaf in reversed(axis.leaves):
        factor = factors.get(leaf, 0)
        if leaf.extent > 1:
            if reach == 1:
                first = factor
            elif factor != first * reach:
                return None
            reach *= leaf.extent
    return first


Indices = tuple[Index, ...]


def affine_index(entry: Affine, at: Indices) -> Index:
    """The coordinate that an entry of an access map gives at an index."""
    result = Index((), entry.offset)
    for axis, scale in entry.terms:
        result = result.plus(at[axis].affine(scale, 0))
    return result


def indices_of(axes: Sequence[Axis]) -> Indices:
    """The coordinates of a point of the space that `axes` span."""
    return tuple(Index(((axis, 1),)) for axis in axes)


@dataclass(frozen=True)
class Buffer:
    """A stored tensor: its address and, for each of its axes, the stride in elements.

    `written` says that the kernel being emitted writes it, too. `origin` is the position of an
    element that is there wherever the kernel is called with an address for it, unless it is empty.
    """

    address: Value
    strides: tuple[int, ...]
    written: bool = False
    origin: int = 0
