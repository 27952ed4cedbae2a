"""Attention: each query takes a mean of values, weighted by how well their keys fit it.

Owns `scaled_dot_product_attention` and `MultiHeadAttention`. Invariant: what is masked has no
weight and no derivative, and a query that may see nothing takes zero. Long rows are the matter of
`attention_in_blocks`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc import init
from graphc.declare import Parameter
from graphc.functions.contraction import matmul
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.functions.softmax import softmax
from graphc.functions.triangles import tri
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.types import bool_
from graphc.nn.attention_in_blocks import BLOCK, attention_in_blocks
from graphc.nn.layers import Dense, Initializer, Weighted
from graphc.promotion import as_tensor
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

CACHED_SCORES = 2 << 20
"""Bytes of scores up to which attention is three ops one after the other: the caches hold them,
with their exponentials and adjoints. Beyond, blocks are faster though they compute scores twice."""


@at_user_line
def scaled_dot_product_attention(
    query: TensorLike,
    key: TensorLike,
    value: TensorLike,
    mask: TensorLike | None = None,
    *,
    causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """`softmax(query @ key.mT * scale) @ value`, for stacks of matrices of rows.

    `query` is [..., queries, size], `key` [..., keys, size], `value` [..., keys, outputs]; `scale`
    is 1 / sqrt(size) unless given. Where `mask`, bools that broadcast to [..., queries, keys], does
    not hold, a query does not see a key; with `causal` query i sees keys 0 to i alone. Raises
    `DTypeError` for a mask that is not of bools.

    Scores of more than 2 MiB are never stored: they are computed in blocks of queries and keys, for
    the derivative a second time, and with `causal` the blocks that no query sees are left out. So
    memory grows with the number of queries and not with its square.

    Vaswani et al., "Attention is all you need" (2017), section 3.2.1.

    >>> import graphc as gc
    >>> q, k, v = (gc.input(name, (2, 5, 8)) for name in "qkv")
    >>> scaled_dot_product_attention(q, k, v, causal=True).shape
    (2, 5, 8)
    """
    rows, columns = as_floats(query), as_floats(key)
    if rows.ndim < 2 or columns.ndim < 2:
        raise refused(
            ShapeError("attention takes matrices", operand=0 if rows.ndim < 2 else 1),
            rows.node,
            columns.node,
        )
    given = None if mask is None else as_tensor(mask)
    if given is not None and given.dtype is not bool_:
        raise refused(DTypeError("attention takes a mask of bools", operand=0), given.node)
    factor = 1 / math.sqrt(max(rows.shape[-1], 1)) if scale is None else scale
    scores = matmul(rows * factor, columns.mT)
    seen = given
    if causal:
        queries, keys = scores.shape[-2:]
        past = tri(queries, keys, dtype=bool_)
        seen = past if given is None else past & given
    whole = matmul(softmax(scores, -1, where=seen), value)
    if not _outgrows_cache(scores):
        return whole
    rank, dtype = whole.ndim, whole.dtype
    return attention_in_blocks(
        _with_rank(rows, rank).astype(dtype),
        _with_rank(columns, rank).astype(dtype),
        _with_rank(as_tensor(value), rank).astype(dtype),
        None if given is None else _with_rank(given, rank),
        causal=causal,
        scale=factor,
    )


def _outgrows_cache(scores: Tensor) -> bool:
    """Whether the scores are many, and more than one block for a query's matrix."""
    queries, keys = scores.shape[-2:]
    is_quadratic = queries > BLOCK[0] and queries * keys > math.prod(BLOCK)
    return is_quadratic and scores.size * scores.dtype.bytes > CACHED_SCORES


def _with_rank(x: Tensor, rank: int) -> Tensor:
    return x.reshape((1,) * (rank - x.ndim) + x.shape)


class MultiHeadAttention(Weighted):
    """Several attentions beside each other, on linear functions of the rows, put together by one.

    `layer(x)` is [batch, rows, size] as `x` is; `layer(x, context)` attends from the rows of `x` to
    those of `context`. `heads` must divide the size. The parameters are those of four `Dense`
    layers: `<name>.query`, `<name>.key`, `<name>.value` and `<name>.out`.

    Vaswani et al., "Attention is all you need" (2017), section 3.2.2.

    >>> import graphc as gc
    >>> layer = MultiHeadAttention(4)
    >>> layer(gc.input("x", (2, 5, 32))).shape
    (2, 5, 32)
    >>> len(layer.params)
    8
    """

    def __init__(
        self,
        heads: int,
        *,
        causal: bool = False,
        weights: Initializer = init.glorot_uniform,
        seed: init.Seed = 0,
        name: str = "attention",
    ) -> None:
        super().__init__(None, weights, seed, name)
        self.heads = heads
        self.causal = causal
        self._parts: list[Dense] = []

    @property
    def params(self) -> list[Parameter]:
        """Weights and biases of the four layers; empty before the first call."""
        return [each for part in self._parts for each in part.params]

    @at_user_line
    def __call__(
        self, x: Tensor, context: Tensor | None = None, mask: TensorLike | None = None
    ) -> Tensor:
        """Raises `ShapeError` unless `x` is [batch, rows, size], and `AttributeValueError` unless
        `heads` divides the size."""
        if x.ndim != 3:
            raise refused(
                ShapeError(f"layer {self.name} takes [batch, rows, size]", operand=0), x.node
            )
        size = x.shape[-1]
        if self.heads < 1 or size % self.heads:
            raise AttributeValueError(
                f"layer {self.name} cannot cut rows of {size} into {self.heads} equal heads"
            )
        if not self._parts:
            seeds = (self.seed,) if isinstance(self.seed, int) else tuple(self.seed)
            self._parts = [
                Dense(size, weights=self.weights, seed=(*seeds, number), name=f"{self.name}.{part}")
                for number, part in enumerate(("query", "key", "value", "out"))
            ]
        query, key, value, out = self._parts
        source = x if context is None else context
        found = scaled_dot_product_attention(
            self._heads(query(x)),
            self._heads(key(source)),
            self._heads(value(source)),
            mask,
            causal=self.causal,
        )
        return out(found.transpose(0, 2, 1, 3).reshape(x.shape))

    def _heads(self, rows: Tensor) -> Tensor:
        """[batch, heads, rows, size / heads]."""
        batch, count, size = rows.shape
        cut = rows.reshape((batch, count, self.heads, size // self.heads))
        return cut.transpose(0, 2, 1, 3)
