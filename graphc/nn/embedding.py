"""Embedding: rows of a table, picked by number.

Owns `embedding`. Invariant: the derivative by the table costs as much as
the rows that were picked, and one pass over the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.indexing import take
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.promotion import as_tensor
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def embedding(weight: TensorLike, ids: TensorLike) -> Tensor:
    """The rows of the matrix `weight` at the integers `ids`, in the place of each of them.

    Raises `ShapeError` unless `weight` is a matrix, and `DTypeError` for `ids` that are no
    integers. An id outside of the table is refused at the call of the step if it comes from an
    input, and else taken for the nearest.

    >>> import graphc as gc
    >>> embedding(gc.input("w", (1000, 64)), gc.input("ids", (32, 5), gc.int64)).shape
    (32, 5, 64)
    """
    table = as_tensor(weight)
    if table.ndim != 2:
        raise refused(ShapeError("embedding takes a matrix", operand=0), table.node)
    return take(table, ids, 0)
