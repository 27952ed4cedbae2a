"""A multiply-add of one rounding, for processors without an instruction for it.

Owns `multiply_add`. Imports the arithmetic of vector math. Invariant: the error of a product comes
out exact, for range reductions and pairs of floats are built on it; no library is called.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.double_number import two_sum
from graphc.codegen.vector_math.number import Number
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

_SPLITTER = 2.0**27 + 1
_LARGEST_SPLIT = 2.0**996
"""Beyond it, the product with the splitter would overflow."""


def multiply_add(b: VectorScalars, x: Value, y: Value, z: Value) -> Value:
    """x * y + z, of operands that are aligned. In f32 by f64, which holds the product exactly; in
    f64 by a function, for it takes 40 instructions, and polynomials take many."""
    if x.dtype is float32:
        left, right, term = (Number(b, value).cast(float64) for value in (x, y, z))
        return (left * right + term).cast(float32).value
    caller, lanes = b.function, x.lanes
    operations, key = caller.module.operations, ("multiply_add", lanes)
    if key not in operations:
        symbol = f"multiply_add.{len(operations)}"
        own = [Value(f"%x{i}", float64, lanes) for i in range(3)]
        function = caller.module.function(symbol, own, f"internal fastcc {x.type}")
        result = _in_doubles(*(Number(type(b)(function), value) for value in own))
        function.raw(f"ret {result.typed}")
        operations[key] = symbol, x
    symbol, _ = operations[key]
    right_side = f"call fastcc {x.type} @{symbol}({x.typed}, {y.typed}, {z.typed})"
    return caller.pure(right_side, float64, lanes, x, y, z)


def _in_doubles(left: Number, right: Number, term: Number) -> Value:
    """By Dekker's product, "A floating-point technique for extending the available precision"
    (1971), section 5."""
    product = left * right
    error = _product_error(left, right, product)
    total, rest = two_sum(product, term)
    correction = rest + error
    # Adding a zero could change the sign of a zero. Infinities, NaN and factors too large to be
    # split leave no correction.
    splits = (abs(left) <= _LARGEST_SPLIT) & (abs(right) <= _LARGEST_SPLIT)
    corrected = splits & (abs(total) <= _LARGEST_SPLIT) & correction.differs(0)
    result = corrected.choose(total + correction, total)
    # A product that overflows is finite beside an infinite term.
    unbounded = abs(term).equals(inf)
    return unbounded.choose(left * 0 + right * 0 + term, result).value


def _product_error(x: Number, y: Number, product: Number) -> Number:
    """x * y - product, exactly."""
    (x_high, x_low), (y_high, y_low) = _halves(x), _halves(y)
    rest = x_high * y_high - product
    return ((rest + x_high * y_low) + x_low * y_high) + x_low * y_low


def _halves(x: Number) -> tuple[Number, Number]:
    """x as a sum of two numbers of at most 26 bits each (Veltkamp)."""
    scaled = x * _SPLITTER
    high = scaled - (scaled - x)
    return high, x - high
