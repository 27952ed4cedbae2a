"""Statistics: mean, variance, standard deviation, average, and reductions that ignore NaN.

Owns those functions. Imports the op records. Invariant: deviations are taken from the mean before
they are squared, and what is left out (by `where`, or as NaN) has no derivative.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions import arithmetic, reductions
from graphc.functions.axes import axes_of, places_of
from graphc.functions.elementwise import apply
from graphc.functions.layout import transpose
from graphc.functions.reductions import as_floats, masked
from graphc.functions.refusal import refused
from graphc.functions.roots import root
from graphc.functions.widening import rounded_once
from graphc.ir.build import broadcast, cast, ops, reshape
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.ir.types import bool_
from graphc.promotion import as_dtype, as_node, as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


@public
@rounded_once
def mean(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: object = None,
    where: TensorLike | None = None,
) -> Tensor:
    """The arithmetic mean along `axis`; of integers and booleans in f64. Of nothing it is NaN."""
    tensor = _floats(a, dtype)
    axes = axes_of("mean", axis, tensor.node)
    total = reductions.sum(tensor, axes, keepdims, where=where)
    return total / _count(tensor, axes, keepdims, where)


@public
@rounded_once
def var(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    ddof: float = 0,
    correction: float | None = None,
    dtype: object = None,
    where: TensorLike | None = None,
    mean: TensorLike | None = None,
) -> Tensor:
    """The mean squared deviation from the mean along `axis`; of integers and booleans in f64.

    Of n elements the sum of squares is divided by n - `ddof`, which is also called `correction`.
    `mean`, where it is known already, must have the reduced axes at size 1. NaN where there are
    no more than `ddof` elements. Raises `AttributeValueError` for both names of `ddof`.
    """
    if correction is not None:
        if ddof:
            raise AttributeValueError("var takes ddof or correction, which mean the same, not both")
        ddof = correction
    tensor = _floats(a, dtype)
    axes = axes_of("var", axis, tensor.node)
    if where is not None:
        tensor = Tensor(masked(tensor.node, where, 0))
    center = _mean(tensor, axes, where) if mean is None else as_tensor(mean)
    deviation = tensor - center
    total = reductions.sum(deviation * deviation, axes, keepdims, where=where)
    count = _count(tensor, axes, keepdims, where) - ddof
    return total / (apply(ops.maximum, count, 0) if isinstance(count, Tensor) else max(count, 0))


@public
@rounded_once
def std(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    ddof: float = 0,
    correction: float | None = None,
    dtype: object = None,
    where: TensorLike | None = None,
    mean: TensorLike | None = None,
) -> Tensor:
    """The square root of `var`, with its arguments. Where that is 0 the derivative is 0."""
    options = {"ddof": ddof, "correction": correction, "dtype": dtype, "where": where, "mean": mean}
    return root(var(a, axis, keepdims, **options))  # type: ignore[arg-type]


def _floats(a: TensorLike, dtype: object) -> Tensor:
    return as_floats(a) if dtype is None else as_floats(Tensor(cast(as_node(a), as_dtype(dtype))))


def _mean(tensor: Tensor, axes: tuple[int, ...], where: TensorLike | None) -> Tensor:
    return mean(tensor, axes, True, where=where)


def _count(
    tensor: Tensor, axes: tuple[int, ...], keepdims: bool, where: TensorLike | None
) -> Tensor | int:
    """How many elements are reduced: a number, or with `where` a tensor."""
    if where is None:
        return math.prod(tensor.shape[axis] for axis in axes)
    chosen = broadcast(cast(as_node(where), bool_), tensor.shape)
    return reductions.sum(Tensor(cast(chosen, tensor.dtype)), axes, keepdims)


@public
def average(
    a: TensorLike,
    axis: Axis = None,
    weights: TensorLike | None = None,
    returned: bool = False,
    *,
    keepdims: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """The mean along `axis` with `weights`, which have the shape of `a` or of its reduced axes.

    With `returned` also the sum of the weights. Raises `ShapeError` for weights of another shape.
    """
    tensor = as_tensor(a)
    if weights is None:
        result = mean(tensor, axis, keepdims)
        axes = axes_of("average", axis, tensor.node)
        total = as_tensor(result * 0 + _count(tensor, axes, keepdims, None))
        return (result, total) if returned else result
    weight = Tensor(_weights(as_node(weights), tensor.node, axis))
    product = tensor * weight
    total = reductions.sum(as_floats(weight.astype(product.dtype)), axis, keepdims)
    result = reductions.sum(as_floats(product), axis, keepdims) / total
    return (result, total) if returned else result


def _weights(weights: Node, node: Node, axis: Axis) -> Node:
    """Weights of the reduced axes, in the order these are given in, at the shape of `node`."""
    if weights.shape == node.shape:
        return weights
    places = None if axis is None else places_of("average", axis, node)
    if places is None or weights.shape != tuple(node.shape[place] for place in places):
        raise refused(
            ShapeError(
                "average needs weights of the shape of its operand, or of the axes it reduces",
                operand=1,
                detail="but {0} is " + str(node.type),
            ),
            node,
            weights,
        )
    ordered = transpose(Tensor(weights), np.argsort(places).tolist()).node
    unit = tuple(size if place in places else 1 for place, size in enumerate(node.shape))
    return broadcast(reshape(ordered, unit), node.shape)


def _numbers(a: TensorLike) -> Node:
    """Where there is no NaN."""
    node = as_node(a)
    return ops.eq(node, node)


@public
def nansum(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The sum along `axis` of what is not NaN."""
    return reductions.sum(a, axis, keepdims, where=Tensor(_numbers(a)))


@public
def nanprod(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The product along `axis` of what is not NaN."""
    return reductions.prod(a, axis, keepdims, where=Tensor(_numbers(a)))


@public
def nanmean(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The mean along `axis` of what is not NaN; NaN where everything is."""
    return mean(a, axis, keepdims, where=Tensor(_numbers(a)))


@public
def nanvar(a: TensorLike, axis: Axis = None, keepdims: bool = False, *, ddof: float = 0) -> Tensor:
    """The variance along `axis` of what is not NaN; NaN where no more than `ddof` elements are."""
    return var(a, axis, keepdims, ddof=ddof, where=Tensor(_numbers(a)))


@public
def nanstd(a: TensorLike, axis: Axis = None, keepdims: bool = False, *, ddof: float = 0) -> Tensor:
    """The square root of `nanvar`. Where that is 0 the derivative is 0."""
    return root(nanvar(a, axis, keepdims, ddof=ddof))


@public
def nanmax(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element along `axis` that is not NaN; NaN where everything is."""
    return _extremum_of_numbers(ops.max, a, axis, keepdims)


@public
def nanmin(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element along `axis` that is not NaN; NaN where everything is."""
    return _extremum_of_numbers(ops.min, a, axis, keepdims)


def _extremum_of_numbers(op: Op, a: TensorLike, axis: Axis, keepdims: bool) -> Tensor:
    node = as_node(a)
    if not node.dtype.is_float:
        return reductions.reduced(op, a, axis, keepdims)
    numbers = Tensor(_numbers(a))
    extremum = reductions.reduced(op, a, axis, keepdims, where=numbers)
    return arithmetic.where(reductions.any(numbers, axis, keepdims), extremum, math.nan)
