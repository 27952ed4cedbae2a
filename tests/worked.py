"""What the worked examples share.

Owns `run`. Invariant: numbers come from compiled code, and expectations from NumPy alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import graphc as gc
from graphc.ir.graph import topological


def run(tensors: Sequence[gc.Tensor], given: Mapping[gc.Tensor, Any]) -> list[Any]:
    """The values of tensors by a compiled step, given those of inputs (more than are needed)."""
    used = set(topological([tensor.node for tensor in tensors]))
    inputs = [leaf for leaf in given if leaf.node in used]
    step = gc.compile(inputs, list(tensors))
    arrays = [np.asarray(given[leaf], leaf.dtype.numpy) for leaf in inputs]
    found: list[Any] = step(*arrays)
    return found


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-np.asarray(z)))


def slope_of_sigmoid(z: Any) -> Any:
    return sigmoid(z) * (1 - sigmoid(z))
