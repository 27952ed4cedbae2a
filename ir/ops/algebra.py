"""Building nodes in formulas: what derivative rules are written in.

Owns `ops`, `Expression` and small node builders. Imports the registry. Invariant: a record is
looked up when a rule runs, never at import, because the derivatives of ops refer to each other
in circles (sum to broadcast_to, broadcast_to to sum).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.ir.ops.registry import OPS
from graphc.ir.ops.value import ConstantValue
from graphc.ir.types import DType, Shape

Number = float | int | bool


class Operations:
    """The records as attributes: `ops.tanh(x)` is `OPS["tanh"](x)`."""

    def __getattr__(self, name: str) -> Op:
        try:
            return OPS[name]
        except KeyError:
            raise AttributeError(f"there is no op {name}") from None


ops = Operations()


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A node with operators, and every op as a method on its first operand.

    Python numbers take the dtype of the last operand that is an expression, so `1 - y * y`,
    `x.gt(0)` and `condition.where(x, 0)` mean what they say.
    """

    node: Node

    def __getattr__(self, name: str) -> Callable[..., Expression]:
        op = getattr(ops, name)

        def method(*others: Expression | Number, **attrs: Any) -> Expression:
            return _apply(op, (self, *others), attrs)

        return method

    def __add__(self, other: Expression | Number) -> Expression:
        return _apply(ops.add, (self, other))

    def __sub__(self, other: Expression | Number) -> Expression:
        return _apply(ops.sub, (self, other))

    def __mul__(self, other: Expression | Number) -> Expression:
        return _apply(ops.mul, (self, other))

    def __truediv__(self, other: Expression | Number) -> Expression:
        return _apply(ops.div, (self, other))

    def __radd__(self, other: Number) -> Expression:
        return _apply(ops.add, (other, self))

    def __rsub__(self, other: Number) -> Expression:
        return _apply(ops.sub, (other, self))

    def __rmul__(self, other: Number) -> Expression:
        return _apply(ops.mul, (other, self))

    def __rtruediv__(self, other: Number) -> Expression:
        return _apply(ops.div, (other, self))

    def __neg__(self) -> Expression:
        return _apply(ops.neg, (self,))


def _apply(
    op: Op, operands: tuple[Expression | Number, ...], attrs: dict[str, Any] | None = None
) -> Expression:
    dtype = [operand.node.dtype for operand in operands if isinstance(operand, Expression)][-1]
    nodes = [
        operand.node if isinstance(operand, Expression) else scalar(operand, dtype)
        for operand in operands
    ]
    return Expression(op(*nodes, **(attrs or {})))


def constant(array: object) -> Node:
    """A constant node that holds a copy of an array (or anything `np.asarray` takes)."""
    return ops.constant(value=ConstantValue(np.asarray(array)))


def scalar(value: Number, dtype: DType) -> Node:
    """A constant of shape []."""
    return constant(np.asarray(value, dtype.numpy))


def full(value: Number, dtype: DType, shape: Shape) -> Node:
    """`value` everywhere: a scalar constant, broadcast."""
    return broadcast(scalar(value, dtype), shape)


def zeros_like(node: Node) -> Node:
    return full(0, node.dtype, node.shape)


def ones_like(node: Node) -> Node:
    return full(1, node.dtype, node.shape)


def broadcast(node: Node, shape: Shape) -> Node:
    """`broadcast_to`, or the node itself when it has that shape."""
    return node if node.shape == shape else ops.broadcast_to(node, shape=shape)


def reshape(node: Node, shape: Shape) -> Node:
    """`reshape`, or the node itself when it has that shape."""
    return node if node.shape == shape else ops.reshape(node, shape=shape)


def resized(shape: Shape, axis: int, size: int) -> Shape:
    """`shape` with another size of one axis."""
    return (*shape[:axis], size, *shape[axis + 1 :])


def slice_along(node: Node, axis: int, start: int, size: int, step: int = 1) -> Node:
    """`size` elements of one axis, from `start` on in steps; the node itself if these are all."""
    shape = resized(node.shape, axis, size)
    if shape == node.shape and step == 1:
        return node
    unmoved, single = (0,) * len(shape), (1,) * len(shape)
    return ops.slice(
        node, start=resized(unmoved, axis, start), step=resized(single, axis, step), shape=shape
    )


def positions_along(shape: Shape, axis: int, dtype: DType) -> Node:
    """0, 1, 2, ... along one axis of a shape; the other axes have size 1."""
    unit = resized((1,) * len(shape), axis, shape[axis])
    return ops.iota(shape=unit, axis=axis, dtype=dtype)


def cast(node: Node, dtype: DType) -> Node:
    """`cast`, or the node itself when it has that dtype."""
    return node if node.dtype == dtype else ops.cast(node, dtype=dtype)


def sum_to(node: Node, shape: Shape) -> Node:
    """Undo broadcasting: add up what `broadcast_to` from `shape` would repeat."""
    lead = len(node.shape) - len(shape)
    axes = tuple(
        axis
        for axis, size in enumerate(node.shape)
        if axis < lead or (shape[axis - lead] == 1 and size != 1)
    )
    return reshape(ops.sum(node, axes=axes) if axes else node, shape)


def kept_shape(shape: Shape, axes: tuple[int, ...]) -> Shape:
    """`shape` with the reduced axes kept at size 1."""
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
