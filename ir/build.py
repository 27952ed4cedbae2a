"""Small builders of nodes for passes and derivative rules.

Owns the names that code outside the op records uses to build nodes. Imports `ir.ops`. Invariant:
importing this module fills the registry, so every builder works right away.

>>> from graphc.ir.types import TensorType, float32
>>> x = ops.input(type=TensorType(float32, (3,)), name="x")
>>> (1 - Expression(x).tanh()).node
<node: sub f32[3]>
"""

from __future__ import annotations

from graphc.ir.ops import OPS
from graphc.ir.ops.algebra import (
    Expression,
    broadcast,
    cast,
    constant,
    full,
    kept_shape,
    ones_like,
    ops,
    positions_along,
    reshape,
    resized,
    scalar,
    slice_along,
    sum_to,
    zeros_like,
)
from graphc.ir.ops.value import ConstantValue

__all__ = [
    "OPS",
    "ConstantValue",
    "Expression",
    "broadcast",
    "cast",
    "constant",
    "full",
    "kept_shape",
    "ones_like",
    "ops",
    "positions_along",
    "reshape",
    "resized",
    "scalar",
    "slice_along",
    "sum_to",
    "zeros_like",
]
