"""Rules about layout: moves that cancel, compose or are not needed.

Owns `LAYOUT_RULES`. Imports `ir.passes.rules` and builders. Invariant: they hold for every dtype,
since moving elements changes none of them.
"""

from __future__ import annotations

import math

import numpy as np

from graphc.ir.build import Expression, broadcast, full, ops, reshape
from graphc.ir.graph import Node
from graphc.ir.ops import layout
from graphc.ir.passes.rules import RuleSet, rule
from graphc.ir.passes.terms import splat
from graphc.ir.rounding import rounded
from graphc.ir.types import Shape

_Axes = tuple[int, ...]


def _before_broadcasting(node: Node) -> Node:
    """The same op on what its operands were before they were broadcast."""
    operands = tuple(
        operand.operands[0] if operand.op is layout.broadcast_to else operand
        for operand in node.operands
    )
    return node.op.build(operands, node.attrs)


def _moved_scalar(node: Node, x: Node) -> Node | None:
    """Moving equal elements about changes no more than their shape."""
    return broadcast(reshape(x, ()), node.shape) if x.type.size == 1 else None


def _transpose_once(node: Node, x: Node, p: _Axes, q: _Axes) -> Node:
    return ops.transpose(x, perm=tuple(p[axis] for axis in q))


def _slice_once(
    node: Node, x: Node, inner: _Axes, inner_step: _Axes, outer: _Axes, outer_step: _Axes
) -> Node:
    start = (a + b * c for a, b, c in zip(inner, inner_step, outer, strict=True))
    step = (a * b for a, b in zip(inner_step, outer_step, strict=True))
    return ops.slice(x, start=tuple(start), step=tuple(step), shape=node.shape)


def _whole_slice(node: Node, x: Node, start: _Axes, step: _Axes) -> Node | None:
    whole = x.shape == node.shape and not any(start) and all(s == 1 for s in step)
    return x if whole else None


def _unreduced(node: Node, x: Node, axes: _Axes) -> Node | None:
    """Reducing one element gives that element."""
    return reshape(x, node.shape) if all(x.shape[axis] == 1 for axis in axes) else None


def _sum_of_one(node: Node, x: Node, axes: _Axes) -> Node | None:
    """0 + x, which is x but for the sign of -0.0."""
    if any(x.shape[axis] != 1 for axis in axes):
        return None
    return (Expression(reshape(x, node.shape)) + 0).node


def _sum_of_equals(node: Node, x: Node, axes: _Axes) -> Node | None:
    """`count * value`, when no partial sum of so many equal numbers is ever rounded."""
    value = splat(x)
    count = math.prod(x.shape[axis] for axis in axes)
    if value is None or not node.dtype.is_float or not np.isfinite(value) or not value:
        return None
    digits = node.dtype.digits
    numerator, _ = float(value).as_integer_ratio()
    odd = abs(numerator) // (numerator & -numerator)
    total = count * float(value)
    finite = np.isfinite(rounded(np.asarray(total), node.dtype))
    if not count or odd * count > 2**digits or not finite:
        return None
    return full(total, node.dtype, node.shape)


def _sum_of_taken(node: Node, p: Node, i: Node, x: Node, axes: _Axes) -> Node | None:
    """Of positions along an axis one at most is the index: the sum is `x` if there is one."""
    row = node.operands[0].shape
    if p.op is not ops.iota or p.shape != row or axes != (p.attrs.axis,):  # type: ignore[attr-defined]
        return None
    (axis,), size = axes, row[axes[0]]
    if size > np.iinfo(p.dtype.numpy.name).max or any(_varies(each, row, axis) for each in (i, x)):
        return None
    index, taken = Expression(i), Expression(x)
    if not _is_clamped(i, size):
        taken = index.ge(0).logical_and(index.lt(size)).where(taken, 0)
    shape = tuple(1 if place == axis else n for place, n in enumerate(row))
    return reshape(broadcast((taken + 0).node, shape), node.shape)


def _is_clamped(index: Node, size: int) -> bool:
    """Whether an index was moved into an axis of a size, as takes do it."""
    if index.op is not ops.minimum or index.operands[0].op is not ops.maximum:
        return False
    low, high = splat(index.operands[0].operands[1]), splat(index.operands[1])
    return low is not None and high is not None and 0 <= low <= high < size


def _varies(node: Node, shape: Shape, axis: int) -> bool:
    """Whether what is broadcast to a shape has several elements along an axis of it."""
    place = axis - (len(shape) - len(node.shape))
    return place >= 0 and node.shape[place] != 1


def _same_shape(node: Node, x: Node, s: Shape) -> Node | None:
    return x if x.shape == s else None


def _reshape_before_broadcasting(node: Node, x: Node, s: Shape) -> Node | None:
    """Where no axis of the result mixes axes that are repeated with others that are not."""
    repeated = node.operands[0].shape
    if not node.type.size:
        return None
    aligned = (1,) * (len(repeated) - len(x.shape)) + x.shape
    shape: list[int] = []
    end = stop = 0
    while end < len(repeated) and stop < len(s):
        start, begin = end, stop
        before, after = repeated[end], s[stop]
        end, stop = end + 1, stop + 1
        while before != after:
            if before < after:
                before, end = before * repeated[end], end + 1
            else:
                after, stop = after * s[stop], stop + 1
        if all(size == 1 for size in aligned[start:end]):
            shape += [1] * (stop - begin)
        elif aligned[start:end] == repeated[start:end]:
            shape += s[begin:stop]
        else:
            return None
    shape += [1] * (len(s) - stop)
    return broadcast(reshape(x, tuple(shape)), s)


LAYOUT_RULES = RuleSet(
    [
        rule(
            "elementwise-broadcast",
            "elementwise(..., broadcast_to)",
            _before_broadcasting,
            "x:f32[2,3] y:f32[3]; add(x, broadcast_to(y, shape=(2, 3))) -> add(x, y)",
        ),
        rule(
            "broadcast-nothing",
            "broadcast_to(x, shape=s)",
            _same_shape,
            "x:f32[3]; broadcast_to(x, shape=(3,)) -> x",
        ),
        rule(
            "broadcast-broadcast",
            "broadcast_to(broadcast_to(x), shape=s)",
            lambda node, x, s: broadcast(x, s),
            "x:f32[3]; broadcast_to(broadcast_to(x, shape=(1, 3)), shape=(2, 3))"
            " -> broadcast_to(x, shape=(2, 3))",
        ),
        rule(
            "reshape-nothing",
            "reshape(x, shape=s)",
            _same_shape,
            "x:f32[3]; reshape(x, shape=(3,)) -> x",
        ),
        rule(
            "reshape-reshape",
            "reshape(reshape(x), shape=s)",
            lambda node, x, s: reshape(x, s),
            "x:f32[2,3]; reshape(reshape(x, shape=(6,)), shape=(3, 2)) -> reshape(x, shape=(3, 2))",
        ),
        rule(
            "reshape-broadcast",
            "reshape(broadcast_to(x), shape=s)",
            _reshape_before_broadcasting,
            "x:f32[2,3,1]; reshape(broadcast_to(x, shape=(2, 3, 4)), shape=(6, 4))"
            " -> broadcast_to(reshape(x, shape=(6, 1)), shape=(6, 4))",
        ),
        rule(
            "transpose-nothing",
            "transpose(x, perm=p)",
            lambda node, x, p: x if list(p) == sorted(p) else None,
            "x:f32[2,3]; transpose(x, perm=(0, 1)) -> x",
        ),
        rule(
            "transpose-transpose",
            "transpose(transpose(x, perm=p), perm=q)",
            _transpose_once,
            "x:f32[2,3,4]; transpose(transpose(x, perm=(1, 2, 0)), perm=(1, 0, 2))"
            " -> transpose(x, perm=(2, 1, 0))",
        ),
        rule(
            "slice-nothing",
            "slice(x, start=start, step=step)",
            _whole_slice,
            "x:f32[3]; slice(x, start=(0,), step=(1,), shape=(3,)) -> x",
        ),
        rule(
            "slice-slice",
            "slice(slice(x, start=inner, step=inner_step), start=outer, step=outer_step)",
            _slice_once,
            "x:f32[9]; slice(slice(x, start=(8,), step=(-2,), shape=(4,)),"
            " start=(1,), step=(2,), shape=(2,)) -> slice(x, start=(6,), step=(-4,), shape=(2,))",
        ),
        *(
            rule(
                f"{name}-scalar",
                f"{name}(broadcast_to(x))",
                _moved_scalar,
                f"x:f32[]; {name}(broadcast_to(x, shape=(2, 3)), {attrs})"
                " -> broadcast_to(x, shape=(3, 2))",
            )
            for name, attrs in (
                ("reshape", "shape=(3, 2)"),
                ("transpose", "perm=(1, 0)"),
            )
        ),
        rule(
            "slice-scalar",
            "slice(broadcast_to(x))",
            _moved_scalar,
            "x:f32[]; slice(broadcast_to(x, shape=(3,)), start=(1,), step=(1,), shape=(2,))"
            " -> broadcast_to(x, shape=(2,))",
        ),
        rule(
            "pad-nothing",
            "pad(x, low=low, high=high)",
            lambda node, x, low, high: None if any(low + high) else x,
            "x:f32[3]; pad(x, low=(0,), high=(0,)) -> x",
        ),
        rule(
            "concatenate-one",
            "concatenate(x)",
            "x",
            "x:f32[3]; concatenate(x, axis=0) -> x",
        ),
        *(
            rule(
                f"{name}-one",
                f"{name}(x, axes=axes)",
                _unreduced,
                f"x:f32[2,1]; {name}(x, axes=(1,)) -> reshape(x, shape=(2,))",
            )
            for name in ("prod", "max", "min")
        ),
        rule(
            "sum-one",
            "sum(x, axes=axes)",
            _sum_of_one,
            "x:f32[2,1]; sum(x, axes=(1,)) -> add(reshape(x, shape=(2,)), 0)",
        ),
        rule(
            "sum-equals",
            "sum(x, axes=axes)",
            _sum_of_equals,
            "x:f32[2]; sum(broadcast_to(0.5, shape=(2, 6)), axes=(1,))"
            " -> broadcast_to(3, shape=(2,))",
        ),
        rule(
            "sum-taken",
            "sum(where(eq(p, i), x, 0), axes=axes)",
            _sum_of_taken,
            "i:i32[2,1]; p = iota(shape=(2, 3), axis=1, dtype=i32); sum(where(eq(p, i), 0.5, 0.0),"
            " axes=(1,)) -> reshape(add(where(logical_and(ge(i, 0), lt(i, 3)), 0.5, 0.0), 0.0),"
            " shape=(2,))",
        ),
        rule(
            "stop-gradient",
            "stop_gradient(x)",
            "x",
            "x:f32[3]",
        ),
    ]
)
