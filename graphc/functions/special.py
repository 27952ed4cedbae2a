"""Special functions composed of ops: log-sum-exps of two operands, entropies, logits, sinc.

Owns those. Imports the op records through `apply`. Invariant: values and derivatives of every
order are finite wherever they exist. Each branch of a `where` is smooth through the point where
branches meet, and an operand of a branch not taken is replaced where its derivative is infinite.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.arithmetic import where
from graphc.functions.elementwise import apply
from graphc.functions.floats import isinf
from graphc.functions.reductions import as_floats
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.promotion import promoted_as
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.ir.graph import Node
    from graphc.tensor import TensorLike

_SINC_TERMS = 12
"""Terms of the series of sinc, enough for f64 where |x| < 1/2."""


@public
def polygamma(n: int, x: TensorLike) -> Tensor:
    """The derivative of order `n` of digamma: digamma itself for 0, trigamma for 1, and so on.

    Raises `AttributeValueError` for an order below 0 or above 30.
    """
    if n == 0:
        return apply(ops.digamma, x)
    return apply(ops.polygamma, as_floats(x), order=n)


@public
def logaddexp(x1: TensorLike, x2: TensorLike) -> Tensor:
    """log(exp(x1) + exp(x2)) without overflow; -inf of two -inf.

    The derivative by an operand is its share of the sum, one half where they are equal; of two
    infinities of one sign the second operand has all of it.
    """
    high, gap = _ordered(*promoted_as(np.logaddexp, (x1, x2)))
    return high + apply(ops.log1p, apply(ops.exp, gap))


@public
def logaddexp2(x1: TensorLike, x2: TensorLike) -> Tensor:
    """log2(2**x1 + 2**x2) without overflow; derivatives as those of `logaddexp`."""
    high, gap = _ordered(*promoted_as(np.logaddexp2, (x1, x2)))
    return high + apply(ops.log1p, apply(ops.exp2, gap)) * (1 / math.log(2))


def _ordered(first: Node, second: Node) -> tuple[Tensor, Tensor]:
    """The larger of two, and how far the other is above it, which is never positive."""
    x, y = Tensor(first), Tensor(second)
    ahead = x > y
    high, low = where(ahead, x, y), where(ahead, y, x)
    # Infinities are not subtracted from one another; at a tie the gap must keep its derivative.
    gap = low - where(isinf(high), 0, high)
    return high, where(gap > 0, 0, gap)


@public
@rounded_once
def softplus(x: TensorLike, beta: float = 1.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, a smooth max(x, 0): x itself for large x."""
    scaled = as_floats(x) * beta
    positive = scaled > 0
    # Both branches are the same smooth function, so every derivative at 0 is right.
    decay = apply(ops.exp, where(positive, -scaled, scaled))
    return (where(positive, scaled, 0) + apply(ops.log1p, decay)) / beta


@public
def log_sigmoid(x: TensorLike) -> Tensor:
    """log(sigmoid(x)): x itself where that is very negative, where sigmoid(x) would vanish."""
    return -softplus(-as_floats(x))


@public
@rounded_once
def sinc(x: TensorLike) -> Tensor:
    """sin(pi x) / (pi x), as NumPy's: 1 at 0, exactly 0 at other whole numbers, NaN of infinities.

    Derivatives near 0 are those of its power series.
    """
    x = as_floats(x)
    near = abs(x) < 0.5
    square = where(near, x, 0) ** 2
    series = square * 0 + _sinc_coefficient(_SINC_TERMS)
    for k in reversed(range(_SINC_TERMS)):
        series = series * square + _sinc_coefficient(k)
    distant = where(near, 1, x)
    # The sine of what is left of the nearest whole number, exactly.
    whole = apply(ops.floor, distant + 0.5)
    odd = whole - 2 * apply(ops.floor, whole * 0.5)
    sine = (1 - 2 * odd) * apply(ops.sin, (distant - whole) * math.pi)
    return where(near, series, sine / (distant * math.pi))


def _sinc_coefficient(k: int) -> float:
    """What multiplies x**(2 k)."""
    return (-math.pi * math.pi) ** k / math.factorial(2 * k + 1)


@public
def xlogy(x: TensorLike, y: TensorLike) -> Tensor:
    """x log(y), and 0 where x is 0, whatever y is (but NaN).

    The derivatives at x = 0 are log(y) and 0 for positive finite y, and 0 for others.
    """
    left, right = (Tensor(node) for node in promoted_as(np.logaddexp, (x, y)))
    moot = apply(ops.eq, left, 0) & ((right <= 0) | apply(ops.eq, right, math.inf))
    return left * apply(ops.log, where(moot, 1, right))


@public
@rounded_once
def logit(x: TensorLike) -> Tensor:
    """log(x / (1 - x)), the inverse of the logistic function: accurate near 0, 1/2 and 1.

    -inf at 0, inf at 1, NaN outside.
    """
    x = as_floats(x)
    small = x < 0.25
    low, middle = where(small, x, 0.125), where(small, 0.5, x)
    # 2 x - 1 is exact from 1/4 on.
    offset = 2 * middle - 1
    near_zero = apply(ops.log, low) - apply(ops.log1p, -low)
    return where(small, near_zero, apply(ops.log1p, offset) - apply(ops.log1p, -offset))


@public
@rounded_once
def entr(x: TensorLike) -> Tensor:
    """-x log(x), a term of an entropy: 0 at 0, -inf for negative x.

    Its derivative at 0, where it would be infinite, is 0.
    """
    x = as_floats(x)
    inner = where(x > 0, x, 1)
    value = 0 - where(x < 0, 0, x) * apply(ops.log, inner)
    return where(x < 0, -math.inf, value)
