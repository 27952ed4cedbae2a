"""Reductions: those of the op records, and what is made of one of them.

Owns the generated reductions, sum, prod, max, min, any, all, argmin, count_nonzero and ptp, and
what others reduce with: `reduced`, `accumulator`, `as_floats`. Imports the op records. Invariant:
`axis` is None for all axes, a number or several, counted from the end where negative; `where` and
`initial` mean what they mean to NumPy, and an element that is left out has no derivative.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.functions.axes import axes_of
from graphc.functions.elementwise import apply
from graphc.ir.build import broadcast, cast, full, ops, scalar
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Node
from graphc.ir.op import Family, Op
from graphc.ir.ops import OPS
from graphc.ir.ops.combinators import ReductionAttrs, reduced_shape
from graphc.ir.types import DType, TensorType, bool_, float32, float64, int64
from graphc.promotion import as_dtype, as_node, as_tensor
from graphc.public import at_user_line, public
from graphc.registry import BY_NUMPY, FUNCTIONS, register
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


def generate() -> None:
    """Make and register the function of every reduction that is not written by hand."""
    for op in OPS.values():
        names = op.numpy or (op.name,)
        if op.family is Family.REDUCTION and names[0] not in FUNCTIONS:
            register(_reduction(op, names[0]), names)


def _reduction(op: Op, name: str) -> Callable[..., Tensor]:
    def function(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
        node = as_node(a)
        axes = axes_of(name, axis, node)
        node = cast(node, accumulator(op, name, node.dtype))
        return Tensor(op(node, axes=axes, keepdims=bool(keepdims)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{op.doc}\n\nReduces along `axis`: None for all axes, a number or several. "
        f"`keepdims` leaves them at size 1.\n\nSymbolic counterpart of `np.{name}`."
    )
    return at_user_line(function)


@cache
def accumulator(op: Op, name: str, dtype: DType) -> DType:
    """The dtype that NumPy reduces in: sums and products of small integers are 64 bits wide."""
    counterpart = getattr(np, name, None)
    keeps_dtype = op.infer([TensorType(float32, (1,))], ReductionAttrs((0,))).dtype == float32
    if counterpart is None or not keeps_dtype or dtype.is_float:
        return dtype
    return DType.of(counterpart(np.ones(1, dtype.numpy)).dtype)


def reduced(
    op: Op,
    a: TensorLike,
    axis: Axis,
    keepdims: bool,
    dtype: object = None,
    where: TensorLike | None = None,
) -> Tensor:
    """`a`, or its elements where `where` holds, reduced in `dtype`: NumPy's unless one is given."""
    node = as_node(a)
    if not isinstance(keepdims, bool | np.bool_):
        raise AttributeValueError(
            f"{op.name} takes keepdims as third argument, True or False, got {keepdims!r}",
            help="give further arguments by name, dtype=... for instance",
        )
    axes = axes_of(op.name, axis, node)
    node = cast(node, accumulator(op, op.name, node.dtype) if dtype is None else as_dtype(dtype))
    if where is not None and op.monoid is not None:
        (neutral, *_) = op.monoid.identity(node.dtype)
        node = masked(node, where, neutral)
    return Tensor(op(node, axes=axes, keepdims=bool(keepdims)))


def masked(node: Node, where: TensorLike, otherwise: float) -> Node:
    """`node` where the condition holds, which broadcasts to it, and a number elsewhere."""
    condition = broadcast(cast(as_node(where), bool_), node.shape)
    return ops.where(condition, node, scalar(otherwise, node.dtype))


@public
def sum(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: object = None,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """The sum along `axis`, in `dtype`: of booleans and small integers 64 bits wide unless given.

    The sum of nothing is 0. `initial` is added to it.
    """
    total = reduced(ops.sum, a, axis, keepdims, dtype, where)
    return total if initial is None else total + _in(total, initial)


@public
def prod(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    dtype: object = None,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """The product along `axis`, in `dtype`: of small integers 64 bits wide unless given.

    The product of nothing is 1. It is multiplied by `initial`.
    """
    product = reduced(ops.prod, a, axis, keepdims, dtype, where)
    return product if initial is None else product * _in(product, initial)


def _in(result: Tensor, initial: TensorLike) -> Tensor:
    """What a reduction begins with, in the dtype of its result."""
    return Tensor(cast(as_node(initial), result.dtype))


@public(also=("amax",))
def max(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """The largest element along `axis`, at least `initial`; NaN if there is one.

    Elements that tie for it share the derivative. Raises `ShapeError` for the maximum of nothing
    without `initial`, and `AttributeValueError` for `where` without `initial`.
    """
    return _extremum(ops.max, ops.maximum, a, axis, keepdims, initial, where)


@public(also=("amin",))
def min(
    a: TensorLike,
    axis: Axis = None,
    keepdims: bool = False,
    *,
    initial: TensorLike | None = None,
    where: TensorLike | None = None,
) -> Tensor:
    """The smallest element along `axis`, at most `initial`; NaN if there is one.

    Elements that tie for it share the derivative. Raises `ShapeError` for the minimum of nothing
    without `initial`, and `AttributeValueError` for `where` without `initial`.
    """
    return _extremum(ops.min, ops.minimum, a, axis, keepdims, initial, where)


def _extremum(
    op: Op,
    pairwise: Op,
    a: TensorLike,
    axis: Axis,
    keepdims: bool,
    initial: TensorLike | None,
    where: TensorLike | None,
) -> Tensor:
    node = as_node(a)
    if initial is None:
        if where is not None:
            raise AttributeValueError(
                f"{op.name} with where= needs initial=, the result where nothing is chosen"
            )
        return reduced(op, a, axis, keepdims)
    first = cast(as_node(initial), node.dtype)
    axes = axes_of(op.name, axis, node)
    if any_empty(node, axes):
        return Tensor(broadcast(first, reduced_shape(node.shape, axes, keepdims)))
    return apply(pairwise, reduced(op, a, axis, keepdims, None, where), Tensor(first))


@public
def any(
    a: TensorLike, axis: Axis = None, keepdims: bool = False, *, where: TensorLike | None = None
) -> Tensor:
    """Whether an element along `axis` is not zero, as a bool. NaN is not; of nothing, False."""
    return _truth(ops.max, a, axis, keepdims, where)


@public
def all(
    a: TensorLike, axis: Axis = None, keepdims: bool = False, *, where: TensorLike | None = None
) -> Tensor:
    """Whether no element along `axis` is zero, as a bool. NaN is not; of nothing, True."""
    return _truth(ops.min, a, axis, keepdims, where)


def _truth(op: Op, a: TensorLike, axis: Axis, keepdims: bool, where: TensorLike | None) -> Tensor:
    """The largest or the smallest of bools. Of nothing it is their neutral element."""
    node = cast(as_node(a), bool_)
    axes = axes_of("any" if op is ops.max else "all", axis, node)
    if any_empty(node, axes):
        shape = reduced_shape(node.shape, axes, keepdims)
        return Tensor(full(op is ops.min, bool_, shape))
    return reduced(op, Tensor(node), axis, keepdims, where=where)


@public
def argmin(a: TensorLike, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the smallest element along `axis`, or in row-major order along all, as i64.

    Of equal elements the first; NaN counts as the smallest. Raises as `argmax`.
    """
    node = as_node(a)
    axes = axes_of("argmin", axis, node)
    return Tensor(ops.argmax(reversed_order(node), axes=axes, keepdims=bool(keepdims)))


def reversed_order(node: Node) -> Node:
    """The elements in the opposite order of size, exactly: -1 - x of integers cannot overflow."""
    if node.dtype.is_float:
        return ops.neg(node)
    if node.dtype is bool_:
        return ops.logical_not(node)
    info = np.iinfo(str(node.dtype.numpy))
    return ops.sub(scalar(info.max if info.min == 0 else -1, node.dtype), node)


@public
def count_nonzero(a: TensorLike, axis: Axis = None, *, keepdims: bool = False) -> Tensor:
    """How many elements along `axis` are not zero, as i64. NaN is not zero."""
    return reduced(ops.sum, Tensor(cast(as_node(a), bool_)), axis, keepdims, int64)


@public
def ptp(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest less the smallest element along `axis`."""
    return max(a, axis, keepdims) - min(a, axis, keepdims)


def _answer_reduce(ufunc: np.ufunc, function: Callable[..., Tensor]) -> None:
    """Let `ufunc.reduce(t)` build what `function` builds; its axis is the first by itself."""

    def reduce(a: TensorLike, axis: Axis = 0, **options: Any) -> Tensor:
        return function(a, axis, **options)

    BY_NUMPY[ufunc.reduce] = reduce


_answer_reduce(np.add, sum)
_answer_reduce(np.multiply, prod)
_answer_reduce(np.maximum, max)
_answer_reduce(np.minimum, min)
_answer_reduce(np.logical_and, all)
_answer_reduce(np.logical_or, any)


def any_empty(node: Node, axes: tuple[int, ...]) -> bool:
    """Whether reducing `axes` reduces nothing."""
    return 0 in [node.shape[axis] for axis in axes]


def as_floats(a: TensorLike) -> Tensor:
    """A float tensor as it is; integers and booleans as f64, as NumPy's float functions do."""
    tensor = as_tensor(a)
    return tensor if tensor.dtype.is_float else Tensor(cast(tensor.node, float64))
