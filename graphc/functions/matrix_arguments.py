"""Matrices as arguments: what the functions of linear algebra ask of them.

Owns `matrices_of` and `system_of`. Imports the diagnostics. Invariant: whatever does not fit is
found here, before a node is built, and said with the operand as the user has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, reshape
from graphc.ir.diagnostics import ShapeError
from graphc.ir.graph import Node
from graphc.ir.types import Shape
from graphc.promotion import as_node, common
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


def matrices_of(name: str, x: TensorLike, *, square: bool = False) -> Node:
    """Matrices of floats, in the last two axes; integers become f64."""
    node = as_node(x)
    _check(name, node, square, 0, node)
    return as_floats(x).node


def _check(name: str, node: Node, square: bool, position: int, *given: Node) -> None:
    if len(node.shape) < 2:
        error = ShapeError(f"{name} takes matrices, in the last two axes", operand=position)
        raise refused(error, *given)
    if square and node.shape[-1] != node.shape[-2]:
        raise refused(ShapeError(f"{name} takes square matrices", operand=position), *given)


@dataclass(frozen=True)
class System:
    """Matrices, right sides in columns, and the batch axes of both together. `is_vector` says
    that the right side was one vector."""

    a: Node
    b: Node
    batch: Shape
    is_vector: bool

    def repeated(self, node: Node, rank: int) -> Node:
        """A node of so many axes with the batch axes of both before them."""
        return broadcast(node, (*self.batch, *node.shape[len(node.shape) - rank :]))

    def solution(self, x: Node) -> Tensor:
        return Tensor(reshape(x, x.shape[:-1]) if self.is_vector else x)


def system_of(name: str, a: TensorLike, b: TensorLike, *, square: bool = True) -> System:
    """The operands of a linear system. A right side of one axis is a vector, any other one has
    its vectors in columns, as in NumPy 2."""
    given = as_node(a), as_node(b)
    _check(name, given[0], square, 0, *given)
    is_vector = len(given[1].shape) == 1
    if not given[1].shape:
        raise refused(ShapeError(f"{name} takes no scalar as right side", operand=1), *given)
    rows = given[1].shape[-1 if is_vector else -2]
    if rows != given[0].shape[-2]:
        raise refused(
            ShapeError(
                f"{name} needs as many right sides' rows as the matrix has",
                operand=1,
                detail=f"({rows} rows), but {{0}} has {given[0].shape[-2]}",
            ),
            *given,
        )
    matrix, right = (as_floats(Tensor(node)).node for node in common([a, b]))
    if is_vector:
        right = reshape(right, (*right.shape, 1))
    try:
        batch = np.broadcast_shapes(matrix.shape[:-2], right.shape[:-2])
    except ValueError:
        error = ShapeError(
            f"{name} cannot broadcast batch axes {list(matrix.shape[:-2])} with "
            f"{list(right.shape[:-2])}",
            operand=1,
            detail="but {0} has other batch axes",
        )
        raise refused(error, *given) from None
    return System(matrix, right, batch, is_vector)
