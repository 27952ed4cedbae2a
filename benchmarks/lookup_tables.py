"""How the tables of the vector math that looks up in registers were found.

`reciprocals` are near the inverses of the middles of pieces and have logarithms that are nearly
short numbers; functions are nearly representable at the centers of `pieces` (Gal & Bachelis, "An
accurate elementary mathematical library for the IEEE floating point standard", ACM TOMS 17(1),
1991). Needs mpmath. Prints each table by its name in `codegen/vector_math`. From the top of the
repository:

    python -m benchmarks.lookup_tables [NAME ...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial

import mpmath as mp
import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]

from benchmarks.minimax import Fit, Real, RealFunction, rounded, solve

CANDIDATES = 400
"""Neighbouring centers that are tried."""

SHORT_CANDIDATES = {24: 40, 53: 200}
"""Neighbouring logarithms that are tried, on each side, for formats of so many bits."""

FRACTION_BITS = {24: 16, 53: 41}
"""Of a short logarithm."""

OCTAVES, PIECES = 4, 8
"""Of |x| * scale + 1, and the pieces of each."""

Table = list[list[float]]


def reciprocals(base: Real, bits: int, choosing_bits: int) -> Table:
    """For each value of the first bits of a mantissa; 1 on both sides of 1."""
    count = 1 << choosing_bits
    middles = [1 + (i + 0.5) / count for i in range(1, count - 1)]
    inverses = [1 / middle if middle < 1.5 else 2 / middle for middle in middles]
    found = [_with_short_logarithm(inverse, base, bits) for inverse in inverses]
    return [[reciprocal] for reciprocal in (1.0, *found, 1.0)]


def _with_short_logarithm(near: float, base: Real, bits: int) -> float:
    unit = mp.mpf(2) ** -FRACTION_BITS[bits]
    nearest = mp.nint(mp.log(near, base) / unit)
    reach = range(-SHORT_CANDIDATES[bits], SHORT_CANDIDATES[bits] + 1)

    def error(change: int) -> Real:
        short = (nearest + change) * unit
        return abs(mp.log(rounded(base**short, bits), base) - short)

    return float(rounded(base ** ((nearest + min(reach, key=error)) * unit), bits))


def pieces(function: RealFunction, slope: RealFunction, saturation: float, count: int) -> Table:
    """Center, value there and `count` coefficients for each piece of an odd function, in the order
    of the bits that choose it."""
    scale = float(np.float32((2**OCTAVES - 1) / saturation * 0.999))
    rows = []
    for number in range(OCTAVES * PIECES):
        octave, part = divmod(number, PIECES)
        low, high = ((2.0**octave * (1 + (part + i) / PIECES) - 1) / scale for i in (0, 1))
        rows.append(_piece(function, slope, low, min(high, saturation), count))
    first = -127 * PIECES % len(rows)
    return rows[first:] + rows[:first]


def _piece(
    function: RealFunction, slope: RealFunction, low: float, high: float, count: int
) -> list[float]:
    center = _nearly_representable(function, (low + high) / 2) if low > 0 else 0.0
    value = rounded(function(mp.mpf(center)), 24)

    def target(x: Real) -> Real:
        if low <= 0:
            return function(x) / x - 1 if x else slope(x) - 1
        distance = x - mp.mpf(center)
        return (function(x) - value) / distance if distance else slope(x)

    fit = Fit(
        target=target,
        weight=lambda x: abs((x - mp.mpf(center)) / function(x)) if x else mp.mpf(1),
        low=low,
        high=high,
        count=count,
        bits=24,
        center=center,
    )
    coefficients, _ = solve(fit)
    return [center, float(value), *map(float, coefficients)]


def _nearly_representable(function: RealFunction, near: float) -> float:
    """Of the floats that follow `near` that at which a function is closest to a float."""

    def error(candidate: np.float32) -> Real:
        value = function(mp.mpf(float(candidate)))
        return abs(rounded(value, 24) - value)

    first = np.float32(near).view(np.int32)
    candidates = np.arange(first, first + CANDIDATES, dtype=np.int32).view(np.float32)
    return float(min(candidates, key=error))


def tables() -> dict[str, Callable[[], Table]]:
    bases: dict[str, Real] = {"log": mp.mpf(mp.e), "log2": mp.mpf(2), "log10": mp.mpf(10)}
    found: dict[str, Callable[[], Table]] = {
        "tanh": lambda: pieces(mp.tanh, lambda x: mp.sech(x) ** 2, 9.3, 4),
        "erf": lambda: pieces(mp.erf, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(-x * x), 3.95, 4),
    }
    for name, base in bases.items():
        found[f"{name} f32"] = partial(reciprocals, base, 24, 5)
        found[f"{name} f64"] = partial(reciprocals, base, 53, 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(tables()))
    arguments = parser.parse_args()
    mp.mp.prec = 200
    for name in tqdm(arguments.names or tables(), leave=False, disable=None):
        tqdm.write(f"{name}:", file=sys.stdout)
        for row in tables()[name]():
            single = not name.endswith("f64")
            written = [str(np.float32(x)) if single else repr(x) for x in row]
            tqdm.write(f"    {', '.join(written)}", file=sys.stdout)


if __name__ == "__main__":
    main()
