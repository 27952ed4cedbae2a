"""Where code being written stands on each axis.

Owns `Standing`. Imports the emitter and coordinates. Invariant: of a group and its parts the one
set last counts; a part that was not set itself is where its group says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from graphc.codegen.coordinates import Axis, step_along
from graphc.codegen.emit import Function
from graphc.codegen.values import Value, constant, index, is_number
from graphc.ir.types import int32, int64


class Standing:
    """The positions of axes; on `lane_axis` that of the first of so many lanes."""

    def __init__(self, function: Function, lane_axis: Axis | None, lanes: int) -> None:
        self.function = function
        self.lane_axis = lane_axis
        self.lanes = lanes
        self._axes: dict[Axis, Value] = {}
        self._groups: dict[Axis, Axis] = {}

    def copy(self) -> Standing:
        """One that is moved by itself."""
        other = Standing(self.function, self.lane_axis, self.lanes)
        other._axes, other._groups = dict(self._axes), dict(self._groups)
        return other

    def move(self, axis: Axis, value: Value) -> None:
        self._axes[axis] = value
        for part in axis.parts:
            self._groups[part] = axis
            self._axes.pop(part, None)

    def grouped(self, factors: Mapping[Axis, int]) -> dict[Axis, int]:
        """How something moves with axes, with one factor for all parts of a group where it moves
        alike on them."""
        if not self._groups:
            return dict(factors)
        result = dict(factors)
        for part in factors:
            group = None if part in self._axes else self._groups.get(part)
            if group is None or any(leaf in self._axes for leaf in group.leaves):
                continue
            leaves = {leaf: result.get(leaf, 0) for leaf in group.leaves}
            step = step_along(group, leaves)
            if step is not None and any(leaves.values()):
                result = {axis: f for axis, f in result.items() if axis not in leaves}
                result[group] = step
        return result

    def position(self, axis: Axis) -> Value:
        """Where code stands on an axis: a scalar, or for a part of the lane axis a vector."""
        if axis in self._axes:
            return self._axes[axis]
        group = self._groups[axis]
        position = self.position(group)
        if group is self.lane_axis and self.lanes > 1:
            position = self.function.binary(
                "add",
                self.function.splat(position, self.lanes),
                self.function.lane_numbers(self.lanes),
            )
        return _part_position(self.function, group, axis, position)


def _part_position(function: Function, group: Axis, part: Axis, position: Value) -> Value:
    """Where a position on a group is on one of its parts."""
    number = group.parts.index(part)
    inner = math.prod(axis.extent for axis in group.parts[number + 1 :])
    if is_number(position) and position.lanes == 1:
        return index(int(position.ref) // inner % part.extent)
    # A vector of 32-bit numbers is divided by a multiplication; of wider ones lane by lane. There
    # are processors that have no division of wider ones at all.
    prefers_narrow = position.lanes > 1 or not function.module.has("divide", int64)
    narrow = prefers_narrow and group.extent < 2**31
    dtype = int32 if narrow else int64
    if narrow:
        position = function.convert("trunc", position, int32)
    if inner > 1:
        position = function.binary("udiv", position, constant(inner, dtype, position.lanes))
    if number:
        position = function.binary("urem", position, constant(part.extent, dtype, position.lanes))
    return function.convert("zext", position, int64) if narrow else position
