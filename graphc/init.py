"""Initial values of parameters.

Owns the initializers. Imports NumPy only. Invariant: the seed is explicit, and the same seed gives
the same numbers in every run.

The bounds follow Glorot and Bengio, "Understanding the difficulty of training deep feedforward
neural networks" (2010), and He et al., "Delving deep into rectifiers" (2015). For a weight of
shape (..., inputs, outputs), leading axes multiply both counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike, NDArray

Seed = int | Sequence[int]
Weights = NDArray[np.floating]


def glorot_uniform(shape: Sequence[int], seed: Seed, dtype: DTypeLike = np.float32) -> Weights:
    """Uniform in +-sqrt(6 / (inputs + outputs)): for tanh, sigmoid and linear layers.

    >>> glorot_uniform((784, 10), seed=0).shape
    (784, 10)
    """
    inputs, outputs = _fans(shape)
    return _uniform(shape, math.sqrt(6 / max(inputs + outputs, 1)), seed, dtype)


def glorot_normal(shape: Sequence[int], seed: Seed, dtype: DTypeLike = np.float32) -> Weights:
    """Normal with variance 2 / (inputs + outputs)."""
    inputs, outputs = _fans(shape)
    return _normal(shape, math.sqrt(2 / max(inputs + outputs, 1)), seed, dtype)


def he_uniform(shape: Sequence[int], seed: Seed, dtype: DTypeLike = np.float32) -> Weights:
    """Uniform in +-sqrt(6 / inputs): for layers before a ReLU."""
    return _uniform(shape, math.sqrt(6 / max(_fans(shape)[0], 1)), seed, dtype)


def he_normal(shape: Sequence[int], seed: Seed, dtype: DTypeLike = np.float32) -> Weights:
    """Normal with variance 2 / inputs: for layers before a ReLU."""
    return _normal(shape, math.sqrt(2 / max(_fans(shape)[0], 1)), seed, dtype)


def zeros(shape: Sequence[int], seed: Seed = 0, dtype: DTypeLike = np.float32) -> Weights:
    """Zero everywhere; the seed is ignored."""
    return np.zeros(shape, dtype)


def ones(shape: Sequence[int], seed: Seed = 0, dtype: DTypeLike = np.float32) -> Weights:
    """One everywhere; the seed is ignored."""
    return np.ones(shape, dtype)


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    """How many inputs each output sums over, and how many outputs each input reaches."""
    sizes = tuple(shape)
    if len(sizes) < 2:
        return math.prod(sizes), math.prod(sizes)
    lead = math.prod(sizes[:-2])
    return lead * sizes[-2], lead * sizes[-1]


def _uniform(shape: Sequence[int], bound: float, seed: Seed, dtype: DTypeLike) -> Weights:
    values: Weights = np.random.default_rng(seed).uniform(-bound, bound, shape).astype(dtype)
    return values


def _normal(shape: Sequence[int], deviation: float, seed: Seed, dtype: DTypeLike) -> Weights:
    values: Weights = np.random.default_rng(seed).normal(0, deviation, shape).astype(dtype)
    return values
