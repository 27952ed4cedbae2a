"""The public functions on tensors, with NumPy's names and arguments.

Owns the order in which they enter the registry. Imports the topics. Invariant: a function written
by hand takes precedence over the one generated from an op record of the same name.

Every function takes arrays and numbers as well as tensors.
"""

from __future__ import annotations

from graphc.functions import (
    arithmetic,
    contraction,
    creation,
    elementwise,
    indexing,
    joining,
    layout,
    reductions,
)

elementwise.generate()
reductions.generate()

__all__ = [
    "arithmetic",
    "contraction",
    "creation",
    "elementwise",
    "indexing",
    "joining",
    "layout",
    "reductions",
]
