"""The op records, one file per family.

Owns the list of families. Imports the family modules, each of which registers its records.
Invariant: importing this package fills `OPS`; to add an op is to add its record to a family.

>>> OPS["tanh"].doc
'Hyperbolic tangent.'
"""

from __future__ import annotations

from graphc.ir.ops import (
    bits,
    branch,
    bundle,
    call,
    contraction,
    diagonal,
    division,
    eigh,
    elementwise,
    indexing,
    layout,
    linear_algebra,
    lu,
    pseudo_inverse,
    qr,
    random,
    recurrence,
    reduction,
    region,
    running,
    scan,
    scatter,
    searching,
    selection,
    slicing,
    sorting,
    source,
    special,
    svd,
    tensor_contraction,
    transcendental,
    trigonometric,
    whole,
    windows,
    wrapping,
)
from graphc.ir.ops.registry import OPS

__all__ = [
    "OPS",
    "bits",
    "branch",
    "bundle",
    "call",
    "contraction",
    "diagonal",
    "division",
    "eigh",
    "elementwise",
    "indexing",
    "layout",
    "linear_algebra",
    "lu",
    "pseudo_inverse",
    "qr",
    "random",
    "recurrence",
    "reduction",
    "region",
    "running",
    "scan",
    "scatter",
    "searching",
    "selection",
    "slicing",
    "sorting",
    "source",
    "special",
    "svd",
    "tensor_contraction",
    "transcendental",
    "trigonometric",
    "whole",
    "windows",
    "wrapping",
]
