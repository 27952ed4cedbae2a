"""Embedding: rows of a table, picked by number.

Owns `embedding` and the layer `Embedding`. Invariant: the derivative by the table costs as much as
the rows that were picked, and one pass over the table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc import init
from graphc.functions.indexing import take
from graphc.functions.refusal import refused
from graphc.ir.diagnostics import ShapeError
from graphc.ir.types import float32
from graphc.nn.layers import Initializer, Weighted
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


class Embedding(Weighted):
    """`embedding` in a table of `count` rows of `size` numbers, the parameter `<name>.w`.

    >>> import graphc as gc
    >>> layer = Embedding(1000, 64)
    >>> layer(gc.input("ids", (32, 5), gc.int64)).shape
    (32, 5, 64)
    """

    def __init__(
        self,
        count: int,
        size: int,
        *,
        weights: Initializer = init.glorot_normal,
        seed: init.Seed = 0,
        name: str = "embedding",
    ) -> None:
        super().__init__(None, weights, seed, name)
        self.count = count
        self.size = size

    @at_user_line
    def __call__(self, x: Tensor) -> Tensor:
        """Raises as `embedding`."""
        if not self._params:
            self._declare(self.weights((self.count, self.size), seed=self.seed), 0, float32)
        return embedding(self._params[0], x)
