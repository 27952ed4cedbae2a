"""A program of NumPy functions that is grown at random.

Owns `Program`: leaves, and steps that are functions of values made before them. It is grown on
arrays and can then be run on tensors, which NumPy hands to graphc. Invariant: every value is
finite and small.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Test = Callable[[Array], bool]

LARGEST_SIZE = 6000
LARGEST_VALUE = 30.0


@dataclass(frozen=True)
class Leaf:
    """What a program begins with: a value of one of the kinds input, param and const."""

    kind: str
    value: Array


@dataclass(frozen=True)
class Step:
    """A function of earlier values, by their positions."""

    name: str
    function: Callable[..., Any]
    operands: tuple[int, ...]


@dataclass
class Program:
    """Leaves, steps, and the values of both when run on the leaves' arrays."""

    rng: np.random.Generator
    dtype: type[np.floating[Any]]
    leaves: list[Leaf] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    values: list[Array] = field(default_factory=list)

    def run(self, leaves: Sequence[Any]) -> list[Any]:
        """The values of leaves and steps, of what is given for the leaves: arrays or tensors."""
        values = list(leaves)
        for step in self.steps:
            values.append(step.function(*(values[i] for i in step.operands)))
        return values

    def add_leaf(self, kind: str, shape: tuple[int, ...], dtype: Any = None) -> None:
        wanted = np.dtype(dtype or self.dtype)
        low = 0 if wanted.kind in "bu" else -2
        value = self.rng.uniform(low, 2, shape)
        array = np.asarray(value if wanted.kind == "f" else np.floor(value)).astype(wanted)
        self.leaves.append(Leaf(kind, array))
        self.values.append(array)

    def add_step(self, name: str, function: Callable[..., Any], *operands: int) -> None:
        """Add a step if its value is small and finite, made so by `tanh` if it must be."""
        with np.errstate(all="ignore"):
            value = np.asarray(function(*(self.values[i] for i in operands)))
            if value.dtype.kind == "f" and np.abs(value).max(initial=0) > LARGEST_VALUE:
                inner = function

                def function(*given: Any) -> Any:
                    return np.tanh(inner(*given) / 16)

                value = np.asarray(function(*(self.values[i] for i in operands)))
        largest = LARGEST_VALUE if value.dtype.itemsize < 8 else 2.0**30
        is_small = np.abs(value.astype(np.float64)).max(initial=0) <= largest
        if value.dtype != np.float16 and value.size <= LARGEST_SIZE and is_small:
            self.steps.append(Step(name, function, operands))
            self.values.append(value)

    def pick(self, test: Test = lambda value: True) -> int:
        """The position of a value that passes, rather a late one. Raises `LookupError` if none."""
        fitting = [i for i, value in enumerate(self.values) if test(value)]
        if not fitting:
            raise LookupError
        return int(self.rng.choice(fitting[-6:] if self.rng.random() < 0.5 else fitting))

    def pick_number(self, test: Test = lambda value: True) -> int:
        return self.pick(lambda value: value.dtype != bool and test(value))

    def pick_float(self, test: Test = lambda value: True) -> int:
        return self.pick(lambda value: value.dtype.kind == "f" and test(value))

    def pick_for(self, shape: tuple[int, ...]) -> int:
        """A number that broadcasts with a shape."""
        return self.pick_number(lambda value: broadcasts(value.shape, shape))

    def axis(self, rank: int) -> int:
        return int(self.rng.integers(-rank, rank))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)


def broadcasts(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    try:
        return math.prod(np.broadcast_shapes(left, right)) <= LARGEST_SIZE
    except ValueError:
        return False


def has_axes(value: Array) -> bool:
    return value.ndim > 0


def has_elements(value: Array) -> bool:
    return value.ndim > 0 and value.size > 0
