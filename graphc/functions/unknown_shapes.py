"""Functions of NumPy whose results have a shape that depends on the data, which are refused.

Owns them. Imports `ir.diagnostics`. Invariant: each says what to use in its place.
"""

from __future__ import annotations

from typing import NoReturn

from graphc.ir.diagnostics import ShapeError
from graphc.public import public


@public
def nonzero(a: object) -> NoReturn:
    """Refused: how many elements are not zero is not known while the graph is declared."""
    raise _unknown("nonzero")


@public
def flatnonzero(a: object) -> NoReturn:
    """Refused; see `nonzero`."""
    raise _unknown("flatnonzero")


@public
def argwhere(a: object) -> NoReturn:
    """Refused; see `nonzero`."""
    raise _unknown("argwhere")


@public
def compress(condition: object, a: object, axis: int | None = None) -> NoReturn:
    """Refused: how many elements are chosen is not known while the graph is declared."""
    raise _unknown("compress")


@public
def extract(condition: object, arr: object) -> NoReturn:
    """Refused; see `compress`."""
    raise _unknown("extract")


@public
def unique(ar: object) -> NoReturn:
    """Refused: how many elements differ is not known while the graph is declared."""
    raise _unknown("unique")


def _unknown(name: str) -> ShapeError:
    return ShapeError(
        f"the result of {name} has a shape that depends on the data, and shapes are static",
        help="keep the shape and choose with gc.where(condition, x, y), order with gc.sort, or "
        "count with gc.count_nonzero or gc.bincount(x, length=...)",
    )
