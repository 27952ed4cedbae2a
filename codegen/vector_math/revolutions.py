"""How often pi fits into an angle of any size: x / pi modulo 2, to all digits that matter.

Owns that reduction and its table of the bits of 1 / pi. Imports `number`, pairs of floats and the
emitter. Invariant: what is left of an angle carries all digits of a pair, however large it is.

Method: Payne & Hanek, "Radian reduction for trigonometric functions", SIGNUM Newsletter 18, 1983.
"""

from __future__ import annotations

import math
from functools import cache

from graphc.codegen.emit import Module
from graphc.codegen.values import POINTER, Value, constant, literal
from graphc.codegen.vector_math.double_number import DoubleNumber, two_sum
from graphc.codegen.vector_math.number import Number, rounded
from graphc.ir.types import bool_, float64

_PI_LOW = 1.2246467991473532e-16

_CHUNK = 53
_TABLE_SCALE = 300
_CHUNKS_USED = 5
_TABLE_LENGTH = (1024 - _CHUNK) // _CHUNK + _CHUNKS_USED


def revolutions(x: Number) -> list[Number]:
    """Terms whose sum is x / pi modulo 2, for positive x.

    The table holds 1 / pi in chunks of 53 bits. Chunks whose product with x is a multiple of 2 are
    passed over; five from there leave an absolute error of 2**-159, and no double comes closer
    than 2**-62 to a multiple of pi (Muller et al., Elementary Functions, 3rd ed., section 11.3).
    """
    exponent = (x.bits >> x.format.mantissa) - x.format.bias
    beyond = exponent - _CHUNK
    # Division by 53 of a number below 1024.
    first = (beyond < 0).choose(beyond.of(0), (beyond * 1237) >> 16)
    reduced = x * 2.0**-_TABLE_SCALE
    terms: list[Number] = []
    for position in range(_CHUNKS_USED):
        chunk = _table_entry(first + position)
        product = reduced * chunk
        error = reduced.times_plus(chunk, -product)
        terms += [product, error]
    return [_modulo_2(term) for term in terms[:4]] + terms[4:-1]


def split(terms: list[Number]) -> tuple[Number, DoubleNumber]:
    """The nearest integer to a sum of terms, and what is left."""
    estimate = terms[0]
    for term in terms[1:]:
        estimate = estimate + term
    whole = rounded(estimate)
    high, low, *_ = _distilled([-whole, *terms])
    return whole, DoubleNumber(high, low)


def times_pi(x: DoubleNumber) -> DoubleNumber:
    """pi times a pair."""
    product = x.high * math.pi
    error = x.high.times_plus(math.pi, -product)
    return DoubleNumber(product, x.low.times_plus(math.pi, x.high.times_plus(_PI_LOW, error)))


def _modulo_2(x: Number) -> Number:
    return x - rounded(x * 0.5) * 2.0


def _distilled(terms: list[Number]) -> list[Number]:
    """The same exact sum, with the first terms carrying all of its leading digits.

    Repeated error-free vector transformation (Ogita, Rump & Oishi, "Accurate sum and dot product",
    SIAM J. Sci. Comput. 26, 2005).
    """
    for _ in range(3):
        for i in reversed(range(1, len(terms))):
            terms[i - 1], terms[i] = two_sum(terms[i - 1], terms[i])
    return terms


def _table_entry(position: Number) -> Number:
    """Entry of the table of 1 / pi, lane by lane."""
    b, lanes = position.b, position.value.lanes
    _define_table(b.function.module)
    base = Value(f"@{_TABLE}", POINTER)
    address = b.function.offset(base, float64, position.value)
    if lanes == 1:
        return Number(b, b.function.load(address, float64))
    every = constant(True, bool_, lanes)
    return Number(b, b.function.gather(address, float64, every))


_TABLE = "inverse_pi"


def _define_table(module: Module) -> None:
    entries = ", ".join(f"double {literal(chunk, float64)}" for chunk in _inverse_pi_chunks())
    definition = f"@{_TABLE} = internal constant [{_TABLE_LENGTH} x double] [{entries}]"
    module.define_global(definition)


@cache
def _inverse_pi_chunks() -> tuple[float, ...]:
    """1 / pi times 2**300 as a sum of doubles of 53 bits at fixed places."""
    places = _CHUNK * _TABLE_LENGTH
    inverse = (1 << (2 * places)) // _pi_integer(places)
    chunks = []
    for position in range(_TABLE_LENGTH):
        shift = places - _CHUNK * (position + 1)
        chunk = (inverse >> shift) & ((1 << _CHUNK) - 1)
        chunks.append(math.ldexp(chunk, _TABLE_SCALE - _CHUNK * (position + 1)))
    return tuple(chunks)


def _pi_integer(places: int) -> int:
    """pi * 2**places, by Machin's formula, 16 arctan(1/5) - 4 arctan(1/239)."""
    guard = 32
    one = 1 << (places + guard)
    return (16 * _arctan_inverse(5, one) - 4 * _arctan_inverse(239, one)) >> guard


def _arctan_inverse(argument: int, one: int) -> int:
    """arctan(1 / argument) * one, by its series."""
    power, divisor, total = one // argument, 1, 0
    while power:
        total += power // divisor
        power //= -argument * argument
        divisor += 2
    return total
