"""The table of public functions, by graphc's name and by the NumPy function each stands for.

Owns `FUNCTIONS` and `BY_NUMPY`. Imports NumPy only, so that `Tensor` can call functions that are
themselves written with `Tensor`. Invariant: only the `public` decorator adds entries; nobody
lists names here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Every public tensor function under each of its names."""

BY_NUMPY: dict[Callable[..., Any], Callable[..., Any]] = {}
"""For a NumPy function the graphc function that does the same to symbolic tensors."""


def register(function: Callable[..., Any], names: tuple[str, ...], module: str = "") -> None:
    """Enter `function` under `names`; those that NumPy has too answer for NumPy's function.

    A function of a submodule, as `linalg`, answers for that of NumPy's submodule alone.
    """
    home = getattr(np, module) if module else np
    for name in names:
        if not module:
            FUNCTIONS[name] = function
        counterpart = getattr(home, name, None)
        if callable(counterpart) and not isinstance(counterpart, type):
            BY_NUMPY[counterpart] = function
