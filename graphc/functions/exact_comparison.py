"""Comparisons that no common dtype can make, answered as NumPy answers them: exactly.

Owns `exactly_compared`. Imports promotion and the builders. Invariant: the answer is the
mathematical one, where the usual conversion to one dtype would refuse or round.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir.build import Expression, cast, full, ops, scalar
from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.ir.types import DType, TensorType, bool_, int64, uint64
from graphc.promotion import as_node
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


def exactly_compared(op: Op, operands: Sequence[TensorLike]) -> Tensor | None:
    """`op` of the operands if it compares integers that no dtype holds together, else None.

    These are a Python integer that the other operand's dtype cannot hold, which is below or above
    all that it can; and a signed integer with a u64.
    """
    if len(operands) != 2 or not _is_comparison(op):
        return None
    for position, number in enumerate(operands):
        other = operands[1 - position]
        if type(number) is int and isinstance(other, Tensor | np.ndarray | np.generic):
            dtype = DType.of(other.dtype)
            return None if _fits(number, dtype) else _decided(op, operands, as_node(other))
    if not all(isinstance(operand, Tensor | np.ndarray | np.generic) for operand in operands):
        return None
    nodes = [as_node(operand) for operand in operands]
    signed = [node.dtype.kind == "int" for node in nodes]
    if sum(signed) == 1 and nodes[signed.index(False)].dtype is uint64:
        return _compared_with_unsigned(op, nodes, signed.index(True))
    return None


@cache
def _is_comparison(op: Op) -> bool:
    kind = TensorType(int64, ())
    takes = int64 in op.dtypes and len(op.operands) == 2
    return takes and op.infer([kind, kind], op.attrs()).dtype is bool_


def _fits(number: int, dtype: DType) -> bool:
    if not dtype.is_integer:
        return True
    bounds = np.iinfo(str(dtype.numpy))
    return bool(bounds.min <= number <= bounds.max)


def _decided(op: Op, operands: Sequence[TensorLike], node: Node) -> Tensor:
    """The same answer for every element: NumPy's for zero."""
    zero: Any = np.zeros((), node.dtype.numpy)
    numbers = [operand if type(operand) is int else zero for operand in operands]
    return Tensor(full(bool(op.reference(*numbers)), bool_, node.shape))


def _compared_with_unsigned(op: Op, nodes: Sequence[Node], signed: int) -> Tensor:
    """As u64, but for negative numbers, which compare as -1 does with 0."""
    below = Expression(nodes[signed]).lt(0)
    numbers = [scalar(0, int64), scalar(0, int64)]
    numbers[signed] = scalar(-1, int64)
    as_unsigned = op(*(cast(node, uint64) for node in nodes))
    return Tensor(ops.where(below.node, op(*numbers), as_unsigned))
