"""Choosing at random: categories, orders, samples of what is there.

Owns `categorical`, `permutation` and `choice`. Imports the op records. Invariant: what is chosen is
a position that is there, whatever the weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.axes import axis_of
from graphc.functions.creation import arange
from graphc.functions.elementwise import apply
from graphc.functions.indexing import take
from graphc.functions.rearranging import moveaxis
from graphc.functions.reductions import as_floats
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.types import Shape, uint64
from graphc.promotion import as_tensor
from graphc.public import at_user_line
from graphc.random.continuous import gumbel
from graphc.random.discrete import randint
from graphc.random.keys import checked_shape, words
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def categorical(
    key: TensorLike, logits: TensorLike, axis: int = -1, shape: object = None
) -> Tensor:
    """A category, i64, for each distribution along `axis`: k with probability softmax(logits)[k].

    Gumbel's trick: the largest of `logits + gumbel(key)` is at k with that probability. `shape` is
    what the other axes broadcast to; they themselves if it is not given. A logit of -inf is never
    chosen. Raises `ShapeError` where they do not broadcast and for no categories.
    """
    scores = as_floats(as_tensor(logits))
    place = axis_of("categorical", axis, scores.node)
    scores = moveaxis(scores, place, -1)
    *lead, count = scores.shape
    drawn = tuple(lead) if shape is None else checked_shape("categorical", shape)
    if not count:
        raise refused(ShapeError("categorical needs a category", operand=0), scores.node)
    if not _broadcasts(tuple(lead), drawn):
        raise ShapeError(f"categorical of distributions {lead} cannot have shape {list(drawn)}")
    return (scores + gumbel(key, (*drawn, count), scores.dtype)).argmax(axis=-1)


@at_user_line
def permutation(key: TensorLike, x: TensorLike, axis: int = 0) -> Tensor:
    """The parts of `x` along an axis in a random order; of an integer n those of `arange(n)`.

    The order is that of random 64-bit numbers, so all orders of n are equally likely up to a
    difference of about n*n / 2**65.

    >>> import graphc as gc
    >>> step = gc.compile([], gc.random.permutation(gc.random.key(0), 5))
    >>> sorted(step().tolist())
    [0, 1, 2, 3, 4]
    """
    source, place = _source("permutation", x, axis)
    return take(source, _order(key, source.shape[place]), axis=place)


@at_user_line
def choice(
    key: TensorLike,
    a: TensorLike,
    shape: object = (),
    replace: bool = True,
    p: TensorLike | None = None,
    axis: int = 0,
) -> Tensor:
    """Parts of `a` along an axis, of an integer n numbers of `arange(n)`, in the given shape.

    With `p` a part has that probability (they need not add up to 1). Without `replace` no part is
    chosen twice. Raises `ShapeError` for more than there are, or a `p` of another length.
    """
    source, place = _source("choice", a, axis)
    count, drawn = source.shape[place], checked_shape("choice", shape)
    wanted = math.prod(drawn)
    if wanted and (not count or (not replace and wanted > count)):
        raise ShapeError(f"choice of {wanted} out of {count}")
    scores = None if p is None else _scores(p, count)
    if not replace:
        chosen = _order(key, count, scores)[:wanted].reshape(drawn)
    elif scores is None:
        chosen = randint(key, drawn, 0, max(count, 1), "int64")
    else:
        chosen = categorical(key, scores, shape=drawn)
    return take(source, chosen, axis=place)


def _source(name: str, a: TensorLike, axis: int) -> tuple[Tensor, int]:
    """What is chosen from, and along which axis; of an integer n the numbers below it."""
    if isinstance(a, int):
        if a < 0:
            raise ShapeError(f"{name} takes 0 numbers or more, got {a}")
        return arange(a), 0
    source = as_tensor(a)
    return source, axis_of(name, axis, source.node)


def _order(key: TensorLike, count: int, scores: Tensor | None = None) -> Tensor:
    """Positions in a random order: with scores, first those that `categorical` would choose."""
    if scores is None:
        keys = words("permutation", key, count, uint64)
        return Tensor(ops.argsort(keys.node, axis=0))
    ranked = scores + gumbel(key, count, scores.dtype)
    return Tensor(ops.argsort(ranked.node, axis=0, descending=True))


def _scores(p: TensorLike, count: int) -> Tensor:
    """The logarithms of weights of so many parts."""
    if not isinstance(p, Tensor) and not np.all(np.asarray(p) >= 0):
        raise AttributeValueError(f"choice takes probabilities of 0 or more, got {p}")
    weights = as_floats(p)
    if weights.shape != (count,):
        raise refused(ShapeError(f"choice takes {count} probabilities", operand=0), weights.node)
    return apply(ops.log, weights)


def _broadcasts(shape: Shape, to: Shape) -> bool:
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False
