"""cbrt and hypot.

Owns them. Imports `number`. Invariant: within 2 ULP, exact for cubes; no intermediate result
overflows or underflows where the result does not.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from graphc.codegen.values import Value
from graphc.codegen.vector_math.number import Number, polynomial, power_of_two, square_root
from graphc.ir.types import float32, float64

if TYPE_CHECKING:
    from graphc.codegen.scalars import VectorScalars

# u**(-1/3) on [1, 2], relative errors 2**-11.9 and 2**-17.4.
_INVERSE_ROOT = {
    float32: (1.541888, -0.8099623, 0.31775838, -0.049937166),
    float64: (
        1.7810588009072308,
        -1.566032540683195,
        1.2437907131816743,
        -0.5978762086239219,
        0.15607265753684757,
        -0.017019170635107224,
    ),
}

# Subnormal arguments are multiplied by 2 to this power, a multiple of 3.
_SHIFT = {float32: 24, float64: 54}


def cbrt(b: VectorScalars, value: Value) -> Value:
    """The real cube root, odd.

    With |x| = 8**q * m and m in [1, 8), m**(-1/3) is found by a polynomial and one step of
    Halley's method; the last step corrects m**(1/3) by its own residual, exactly computed.
    """
    x = Number(b, value)
    fmt, shift = x.format, _SHIFT[x.dtype]
    magnitude = abs(x)
    subnormal = magnitude < fmt.least_normal
    bits = subnormal.choose(magnitude * 2.0**shift, magnitude).bits
    # The bias is made a multiple of 3; then a third of the exponent is taken.
    exponent = (bits >> fmt.mantissa) + (-fmt.bias) % 3
    third = (exponent * 21846) >> 16
    rest = exponent - third * 3
    fraction = (bits & ((1 << fmt.mantissa) - 1)) + fmt.one_bits
    m = (fraction + (rest << fmt.mantissa)).as_float(x.dtype)

    inverse = polynomial(fraction.as_float(x.dtype), _INVERSE_ROOT[x.dtype])
    scale = rest.equals(1).choose(x.of(2.0 ** (-1 / 3)), 2.0 ** (-2 / 3))
    inverse = inverse * rest.equals(0).choose(x.of(1.0), scale)
    error = (m * inverse).times_plus(-(inverse * inverse), 1.0)
    inverse = inverse.times_plus(error * error.times_plus(2 / 9, 1 / 3), inverse)

    square = inverse * inverse
    root = m * square
    high = root * root
    low = root.times_plus(root, -high)
    residual = low.times_plus(-root, high.times_plus(-root, m))
    root = residual.times_plus(square * (1 / 3), root)
    q = third - ((fmt.bias + 2) // 3) - subnormal.choose(third.of(shift // 3), 0)
    regular = (magnitude > 0.0) & (magnitude < inf)
    return regular.choose((root * power_of_two(q, x.dtype)).with_sign_of(x), x).value


def hypot(b: VectorScalars, first: Value, second: Value) -> Value:
    """sqrt(x**2 + y**2); infinite if either is, even beside NaN.

    Both are scaled by the power of 2 that brings the larger into [2, 4).
    """
    x, y = abs(Number(b, first)), abs(Number(b, second))
    fmt = x.format
    swapped = x < y
    larger, smaller = swapped.choose(y, x), swapped.choose(x, y)
    exponent = larger.bits >> fmt.mantissa
    exponent = (exponent < 1).choose(exponent.of(1), exponent)
    scale = ((2 * fmt.bias + 1 - exponent) << fmt.mantissa).as_float(x.dtype)
    larger, smaller = larger * scale, smaller * scale
    root = square_root(larger.times_plus(larger, smaller * smaller))
    # 2 to the exponent itself would be out of range where it is largest.
    result = (root * 0.5) * (exponent << fmt.mantissa).as_float(x.dtype)
    infinite = x.equals(inf) | y.equals(inf)
    return infinite.choose(x.of(inf), result).value
