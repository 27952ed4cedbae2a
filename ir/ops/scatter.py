"""Elements written where an index says: the transpose of take_along_axis.

Owns the record of `scatter`. Invariant: updates are done one after the other in row-major order, so
that the result does not depend on how it is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError, ShapeError
from graphc.ir.graph import Attrs, Node
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops.algebra import Expression, full, ones_like, ops, zeros_like
from graphc.ir.ops.batching import batch_along_axis
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import draw, edges_of
from graphc.ir.ops.wrapping import positions_of, wrapped
from graphc.ir.routine import ArrayView, Number, RoutineBuilder
from graphc.ir.types import ALL_DTYPES, DType, Shape, TensorType, bool_, int8, int32, int64, uint64

Mode = Literal["set", "add", "max", "min", "mul"]


@dataclass(frozen=True)
class ScatterAttrs(Attrs):
    """`axis`: along which the indices count, from 0; `mode`: what an update does to an element."""

    axis: int
    mode: Mode


def _attrs(node: Node) -> ScatterAttrs:
    assert isinstance(node.attrs, ScatterAttrs)
    return node.attrs


def _scatter_type(types: Sequence[TensorType], attrs: ScatterAttrs) -> TensorType:
    x, indices, updates = types
    axis = attrs.axis
    if not 0 <= axis < x.rank:
        raise AttributeValueError(
            f"scatter along axis {axis}", operand=0, detail=f"which has {x.rank} axes"
        )
    if not indices.dtype.is_integer:
        raise DTypeError("scatter needs integer indices", operand=1)
    if updates.dtype != x.dtype:
        raise DTypeError(
            "scatter needs updates of its operand's dtype", operand=2, detail=f"but {{0}} is {x}"
        )
    if updates.shape != indices.shape:
        raise ShapeError(
            "scatter needs an index for each update", operand=2, detail=f"but {{1}} is {indices}"
        )
    if len(indices.shape) != x.rank or x.shape != (
        *indices.shape[:axis],
        x.shape[axis],
        *indices.shape[axis + 1 :],
    ):
        raise ShapeError(
            f"scatter needs equal sizes on all axes but axis {axis}",
            operand=1,
            detail=f"but {{0}} is {x}",
        )
    if x.shape[axis] == 0 and indices.size:
        raise ShapeError("scatter has no place to put anything", operand=0)
    return x


_UFUNCS: dict[str, np.ufunc] = {
    "add": np.add,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
}


def _scatter_reference(x: Array, indices: Array, updates: Array, axis: int, mode: Mode) -> Array:
    result = x.copy()
    place: list[Array] = list(np.indices(indices.shape, sparse=True))
    place[axis] = positions_of(indices, x.shape[axis])
    if mode != "set":
        _UFUNCS[mode].at(result, tuple(place), updates)
        return result
    for index in np.ndindex(indices.shape):
        there = (*index[:axis], place[axis][index], *index[axis + 1 :])
        result[there] = updates[index]
    return result


def _combined(b: RoutineBuilder, mode: Mode, old: Number, new: Number) -> Number:
    """What is stored; the sum of bools is whether one of them holds, as in NumPy."""
    if mode == "set":
        return new
    if old.dtype is bool_:
        return old | new if mode in ("add", "max") else old & new
    if mode == "max":
        return b.maximum(old, new)
    if mode == "min":
        return b.minimum(old, new)
    return old + new if mode == "add" else old * new


def _scatter(
    b: RoutineBuilder,
    attrs: ScatterAttrs,
    x: ArrayView,
    indices: ArrayView,
    updates: ArrayView,
    y: ArrayView,
) -> None:
    """Element by element; or where one index stands for a row, in lanes along it."""
    b.copy(x, y)
    axis, size = attrs.axis, x.shape[attrs.axis]
    *outer, width = updates.shape
    if not updates.type.size:
        return

    def put(row: Number, *place: object) -> None:
        there = (*place[:axis], row, *place[axis + 1 :])
        y[there] = _combined(b, attrs.mode, y[there], updates[place])

    if axis < len(outer) and not indices.varies(len(outer)):
        with b.each(*outer) as place:
            row = wrapped(b, indices[(*place, 0)], size)
            b.lanes(0, width, y.dtype, lambda j: put(row, *place, j))
        return
    with b.each(*updates.shape) as place:
        put(wrapped(b, indices[place], size), *place)


def _at_updates(node: Node, values: Node) -> Node:
    """Of what has the shape of x, the element that each update went to."""
    return ops.take_along_axis(values, node.operands[1], axis=_attrs(node).axis)


def _into(node: Node, x: Node, updates: Node, mode: Mode) -> Node:
    return ops.scatter(x, node.operands[1], updates, axis=_attrs(node).axis, mode=mode)


def _is_last(node: Node) -> Expression:
    """Whether an update is the last of those that go to the same place."""
    updates, axis = node.operands[2], _attrs(node).axis
    number = ops.iota(shape=updates.shape, axis=axis, dtype=int64)
    last = _into(node, full(0, int64, node.shape), number, "set")
    return Expression(_at_updates(node, last)).eq(Expression(number))


def _attained(node: Node) -> tuple[Expression, Expression, Expression]:
    """Of a maximum or minimum: whether x attains it, whether each update does, and how many do."""
    x, _, updates = node.operands
    of_x = Expression(x).eq(Expression(node))
    of_updates = Expression(updates).eq(Expression(_at_updates(node, node)))
    one_x, one_update = (each.cast(dtype=node.dtype).node for each in (of_x, of_updates))
    return of_x, of_updates, Expression(_into(node, one_x, one_update, "add"))


def _others(node: Node) -> tuple[Expression, Expression]:
    """The product of all other factors, for x and for each update."""
    x, _, updates = node.operands
    y, factor = Expression(_at_updates(node, node)), Expression(updates)
    ones, zeros = Expression(ones_like(updates)), Expression(zeros_like(updates))
    is_zero, x_zero = factor.eq(0), Expression(x).eq(0)
    rest = x_zero.where(Expression(ones_like(x)), Expression(x)).node
    nonzero = _into(node, rest, is_zero.where(ones, factor).node, "mul")
    count = _into(node, x_zero.cast(dtype=x.dtype).node, is_zero.cast(dtype=x.dtype).node, "add")
    is_only = Expression(_at_updates(node, count)).eq(1)
    without = is_only.where(Expression(_at_updates(node, nonzero)), zeros)
    of_updates = is_zero.where(without, y / is_zero.where(ones, factor))
    return Expression(_into(node, ones_like(x), updates, "mul")), of_updates


def _scatter_vjp(node: Node, g: Node, i: int) -> Node | None:
    if not node.dtype.is_float or i == 1:
        return None
    mode = _attrs(node).mode
    if mode == "add":
        return g if i == 0 else _at_updates(node, g)
    if mode == "set":
        if i == 0:
            return _into(node, g, zeros_like(node.operands[2]), "set")
        return _is_last(node).where(Expression(_at_updates(node, g)), 0).node
    if mode == "mul":
        of_x, of_updates = _others(node)
        return (
            (Expression(g) * of_x) if i == 0 else Expression(_at_updates(node, g)) * of_updates
        ).node
    of_x, of_updates, count = _attained(node)
    shared = Expression(g) / count
    if i == 0:
        return of_x.where(shared, 0).node
    return of_updates.where(Expression(_at_updates(node, shared.node)), 0).node


def _scatter_jvp(node: Node, tangents: Sequence[Node | None]) -> Node | None:
    of_x, _, of_updates = tangents
    mode = _attrs(node).mode
    if of_x is None and of_updates is None:
        return None
    x = zeros_like(node) if of_x is None else of_x
    updates = zeros_like(node.operands[2]) if of_updates is None else of_updates
    if mode in ("add", "set"):
        return _into(node, x, updates, mode)
    if mode == "mul":
        for_x, for_updates = _others(node)
        first, others = Expression(x) * for_x, Expression(updates) * for_updates
        return _into(node, first.node, others.node, "add")
    from_x, from_updates, count = _attained(node)
    first, others = from_x.where(Expression(x), 0), from_updates.where(Expression(updates), 0)
    total = _into(node, first.node, others.node, "add")
    return (Expression(total) / count).node


def _sample(
    x: Shape, count: int, axis: int, mode: Mode, indices: DType = int64, *, beyond: int = 0
) -> Sample:
    """Indices from the whole allowed range, and `beyond` it on both sides."""
    shape = (*x[:axis], count, *x[axis + 1 :])

    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        size = x[axis] + beyond
        low = 0 if indices.kind == "uint" else -size
        chosen = rng.integers(low, max(size, 1), shape).astype(indices.numpy)
        return draw(rng, dtype, x), chosen, draw(rng, dtype, shape)

    label = f"{mode} {count} to {x} along {axis} by {indices}"
    return Sample(arrays, {"axis": axis, "mode": mode}, label=label)


def _edges(mode: Mode) -> Sample:
    """Every pair of edge cases meets in one place."""

    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        edges = edges_of(dtype)
        first, second = (axis.ravel() for axis in np.meshgrid(edges, edges))
        return first, np.arange(first.size), second

    return Sample(arrays, {"axis": 0, "mode": mode}, label=f"{mode} edges", differentiable=False)


def _zeros(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
    x, updates = draw(rng, dtype, (4,)), draw(rng, dtype, (6,))
    updates[[0, 1]] = 0
    return x, np.array([0, 1, 0, 2, 2, 1]), updates


def _refused(
    refuse: type[GraphError], label: str, make: Callable[[DType], tuple[Array, ...]], axis: int = 0
) -> Sample:
    attrs: dict[str, Any] = {"axis": axis, "mode": "add"}
    return Sample(lambda rng, dtype: make(dtype), attrs, refuse=refuse, label=label)


def _zeros_of(dtype: DType, *shape: int) -> Array:
    return np.zeros(shape, dtype.numpy)


def _other(dtype: DType) -> DType:
    return int8 if dtype is bool_ else bool_


scatter = register(
    Op(
        name="scatter",
        family=Family.ROUTINE,
        operands=("x", "indices", "updates"),
        attrs=ScatterAttrs,
        infer=_scatter_type,
        reference=_scatter_reference,
        doc="x with updates along an axis at the places that an index names: each in turn takes "
        "the place of the element there (set), is added to it (add), multiplied with it (mul) or "
        "kept if it is larger (max) or smaller (min). The sum of bools is whether one holds. "
        "Indices are read as take_along_axis reads them. What is overwritten has no derivative, "
        "elements that tie for a maximum or minimum share it; of products it is right with zeros "
        "among the factors, but the second where two factors of one place are zero.",
        vjp=_scatter_vjp,
        jvp=_scatter_jvp,
        batch=batch_along_axis,
        routine=_scatter,
        in_place=0,
        indexed=lambda node: ((1, node.shape[_attrs(node).axis]),),
        dtypes=ALL_DTYPES,
        samples=(
            _sample((7,), 9, 0, "add"),
            _sample((7,), 9, 0, "set", int32),
            _sample((5, 10), 1, 1, "set", uint64),
            _sample((5, 35), 7, 0, "set"),
            _sample((5, 3), 8, 0, "max", int8),
            _sample((2, 3, 4), 5, 1, "min"),
            _sample((2, 3, 17), 4, 1, "add", beyond=4),
            _sample((300, 2), 3, 0, "add", int8),
            _sample((4, 5), 3, 1, "mul", beyond=1),
            _sample((1,), 3, 0, "mul"),
            _sample((0, 3), 0, 0, "add"),
            _sample((4, 3), 0, 0, "set"),
            _sample((0,), 0, 0, "max"),
            _edges("set"),
            _edges("max"),
            _edges("min"),
            Sample(_zeros, {"axis": 0, "mode": "mul"}, label="a zero factor"),
            _refused(
                ShapeError,
                "no place",
                lambda d: (_zeros_of(d, 0), np.zeros(1, int), _zeros_of(d, 1)),
            ),
            _refused(
                ShapeError,
                "one update too many",
                lambda d: (_zeros_of(d, 3), np.zeros(1, int), _zeros_of(d, 2)),
            ),
            _refused(
                ShapeError,
                "rows of another length",
                lambda d: (_zeros_of(d, 3, 2), np.zeros((3, 1), int), _zeros_of(d, 3, 1)),
            ),
            _refused(
                ShapeError,
                "another rank",
                lambda d: (_zeros_of(d, 3, 2), np.zeros(3, int), _zeros_of(d, 3)),
            ),
            _refused(
                DTypeError,
                "indices that are floats",
                lambda d: (_zeros_of(d, 3), np.zeros(1), _zeros_of(d, 1)),
            ),
            _refused(
                DTypeError,
                "two dtypes",
                lambda d: (_zeros_of(d, 3), np.zeros(1, int), _zeros_of(_other(d), 1)),
            ),
            _refused(
                AttributeValueError,
                "axis 1 of 1",
                lambda d: (_zeros_of(d, 3), np.zeros(1, int), _zeros_of(d, 1)),
                axis=1,
            ),
        ),
    )
)
