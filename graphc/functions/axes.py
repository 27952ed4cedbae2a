"""Axes as users write them, made into axes as ops take them.

Owns `axes_of`, `axis_of` and `shape_of`. Imports `ir.diagnostics`. Invariant: what comes out is
counted from 0, ascending and without duplicates.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from graphc.functions.refusal import refused
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.types import Shape

if TYPE_CHECKING:
    from graphc.tensor import Axis


def axis_of(name: str, axis: object, node: Node, extra: int = 0) -> int:
    """One axis of `node` counted from 0; `extra` axes more are allowed for inserted ones."""
    rank = len(node.shape) + extra
    try:
        position = operator.index(axis)  # type: ignore[arg-type]
    except TypeError:
        raise AttributeValueError(f"{name} takes a whole number as axis, got {axis!r}") from None
    if not -rank <= position < rank:
        raise refused(
            AttributeValueError(
                f"{name} along axis {position}",
                operand=0,
                detail=f"which has axes {-rank} to {rank - 1}" if rank else "which has no axes",
            ),
            node,
        )
    return position % rank


def axes_of(name: str, axis: Axis, node: Node) -> tuple[int, ...]:
    """The axes that `axis` means: all for None, else one or several."""
    if axis is None:
        return tuple(range(len(node.shape)))
    chosen = list(axis) if isinstance(axis, Sequence) else [axis]
    axes = [axis_of(name, one, node) for one in chosen]
    if len(set(axes)) != len(axes):
        raise refused(AttributeValueError(f"{name} got an axis twice: {axis}", operand=0), node)
    return tuple(sorted(axes))


def shape_of(name: str, shape: object) -> Shape:
    """A shape from a number or a sequence of numbers; -1 is left to the caller."""
    try:
        sizes: list[Any] = list(shape) if isinstance(shape, Iterable) else [shape]
        return tuple(operator.index(size) for size in sizes)
    except TypeError:
        raise ShapeError(
            f"{name} takes whole numbers as shape, got {shape!r}",
            help="shapes are static: every size is known when the graph is declared",
        ) from None
