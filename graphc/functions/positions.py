"""Elements picked along an axis at positions that are known while the graph is declared.

Owns `picked`. Imports the op records. Invariant: positions that go up or down in even steps are
read as a slice, so that nothing is looked up where an affine map says it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.ir.build import broadcast, constant, ops, reshape, resized, slice_along
from graphc.ir.graph import Node

MOST_RUNS = 16
"""With more runs of positions than this, one lookup is less work than slices joined together."""

Positions = np.ndarray[Any, np.dtype[np.int64]]


def picked(node: Node, axis: int, positions: Positions) -> Node:
    """The elements of `node` at `positions` of `axis`, all of them inside.

    Made of slices, one for each run of evenly spaced positions, joined together.
    """
    if positions.size == node.shape[axis] and np.array_equal(positions, np.arange(positions.size)):
        return node
    runs = _runs(positions)
    if len(runs) > MOST_RUNS:
        return _looked_up(node, axis, positions)
    parts = [_sliced(node, axis, first, step, count) for first, step, count in runs]
    return parts[0] if len(parts) == 1 else ops.concatenate(*parts, axis=axis)


def _runs(positions: Positions) -> list[tuple[int, int, int]]:
    """First position, step and count of runs that make up `positions`, at most one too many."""
    if positions.size == 0:
        return [(0, 1, 0)]
    steps = np.diff(positions)
    turns = np.flatnonzero(np.diff(steps)) + 1
    runs: list[tuple[int, int, int]] = []
    begin = 0
    while begin < positions.size and len(runs) <= MOST_RUNS:
        later = np.searchsorted(turns, begin, side="right")
        last = int(turns[later]) if later < turns.size else positions.size - 1
        step = int(steps[begin]) if begin < steps.size else 1
        runs.append((int(positions[begin]), step, last - begin + 1))
        begin = last + 1
    return runs


def _sliced(node: Node, axis: int, first: int, step: int, count: int) -> Node:
    if step == 0:
        return broadcast(slice_along(node, axis, first, 1), resized(node.shape, axis, count))
    return slice_along(node, axis, first, count, step)


def _looked_up(node: Node, axis: int, positions: Positions) -> Node:
    column = reshape(constant(positions), resized((1,) * len(node.shape), axis, positions.size))
    rows = broadcast(column, resized(node.shape, axis, positions.size))
    return ops.take_along_axis(node, rows, axis=axis)
