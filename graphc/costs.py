"""`cost`: what tensors take to compute.

Owns the public function. Imports `ir.cost`. Invariant: it counts what was declared, before any
pass; the same for a compiled step is `step.cost()`.
"""

from __future__ import annotations

from typing import Any

from graphc.ir.cost import CostTable, cost_of
from graphc.ir.diagnostics import BoundaryError
from graphc.public import at_user_line
from graphc.tensor import Tensor
from graphc.trees import flatten


@at_user_line
def cost(outputs: Any) -> CostTable:
    """Arithmetic and bytes of a tensor, or of a tuple, list or dict of tensors, for each op.

    Values that several outputs need count once. Raises `BoundaryError` for what is no tensor.

    >>> import graphc as gc
    >>> x, w = gc.input("x", (32, 784)), gc.input("w", (784, 10))
    >>> gc.cost(x @ w).multiply_adds
    250880
    """
    leaves, _ = flatten(outputs)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise BoundaryError(f"cost takes tensors, got {type(leaf).__name__}")
    return cost_of([leaf.node for leaf in leaves])
