"""Norms of vectors and matrices.

Owns `norm`, `vector_norm` and `matrix_norm`. Imports the op records. Invariant: the derivative at
0 is 0, the subgradient of least length, of every order of derivative and for every norm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from graphc.functions import reductions
from graphc.functions.arithmetic import power, where
from graphc.functions.axes import axes_of, places_of
from graphc.functions.decompositions import svdvals
from graphc.functions.elementwise import apply
from graphc.functions.layout import expand_dims
from graphc.functions.rearranging import moveaxis
from graphc.functions.reductions import any_empty, as_floats
from graphc.functions.refusal import refused
from graphc.functions.roots import root
from graphc.functions.widening import rounded_once
from graphc.ir.build import full, ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.ops.combinators import reduced_shape
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public(module="linalg")
@rounded_once
def norm(
    x: TensorLike, ord: float | str | None = None, axis: Axis = None, keepdims: bool = False
) -> Tensor:
    """The norm of vectors (along one axis) or matrices (over two); of integers in f64.

    Without `axis` and `ord`, the 2-norm of all elements; without `axis` alone, of the vector or
    the matrix that `x` is. Orders as those of `vector_norm` and `matrix_norm`.

    >>> import graphc as gc
    >>> gc.linalg.norm(gc.input("x", (5, 3)), axis=1).shape
    (5,)
    """
    tensor = as_floats(x)
    if axis is None and ord is None:
        return vector_norm(tensor, keepdims=keepdims)
    places = range(tensor.ndim) if axis is None else places_of("norm", axis, tensor.node)
    if len(places) == 1:
        return vector_norm(tensor, axis=tuple(places), keepdims=keepdims, ord=_number(ord, 2))
    if len(places) != 2:
        error = ShapeError("norm goes over one axis or two", operand=0, help="name them by axis=")
        raise refused(error, tensor.node)
    return _matrix_norm(tensor, (places[0], places[1]), "fro" if ord is None else ord, keepdims)


@public(module="linalg")
@rounded_once
def vector_norm(
    x: TensorLike, *, axis: Axis = None, keepdims: bool = False, ord: float = 2
) -> Tensor:
    """The norm along `axis`, of all elements without one; of integers in f64.

    `ord` is 2, 1, inf (the largest magnitude), -inf (the smallest), 0 (how many are not zero) or
    any p, for (sum of |x|^p)^(1/p).

    The derivative at 0 is 0; an element that is 0 has derivative 0 for every p but inf and -inf.
    """
    tensor = as_floats(x)
    axes = axes_of("vector_norm", axis, tensor.node)
    order = _number(ord, 2)
    if order == 0:
        return reductions.sum(apply(ops.ne, tensor, 0).astype(tensor.dtype), axes, keepdims)
    if order == 2:
        return root(reductions.sum(tensor * tensor, axes, keepdims))
    size = abs(tensor)
    if order == math.inf:
        if any_empty(tensor.node, axes):
            return Tensor(full(0, tensor.dtype, reduced_shape(tensor.shape, axes, bool(keepdims))))
        return reductions.max(size, axes, keepdims)
    if order == -math.inf:
        return reductions.min(size, axes, keepdims)
    if order == 1:
        return reductions.sum(size, axes, keepdims)
    return _power_norm(size, axes, keepdims, order)


def _power_norm(size: Tensor, axes: tuple[int, ...], keepdims: bool, order: float) -> Tensor:
    """(sum of size^p)^(1/p). For p < 0 one zero makes the sum infinite and the norm 0."""
    zero = apply(ops.eq, size, 0)
    powers = power(where(zero, 1, size), order)
    powers = where(zero, 0 if order > 0 else math.inf, powers)
    total = reductions.sum(powers, axes, keepdims)
    if order > 0:
        return root(total, order)
    unbounded = apply(ops.eq, total, math.inf)
    return where(unbounded, 0, power(where(unbounded, 1, total), 1 / order))


@public(module="linalg")
@rounded_once
def matrix_norm(x: TensorLike, *, keepdims: bool = False, ord: float | str = "fro") -> Tensor:
    """The norm of the matrices in the last two axes; of integers in f64.

    `ord` is "fro" (the root of the sum of squares), 1 or -1 (the largest or smallest sum of
    magnitudes of a column), inf or -inf (of a row), 2 or -2 (the largest or smallest singular
    value) or "nuc" (the sum of singular values). The derivative at 0 is 0 for the first five.
    """
    tensor = as_floats(x)
    if tensor.ndim < 2:
        raise refused(ShapeError("matrix_norm needs at least two axes", operand=0), tensor.node)
    return _matrix_norm(tensor, (tensor.ndim - 2, tensor.ndim - 1), ord, keepdims)


def _matrix_norm(tensor: Tensor, axes: tuple[int, int], ord: Any, keepdims: bool) -> Tensor:
    rows, columns = axes
    if ord == "fro":
        return vector_norm(tensor, axis=axes, keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        return _singular_norm(tensor, axes, ord, keepdims)
    order = _number(ord, 2)
    if abs(order) not in (1, math.inf):
        raise AttributeValueError(
            f"matrices have no norm of order {ord!r}",
            help="their orders are 'fro', 'nuc', 1, -1, 2, -2, inf and -inf",
        )
    added, compared = (rows, columns) if abs(order) == 1 else (columns, rows)
    sums = reductions.sum(abs(tensor), added, True)
    extremum = reductions.max if order > 0 else reductions.min
    result = extremum(sums, compared, True)
    return result if keepdims else result.squeeze(axes)


def _singular_norm(tensor: Tensor, axes: tuple[int, int], ord: Any, keepdims: bool) -> Tensor:
    """The sum, the largest or the smallest of the singular values."""
    values = svdvals(moveaxis(tensor, axes, (-2, -1)))
    combine = {2: reductions.max, -2: reductions.min, "nuc": reductions.sum}[ord]
    result = combine(values, -1)
    return expand_dims(result, tuple(sorted(axes))) if keepdims else result


def _number(ord: Any, otherwise: float) -> float:
    if ord is None:
        return otherwise
    if isinstance(ord, str) or not isinstance(ord, int | float):
        raise AttributeValueError(
            f"vectors have no norm of order {ord!r}", help="an order is a number; inf is math.inf"
        )
    return ord
