"""Functions from outside that a graph calls: the user's own, native or in Python.

Owns `ForeignFunction` and where they are found by name. Imports NumPy and `ir.types`. Invariant: a
function lives as long as a graph or an executable that calls it, and its name means it alone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from graphc.ir.types import TensorType

Array = np.ndarray[Any, Any]
Types = tuple[TensorType, ...]


@dataclass(frozen=True, eq=False)
class ForeignFunction:
    """A function of arrays with fixed types, and where in memory compiled code finds it.

    The code at `address` takes the addresses of its operands, then those of its results, all of
    them contiguous; what it returns is a status, if it `gives_status`: 0, or anything else to end
    the step. `evaluate(*operands)` gives the results as arrays. `for_batch(size)` is the same
    function for so many examples at once, of operands that all have a batch axis, if it can take
    them. `owner` is what must live as long as the address is called.
    """

    name: str
    operands: Types
    results: Types
    address: int
    gives_status: bool
    evaluate: Callable[..., Sequence[Array]]
    owner: object = None
    for_batch: Callable[[int], ForeignFunction] | None = None

    @property
    def words(self) -> Array:
        """What compiled code gets: the address, and which bits of what is returned count."""
        return np.array([self.address, 0xFFFFFFFF if self.gives_status else 0], np.uint64)

    def __repr__(self) -> str:
        return f"<foreign function {self.name}>"


_lock = threading.Lock()
_known: WeakValueDictionary[str, ForeignFunction] = WeakValueDictionary()


def register(name: str, make: Callable[[str], ForeignFunction]) -> ForeignFunction:
    """The function that `make` gives for a name: `name` itself or, if that means another function,
    with a number behind it."""
    plain = re.sub(r"\W", "_", name.strip("<>")) or "function"
    with _lock:
        fresh, number = plain, 0
        while fresh in _known:
            number += 1
            fresh = f"{plain}_{number}"
        function = _known[fresh] = make(fresh)
    return function


def find(name: str) -> ForeignFunction | None:
    """The function of a name, if this process has one."""
    return _known.get(name)
