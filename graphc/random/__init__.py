"""Random numbers from keys: the same key gives the same numbers, wherever it is used.

Owns nothing: it gathers the modules. Invariant: a number depends on its key, its place and the
function that draws it, and on nothing else: not on the shape, on fusion or on threads.
"""

from __future__ import annotations

from graphc.random.choosing import categorical, choice, permutation
from graphc.random.continuous import (
    exponential,
    gumbel,
    laplace,
    normal,
    truncated_normal,
    uniform,
)
from graphc.random.discrete import bernoulli, randint
from graphc.random.keys import bits, fold_in, key, split

shuffle = permutation

__all__ = [
    "bernoulli",
    "bits",
    "categorical",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "laplace",
    "normal",
    "permutation",
    "randint",
    "shuffle",
    "split",
    "truncated_normal",
    "uniform",
]
