"""How alike vectors are, and losses that bring those together that belong together.

Owns those functions. Invariant: vectors lie along the last axis, unless another one is given; of a
zero vector the similarity is zero and has a finite derivative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.elementwise import apply
from graphc.functions.reductions import as_floats
from graphc.functions.roots import root
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.nn.activations import relu
from graphc.nn.losses import alike
from graphc.nn.normalization import normalize
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
@rounded_once
def cosine_similarity(
    x: TensorLike, y: TensorLike, axis: int = -1, epsilon: float = 1e-8
) -> Tensor:
    """The cosine of the angle between vectors along `axis`; other axes broadcast.

    A length below `epsilon` counts as that. `1 - cosine_similarity(p, t)` is the cosine loss.
    """
    first, second = (normalize(as_floats(each), axis, epsilon) for each in (x, y))
    return (first * second).sum(axis)


@at_user_line
@rounded_once
def margin_ranking(
    first: TensorLike, second: TensorLike, order: TensorLike, margin: float = 0.0
) -> Tensor:
    """max(0, margin - o * (x - y)): 0 where x is larger than y by the margin and `order` is 1, or
    smaller and it is -1."""
    higher, lower = alike("margin_ranking", first, second)
    _, sign = alike("margin_ranking", higher, order)
    return relu(margin - sign * (higher - lower))


@at_user_line
@rounded_once
def triplet(
    anchor: TensorLike, positive: TensorLike, negative: TensorLike, margin: float = 1.0
) -> Tensor:
    """max(0, |a - p| - |a - n| + margin), with Euclidean distances along the last axis.

    Schroff et al., "FaceNet" (2015), with distances that are not squared. The derivative of a
    distance 0 is 0.
    """
    given, near = alike("triplet", anchor, positive)
    _, far = alike("triplet", given, negative)
    return relu(_distance(given, near) - _distance(given, far) + margin)


@at_user_line
@rounded_once
def contrastive(
    first: TensorLike, second: TensorLike, same: TensorLike, margin: float = 1.0
) -> Tensor:
    """`d^2` of vectors that are the `same`, `max(0, margin - d)^2` of others, for the distance d.

    `same` is 1 or 0, one number for each pair. Hadsell et al., "Dimensionality reduction by
    learning an invariant mapping" (2006), without its factor of one half.
    """
    x, y = alike("contrastive", first, second)
    distance = _distance(x, y)
    _, belong = alike("contrastive", distance, same)
    apart = apply(ops.square, relu(margin - distance))
    return belong * apply(ops.square, distance) + (1 - belong) * apart


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return root(apply(ops.square, x - y).sum(-1))
