"""Elementary functions as straight-line vector code.

Owns exp, log, tanh and their like for both float formats and any number of lanes; each takes the
builder and values and returns a value. Imports the emitter. Invariants: at most 2 ULP from the
true value (pow 4) over all inputs, IEEE 754 special cases, no call of a C library on targets with
fused multiply-add, and the same bits for every number of lanes.

Polynomials are minimax fits on the intervals named beside them; `benchmarks/minimax.py` finds them
again. `benchmarks/accuracy.py` measures errors and speed.
"""

from __future__ import annotations

from graphc.codegen.vector_math.error_function import erf
from graphc.codegen.vector_math.exponential import exp, expm1, sigmoid, tanh
from graphc.codegen.vector_math.logarithm import log, log1p
from graphc.codegen.vector_math.power import pow
from graphc.codegen.vector_math.trigonometric import cos, sin

__all__ = ["cos", "erf", "exp", "expm1", "log", "log1p", "pow", "sigmoid", "sin", "tanh"]
