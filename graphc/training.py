"""Feeding a step: batches of a fixed size, in an order that a seed decides.

Owns `batches`. Imports NumPy only. Invariant: every batch has exactly the declared size and is
contiguous, as compiled steps need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Seed = int | Sequence[int] | None


@dataclass(frozen=True)
class Batches:
    """One pass over arrays of examples; what does not fill a batch is left out.

    Iterating again goes through the same order again.
    """

    arrays: tuple[Array, ...]
    size: int
    seed: Seed

    def __len__(self) -> int:
        return len(self.arrays[0]) // self.size

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        if self.seed is None:
            ordered = tuple(np.ascontiguousarray(array) for array in self.arrays)
        else:
            order = np.random.default_rng(self.seed).permutation(len(self.arrays[0]))
            ordered = tuple(array[order] for array in self.arrays)
        for start in range(0, len(self) * self.size, self.size):
            yield tuple(array[start : start + self.size] for array in ordered)


def batches(*arrays: Array, size: int, seed: Seed = None) -> Batches:
    """Batches of `size` examples, shuffled by `seed`; in the given order without one.

    All arrays have the examples on their first axis. Raises `ValueError` where their lengths
    differ or are too short for one batch.

    >>> [labels.tolist() for images, labels in batches(np.zeros((5, 2)), np.arange(5), size=2)]
    [[0, 1], [2, 3]]
    """
    lengths = {len(array) for array in arrays}
    if len(lengths) != 1:
        raise ValueError(f"batches needs arrays of one length, got {sorted(lengths) or 'none'}")
    if not 1 <= size <= min(lengths):
        raise ValueError(f"batches of {size} cannot be taken from {min(lengths)} examples")
    return Batches(tuple(arrays), size, seed)
