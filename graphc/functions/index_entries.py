"""The entries of an index: integers, slices, `...`, `None`, integer arrays, masks.

Owns `Entry`, `entries_of` and `known_positions`. Imports `ir.diagnostics` and `Tensor`. Invariant:
every axis has one entry; positions that are known lie inside of their axis.
"""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.functions.refusal import refused
from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError
from graphc.ir.graph import Node
from graphc.ir.types import bool_
from graphc.tensor import Tensor

Positions = np.ndarray[Any, np.dtype[np.int64]]

_HELP = (
    "an index is made of integers, slices, ..., None, integer tensors, and arrays or lists of "
    "integers or bools; select by a condition with gc.where"
)


@dataclass(frozen=True, eq=False)
class Entry:
    """What is read along an axis; or a new axis, if `axis` is None.

    `rows` are positions that are looked up; otherwise `range` has the first position, how many
    and the step. An integer is a range of one whose axis `is_dropped`.
    """

    axis: int | None
    range: tuple[int, int, int] = (0, 1, 1)
    rows: Positions | Node | None = None
    is_dropped: bool = False

    @property
    def is_advanced(self) -> bool:
        """Whether it is an integer or an array, in NumPy's order of axes."""
        return self.is_dropped or self.rows is not None


@dataclass(frozen=True, eq=False)
class _MaskAxis:
    """An axis of a mask: where it holds, and its size."""

    rows: Positions
    size: int


def entries_of(index: object, node: Node) -> list[Entry]:
    """One entry for each axis and each new one, the ellipsis spelled out."""
    given = list(index) if isinstance(index, tuple) else [index]
    spread = [part for entry in given for part in _spread(entry, node)]
    missing = len(node.shape) - sum(entry is not None and entry is not ... for entry in spread)
    if sum(entry is ... for entry in spread) > 1:
        raise _refused("an index may have one ellipsis (...)", node)
    if missing < 0:
        summary = f"{len(node.shape) - missing} indices for {len(node.shape)} axes"
        raise _refused(summary, node, "give at most one for each axis; None adds an axis")
    place = next((i for i, entry in enumerate(spread) if entry is ...), len(spread))
    spread[place : place + 1] = [slice(None)] * missing
    entries: list[Entry] = []
    axis = 0
    for part in spread:
        if part is None:
            entries.append(Entry(None))
            continue
        entries.append(_entry(part, axis, node))
        axis += 1
    _check_shapes(entries, node)
    return entries


def _spread(entry: object, node: Node) -> list[object]:
    """The entries that one is: of a mask one array of positions for each of its axes."""
    if isinstance(entry, bool | np.bool_):
        raise _refused(f"a {type(entry).__name__} cannot be part of an index", node)
    if isinstance(entry, Tensor):
        if entry.dtype is bool_:
            raise _refused(
                "a tensor of bools cannot be an index: how many elements it selects is not known "
                "while the graph is declared",
                node,
                "gc.where(mask, t, other) keeps the shape; a mask that is known can be an array",
            )
        if not entry.dtype.is_integer:
            raise refused(
                DTypeError(
                    f"an index is made of integers, got {entry!r}",
                    operand=0,
                    help="convert it with .astype(gc.int32)",
                ),
                node,
            )
        return [entry]
    if not isinstance(entry, np.ndarray | list | tuple):
        return [entry]
    array = _array(entry, node)
    if array.dtype == bool:
        return [_MaskAxis(*each) for each in zip(np.nonzero(array), array.shape, strict=True)]
    return [array]


def _array(entry: object, node: Node) -> np.ndarray[Any, Any]:
    try:
        array = np.asarray(entry)
    except (TypeError, ValueError) as error:
        kind = type(entry).__name__
        raise _refused(f"a {kind} cannot be part of an index: {error}", node) from None
    if not array.size and not isinstance(entry, np.ndarray):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iub" or (array.dtype == bool and not array.ndim):
        raise refused(
            DTypeError(f"an index is made of integers, got an array of {array.dtype}", operand=0),
            node,
        )
    return array


def _entry(part: object, axis: int, node: Node) -> Entry:
    size = node.shape[axis]
    if isinstance(part, slice):
        return Entry(axis, _range(part, size, node))
    if isinstance(part, Tensor):
        if not size and part.size:
            raise _refused(f"there is nothing to select on axis {axis}, which has size 0", node)
        return Entry(axis, rows=part.node)
    if isinstance(part, _MaskAxis):
        if part.size != size:
            raise _refused(
                f"a mask has size {part.size} on axis {axis}, where the operand has {size}", node
            )
        return Entry(axis, rows=part.rows)
    if isinstance(part, np.ndarray):
        return Entry(axis, rows=known_positions(part, axis, node))
    try:
        position = operator.index(part)  # type: ignore[arg-type]
    except TypeError:
        raise _refused(f"a {type(part).__name__} cannot be part of an index", node) from None
    row = known_positions(np.asarray(position), axis, node)
    return Entry(axis, (int(row), 1, 1), is_dropped=True)


def known_positions(positions: np.ndarray[Any, Any], axis: int, node: Node) -> Positions:
    """Known positions counted from 0."""
    size = node.shape[axis]
    outside = (positions < -size) | (positions >= size)
    if np.any(outside):
        first = int(positions[outside].flat[0]) if positions.ndim else int(positions)
        raise _refused(
            f"index {first} is outside of axis {axis}, which has size {size}",
            node,
            f"indices of it are from {-size} to {size - 1}" if size else "it has no elements",
        )
    whole = positions.astype(np.int64)
    return np.where(whole < 0, whole + size, whole)


def _range(entry: slice, size: int, node: Node) -> tuple[int, int, int]:
    """First position, count and step."""
    try:
        positions = range(*entry.indices(size))
    except (TypeError, ValueError) as error:
        help_ = "to begin where a tensor says, use gc.dynamic_slice"
        raise _refused(f"slice {entry}: {error}", node, help_) from None
    return (positions[0] if positions else 0), len(positions), positions.step


def _check_shapes(entries: list[Entry], node: Node) -> None:
    """Raise unless the shapes of the arrays broadcast together."""
    shapes = [entry.rows.shape for entry in entries if entry.rows is not None]
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        known = " and ".join(str(list(shape)) for shape in shapes)
        raise _refused(
            f"the arrays of an index must broadcast together, got shapes {known}", node
        ) from None


def _refused(summary: str, node: Node, help_: str = _HELP) -> GraphError:
    return refused(AttributeValueError(summary, operand=0, help=help_), node)
