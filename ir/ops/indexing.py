"""Layout ops that place and pick elements along an axis: concatenate and take_along_axis.

Owns their records. Invariant: `access` says where each output element is read, by the offsets of
the operands or through an index that another operand holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from graphc.ir.access import identity
from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import AccessMap, Affine, Array, Indirect, Sample
from graphc.ir.ops.algebra import Expression, cast, ops, resized, slice_along, zeros_like
from graphc.ir.ops.batching import Batched, batch_along_axis
from graphc.ir.ops.combinators import layout
from graphc.ir.ops.samples import draw
from graphc.ir.ops.wrapping import positions_of
from graphc.ir.types import DType, Shape, TensorType, bool_, int8, int32, int64, uint64


@dataclass(frozen=True)
class AxisAttrs(Attrs):
    """`axis`: counted from 0."""

    axis: int


def _axis(node: Node) -> int:
    assert isinstance(node.attrs, AxisAttrs)
    return node.attrs.axis


def _check_axis(name: str, axis: int, operand: TensorType) -> None:
    if not 0 <= axis < operand.rank:
        raise AttributeValueError(
            f"{name} along axis {axis}", operand=0, detail=f"which has {operand.rank} axes"
        )


def _same_but(axis: int, x: Shape, y: Shape) -> bool:
    """Whether two shapes are equal on all axes but one."""
    return len(x) == len(y) and x[:axis] + x[axis + 1 :] == y[:axis] + y[axis + 1 :]


def _concatenate_type(types: Sequence[TensorType], attrs: AxisAttrs) -> TensorType:
    first, axis = types[0], attrs.axis
    _check_axis("concatenate", axis, first)
    for position, other in enumerate(types):
        if other.dtype != first.dtype:
            raise DTypeError(
                "concatenate needs operands of one dtype",
                operand=position,
                detail=f"but the first operand is {first}",
            )
        if not _same_but(axis, other.shape, first.shape):
            raise ShapeError(
                f"concatenate along axis {axis} needs equal sizes on all other axes",
                operand=position,
                detail=f"but the first operand is {first}",
            )
    total = sum(other.shape[axis] for other in types)
    return first.with_shape(resized(first.shape, axis, total))


def _offsets(node: Node) -> list[int]:
    """Where along the axis each operand begins."""
    offsets = [0]
    for operand in node.operands[:-1]:
        offsets.append(offsets[-1] + operand.shape[_axis(node)])
    return offsets


def _concatenate_access(node: Node) -> tuple[AccessMap, ...]:
    return tuple(
        tuple(
            Affine.along(axis, 1, -offset if axis == _axis(node) else 0)
            for axis in range(len(node.shape))
        )
        for offset in _offsets(node)
    )


def _concatenate_vjp(node: Node, g: Node, i: int) -> Node:
    axis = _axis(node)
    return slice_along(g, axis, _offsets(node)[i], node.operands[i].shape[axis])


def _concatenate_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    if all(tangent is None for tangent in tangents):
        return None
    filled = [
        zeros_like(operand) if tangent is None else tangent
        for operand, tangent in zip(node.operands, tangents, strict=True)
    ]
    return node.op.build(filled, node.attrs)


def _shapes_sample(*shapes: Shape, axis: int, refuse: type[GraphError] | None = None) -> Sample:
    return Sample(
        lambda rng, dtype: tuple(draw(rng, dtype, shape) for shape in shapes),
        {"axis": axis},
        refuse=refuse,
        label=f"{shapes} along {axis}",
    )


def _two_dtypes(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    return draw(rng, dtype, (3,)), draw(rng, int8 if dtype == bool_ else bool_, (3,))


concatenate = layout(
    "concatenate",
    ("*xs",),
    doc="Operands one after the other along an axis.",
    attrs=AxisAttrs,
    infer=_concatenate_type,
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    access=_concatenate_access,
    fill=lambda attrs: 0,
    vjp=_concatenate_vjp,
    jvp=_concatenate_jvp,
    batch=batch_along_axis,
    numpy=("concatenate", "concat"),
    samples=(
        _shapes_sample((3,), axis=0),
        _shapes_sample((3,), (0,), (5,), axis=0),
        _shapes_sample((2, 3), (2, 1), axis=1),
        _shapes_sample((2, 3, 1), (4, 3, 1), (1, 3, 1), axis=0),
        _shapes_sample((3,), (3,), axis=1, refuse=AttributeValueError),
        _shapes_sample((), (), axis=0, refuse=AttributeValueError),
        _shapes_sample((2, 3), (3, 3), axis=1, refuse=ShapeError),
        _shapes_sample((2, 3), (2,), axis=1, refuse=ShapeError),
        Sample(
            lambda rng, dtype: (
                draw(rng, dtype, (3,)),
                np.ones(3, bool if dtype.bits > 1 else int),
            ),
            {"axis": 0},
            refuse=DTypeError,
            label="two dtypes",
        ),
    ),
)


def _take_type(types: Sequence[TensorType], attrs: AxisAttrs) -> TensorType:
    x, indices = types
    _check_axis("take_along_axis", attrs.axis, x)
    if not indices.dtype.is_integer:
        raise DTypeError("take_along_axis needs integer indices", operand=1)
    if not _same_but(attrs.axis, x.shape, indices.shape):
        raise ShapeError(
            f"take_along_axis needs equal sizes on all axes but axis {attrs.axis}",
            operand=1,
            detail=f"but {{0}} is {x}",
        )
    if x.shape[attrs.axis] == 0 and indices.size:
        raise ShapeError("take_along_axis has nothing to take from", operand=0)
    return x.with_shape(indices.shape)


def _take_reference(x: Array, indices: Array, axis: int) -> Array:
    return np.take_along_axis(x, positions_of(indices, x.shape[axis]), axis)


def _take_access(node: Node) -> tuple[AccessMap | None, ...]:
    plain = identity(len(node.shape))
    axis = _axis(node)
    return (*plain[:axis], Indirect(1), *plain[axis + 1 :]), None


def _take_vjp(node: Node, g: Node, i: int) -> Node | None:
    """The adjoints of the elements taken from each position of x, added to it. Of one element
    it is found by comparing positions with the index, which is elementwise and so can be fused."""
    x, indices = node.operands
    if i == 1 or not x.dtype.is_float:
        return None
    if indices.shape[_axis(node)] == 1:
        return Expression(is_taken(node)).where(Expression(g), 0).node
    return ops.scatter(zeros_like(x), indices, g, axis=_axis(node), mode="add")


def is_taken(node: Node) -> Node:
    """For a take of one element along its axis: at each position of x whether it is the one."""
    x, index = node.operands[0], _clamped_index(node)
    position = ops.iota(shape=x.shape, axis=_axis(node), dtype=index.node.dtype)
    return Expression(position).eq(index).node


def _clamped_index(node: Node) -> Expression:
    """The index that is read at, counted from the start."""
    x, indices = node.operands
    size = x.shape[_axis(node)]
    wide = indices if indices.dtype in (int32, int64) else wide_index(indices)
    index = Expression(wide)
    return index.lt(0).where(index + size, index).maximum(0).minimum(size - 1)


def wide_index(indices: Node) -> Node:
    """Indices as i64; those beyond it as its largest number, which a cast would make negative."""
    if indices.dtype is uint64:
        indices = Expression(indices).minimum(np.iinfo(np.int64).max).node
    return cast(indices, int64)


def _take_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    tangent = tangents[0]
    return None if tangent is None else node.op.build((tangent, node.operands[1]), node.attrs)


def _take_batch(node: Node, operands: Sequence[Node], batched: Batched) -> Node:
    """From what all examples share, along its first axis, the elements of all examples are taken
    at once: so the adjoint is as large as what is taken from, not that times the batch."""
    (x, indices), (by_x, _) = operands, batched
    if by_x or _axis(node):
        return batch_along_axis(node, operands, batched)
    size, count, *rest = indices.shape
    taken = ops.take_along_axis(x, ops.reshape(indices, shape=(size * count, *rest)), axis=0)
    return ops.reshape(taken, shape=indices.shape)


def _take_sample(
    x: Shape, count: int, axis: int, indices: DType = int64, *, beyond: int = 0
) -> Sample:
    """Indices from the whole allowed range, negative ones too, and `beyond` it on both sides."""

    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        size = x[axis] + beyond
        low = 0 if indices.kind == "uint" else -size
        shape = resized(x, axis, count)
        return draw(rng, dtype, x), rng.integers(low, max(size, 1), shape).astype(indices.numpy)

    return Sample(arrays, {"axis": axis}, label=f"{count} of {x} along {axis} by {indices}")


def _take_refused(x: Shape, indices: Array, axis: int, refuse: type[GraphError]) -> Sample:
    return Sample(
        lambda rng, dtype: (draw(rng, dtype, x), indices),
        {"axis": axis},
        refuse=refuse,
        label=f"{x} by {indices.dtype}{list(indices.shape)} along {axis}",
    )


take_along_axis = layout(
    "take_along_axis",
    ("x", "indices"),
    doc="Along an axis the elements that an index names at each place. An index from -n to -1 "
    "counts from the end; one outside -n to n-1 is moved to the nearest end.",
    attrs=AxisAttrs,
    infer=_take_type,
    reference=_take_reference,
    access=_take_access,
    vjp=_take_vjp,
    jvp=_take_jvp,
    batch=_take_batch,
    numpy=("take_along_axis",),
    samples=(
        _take_sample((7,), 1, 0),
        _take_sample((7,), 9, 0, int32),
        _take_sample((5, 10), 1, 1, int32),
        _take_sample((5, 3), 4, 0, uint64),
        _take_sample((2, 3, 4), 2, 1, int8),
        _take_sample((300, 2), 3, 0, int8),
        _take_sample((5, 3), 6, 1, beyond=4),
        Sample(
            lambda rng, dtype: (
                draw(rng, dtype, (5,)),
                np.array([0, 2**63 - 1, 2**63, 2**64 - 2], np.uint64),
            ),
            {"axis": 0},
            label="indices beyond i64",
        ),
        _take_sample((0, 3), 0, 0),
        _take_sample((4, 3), 0, 1),
        _take_refused((3,), np.zeros(2), 0, DTypeError),
        _take_refused((3, 2), np.zeros((2, 2), int), 1, ShapeError),
        _take_refused((3,), np.zeros((2, 2), int), 0, ShapeError),
        _take_refused((0,), np.zeros(1, int), 0, ShapeError),
        _take_refused((3,), np.zeros(1, int), 1, AttributeValueError),
    ),
)
