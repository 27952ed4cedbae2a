"""Dropout.

Owns `dropout`. Imports `random`. Invariant: the expectation of the result is the operand.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.arithmetic import where
from graphc.functions.reductions import as_floats
from graphc.ir.diagnostics import AttributeValueError
from graphc.public import at_user_line
from graphc.random import bernoulli
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def dropout(x: TensorLike, rate: float, key: TensorLike) -> Tensor:
    """Zero with probability `rate`, else `x / (1 - rate)`, each element by itself.

    The key decides which, so a training step needs a new one each time; where nothing is to be
    dropped, leave the call out. Raises `AttributeValueError` for a rate outside of [0, 1).

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting"
    (2014), scaled while training.

    >>> import graphc as gc
    >>> x = gc.input("x", (32, 64))
    >>> gc.nn.dropout(x, 0.5, gc.random.key(0)).shape
    (32, 64)
    """
    if not 0 <= rate < 1:
        raise AttributeValueError(f"dropout takes a rate in [0, 1), got {rate}")
    x = as_floats(x)
    return where(bernoulli(key, 1 - rate, x.shape), x / (1 - rate), 0)
