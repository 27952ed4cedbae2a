"""How the polynomials of the vector math were found.

Each is fitted by Remez' exchange (Remez 1934; Muller, Elementary Functions, 3rd ed., section 3.5):
the largest weighted error is made least. Then coefficients are rounded to the format, lowest power
first, and after each the others are refitted around it by linear programming, so that rounding
costs next to nothing. Needs mpmath. Prints, for each polynomial, its coefficients and the binary
logarithm of its error. From the top of the repository:

    python -m benchmarks.minimax [NAME ...]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from scipy.optimize import linprog
from tqdm import tqdm  # type: ignore[import-untyped]

Real = Any
"""A number of mpmath, which has no annotations."""

RealFunction = Callable[[Real], Real]

POINTS = 400
"""Errors are looked at on this many points, dense towards the ends."""

ROUNDS = 40


@dataclass(frozen=True)
class Fit:
    """Minimise `weight(x) * |p(variable(x)) - target(x)|` over `low <= x <= high`."""

    target: RealFunction
    weight: RealFunction
    low: float
    high: float
    count: int
    """Number of coefficients."""
    bits: int
    """Precision of the coefficients: 24 or 53."""
    center: float = 0.0
    """The polynomial is in x less this."""


def grid(fit: Fit) -> list[Real]:
    middle, radius = mp.mpf(fit.high + fit.low) / 2, mp.mpf(fit.high - fit.low) / 2
    points = [middle - radius * mp.cos(mp.pi * i / (POINTS - 1)) for i in range(POINTS)]
    # Where all errors have no weight an exchange would find nothing to level.
    return [x for x in points if fit.weight(x) > mp.mpf(10) ** -18]


def rounded(value: Real, bits: int) -> Real:
    return mp.mpf(float(np.float32(float(value))) if bits == 24 else float(value))


def errors(fit: Fit, points: list[Real], coefficients: list[Real]) -> list[Real]:
    highest_first = coefficients[::-1]
    return [
        fit.weight(x) * (mp.polyval(highest_first, x - mp.mpf(fit.center)) - fit.target(x))
        for x in points
    ]


def extremes(values: list[Real], wanted: int) -> list[int]:
    """Where runs of one sign are largest, thinned to the wanted number, or fewer if there are."""
    places: list[int] = []
    for i, value in enumerate(values):
        if places and (values[places[-1]] >= 0) == (value >= 0):
            places[-1] = max(places[-1], i, key=lambda place: abs(values[place]))
        else:
            places.append(i)
    while len(places) > wanted:
        places.pop(0 if abs(values[places[0]]) < abs(values[places[-1]]) else -1)
    return places


def remez(fit: Fit, points: list[Real]) -> tuple[list[Real], Real]:
    """Unrounded coefficients and the largest error."""
    size = fit.count + 1
    reference = [round(i * (len(points) - 1) / fit.count) for i in range(size)]
    for _ in range(ROUNDS):
        system, right = mp.matrix(size, size), mp.matrix(size, 1)
        for row, place in enumerate(reference):
            x = points[place]
            weight = fit.weight(x)
            for power in range(fit.count):
                system[row, power] = weight * (x - mp.mpf(fit.center)) ** power
            system[row, fit.count] = (-1) ** row
            right[row] = weight * fit.target(x)
        *coefficients, level = mp.lu_solve(system, right)
        values = errors(fit, points, coefficients)
        largest = max(map(abs, values))
        reference = extremes(values, size)
        if largest < abs(level) * mp.mpf("1.001"):
            return coefficients, largest
        if len(reference) < size:
            break
    raise SystemExit("the exchange does not converge")


def refit(fit: Fit, points: list[Real], coefficients: list[Real], fixed: int, unit: Real) -> None:
    """Change all coefficients but the first `fixed` so that the largest error is least."""
    basis = [
        [float(fit.weight(x) * (x - mp.mpf(fit.center)) ** power) for power in range(fit.count)]
        for x in points
    ]
    free = np.array(basis)[:, fixed:]
    scales = np.abs(free).max(axis=0)
    residuals = np.array([float(value / unit) for value in errors(fit, points, coefficients)])
    bound = -np.ones((len(points), 1))
    found = linprog(
        np.append(np.zeros(free.shape[1]), 1.0),
        A_ub=np.block([[free / scales, bound], [-free / scales, bound]]),
        b_ub=np.append(-residuals, residuals),
        bounds=[(None, None)] * free.shape[1] + [(0, None)],
    )
    if found.x is None:
        raise SystemExit(f"no better coefficients: {found.message}")
    for i, change in enumerate(found.x[:-1] / scales):
        coefficients[fixed + i] += unit * mp.mpf(float(change))


def solve(fit: Fit) -> tuple[list[Real], Real]:
    """Rounded coefficients, lowest power first, and the largest error."""
    points = grid(fit)
    coefficients, unit = remez(fit, points)
    for i in range(fit.count):
        coefficients[i] = rounded(coefficients[i], fit.bits)
        if i + 1 < fit.count:
            refit(fit, points, coefficients, i + 1, unit)
    return coefficients, max(map(abs, errors(fit, points, coefficients)))


def series(terms: Callable[[int], Real], x: Real) -> Real:
    """A power series near 0, where the closed form would cancel."""
    return mp.fsum(terms(n) * x**n for n in range(40))


def artanh_tail(z: Real, first: int) -> Real:
    """(artanh(s) / s - its terms before `first`) / z**first, for z = s**2."""
    return series(lambda n: mp.mpf(1) / (2 * (n + first) + 1), z)


def erf_ratio(square: Real) -> Real:
    """erf(x) / x for x**2."""
    x = mp.sqrt(square)
    return mp.erf(x) / x if x else 2 / mp.sqrt(mp.pi)


def exponential(bits: int, count: int, factor: int, pieces: int = 1) -> Fit:
    """expm1(factor * r) / factor = r + r**2 * p(r), relative to it, in the middle of so many pieces
    of an octave."""
    return Fit(
        target=lambda r: series(lambda n: mp.mpf(factor) ** (n + 1) / mp.factorial(n + 2), r),
        weight=lambda r: abs(r**2 * factor / mp.expm1(factor * r)) if r else mp.mpf(0),
        low=-0.3467 / (factor * pieces),
        high=0.3467 / (factor * pieces),
        count=count,
        bits=bits,
    )


def odd(function: RealFunction, cubic: Real, bits: int, count: int, limit: float) -> Fit:
    """function(x) = x + x**3 * p(x**2) for |x| <= limit, relative to it.

    `cubic` is the coefficient of x**3 in its series, the target at 0.
    """
    return Fit(
        target=lambda u: (function(mp.sqrt(u)) / mp.sqrt(u) - 1) / u if u else cubic,
        weight=lambda u: u * mp.sqrt(u) / function(mp.sqrt(u)) if u else mp.mpf(0),
        low=0,
        high=limit**2,
        count=count,
        bits=bits,
    )


def log_single(count: int, low: float = -0.292894, high: float = 0.414214) -> Fit:
    """log(1 + f) = f - f**2 / 2 + f**3 * p(f)."""
    return Fit(
        target=lambda f: (mp.log1p(f) - f + f**2 / 2) / f**3 if f else mp.mpf(1) / 3,
        weight=lambda f: abs(f**3 / mp.log1p(f)) if f else mp.mpf(0),
        low=low,
        high=high,
        count=count,
        bits=24,
    )


def log_by_lookup(bits: int, count: int, low: float, high: float) -> Fit:
    """log(1 + f) = f + f**2 * p(f), relative to it."""
    return Fit(
        target=lambda f: series(lambda n: mp.mpf((-1) ** (n + 1)) / (n + 2), f),
        weight=lambda f: abs(f**2 / mp.log1p(f)) if f else mp.mpf(0),
        low=low,
        high=high,
        count=count,
        bits=bits,
    )


def artanh(bits: int, count: int, first: int, scale: Real) -> Fit:
    """scale * artanh(s) / s from the power z**first on, relative to the whole; z = s**2."""
    return Fit(
        target=lambda z: scale * artanh_tail(z, first),
        weight=lambda z: z**first / scale,
        low=0,
        high=0.02948,
        count=count,
        bits=bits,
    )


def sine(bits: int, count: int, limit: float) -> Fit:
    """sin(r) = r + r**3 * p(r**2), relative to it."""
    return Fit(
        target=lambda u: series(lambda n: (-1) ** (n + 1) / mp.factorial(2 * n + 3), u),
        weight=lambda u: u * mp.sqrt(u) / mp.sin(mp.sqrt(u)) if u else mp.mpf(0),
        low=0,
        high=limit**2,
        count=count,
        bits=bits,
    )


def erf_near(bits: int, count: int, split: float) -> Fit:
    """erf(x) = x + x * p(x**2), relative to it."""
    return Fit(
        target=lambda u: erf_ratio(u) - 1,
        weight=lambda u: 1 / erf_ratio(u),
        low=0,
        high=split**2,
        count=count,
        bits=bits,
    )


def erf_far(bits: int, count: int, low: float, high: float, power: int, center: float) -> Fit:
    """erf(x) = 1 - p(x - center)**power, relative to it."""
    return Fit(
        target=lambda x: mp.root(mp.erfc(x), power),
        weight=lambda x: power * mp.root(mp.erfc(x), power) ** (power - 1) / mp.erf(x),
        low=low,
        high=high,
        count=count,
        bits=bits,
        center=center,
    )


def all_fits() -> dict[str, Fit]:
    """Every polynomial by its name in `codegen/vector_math`."""
    two_over_ln2 = 2 / mp.log(2)
    third = mp.mpf(1) / 3
    return {
        "exp f32": exponential(24, 5, 1),
        "exp f64": exponential(53, 10, 1),
        "exp by lookup f32": exponential(24, 2, 1, 16),
        "exp by lookup f64": exponential(53, 5, 1, 16),
        "tanh near f32": odd(mp.tanh, -third, 24, 5, 0.65),
        "tanh near f64": odd(mp.tanh, -third, 53, 11, 0.55),
        "tanh far f32": exponential(24, 5, 2),
        "tanh far f64": exponential(53, 11, 2),
        "log f32": log_single(8),
        "log by lookup f32": log_by_lookup(24, 3, -0.0157, 0.0313),
        "log by lookup f64": log_by_lookup(53, 9, -0.0313, 0.0626),
        "log f64": artanh(53, 7, 1, mp.mpf(2)),
        "pow by lookup f32": log_single(3, -0.0163, 0.0313),
        "pow f32": artanh(24, 4, 1, two_over_ln2),
        "pow f64": artanh(53, 8, 2, two_over_ln2),
        "sin f32": sine(24, 4, 1.6),
        "sin f64": sine(53, 8, 1.58),
        "tan f32": odd(mp.tan, third, 24, 7, 0.79),
        "tan f64": odd(mp.tan, third, 53, 14, 0.786),
        "asin f32": odd(mp.asin, third / 2, 24, 5, 0.5),
        "asin f64": odd(mp.asin, third / 2, 53, 12, 0.5),
        "atan f32": odd(mp.atan, -third, 24, 9, 1.01),
        "atan f64": odd(mp.atan, -third, 53, 20, 1.0),
        "erf near f32": erf_near(24, 7, 1.125),
        "erf near f64": erf_near(53, 15, 1.375),
        "erf far f32": erf_far(24, 7, 1.125, 3.95, 8, 0.0),
        "erf far f64": erf_far(53, 15, 1.375, 5.93, 16, 2.5),
    }


def print_fits(fits: dict[str, Fit], description: str | None) -> None:
    """Find and print the polynomials named on the command line, all of them if none is."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="'exp f32' and so on")
    arguments = parser.parse_args()
    mp.mp.prec = 200
    for name in tqdm(arguments.names or fits, leave=False, disable=None):
        fit = fits[name]
        coefficients, error = solve(fit)
        written = [
            str(np.float32(float(c))) if fit.bits == 24 else repr(float(c)) for c in coefficients
        ]
        exponent = float(mp.log(error, 2))
        tqdm.write(f"{name}: error 2**{exponent:.1f}\n    {', '.join(written)}", file=sys.stdout)


if __name__ == "__main__":
    print_fits(all_fits(), __doc__)
