"""Linear algebra, by the names of `numpy.linalg`.

Owns nothing: it gathers functions. Invariant: a tensor is a stack of matrices in its last two
axes, or of vectors in its last one.
"""

from __future__ import annotations

from graphc.functions.matrices import (
    cross,
    diagonal,
    matmul,
    matrix_transpose,
    outer,
    tensordot,
    trace,
    vecdot,
)
from graphc.functions.norms import matrix_norm, norm, vector_norm
from graphc.functions.products import multi_dot

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
