"""Loop axes, coordinates on them, and tensors in memory.

Owns `Axis`, `Index` and `Buffer`. Imports `codegen.values` and access maps. Invariant: all are
values; a coordinate says how it moves with each axis, whatever code will stand on that axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from graphc.codegen.values import Value
from graphc.ir.op import Affine


@dataclass(frozen=True, eq=False)
class Axis:
    """A named loop axis of a kernel. Axes compare by identity."""

    name: str
    extent: int
    reduced: bool = False


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

    def bounds(self) -> tuple[int, int]:
        """Smallest and largest value over the whole axes (without the dynamic part)."""
        low = high = self.offset
        for axis, factor in self.terms:
            reach = factor * (axis.extent - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high


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

    `written` says that the kernel being emitted writes it, too.
    """

    address: Value
    strides: tuple[int, ...]
    written: bool = False
