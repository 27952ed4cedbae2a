"""What is measured: cases with their data, programs and targets.

Owns those records. Imports NumPy only. Invariant: a case says everything about itself; sizes are
numbers with names, so that each can be changed from the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from graphc.bench.target import Target

Array = NDArray[Any]
Arrays = dict[str, Array]
Sizes = Mapping[str, int]


@dataclass(frozen=True)
class Data:
    """The same arrays for every framework: `params` are differentiated by, or updated."""

    params: Arrays
    inputs: Arrays


@dataclass(frozen=True)
class Program:
    """A compiled program of some framework.

    `call` runs it once and returns when its results are there. `read` takes what a call returned
    and gives what it computed as arrays, by name; parameters are read where they are kept.
    `workspace` is the memory in bytes that a call needs beside its arguments and results, where
    the framework tells; `step` is graphc's.
    """

    call: Callable[[], Any]
    read: Callable[[Any], Arrays]
    workspace: Callable[[], int | None] = lambda: None
    step: Any = None


@dataclass(frozen=True)
class Work:
    """What a call has to do at least: operations on floats, or bytes of memory to move."""

    operations: float = 0
    bytes: float = 0
    kind: Literal["peak", "peak of f64", "read bandwidth", "bandwidth"] = "peak"

    @property
    def amount(self) -> float:
        return self.operations or self.bytes


Build = Callable[[Any, Data], Program]
"""How a program is made: of the framework's module and the data."""


@dataclass(frozen=True)
class Case:
    """One measurement.

    `data(sizes, generator)` makes the arrays and `builds` has a `Build` for each framework.
    `measure` is what is timed: a call; making the program and its first call, in a fresh
    process; or that at full size beside ten times that at a tenth of the size named by `scaled`.
    `elements` counts what a time is divided by, `tolerance` bounds the differences between
    frameworks, relative to the largest number of an array.
    """

    name: str
    sizes: Sizes
    data: Callable[[Sizes, np.random.Generator], Data]
    builds: Mapping[str, Build]
    targets: tuple[Target, ...] = ()
    threads: int = 2
    work: Callable[[Sizes], Work] | None = None
    elements: Callable[[Sizes], int] | None = None
    measure: Literal["call", "first call", "cached first call", "scaling"] = "call"
    scaled: str = ""
    tolerance: float = 2e-3

    def arrays(self) -> Data:
        """The data, the same in every process."""
        return self.data(self.sizes, np.random.default_rng(0))

    def varied(self, scale: float, given: Sizes) -> Case:
        """The case with all sizes multiplied, then those given by name replaced."""
        scaled = {name: max(round(size * scale), 1) for name, size in self.sizes.items()}
        changed = {name: size for name, size in given.items() if name in scaled}
        return replace(self, sizes=scaled | changed)


@dataclass(frozen=True)
class Row:
    """Cases on one topic. Its name is that of its module in `rows/`."""

    title: str
    cases: tuple[Case, ...]
    note: str = field(default="")
