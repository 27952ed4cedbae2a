"""What rounding may do to a value, measured by computing it again with every operation disturbed.

Owns `disturbed` and `assert_close`. Invariant: a comparison is as strict as the program is well
conditioned; nothing here knows a tolerance of an op.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.ir.graph import Node, topological
from graphc.ir.interpreter import apply
from graphc.ir.op import Array, Family
from graphc.ir.rounding import rounded
from graphc.ir.types import DType, TupleType

ROUNDED = (Family.ELEMENTWISE, Family.REDUCTION, Family.CONTRACTION, Family.ROUTINE)
"""Families whose floats are off by a few roundings."""

SPREADING = (Family.REDUCTION, Family.CONTRACTION, Family.ROUTINE)
"""Families that add up elements: an error is one of the terms, which may cancel."""

LEFT = 0.01
"""How much of the largest element noise must be for nothing to be left of the value."""

TIMES_NOISE, TIMES_VALUE, TIMES_LARGEST = 60, 40, 8
"""How far values may be apart: in units of the disturbance, and in last places of the value and
of the largest element."""


def disturbed(
    roots: Sequence[Node], given: Mapping[Node, Array], rng: np.random.Generator
) -> list[Array]:
    """The values of `roots` where every result is off by a few roundings."""
    found: dict[Node, Any] = dict(given)
    for node in topological(roots, given):
        if node in found:
            continue
        operands = [found[operand] for operand in node.operands]
        types = node.type.results if isinstance(node.type, TupleType) else [node.type]
        inexact = any(type_.dtype.is_float for type_ in types) and node.op.ulp > 0
        if inexact and node.op.family in SPREADING:
            operands = [
                moved(value, operand.dtype, rng, as_a_whole=node.op.normwise)
                for value, operand in zip(operands, node.operands, strict=True)
            ]
        value: Any = apply(node, operands)
        if node.op.family in ROUNDED:
            value = (
                tuple(
                    moved(part, type_.dtype, rng) for part, type_ in zip(value, types, strict=True)
                )
                if isinstance(node.type, TupleType)
                else moved(value, node.dtype, rng)
            )
        found[node] = value
    return [found[root] for root in roots]


def moved(
    value: Array, dtype: DType, rng: np.random.Generator, *, as_a_whole: bool = False
) -> Array:
    """Floats off by two last places, up or down; anything else as it is.

    With `as_a_whole` they are last places of the largest element, as an algorithm on matrices
    leaves them: what is not determined by a singular matrix is seen to vary.
    """
    if not dtype.is_float:
        return value
    wide = value.astype(np.float64)
    with np.errstate(all="ignore"):
        step = rng.choice([-2.0, 2.0], value.shape) * precision(dtype)
        largest = np.max(np.abs(wide), initial=0, where=np.isfinite(wide)) or 1.0
        wide = wide + step * (largest if as_a_whole else wide)
        # Nobody promises the sign of a NaN.
        return np.asarray(rounded(np.where(np.isnan(wide), np.copysign(wide, step), wide), dtype))


def precision(dtype: DType) -> float:
    return float(2.0 ** (1 - dtype.digits))


def assert_close(
    got: Any, wanted: Array, samples: Sequence[Array], label: str, *, exceptional: bool = False
) -> None:
    """Equal but for what disturbances do to the value.

    With `exceptional` a NaN or an infinity must come out as such; without it, a rewritten program
    may give anything there, for it may be right where the declared one overflows.
    """
    got = np.asarray(got)
    assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape), label
    dtype = DType.of(wanted.dtype)
    if not dtype.is_float:
        unstable = np.any([sample != wanted for sample in samples], axis=0)
        close = (got == wanted) | unstable
    else:
        close = _close(*_wide(got, wanted, *samples), precision(dtype), dtype.smallest_normal)
        if not exceptional:
            close |= ~np.isfinite(wanted.astype(np.float64))
    assert close.all(), f"{label}: {got[~close][:4]} for {wanted[~close][:4]}"


def _wide(*arrays: Array) -> tuple[Array, ...]:
    return tuple(array.astype(np.float64) for array in arrays)


def _close(got: Array, wanted: Array, *rest: Any) -> Array:
    *samples, unit, smallest = rest
    stacked = np.array([wanted, *samples])
    with np.errstate(all="ignore"):
        noise = np.max(np.abs(stacked - wanted), axis=0)
        magnitude = np.max(np.abs(wanted), initial=0, where=np.isfinite(wanted))
        tolerance = TIMES_NOISE * noise + unit * (
            TIMES_VALUE * np.abs(wanted) + TIMES_LARGEST * magnitude
        )
        close = np.abs(got - wanted) <= tolerance + smallest
    finite = np.isfinite(stacked)
    unstable = finite.any(axis=0) != finite.all(axis=0)
    # Where no digit is left, as beside a pole, the value may as well be at the pole.
    nothing_left = (noise > LEFT * magnitude) | (noise > np.abs(wanted))
    unstable |= ~np.isfinite(got) & nothing_left
    return np.asarray(close | (got == wanted) | (np.isnan(got) & np.isnan(wanted)) | unstable)
