"""Elementwise ops on the bits of integers, and on the sign and last place of floats.

Owns their records. Invariant: results are NumPy's to the bit; a shift by the width or more, or by
a negative count, shifts everything out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.ir.op import NO_GRADIENT, Op
from graphc.ir.ops.algebra import Expression, scalar
from graphc.ir.ops.combinators import Partial, elementwise
from graphc.ir.ops.samples import elementwise_samples
from graphc.ir.scalar import ScalarBuilder, Value
from graphc.ir.types import DTYPES_BY_NAME, FLOATS, INTEGERS, uint8

ANY = (-90.0, 90.0)
COUNTS = (-2.0, 9.0)


def _bitwise(name: str, doc: str, lower: Callable[[ScalarBuilder, Value, Value], Value]) -> Op:
    return elementwise(
        name,
        ("x", "y"),
        doc=doc,
        reference=getattr(np, name),
        partials=NO_GRADIENT,
        lower=lower,
        dtypes=INTEGERS,
        samples=elementwise_samples(INTEGERS, ANY, ANY),
        commutative=True,
        numpy=(name,),
    )


bitwise_and = _bitwise(
    "bitwise_and", "The bits that both integers have.", lambda b, x, y: b.bit_and(x, y)
)
bitwise_or = _bitwise(
    "bitwise_or", "The bits that either integer has.", lambda b, x, y: b.bit_or(x, y)
)
bitwise_xor = _bitwise(
    "bitwise_xor", "The bits that one of two integers has.", lambda b, x, y: b.bit_xor(x, y)
)


def _shift(name: str, doc: str, lower: Callable[[ScalarBuilder, Value, Value, Value], Value]) -> Op:
    """`lower(b, x, count, fits)` gets a count that is in range, and whether it was."""

    def lower_shift(b: ScalarBuilder, x: Value, y: Value) -> Value:
        dtype = b.dtype(x)
        zero = b.const(0, dtype)
        fits = b.compare("lt", y, b.const(dtype.bits, dtype))
        if dtype.kind == "int":
            fits = b.logical_and(fits, b.compare("ge", y, zero))
        return lower(b, x, b.select(fits, y, zero), fits)

    return elementwise(
        name,
        ("x", "y"),
        doc=doc,
        reference=getattr(np, name),
        partials=NO_GRADIENT,
        lower=lower_shift,
        dtypes=INTEGERS,
        samples=elementwise_samples(INTEGERS, ANY, COUNTS),
        numpy=(name, f"bitwise_{name}"),
    )


def _shift_left(b: ScalarBuilder, x: Value, count: Value, fits: Value) -> Value:
    return b.select(fits, b.shift_left(x, count), b.const(0, b.dtype(x)))


def _shift_right(b: ScalarBuilder, x: Value, count: Value, fits: Value) -> Value:
    dtype = b.dtype(x)
    zero = b.const(0, dtype)
    rest = zero
    if dtype.kind == "int":
        rest = b.select(b.compare("lt", x, zero), b.const(-1, dtype), zero)
    return b.select(fits, b.shift_right(x, count), rest)


left_shift = _shift(
    "left_shift",
    "The bits of x moved up by y places; 0 where y is negative or not below the width.",
    _shift_left,
)
right_shift = _shift(
    "right_shift",
    "The bits of x moved down by y places, copies of the sign moved in; where y is negative or not "
    "below the width, nothing but the sign is left.",
    _shift_right,
)

bitwise_count = elementwise(
    "bitwise_count",
    ("x",),
    doc="How many bits of the magnitude of x are set, as u8.",
    reference=np.bitwise_count,
    result=lambda dtype, attrs: uint8,
    partials=NO_GRADIENT,
    lower=lambda b, x: b.cast(b.count_ones(b.abs(x)), uint8),
    dtypes=INTEGERS,
    samples=elementwise_samples(INTEGERS, ANY),
    numpy=("bitwise_count",),
)


def _copysign_partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
    one = Expression(scalar(1, y.node.dtype))
    return [lambda g: x.ne(0).where(g * (x.sign() * one.copysign(y)), 0), None]


copysign = elementwise(
    "copysign",
    ("x", "y"),
    doc="The magnitude of x with the sign of y, which zeros and NaN have, too. The derivative by x "
    "is 0 where x is 0; that by y is 0 everywhere.",
    reference=np.copysign,
    partials=_copysign_partials,
    lower=lambda b, x, y: b.copysign(x, y),
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, (0.5, 4.0), (-4.0, 4.0)),
    numpy=("copysign",),
)


def _lower_nextafter(b: ScalarBuilder, x: Value, y: Value) -> Value:
    """On the bits as integers that are ordered as the floats are."""
    dtype = b.dtype(x)
    whole = DTYPES_BY_NAME[f"i{dtype.bits}"]
    zero, one = b.const(0, whole), b.const(1, whole)
    lowest, highest = -(1 << (dtype.bits - 1)), (1 << (dtype.bits - 1)) - 1
    infinite = b.const(((1 << (dtype.bits - dtype.digits)) - 1) << (dtype.digits - 1), whole)
    nan = b.const(highest, whole)

    def ordered(value: Value) -> tuple[Value, Value, Value]:
        bits = b.bits(value, whole)
        negative = b.compare("lt", bits, zero)
        magnitude = b.bit_and(bits, b.const(highest, whole))
        number = b.select(negative, b.neg(magnitude), magnitude)
        return number, negative, b.compare("gt", magnitude, infinite)

    (here, negative, x_nan), (there, _, y_nan) = ordered(x), ordered(y)
    up, down = b.compare("gt", there, here), b.compare("lt", there, here)
    moved = b.select(up, b.add(here, one), b.select(down, b.sub(here, one), here))
    # At zero the sign is that of x.
    at_zero = b.logical_and(b.compare("eq", moved, zero), negative)
    below = b.logical_or(b.compare("lt", moved, zero), at_zero)
    magnitude = b.select(b.compare("lt", moved, zero), b.neg(moved), moved)
    bits = b.select(below, b.bit_or(magnitude, b.const(lowest, whole)), magnitude)
    bits = b.select(b.compare("eq", here, there), b.bits(y, whole), bits)
    return b.bits(b.select(b.logical_or(x_nan, y_nan), nan, bits), dtype)


nextafter = elementwise(
    "nextafter",
    ("x", "y"),
    doc="The float next to x in the direction of y; y where they are equal. The derivative by x is "
    "1, by y 0.",
    reference=np.nextafter,
    partials=lambda z, x, y: [1, None],
    lower=_lower_nextafter,
    stored=True,
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, (-4.0, 4.0), (-4.0, 4.0)),
    numpy=("nextafter",),
)
