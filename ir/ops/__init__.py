"""The op records, one file per family.

Owns the list of families. Imports the family modules, each of which registers its records.
Invariant: importing this package fills `OPS`; to add an op is to add its record to a family.

>>> OPS["tanh"].doc
'Hyperbolic tangent.'
"""

from __future__ import annotations

from graphc.ir.ops import (
    contraction,
    elementwise,
    indexing,
    layout,
    reduction,
    selection,
    slicing,
    source,
    transcendental,
)
from graphc.ir.ops.registry import OPS

__all__ = [
    "OPS",
    "contraction",
    "elementwise",
    "indexing",
    "layout",
    "reduction",
    "selection",
    "slicing",
    "source",
    "transcendental",
]
