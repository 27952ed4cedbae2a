"""The exponential by a table of sixteen powers, on processors that look up in a register.

Owns the table and the reduction x = (k / 16) ln 2 + r. Imports `number` and `avx512`. Invariant:
2**(k / 16) * e**r is within 1.1 ulp; results may be subnormal.

Method: Tang, "Table-driven implementation of the exponential function in IEEE floating-point
arithmetic", ACM TOMS 15(2), 1989.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import e, log2

from graphc.codegen.vector_math import avx512
from graphc.codegen.vector_math.number import Number, polynomial
from graphc.ir.types import float32, float64

PIECES = 16
"""Of an octave."""

_POWERS = tuple(2.0 ** (i / PIECES) for i in range(PIECES))


@dataclass(frozen=True)
class _Constants:
    ln2: tuple[float, float]
    """ln 2 rounded, and what that leaves; a multiple of the first is subtracted exactly."""
    tail: tuple[float, ...]
    """expm1(r) = r + r**2 * tail(r) for |r| <= ln 2 / 32."""


_CONSTANTS = {
    # Relative errors 2**-23.2 of an expm1 below 2**-5.
    float32: _Constants(
        ln2=(0.6931471824645996, -1.904654299957768e-09),
        tail=(0.50001466, 0.16666844),
    ),
    # Relative errors 2**-50.2.
    float64: _Constants(
        ln2=(0.6931471805599453, 2.3190468138462996e-17),
        tail=(
            0.4999999999999989,
            0.16666666664782329,
            0.041666666674856155,
            0.008333463043005295,
            0.001388886336082185,
        ),
    ),
}


def exponential(x: Number) -> Number:
    """e**x for an x of at most some thousands."""
    return exponential_of_sum(x, None)


def exponential_of_sum(x: Number, rest: Number | None) -> Number:
    """e**(x + rest) for a small rest and an x of at most some thousands.

    In x = (k / 16) ln 2 + r, k / 16 is at hand as a float, and as a number that ends in the bits
    of k.
    """
    constants = _CONSTANTS[x.dtype]
    high, low = constants.ln2
    rounder = x.format.rounder / PIECES
    shifted = x.times_plus(log2(e), rounder)
    k = shifted - rounder
    r = k.times_plus(-low, k.times_plus(-high, x))
    if rest is not None:
        r = r + rest
    square = r * r
    fraction = square.times_plus(polynomial(r, constants.tail, square), r)
    power = avx512.lookup(shifted.bits, _POWERS, x.dtype)
    return avx512.scaled(fraction.times_plus(power, power), k)
