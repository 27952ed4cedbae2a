"""Elementary functions as straight-line vector code.

Owns exp, log, tanh and their like for both float formats and any number of lanes; each takes the
builder and values and returns a value. Imports the emitter. Invariants: at most 2 ULP from the
true value (pow and lgamma 4) over all inputs, IEEE 754 special cases, no call of a C library on
targets with fused multiply-add, and the same bits for every number of lanes.

Polynomials are minimax fits on the intervals named beside them; `benchmarks/minimax.py` and
`benchmarks/special_fits.py` find them again, `benchmarks/lookup_tables.py` the tables of the code
for AVX-512, which looks numbers up in registers. `benchmarks/accuracy.py` measures errors and
speed.
"""

from __future__ import annotations

from graphc.codegen.vector_math.bases import exp2, log2, log10
from graphc.codegen.vector_math.complementary_error import erfc, erfinv
from graphc.codegen.vector_math.error_function import erf
from graphc.codegen.vector_math.exponential import exp, expm1, sigmoid, tanh
from graphc.codegen.vector_math.gamma import digamma, lgamma
from graphc.codegen.vector_math.hyperbolic import acosh, asinh, atanh, cosh, sinh
from graphc.codegen.vector_math.inverse_trigonometric import acos, asin, atan, atan2
from graphc.codegen.vector_math.logarithm import log, log1p
from graphc.codegen.vector_math.polygamma import polygamma
from graphc.codegen.vector_math.power import pow
from graphc.codegen.vector_math.roots import cbrt, hypot
from graphc.codegen.vector_math.trigonometric import cos, sin, tan

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cbrt",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expm1",
    "hypot",
    "lgamma",
    "log",
    "log1p",
    "log2",
    "log10",
    "polygamma",
    "pow",
    "sigmoid",
    "sin",
    "sinh",
    "tan",
    "tanh",
]
