"""Losses of numbers: absolute and Huber errors, likelihoods of counts and of normal numbers.

Owns those. Invariant: as of `losses`: element by element, of predictions and targets of one shape,
and finite for finite predictions.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where
from graphc.functions.elementwise import apply
from graphc.functions.special import softplus, xlogy
from graphc.functions.widening import rounded_once
from graphc.ir.build import ops
from graphc.nn.losses import alike
from graphc.public import at_user_line
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def absolute_error(predictions: TensorLike, targets: TensorLike) -> Tensor:
    """`|p - t|`, element by element. The derivative where they are equal is 0."""
    given, wanted = alike("absolute_error", predictions, targets)
    return abs(given - wanted)


@at_user_line
@rounded_once
def huber(predictions: TensorLike, targets: TensorLike, delta: float = 1.0) -> Tensor:
    """`e^2 / 2` of an error `|e| <= delta`, `delta * (|e| - delta / 2)` of a larger one.

    Huber, "Robust estimation of a location parameter" (1964).
    """
    given, wanted = alike("huber", predictions, targets)
    error = abs(given - wanted)
    near = apply(ops.minimum, error, delta)
    return near * (error - near / 2)


@at_user_line
@rounded_once
def smooth_l1(predictions: TensorLike, targets: TensorLike, beta: float = 1.0) -> Tensor:
    """`huber` over `beta`: `e^2 / (2 beta)` near 0 and `|e| - beta / 2` beyond `beta`."""
    return huber(predictions, targets, beta) / beta


@at_user_line
@rounded_once
def log_cosh(predictions: TensorLike, targets: TensorLike) -> Tensor:
    """log(cosh(p - t)), element by element: `e^2 / 2` near 0, `|e| - log(2)` far from it."""
    given, wanted = alike("log_cosh", predictions, targets)
    error = abs(given - wanted)
    half = apply(ops.sinh, apply(ops.minimum, error, 1) / 2)
    near = apply(ops.log1p, 2 * half * half)
    return where(error < 1, near, error + softplus(-2 * error) - math.log(2))


@at_user_line
@rounded_once
def poisson_loss(log_rates: TensorLike, counts: TensorLike) -> Tensor:
    """`exp(r) - t * r`: minus the log-likelihood of counts t that are Poisson-distributed with
    rate exp(r), but for what does not depend on r."""
    given, wanted = alike("poisson_loss", log_rates, counts)
    return apply(ops.exp, given) - wanted * given


@at_user_line
@rounded_once
def gaussian_loss(means: TensorLike, targets: TensorLike, log_variances: TensorLike) -> Tensor:
    """`(log_v + (t - m)^2 / v) / 2`: minus the log-likelihood of normal numbers t with mean m and
    variance v, but for a constant."""
    given, wanted = alike("gaussian_loss", means, targets)
    _, spread = alike("gaussian_loss", given, log_variances)
    return 0.5 * (spread + apply(ops.square, wanted - given) * apply(ops.exp, -spread))


@at_user_line
@rounded_once
def quantile_loss(predictions: TensorLike, targets: TensorLike, quantile: float) -> Tensor:
    """`q * e` of an error `e = t - p` that is positive, `(q - 1) * e` of another one."""
    given, wanted = alike("quantile_loss", predictions, targets)
    error = wanted - given
    return where(error > 0, quantile * error, (quantile - 1) * error)


@at_user_line
@rounded_once
def kl_divergence(log_predictions: TensorLike, targets: TensorLike) -> Tensor:
    """`t * (log(t) - p)`, element by element, for log-probabilities p and probabilities t.

    Its sum over the classes is the Kullback-Leibler divergence; where t is 0 it is 0.
    """
    given, wanted = alike("kl_divergence", log_predictions, targets)
    return xlogy(wanted, wanted) - where(apply(ops.eq, wanted, 0), 0, wanted * given)
