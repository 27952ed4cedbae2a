"""Functions of bits, and of truth: what `& | ^ ~` and the logical functions mean.

Owns those. Imports the op records. Invariant: of bools a bit operation is the
logical one, as in NumPy; the logical functions take any numbers, of which non-zero is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.refusal import refused
from graphc.ir.build import cast, ops, scalar
from graphc.ir.diagnostics import DTypeError
from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.ir.types import bool_
from graphc.promotion import as_node, promoted_as
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def bitwise_and(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 & x2` of integers or bools."""
    return _bitwise("&", np.bitwise_and, ops.bitwise_and, ops.logical_and, x1, x2)


@public
def bitwise_or(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 | x2` of integers or bools."""
    return _bitwise("|", np.bitwise_or, ops.bitwise_or, ops.logical_or, x1, x2)


@public
def bitwise_xor(x1: TensorLike, x2: TensorLike) -> Tensor:
    """`x1 ^ x2` of integers or bools."""
    return _bitwise("^", np.bitwise_xor, ops.bitwise_xor, ops.logical_xor, x1, x2)


@public(also=("bitwise_not", "bitwise_invert"))
def invert(x: TensorLike) -> Tensor:
    """`~x` of integers or bools: every bit the other way."""
    (node,) = _of_bits("~", np.invert, [x])
    if node.dtype is bool_:
        return Tensor(ops.logical_not(node))
    ones = np.invert(np.zeros((), node.dtype.numpy))
    return Tensor(ops.bitwise_xor(node, scalar(int(ones), node.dtype)))


def _bitwise(
    sign: str, ufunc: np.ufunc, op: Op, logical: Op, x1: TensorLike, x2: TensorLike
) -> Tensor:
    nodes = _of_bits(sign, ufunc, [x1, x2])
    return Tensor((logical if nodes[0].dtype is bool_ else op)(*nodes))


def _of_bits(sign: str, ufunc: np.ufunc, operands: Sequence[TensorLike]) -> list[Node]:
    nodes = [as_node(operand) for operand in operands]
    for position, node in enumerate(nodes):
        if node.dtype.is_float:
            error = DTypeError(
                f"{sign} combines bools, or the bits of integers",
                operand=position,
                help="compare first: (x > 0) & (x < 1), with the parentheses",
            )
            raise refused(error, *nodes)
    return promoted_as(ufunc, operands)


@public
def logical_and(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether both are true; of numbers those that are not zero, NaN among them."""
    return Tensor(ops.logical_and(_truth(x1), _truth(x2)))


@public
def logical_or(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether either is true; of numbers those that are not zero, NaN among them."""
    return Tensor(ops.logical_or(_truth(x1), _truth(x2)))


@public
def logical_xor(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Whether one of two is true; of numbers those that are not zero, NaN among them."""
    return Tensor(ops.logical_xor(_truth(x1), _truth(x2)))


@public
def logical_not(x: TensorLike) -> Tensor:
    """Whether x is false; of numbers zero alone."""
    return Tensor(ops.logical_not(_truth(x)))


def _truth(x: TensorLike) -> Node:
    return cast(as_node(x), bool_)
