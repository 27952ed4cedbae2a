"""One tensor made into several: split and its relatives, unstack.

Owns those functions. Imports the op records. Invariant: the parts together are the whole tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.axes import axis_of, shape_of
from graphc.functions.refusal import refused
from graphc.ir.build import reshape, slice_along
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.promotion import as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

Sections = int | Sequence[int]
"""How many parts, or the positions at which to cut."""


@public
def split(ary: TensorLike, indices_or_sections: Sections, axis: int = 0) -> list[Tensor]:
    """Equal parts along `axis`, or the parts between the given positions.

    Raises `ShapeError` where the size is no multiple of the number of parts; `array_split` makes
    the first parts one larger.
    """
    node = as_node(ary)
    if isinstance(indices_or_sections, int | np.integer):
        size = node.shape[axis_of("split", axis, node)]
        if indices_or_sections > 0 and size % indices_or_sections:
            error = ShapeError(
                f"split makes equal parts, but {size} is no multiple of {indices_or_sections}",
                operand=0,
                help="use array_split, which makes the first parts one larger",
            )
            raise refused(error, node)
    return _parts("split", node, indices_or_sections, axis)


@public
def array_split(ary: TensorLike, indices_or_sections: Sections, axis: int = 0) -> list[Tensor]:
    """Parts along `axis`, the first ones larger by one where the size is no multiple."""
    return _parts("array_split", as_node(ary), indices_or_sections, axis)


@public
def vsplit(ary: TensorLike, indices_or_sections: Sections) -> list[Tensor]:
    """`split` along axis 0, of at least two axes."""
    return _split_along("vsplit", ary, indices_or_sections, 0, 2)


@public
def hsplit(ary: TensorLike, indices_or_sections: Sections) -> list[Tensor]:
    """`split` along axis 1, of a vector along axis 0."""
    rank = len(as_node(ary).shape)
    return _split_along("hsplit", ary, indices_or_sections, 1 if rank > 1 else 0, 1)


@public
def dsplit(ary: TensorLike, indices_or_sections: Sections) -> list[Tensor]:
    """`split` along axis 2, of at least three axes."""
    return _split_along("dsplit", ary, indices_or_sections, 2, 3)


@public
def unstack(x: TensorLike, *, axis: int = 0) -> tuple[Tensor, ...]:
    """One tensor for each position along `axis`, without that axis."""
    node = as_node(x)
    place = axis_of("unstack", axis, node)
    shape = node.shape[:place] + node.shape[place + 1 :]
    return tuple(
        Tensor(reshape(slice_along(node, place, position, 1), shape))
        for position in range(node.shape[place])
    )


def _split_along(
    name: str, ary: TensorLike, sections: Sections, axis: int, least: int
) -> list[Tensor]:
    node = as_node(ary)
    if len(node.shape) < least:
        raise refused(ShapeError(f"{name} needs at least {least} axes", operand=0), node)
    return split(Tensor(node), sections, axis)


def _parts(name: str, node: Node, sections: Sections, axis: int) -> list[Tensor]:
    place = axis_of(name, axis, node)
    size = node.shape[place]
    if isinstance(sections, int | np.integer):
        if sections <= 0:
            raise AttributeValueError(f"{name} makes at least one part, got {sections}")
        each, more = divmod(size, int(sections))
        cuts = [part * each + min(part, more) for part in range(int(sections) + 1)]
        ranges = list(pairwise(cuts))
    else:
        marks = [None, *shape_of(name, sections, "positions"), None]
        bounds = [slice(*pair).indices(size) for pair in pairwise(marks)]
        ranges = [(first, max(first, last)) for first, last, _ in bounds]
    return [Tensor(slice_along(node, place, first, last - first)) for first, last in ranges]
