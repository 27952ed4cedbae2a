"""What the op families share: records filled in from a few lines.

Owns `elementwise`, `reduction`, `layout` and `linear`. Imports the algebra. Invariant:
an elementwise op states its partial derivatives once; both modes of differentiation follow.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import JVP, NO_GRADIENT, VJP, Array, Family, NoGradient, Op, Sample
from graphc.ir.ops.algebra import Expression, broadcast
from graphc.ir.ops.batching import batch_elementwise, batch_reduction
from graphc.ir.ops.masks import added, inside_mask, summed_to
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import refused_dtypes
from graphc.ir.types import ALL_DTYPES, DType, Shape, TensorType

Partial = float | int | Expression | Callable[[Expression], Expression] | None
"""d y / d operand, element by element: a number, an expression, or the linear map itself as a
function of the tangent or adjoint (so that a select never multiplies); None is zero."""

Partials = Callable[..., Sequence[Partial]]
"""partials(y, *operands): one for each operand."""


def elementwise(
    name: str,
    operands: tuple[str, ...],
    *,
    partials: Partials | NoGradient,
    result: Callable[[DType, Any], DType] = lambda dtype, attrs: dtype,
    agree: int = 0,
    **fields: Any,
) -> Op:
    """An op on elements, broadcast as in NumPy.

    `result(dtype, attrs)` is the element type made from that of the last operand. The operands
    from position `agree` on must have one dtype.
    """

    def infer(types: Sequence[TensorType], attrs: Any) -> TensorType:
        for position in range(agree + 1, len(types)):
            if types[position].dtype != types[agree].dtype:
                raise DTypeError(
                    f"{name} needs operands of one dtype",
                    operand=position,
                    detail=f"but {{{agree}}} is {types[agree]}",
                    help="convert one of them with .astype(...)",
                )
        shape = broadcast_shapes(name, [operand.shape for operand in types])
        return TensorType(result(types[-1].dtype, attrs), shape)

    rules: dict[str, Any] = {"vjp": NO_GRADIENT, "jvp": NO_GRADIENT}
    if not isinstance(partials, NoGradient):
        rules = {"vjp": vjp_from(partials), "jvp": jvp_from(partials)}
    common = {"name": name, "family": Family.ELEMENTWISE, "operands": operands, "infer": infer}
    rules["batch"] = batch_elementwise
    return register(Op(**{**common, **rules, **fields}))


def broadcast_shapes(name: str, shapes: Sequence[Shape]) -> Shape:
    """The common shape of operands of `name`; a `ShapeError` names the first that does not fit."""
    result = shapes[0]
    for position, shape in enumerate(shapes[1:], start=1):
        if shape == result:
            continue
        try:
            result = np.broadcast_shapes(result, shape)
        except ValueError:
            before = " and ".join(f"{{{i}}}" for i in range(position))
            has = "has shape {}" if position == 1 else "have shape {} together"
            raise ShapeError(
                f"{name} cannot broadcast {list(result)} with {list(shape)}",
                operand=position,
                detail=f"but {before} {has.format(list(result))}",
                help="aligned from the last axis, two sizes must be equal or one of them 1",
            ) from None
    return result


def vjp_from(partials: Partials) -> VJP:
    """Reverse mode: the adjoint times the partial, summed over what was broadcast."""

    def vjp(node: Node, g: Node, i: int) -> Node | None:
        operand = node.operands[i]
        if not (node.dtype.is_float and operand.dtype.is_float):
            return None
        term = _times(_partials(partials, node)[i], g)
        return None if term is None else summed_to(broadcast(term, node.shape), operand.shape)

    return vjp


def jvp_from(partials: Partials) -> JVP:
    """Forward mode: the sum over operands of tangent times partial."""

    def jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
        total: Node | None = None
        for partial, tangent in zip(_partials(partials, node), tangents, strict=True):
            term = None if tangent is None else _times(partial, tangent)
            if term is not None:
                total = term if total is None else added(total, term)
        return None if total is None else broadcast(total, node.shape)

    return jvp


def _partials(partials: Partials, node: Node) -> Sequence[Partial]:
    return partials(Expression(node), *(Expression(operand) for operand in node.operands))


def _times(partial: Partial, factor: Node) -> Node | None:
    """The tangent or adjoint `factor` times the partial, inside the mask if it has one."""
    if partial is None:
        return None
    if isinstance(partial, float | int) and partial == 1:
        return factor

    def product(factor: Node) -> Node:
        expression = Expression(factor)
        if isinstance(partial, Expression):
            return (expression * partial).node
        if callable(partial):
            return partial(expression).node
        return (-expression if partial == -1 else expression * partial).node

    return inside_mask(factor, product)


@dataclass(frozen=True)
class ReductionAttrs(Attrs):
    """`axes`: reduced, sorted, from 0; `keepdims`: whether they stay, at size 1."""

    axes: tuple[int, ...]
    keepdims: bool = False


def reduction(
    name: str,
    *,
    needs_elements: bool,
    one_or_all: bool = False,
    result: Callable[[DType], DType] = lambda dtype: dtype,
    samples: tuple[Sample, ...],
    dtypes: tuple[DType, ...],
    **fields: Any,
) -> Op:
    """An op that combines elements along axes.

    `needs_elements` refuses to reduce nothing, `one_or_all` any number of axes between one and
    all; `result(dtype)` is the resulting element type.
    """

    def infer(types: Sequence[TensorType], attrs: Any) -> TensorType:
        (operand,) = types
        check_axes(name, attrs.axes, operand)
        if one_or_all and len(attrs.axes) not in (1, operand.rank):
            raise AttributeValueError(
                f"{name} goes along one axis or along all, not along {list(attrs.axes)}", operand=0
            )
        if needs_elements and any(operand.shape[axis] == 0 for axis in attrs.axes):
            raise ShapeError(
                f"{name} of no elements has no value",
                operand=0,
                detail=f"which has no elements along axes {list(attrs.axes)}",
                help="pad it with the value that nothing is to have",
            )
        shape = reduced_shape(operand.shape, attrs.axes, attrs.keepdims)
        return TensorType(result(operand.dtype), shape)

    return register(
        Op(
            name=name,
            family=Family.REDUCTION,
            operands=("x",),
            attrs=ReductionAttrs,
            infer=infer,
            batch=batch_reduction(one_or_all),
            samples=(*samples, *refused_dtypes(dtypes, 1, axes=(0,))),
            dtypes=dtypes,
            **fields,
        )
    )


def check_axes(name: str, axes: tuple[int, ...], operand: TensorType) -> None:
    """Raise unless `axes` are ascending, distinct axes of `operand`."""
    if list(axes) != sorted(set(axes)):
        raise AttributeValueError(f"{name} needs distinct axes in ascending order, got {axes}")
    for axis in axes:
        if not 0 <= axis < operand.rank:
            raise AttributeValueError(
                f"{name} along axis {axis}",
                operand=0,
                detail=f"which has {operand.rank} axes, counted from 0",
            )


def reduced_shape(shape: Shape, axes: tuple[int, ...], keepdims: bool) -> Shape:
    if keepdims:
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes)


def layout(name: str, operands: tuple[str, ...], **fields: Any) -> Op:
    """An op that moves elements and computes nothing."""
    return register(
        Op(
            name=name,
            family=Family.LAYOUT,
            operands=operands,
            dtypes=ALL_DTYPES,
            stored=True,
            analytic=True,
            cost=0,
            **fields,
        )
    )


def linear(transpose: Callable[[Node, Node], Node | None]) -> dict[str, Any]:
    """Both derivatives of an op linear in its one operand.

    `transpose(node, g)` is the adjoint; the tangent is the op itself on the operand's tangent.
    """

    def vjp(node: Node, g: Node, i: int) -> Node | None:
        return transpose(node, g) if node.operands[0].dtype.is_float else None

    def jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
        (tangent,) = tangents
        return None if tangent is None else node.op.build((tangent,), node.attrs)

    return {"vjp": vjp, "jvp": jvp}


def accurate(function: Callable[..., Array]) -> Callable[..., Array]:
    """`function` of f32 arrays computed in f64 and rounded once; other dtypes unchanged."""

    def reference(*arrays: Array, **attrs: Any) -> Array:
        if not any(array.dtype == np.float32 for array in arrays):
            return np.asarray(function(*arrays, **attrs))
        wide = [a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays]
        return np.asarray(function(*wide, **attrs)).astype(np.float32)

    return reference
