"""Elementwise ops: arithmetic, powers, roots, the larger and the smaller of two, signs.

Owns their records. Invariant: operands broadcast as in NumPy and have one dtype; a record here is
all graphc knows about its op.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.ir.op import Array
from graphc.ir.ops.algebra import Expression
from graphc.ir.ops.combinators import Partial, accurate, elementwise
from graphc.ir.ops.samples import elementwise_samples
from graphc.ir.scalar import ScalarBuilder, State, Value
from graphc.ir.types import ALL_DTYPES, FLOATS, NUMBERS, bool_

ANY = (-4.0, 4.0)
POSITIVE = (0.1, 5.0)
AWAY_FROM_ZERO = (0.5, 3.0)


def _on_bool(b: ScalarBuilder, x: Value) -> bool:
    return b.dtype(x) == bool_


add = elementwise(
    "add",
    ("x", "y"),
    doc="Sum. Integers wrap; of bools the logical or.",
    reference=np.add,
    partials=lambda z, x, y: [1, 1],
    lower=lambda b, x, y: b.logical_or(x, y) if _on_bool(b, x) else b.add(x, y),
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY, ANY),
    commutative=True,
    analytic=True,
    numpy=("add",),
)

sub = elementwise(
    "sub",
    ("x", "y"),
    doc="Difference. Integers wrap.",
    reference=np.subtract,
    partials=lambda z, x, y: [1, -1],
    lower=lambda b, x, y: b.sub(x, y),
    dtypes=NUMBERS,
    samples=elementwise_samples(NUMBERS, ANY, ANY),
    analytic=True,
    numpy=("subtract",),
)

mul = elementwise(
    "mul",
    ("x", "y"),
    doc="Product. Integers wrap; of bools the logical and.",
    reference=np.multiply,
    partials=lambda z, x, y: [y, x],
    lower=lambda b, x, y: b.logical_and(x, y) if _on_bool(b, x) else b.mul(x, y),
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY, ANY),
    commutative=True,
    analytic=True,
    numpy=("multiply",),
)


def _div_partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
    reciprocal = 1 / y
    return [reciprocal, -(z * reciprocal)]


div = elementwise(
    "div",
    ("x", "y"),
    doc="Quotient of floats, as IEEE 754 has it: x/0 is an infinity, 0/0 is NaN.",
    reference=np.divide,
    partials=_div_partials,
    lower=lambda b, x, y: b.div(x, y),
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, ANY, AWAY_FROM_ZERO),
    analytic=True,
    cost=4,
    numpy=("divide", "true_divide"),
)

neg = elementwise(
    "neg",
    ("x",),
    doc="The negative. Integers wrap.",
    reference=np.negative,
    partials=lambda y, x: [-1],
    lower=lambda b, x: b.neg(x),
    dtypes=NUMBERS,
    samples=elementwise_samples(NUMBERS, ANY),
    analytic=True,
    numpy=("negative",),
)


def _pow_partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
    positive = x.gt(0)
    # 0 to the power -1 must not be in reach of a further derivative, which would be 0 * inf.
    smallest = x.node.dtype.smallest_normal
    base = y.eq(0).where(x.abs().gt(smallest).where(x, 1), x)
    by_base = y * base.pow(y - 1)
    by_exponent = positive.where(positive.where(x, 1).log() * z, 0)
    return [by_base, by_exponent]


def _pow_reference(x: Array, y: Array) -> Array:
    """NumPy's power, and 0 where that refuses: of an integer to a negative power."""
    if x.dtype.kind not in "iu":
        return accurate(np.power)(x, y)
    return np.where(y < 0, x.dtype.type(0), np.power(x, np.where(y < 0, y.dtype.type(0), y)))


def _lower_pow(b: ScalarBuilder, x: Value, y: Value) -> Value:
    dtype = b.dtype(x)
    if dtype.is_float:
        return b.pow(x, y)
    zero, one = b.const(0, dtype), b.const(1, dtype)
    refused = b.compare("lt", y, zero)

    def square_and_multiply(result: Value, factor: Value, left: Value) -> State:
        is_odd = b.compare("ne", b.bit_and(left, one), zero)
        result = b.select(is_odd, b.mul(result, factor), result)
        return result, b.mul(factor, factor), b.shift_right(left, one)

    exponent = b.select(refused, zero, y)
    result, _, _ = b.iterate(
        lambda result, factor, left: b.compare("ne", left, zero),
        square_and_multiply,
        (b.select(refused, zero, one), x, exponent),
    )
    return result


pow = elementwise(
    "pow",
    ("x", "y"),
    doc="x to the power y. x**0 is 1 for every x, NaN too. Integers wrap; to a negative power they "
    "give 0. The derivative by x is 0 where y is 0; the derivative by y is 0 where x is 0 or "
    "negative.",
    reference=_pow_reference,
    partials=_pow_partials,
    lower=_lower_pow,
    dtypes=NUMBERS,
    samples=elementwise_samples(NUMBERS, POSITIVE, (-3, 3)),
    analytic=True,
    cost=30,
    ulp=4,
    numpy=("power", "pow"),
)


def _extremum_partials(wins: str) -> Any:
    """The adjoint goes to the operand that wins, half to each at a tie."""

    def partials(z: Expression, x: Expression, y: Expression) -> Sequence[Partial]:
        def share(mine: Expression, other: Expression) -> Partial:
            chosen, tie = getattr(mine, wins)(other), mine.eq(other)
            return lambda g: chosen.where(tie.where(0.5 * g, g), 0)

        return [share(x, y), share(y, x)]

    return partials


maximum = elementwise(
    "maximum",
    ("x", "y"),
    doc="The larger of two; NaN if either is. At a tie each operand gets half of the derivative.",
    reference=np.maximum,
    partials=_extremum_partials("ge"),
    lower=lambda b, x, y: b.logical_or(x, y) if _on_bool(b, x) else b.maximum(x, y),
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY, ANY),
    commutative=True,
    numpy=("maximum",),
)

minimum = elementwise(
    "minimum",
    ("x", "y"),
    doc="The smaller of two; NaN if either is. At a tie each operand gets half of the derivative.",
    reference=np.minimum,
    partials=_extremum_partials("le"),
    lower=lambda b, x, y: b.logical_and(x, y) if _on_bool(b, x) else b.minimum(x, y),
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY, ANY),
    commutative=True,
    numpy=("minimum",),
)

abs = elementwise(
    "abs",
    ("x",),
    doc="The magnitude. Its derivative at 0 is 0. The smallest integer is its own magnitude.",
    reference=np.absolute,
    partials=lambda y, x: [lambda g: x.ne(0).where(g * x.sign(), 0)],
    lower=lambda b, x: b.abs(x) if b.dtype(x).kind in ("int", "float") else x,
    dtypes=ALL_DTYPES,
    samples=elementwise_samples(ALL_DTYPES, ANY),
    numpy=("absolute", "abs"),
)


def _lower_sign(b: ScalarBuilder, x: Value) -> Value:
    dtype = b.dtype(x)
    zero = b.const(0, dtype)
    one = b.const(1, dtype)
    if dtype.kind == "uint":
        return b.select(b.compare("eq", x, zero), zero, one)
    below = b.select(b.compare("lt", x, zero), b.const(-1, dtype), x)
    signed = b.select(b.compare("gt", x, zero), one, below)
    return b.select(b.compare("eq", x, zero), zero, signed)


sign = elementwise(
    "sign",
    ("x",),
    doc="-1, 0 or 1; NaN of NaN. Its derivative is 0 everywhere.",
    reference=np.sign,
    partials=lambda y, x: [None],
    lower=_lower_sign,
    dtypes=NUMBERS,
    samples=elementwise_samples(NUMBERS, ANY),
    numpy=("sign",),
)

square = elementwise(
    "square",
    ("x",),
    doc="x times itself.",
    reference=np.square,
    partials=lambda y, x: [2 * x],
    lower=lambda b, x: b.mul(x, x),
    dtypes=NUMBERS,
    samples=elementwise_samples(NUMBERS, ANY),
    analytic=True,
    numpy=("square",),
)

sqrt = elementwise(
    "sqrt",
    ("x",),
    doc="Square root; NaN of a negative number. Its derivative at 0 is infinite.",
    reference=np.sqrt,
    partials=lambda y, x: [0.5 / y],
    lower=lambda b, x: b.sqrt(x),
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, POSITIVE),
    analytic=True,
    cost=4,
    numpy=("sqrt",),
)

rsqrt = elementwise(
    "rsqrt",
    ("x",),
    doc="1 / sqrt(x). Its derivative at 0 is infinite.",
    reference=accurate(lambda x: 1 / np.sqrt(x)),
    partials=lambda y, x: [-0.5 * y / x],
    lower=lambda b, x: b.div(b.const(1, b.dtype(x)), b.sqrt(x)),
    dtypes=FLOATS,
    samples=elementwise_samples(FLOATS, POSITIVE),
    analytic=True,
    cost=8,
    ulp=2,
)
