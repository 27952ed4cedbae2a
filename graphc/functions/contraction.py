"""Products of tensors over axes: matmul, dot, tensordot and their relatives.

Owns those functions. Imports the op records. Invariant: the op itself sees matrices only; a
vector gets a unit axis, and the product of two vectors is the sum of a product.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.functions.axes import axis_of, places_of
from graphc.functions.elementwise import apply
from graphc.functions.layout import expand_dims, ravel, squeeze
from graphc.functions.pairs import Term, contracted
from graphc.functions.rearranging import moveaxis
from graphc.functions.refusal import refused
from graphc.ir.build import ops, reshape
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.promotion import as_node, common, promoted
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def matmul(x: TensorLike, y: TensorLike) -> Tensor:
    """`x @ y`: over the last axis of `x` and the last but one of `y`; leading axes broadcast.

    A vector on the left is a row, one on the right a column, and its unit axis is taken out of
    the result. Raises `ShapeError` for scalars and for inner sizes that differ.
    """
    left, right = promoted(ops.matmul, [x, y])
    _check(left, right, x, y)
    if len(left.shape) == len(right.shape) == 1:
        return Tensor(ops.sum(ops.mul(left, right), axes=(0,)))
    row = reshape(left, (1, *left.shape)) if len(left.shape) == 1 else left
    column = reshape(right, (*right.shape, 1)) if len(right.shape) == 1 else right
    product = ops.matmul(row, column)
    shape = product.shape
    if row is not left:
        shape = (*shape[:-2], shape[-1])
    return Tensor(reshape(product, shape[:-1] if column is not right else shape))


@public
def dot(a: TensorLike, b: TensorLike) -> Tensor:
    """The product over the last axis of `a` and the last but one of `b` (of a vector its only one).

    The result has the other axes of `a`, then those of `b`: unlike `matmul`, no axis is a batch.
    With a scalar it is the product of elements. Raises `ShapeError` for inner sizes that differ.
    """
    left, right = as_node(a).shape, as_node(b).shape
    if not left or not right:
        return apply(ops.mul, a, b)
    return _over("dot", (a, b), (-1,), (-1 if len(right) == 1 else -2,))


@public
def inner(a: TensorLike, b: TensorLike) -> Tensor:
    """The product over the last axes of both, with the other axes of `a`, then those of `b`."""
    if not as_node(a).shape or not as_node(b).shape:
        return apply(ops.mul, a, b)
    return _over("inner", (a, b), (-1,), (-1,))


@public
def outer(a: TensorLike, b: TensorLike) -> Tensor:
    """The product of each element of `a` with each of `b`, both in row-major order."""
    return apply(ops.mul, ravel(a).reshape(-1, 1), ravel(b))


@public
def vdot(a: TensorLike, b: TensorLike) -> Tensor:
    """The sum of the products of elements, both in row-major order."""
    given = as_node(a), as_node(b)
    left, right = (node.type.size for node in given)
    if left != right:
        raise _unequal("vdot", given, left, right)
    return _over("vdot", (ravel(a), ravel(b)), (0,), (0,))


@public
def vecdot(x1: TensorLike, x2: TensorLike, *, axis: int = -1) -> Tensor:
    """The sum of the products of elements along `axis`; the other axes broadcast.

    `axis` is counted in each operand.
    """
    given = as_node(x1), as_node(x2)
    places = [axis_of("vecdot", axis, node) for node in given]
    left, right = (node.shape[place] for node, place in zip(given, places, strict=True))
    if left != right:
        raise _unequal("vecdot", given, left, right)
    first, second = (
        moveaxis(Tensor(node), place, -1)
        for node, place in zip(common([x1, x2]), places, strict=True)
    )
    return apply(ops.mul, first, second).sum(-1, dtype=first.dtype)


@public
def matvec(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Matrices times vectors: over the last axes of both; the axes before them broadcast."""
    return squeeze(matmul(x1, expand_dims(x2, -1)), -1)


@public
def vecmat(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Vectors times matrices: over the last axis of `x1` and the last but one of `x2`."""
    return squeeze(matmul(expand_dims(x1, -2), x2), -2)


@public
def tensordot(a: TensorLike, b: TensorLike, axes: Any = 2) -> Tensor:
    """The product over several axes, with the other axes of `a`, then those of `b`.

    `axes` is how many of the last axes of `a` and the first of `b`, or a pair: the axes of `a`,
    and those of `b` they go with. Raises `ShapeError` for sizes that differ.
    """
    if isinstance(axes, int | np.integer):
        given = as_node(a), as_node(b)
        ranks = [len(node.shape) for node in given]
        count = int(axes)
        if not 0 <= count <= min(ranks):
            error = AttributeValueError(f"tensordot over {count} axes", operand=0)
            raise refused(error, *given)
        return _over("tensordot", (a, b), range(ranks[0] - count, ranks[0]), range(count))
    pair = axes if isinstance(axes, Sequence) else ()
    pair = [each if isinstance(each, Sequence) else (each,) for each in pair]
    if len(pair) != 2 or len(pair[0]) != len(pair[1]):
        raise AttributeValueError(
            f"tensordot takes a number of axes, or as many axes of a as of b, got {axes!r}"
        )
    return _over("tensordot", (a, b), *pair)


def _over(
    name: str,
    operands: tuple[TensorLike, TensorLike],
    left_axes: Sequence[int],
    right_axes: Sequence[int],
) -> Tensor:
    """The product over pairs of axes, with the other axes of both in their order."""
    given = as_node(operands[0]), as_node(operands[1])
    first = places_of(name, tuple(left_axes), given[0])
    second = places_of(name, tuple(right_axes), given[1])
    labels = [f"a{axis}" for axis in range(len(given[0].shape))]
    others = [f"b{axis}" for axis in range(len(given[1].shape))]
    for here, there in zip(first, second, strict=True):
        sizes = given[0].shape[here], given[1].shape[there]
        if sizes[0] != sizes[1]:
            raise _unequal(name, given, *sizes)
        others[there] = labels[here]
    output = [label for label in labels if label not in others]
    output += [label for label in others if label not in labels]
    left, right = common(operands)
    return Tensor(contracted([Term(left, tuple(labels)), Term(right, tuple(others))], output))


def _unequal(name: str, given: Sequence[Node], left: int, right: int) -> ShapeError:
    error = ShapeError(
        f"{name} needs equal inner sizes",
        operand=1,
        detail=f"(inner size {right}), but {{0}} is {given[0].type} (inner size {left})",
    )
    return refused(error, *given)


def _check(left: Node, right: Node, x: TensorLike, y: TensorLike) -> None:
    """Raise for what `matmul` cannot multiply, naming the operands as the user has them."""
    given = [
        operand.node if isinstance(operand, Tensor) else node
        for operand, node in ((x, left), (y, right))
    ]
    for position, node in enumerate((left, right)):
        if not node.shape:
            error = ShapeError(
                "matmul takes no scalars", operand=position, help="multiply with * instead"
            )
            raise refused(error, *given)
    sizes = left.shape[-1], right.shape[0 if len(right.shape) == 1 else -2]
    if sizes[0] != sizes[1]:
        raise _unequal("matmul", given, *sizes)
