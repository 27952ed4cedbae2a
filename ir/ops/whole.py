"""Elementwise ops that round to whole numbers: floor, ceil, trunc and round.

Owns their records. Invariant: integers and bools are whole already and stay as they are, as in
NumPy 2; the derivatives are zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.ir.op import Op
from graphc.ir.ops.combinators import elementwise
from graphc.ir.ops.samples import EDGES, elementwise_samples
from graphc.ir.scalar import ScalarBuilder, Value
from graphc.ir.types import ALL_DTYPES

HALFWAY = (1.5, 2.5, -0.5, -1.5, 0.49999997, 8388607.5, 4503599627370495.5)
"""What lies halfway between two whole numbers, or just beside."""


def _rounding(
    name: str,
    doc: str,
    function: Callable[..., Any],
    lower: Callable[[ScalarBuilder, Value], Value],
    numpy: tuple[str, ...],
) -> Op:
    def is_whole(b: ScalarBuilder, x: Value) -> bool:
        return b.dtype(x).kind != "float"

    return elementwise(
        name,
        ("x",),
        doc=f"{doc} Integers stay as they are. Its derivative is 0 everywhere.",
        reference=lambda x: x if x.dtype.kind in "biu" else function(x),
        partials=lambda y, x: [None],
        lower=lambda b, x: x if is_whole(b, x) else lower(b, x),
        dtypes=ALL_DTYPES,
        samples=elementwise_samples(ALL_DTYPES, (-4.0, 4.0), floats=(*EDGES, *HALFWAY)),
        numpy=numpy,
    )


floor = _rounding(
    "floor",
    "The largest whole number that is not above x.",
    np.floor,
    lambda b, x: b.floor(x),
    ("floor",),
)

ceil = _rounding(
    "ceil",
    "The smallest whole number that is not below x.",
    np.ceil,
    lambda b, x: b.ceil(x),
    ("ceil",),
)

trunc = _rounding(
    "trunc",
    "The whole number next to x toward zero.",
    np.trunc,
    lambda b, x: b.trunc(x),
    ("trunc",),
)

round = _rounding(
    "round",
    "The whole number nearest to x, of two as near the even one.",
    np.rint,
    lambda b, x: b.round_even(x),
    ("rint",),
)
