"""Products that are no contraction of two tensors: cross, kron and chains of matrices.

Owns `cross`, `kron` and `multi_dot`. Imports the op records. Invariant: they are made of the
elementwise product and of contractions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.functions.axes import axis_of
from graphc.functions.elementwise import apply
from graphc.functions.joining import stack
from graphc.functions.pairs import Term, contracted
from graphc.functions.rearranging import moveaxis
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.promotion import as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def cross(
    a: TensorLike,
    b: TensorLike,
    axisa: int = -1,
    axisb: int = -1,
    axisc: int = -1,
    axis: int | None = None,
) -> Tensor:
    """The vector product of vectors of 3 elements along `axisa` and `axisb`; other axes broadcast.

    The result has its vectors along `axisc`; `axis` stands for all three. Raises `ShapeError` for
    vectors of another size.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    tensors = [as_tensor(a), as_tensor(b)]
    nodes = [tensor.node for tensor in tensors]
    parts = []
    for position, place in enumerate((axisa, axisb)):
        moved = moveaxis(tensors[position], axis_of("cross", place, nodes[position]), -1)
        if moved.shape[-1] != 3:
            error = ShapeError("cross takes vectors of 3 elements", operand=position)
            raise refused(error, *nodes)
        parts.append([moved[..., index] for index in range(3)])
    x, y = parts
    turned = ((1, 2), (2, 0), (0, 1))
    found = [x[i] * y[j] - x[j] * y[i] for i, j in turned]
    last = stack(found, -1)
    return moveaxis(last, -1, axis_of("cross", axisc, last.node))


@public
def kron(a: TensorLike, b: TensorLike) -> Tensor:
    """Kronecker's product: for each element of `a` a block, that element times `b`."""
    x, y = as_tensor(a), as_tensor(b)
    rank = max(x.ndim, y.ndim)
    left = (1,) * (rank - x.ndim) + x.shape
    right = (1,) * (rank - y.ndim) + y.shape
    pairs = list(zip(left, right, strict=True))
    outer = x.reshape(tuple(part for size, _ in pairs for part in (size, 1)))
    inner = y.reshape(tuple(part for _, size in pairs for part in (1, size)))
    return apply(ops.mul, outer, inner).reshape(tuple(size * other for size, other in pairs))


@public(module="linalg")
def multi_dot(arrays: Sequence[TensorLike]) -> Tensor:
    """The product of several matrices, in the order of least scalar products.

    The first may be a row vector, the last a column vector; their unit axis is not in the result.
    Raises `ShapeError` for other ranks and for inner sizes that differ.
    """
    if len(arrays) < 2:
        raise AttributeValueError(f"multi_dot needs two operands or more, got {len(arrays)}")
    given = [as_tensor(array).node for array in arrays]
    terms: list[Term] = []
    for position, node in enumerate(common(arrays)):
        outermost = position in (0, len(given) - 1)
        if len(node.shape) != 2 and not (outermost and len(node.shape) == 1):
            error = ShapeError(
                "multi_dot needs matrices; its first and last operand may be vectors",
                operand=position,
            )
            raise refused(error, *given)
        labels: tuple[str, ...] = (str(position), str(position + 1))
        if len(node.shape) == 1:
            labels = labels[1:] if position == 0 else labels[:1]
        before = terms[-1].node.shape[-1] if terms else node.shape[0]
        if node.shape[0] != before and position:
            error = ShapeError(
                "multi_dot needs equal inner sizes",
                operand=position,
                detail=f"(inner size {node.shape[0]}), but the operand before it has {before}",
            )
            raise refused(error, *given)
        terms.append(Term(node, labels))
    ends = (terms[0].labels[:-1], terms[-1].labels[1:])
    return Tensor(contracted(terms, (*ends[0], *ends[1])))
