"""The public functions on tensors, with NumPy's names and arguments.

Owns the order in which they enter the registry. Imports the topics. Invariant: a function written
by hand takes precedence over the one generated from an op record of the same name.

Every function takes arrays and numbers as well as tensors.
"""

from __future__ import annotations

from graphc.functions import (
    arithmetic,
    bitwise,
    contraction,
    control,
    creation,
    cumulative,
    decompositions,
    differences,
    dynamic,
    einsum,
    elementwise,
    floats,
    indexing,
    joining,
    layout,
    least_squares,
    matrices,
    norms,
    ordering,
    padding,
    products,
    quantiles,
    rearranging,
    reductions,
    regions,
    rounding,
    segments,
    softmax,
    spaces,
    special,
    splitting,
    statistics,
    systems,
    triangles,
    unknown_shapes,
)

elementwise.generate()
reductions.generate()

__all__ = [
    "arithmetic",
    "bitwise",
    "contraction",
    "control",
    "creation",
    "cumulative",
    "decompositions",
    "differences",
    "dynamic",
    "einsum",
    "elementwise",
    "floats",
    "indexing",
    "joining",
    "layout",
    "least_squares",
    "matrices",
    "norms",
    "ordering",
    "padding",
    "products",
    "quantiles",
    "rearranging",
    "reductions",
    "regions",
    "rounding",
    "segments",
    "softmax",
    "spaces",
    "special",
    "splitting",
    "statistics",
    "systems",
    "triangles",
    "unknown_shapes",
]
