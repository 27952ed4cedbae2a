"""Axes as users write them, made into axes as ops take them.

Owns `axes_of`, `axis_of`, `places_of` and `shape_of`. Imports `ir.diagnostics`. Invariant: what
comes out is counted from 0 and without duplicates.
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


_HELP = "axes count from 0, or back from -1, the last"


def axis_of(name: str, axis: object, node: Node, extra: int = 0) -> int:
    """One axis of `node` counted from 0; `extra` axes more are allowed for inserted ones."""
    rank = len(node.shape) + extra
    try:
        position = operator.index(axis)  # type: ignore[arg-type]
    except TypeError:
        raise refused(
            AttributeValueError(
                f"{name} takes a whole number as axis, got {axis!r}", operand=0, help=_HELP
            ),
            node,
        ) from None
    if not -rank <= position < rank:
        raise refused(
            AttributeValueError(
                f"{name} along axis {position}",
                operand=0,
                detail=f"which has axes {-rank} to {rank - 1}" if rank else "which has no axes",
                help=_HELP,
            ),
            node,
        )
    return position % rank


def axes_of(name: str, axis: Axis, node: Node) -> tuple[int, ...]:
    """The axes that `axis` means, ascending: all for None, else one or several."""
    if axis is None:
        return tuple(range(len(node.shape)))
    return tuple(sorted(places_of(name, axis, node)))


def places_of(name: str, axis: int | Sequence[int], node: Node) -> tuple[int, ...]:
    """One or several axes in the order in which they are given."""
    given: Any = axis
    chosen = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    axes = tuple(axis_of(name, one, node) for one in chosen)
    if len(set(axes)) != len(axes):
        raise refused(AttributeValueError(f"{name} got an axis twice: {axis}", operand=0), node)
    return axes


def shape_of(name: str, shape: object, role: str = "shape") -> Shape:
    """A shape, or what else it is to be, from a number or a sequence of numbers; -1 is left to
    the caller."""
    try:
        sizes: list[Any] = list(shape) if isinstance(shape, Iterable) else [shape]
        return tuple(operator.index(size) for size in sizes)
    except TypeError:
        raise ShapeError(
            f"{name} takes whole numbers as {role}, got {shape!r}",
            help="shapes are static: every size is known when the graph is declared",
        ) from None
