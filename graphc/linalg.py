"""Linear algebra, by the names of `numpy.linalg`.

Owns nothing: it gathers functions. Invariant: a tensor is a stack of matrices in its last two
axes, or of vectors in its last one.
"""

from __future__ import annotations

from graphc.functions.decompositions import cholesky, eigh, eigvalsh, qr, svd, svdvals
from graphc.functions.least_squares import cond, lstsq, matrix_rank, pinv
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
from graphc.functions.systems import det, inv, matrix_power, slogdet, solve, solve_triangular

__all__ = [
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]
