"""Numerical derivatives: differences of a function, extrapolated until they are accurate.

Owns `directional`. Imports NumPy only. Invariant: what is returned is the best of several step
sizes, element by element, with an estimate of its error; where the function is not finite the
error is infinite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEPS = (2.0**-7, 2.0**-10, 2.0**-14, 2.0**-18, 2.0**-24)
"""First steps that are tried, from the most accurate for a smooth function to those that stay on
one side of what is near. Powers of two, so that adding them rounds little."""

_ENOUGH = 1e-10
"""Relative error at which no smaller step is tried."""


def directional(along: Callable[[float], Array], size: float = 0.0) -> tuple[Array, Array]:
    """The derivative of `along(t)` at t = 0, and how far it may be off.

    The values of `along` are rounded as their own size has it, or `size` where that is larger.

    Central differences at h, h/2 and h/4, with the terms in h^2 and h^4 eliminated (Richardson's
    extrapolation; Press et al., Numerical Recipes, 3rd ed., section 5.7). The error is the last
    correction and the rounding of the differences.
    """
    best: Array | None = None
    error: Array | None = None
    for step in _STEPS:
        with np.errstate(all="ignore"):
            found, apart = _extrapolated(along, step, size)
        if best is None or error is None:
            best, error = found, apart
        else:
            better = apart < error
            best, error = np.where(better, found, best), np.where(better, apart, error)
        if np.all(error <= _ENOUGH * np.max(np.abs(best), initial=0.0)):
            break
    assert best is not None
    assert error is not None
    return best, error


def _extrapolated(along: Callable[[float], Array], step: float, size: Any) -> tuple[Array, Array]:
    rows: list[Any] = []
    for h in (step, step / 2, step / 4):
        ahead, behind = along(h), along(-h)
        rows.append((ahead - behind) / (2 * h))
        size = np.maximum(size, np.maximum(np.abs(ahead), np.abs(behind)))
    once = [(4 * rows[1] - rows[0]) / 3, (4 * rows[2] - rows[1]) / 3]
    twice = (16 * once[1] - once[0]) / 15
    rounding = 4 * np.finfo(np.float64).eps * size / step
    error = np.abs(twice - once[1]) + rounding
    finite = np.isfinite(twice) & np.isfinite(error)
    return np.where(finite, twice, 0.0), np.where(finite, error, np.inf)
