"""Attention that never holds all scores: blocks of queries against blocks of keys.

Owns `attention_in_blocks`. Imports loops, regions and functions of tensors. Invariant: what is kept
for the derivative is the result and one number a query, so that memory grows with the numbers of
queries and keys and not with their product.

Forward, a block of queries goes over the blocks of keys and carries the largest score so far, the
sum of the exponentials and the mixture of values (Rabe and Staats, "Self-attention does not need
O(n^2) memory", 2021). Backward, a block of keys goes over the blocks of queries, whose weights are
computed again from the logarithm of that sum (Dao et al., "FlashAttention", 2022, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.autodiff.gradients import jvp
from graphc.functions.arithmetic import where
from graphc.functions.contraction import matmul
from graphc.functions.control import cond, scan
from graphc.functions.creation import arange, full, zeros
from graphc.functions.elementwise import apply
from graphc.functions.padding import pad
from graphc.functions.regions import Rules, set_apart
from graphc.ir.build import ops
from graphc.ir.types import int32
from graphc.tensor import Tensor
from graphc.trees import flatten, map_leaves

BLOCK = (64, 256)
"""Most queries and most keys of a block: its scores and their adjoint, 64 KB each as f32, stay in
the L2 cache with its rows, and its products are large enough to run at their full speed."""


def attention_in_blocks(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    *,
    causal: bool,
    scale: float,
    block: tuple[int, int] = BLOCK,
) -> Tensor:
    """`scaled_dot_product_attention` of floats of one dtype, which is that of the result.

    Operands have as many axes each; along those before the last two they agree or have size 1.
    `mask` may have size 1 along any axis. 16-bit floats are computed with as f32.
    """
    dtype = query.dtype.arithmetic
    blocks = _Blocks.of(query.shape[-2], key.shape[-2], block, causal)

    def attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Rules:
        scaled = query.astype(dtype) * scale
        given = (scaled, key.astype(dtype), value.astype(dtype), mask)
        result, normalizer = _for_each_matrix(blocks.forward, given)

        def backward(d_result: Tensor, d_normalizer: Tensor) -> tuple[Tensor | None, ...]:
            shift = (d_result * result).sum(-1, True) - d_normalizer
            found = _for_each_matrix(blocks.backward, (*given, normalizer, d_result, shift))
            d_query, d_key, d_value = map(_summed_like, found, (query, key, value))
            return d_query * scale, d_key, d_value, None

        def forward(*tangents: Tensor) -> tuple[Tensor, Tensor]:
            moved: tuple[Tensor, Tensor] = jvp(
                (result, normalizer), (query, key, value), tuple(tangents)
            )
            return moved

        return Rules((result, normalizer), backward, forward)

    found: tuple[Tensor, Tensor] = set_apart(attention, (query, key, value, mask), lambda r: r)
    return found[0].astype(query.dtype)


def _summed_like(x: Tensor, like: Tensor) -> Tensor:
    """The adjoint of what was repeated along the axes where `like` has size 1."""
    axes = [i for i, (n, m) in enumerate(zip(x.shape, like.shape, strict=True)) if m == 1 < n]
    return x.sum(axes, keepdims=True) if axes else x


def _for_each_matrix(f: Callable[..., tuple[Tensor, ...]], operands: Sequence[Any]) -> Any:
    """The results of `f` on the matrices of stacks, one after the other; along an axis where a
    stack has size 1 its matrices are the same."""
    if operands[0].ndim == 2:
        return f(*operands)
    return _for_each(lambda _, given: ((), _for_each_matrix(f, given)), (), operands)[1]


def _for_each(step: Callable[[Any, Any], tuple[Any, Any]], start: Any, blocks: Any) -> Any:
    """`scan` over blocks; what has one block alone, while others have more, is in every step."""
    leaves, tree = flatten(blocks)
    count = max(x.shape[0] for x in leaves)
    same = {n: x.reshape(x.shape[1:]) for n, x in enumerate(leaves) if x.shape[0] == 1}
    if count == 1:
        carry, made = step(start, tree.build(list(same.values())))
        return carry, map_leaves(lambda y: y[None], made)

    def each(carry: Any, given: Any) -> Any:
        rest = iter(given)
        return step(
            carry, tree.build([same[n] if n in same else next(rest) for n in range(len(leaves))])
        )

    return scan(each, start, [x for x in leaves if x.shape[0] > 1])


@dataclass(frozen=True)
class _Blocks:
    """How the queries and keys of one pair of matrices are cut, and who sees whom.

    The methods take and give matrices: rows are cut where they come in and put together where they
    go out. The last block may have rows more, which are zero and are not seen.
    """

    queries: int
    keys: int
    rows: int
    columns: int
    causal: bool

    @classmethod
    def of(cls, queries: int, keys: int, block: tuple[int, int], causal: bool) -> _Blocks:
        """Blocks as equal as can be, so that the last has as few rows too many as possible."""
        sizes = (queries, keys)
        rows, columns = (-(-n // -(-n // most)) for n, most in zip(sizes, block, strict=True))
        return cls(queries, keys, rows, columns, causal)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The mixtures of values, and for each query the logarithm of the sum of its exponentials:
        +inf if it sees nothing, so that all its weights come out as 0."""
        dtype, outputs = query.dtype, value.shape[-1]
        masks = self._masks(mask, by_keys=False)
        keys, values = _cut(key, self.columns).mT, _cut(value, self.columns)
        start = (
            full((self.rows, 1), -math.inf, dtype),
            zeros((self.rows, 1), dtype),
            zeros((self.rows, outputs), dtype),
        )

        def row(_: Any, given: Any) -> Any:
            i, queries, masks_here = given

            def step(carry: Any, block: Any) -> Any:
                j, keys, values, mask = block

                def taken() -> Any:
                    return _extended(carry, self._scores(queries, keys, i, j, mask), values)

                return self._unless_hidden(i, j, taken, carry), None

            blocks = (_numbers(keys), keys, values, masks_here)
            largest, total, mixture = _for_each(step, start, blocks)[0]
            normalizer = where(total == 0, math.inf, largest + apply(ops.log, total))
            return (), (mixture / where(total == 0, 1, total), normalizer)

        cut = _cut(query, self.rows)
        result, normalizer = _for_each(row, (), (_numbers(cut), cut, masks))[1]
        return _joined(result, self.queries), _joined(normalizer, self.queries)

    def backward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        normalizer: Tensor,
        d_result: Tensor,
        shift: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The adjoints of query, key and value.

        A weight is exp(score - normalizer); the adjoint of its score is the weight times (adjoint
        of the weight - `shift`).
        """
        masks = self._masks(mask, by_keys=True)
        queries, d_results = _cut(query, self.rows), _cut(d_result, self.rows)
        ends = [_cut(each, self.rows) for each in (normalizer, shift)]

        def column(d_query: Any, given: Any) -> Any:
            j, keys, values, masks_here = given
            keys_across, values_across = keys.mT, values.mT

            def step(carry: Any, block: Any) -> Any:
                i, queries, d_results, (normalizer, shift), mask = block
                d_keys, d_values = carry

                def taken() -> Any:
                    scores = self._scores(queries, keys_across, i, j, mask)
                    weights = apply(ops.exp, scores - normalizer)
                    d_scores = weights * (matmul(d_results, values_across) - shift)
                    more = (d_keys + d_scores.mT @ queries, d_values + weights.mT @ d_results)
                    return more, d_scores @ keys

                nothing = zeros(queries.shape, queries.dtype)
                return self._unless_hidden(i, j, taken, (carry, nothing))

            start = (zeros(keys.shape, keys.dtype), zeros(values.shape, values.dtype))
            blocks = (_numbers(queries), queries, d_results, ends, masks_here)
            adjoints, d_queries = _for_each(step, start, blocks)
            return d_query + d_queries, adjoints

        keys, values = _cut(key, self.columns), _cut(value, self.columns)
        d_query, (d_keys, d_values) = _for_each(
            column, zeros(queries.shape, queries.dtype), (_numbers(keys), keys, values, masks)
        )
        return (
            _joined(d_query, self.queries),
            _joined(d_keys, self.keys),
            _joined(d_values, self.keys),
        )

    def _scores(
        self, queries: Tensor, keys_across: Tensor, i: Tensor, j: Tensor, mask: Tensor | None
    ) -> Tensor:
        """Scores of block `i` of queries and block `j` of keys; -inf where a key is not seen."""
        scores = matmul(queries, keys_across)
        key = j * self.columns + arange(self.columns, dtype=int32)
        conditions = [] if mask is None else [mask]
        if self.causal:
            query = i * self.rows + arange(self.rows, dtype=int32)
            conditions.append(query[:, None] >= key)
        if self.keys % self.columns:
            conditions.append(key < self.keys)
        for seen in conditions:
            scores = where(seen, scores, -math.inf)
        return scores

    def _unless_hidden(self, i: Tensor, j: Tensor, taken: Callable[[], Any], otherwise: Any) -> Any:
        """`taken()`, except for a block of scores that lies behind the diagonal as a whole."""
        if not self.causal:
            return taken()
        return cond(j * self.columns < (i + 1) * self.rows, taken, lambda: otherwise)

    def _masks(self, mask: Tensor | None, *, by_keys: bool) -> Tensor | None:
        """A mask in blocks, numbered by [queries, keys], or by [keys, queries]; axes along which it
        is repeated have size 1 in a block."""
        if mask is None:
            return None
        sizes = (self.rows, self.columns)
        for axis, size in zip((0, 2), sizes, strict=True):
            mask = _cut(mask, min(size, mask.shape[axis]), axis)
        return mask.transpose((2, 0, 1, 3) if by_keys else (0, 2, 1, 3))


def _extended(carry: tuple[Tensor, Tensor, Tensor], scores: Tensor, values: Tensor) -> Any:
    """Largest score, sum of exponentials and mixture of values, with another block taken in."""
    largest, total, mixture = carry
    here = apply(ops.stop_gradient, apply(ops.maximum, largest, scores.max(-1, True)))
    shift = where(abs(here) < math.inf, here, 0)
    powers, before = apply(ops.exp, scores - shift), apply(ops.exp, largest - shift)
    return (
        here,
        total * before + powers.sum(-1, True),
        mixture * before + matmul(powers, values),
    )


def _numbers(blocks: Tensor) -> Tensor:
    return arange(blocks.shape[0], dtype=int32)


def _cut(x: Tensor, size: int, axis: int = 0) -> Tensor:
    """An axis in blocks of `size`; zeros fill up the last."""
    count = -(-x.shape[axis] // size)
    missing = count * size - x.shape[axis]
    if missing:
        x = pad(x, {axis: (0, missing)})
    return x.reshape((*x.shape[:axis], count, size, *x.shape[axis + 1 :]))


def _joined(blocks: Tensor, count: int) -> Tensor:
    """The first `count` rows of blocks."""
    return blocks.reshape((-1, *blocks.shape[2:]))[:count]
