"""Data sets that come with graphc.

Owns loading and splitting. Imports NumPy only. Invariant: the same call returns the same arrays
in every run and on every machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Split(NamedTuple):
    """Examples to train on, and examples held out for testing."""

    train_images: Array
    train_labels: Array
    test_images: Array
    test_labels: Array


def digits() -> tuple[Array, Array]:
    """The 1797 handwritten digits of the UCI test set (source and licence: `DIGITS.txt`).

    Returns images as f32 in [0, 1], one row of 64 pixels each, and labels as i32.

    >>> images, labels = digits()
    >>> images.shape, labels.shape, labels[:10].tolist()
    ((1797, 64), (1797,), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    with np.load(Path(__file__).with_name("digits.npz")) as stored:
        images, labels = stored["images"], stored["labels"]
    pixels = images.reshape(len(images), 64).astype(np.float32) / np.float32(16)
    return pixels, labels.astype(np.int32)


def held_out(images: Array, labels: Array, fraction: float = 0.2, seed: int = 0) -> Split:
    """Set aside a fraction of the examples, chosen once by `seed`, for testing.

    >>> split = held_out(*digits())
    >>> len(split.train_images), len(split.test_images)
    (1438, 359)
    """
    order = np.random.default_rng(seed).permutation(len(images))
    test, train = np.split(order, [round(len(order) * fraction)])
    return Split(images[train], labels[train], images[test], labels[test])
