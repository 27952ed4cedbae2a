"""Tensors extended at their ends: pad with its modes.

Owns `pad`. Imports the op records. Invariant: a mode other than `constant` only repeats elements,
at positions that NumPy itself gives for an axis of that size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from graphc.functions.axes import axis_of
from graphc.functions.positions import picked
from graphc.functions.refusal import refused
from graphc.ir.build import ops, resized
from graphc.ir.diagnostics import AttributeValueError
from graphc.ir.graph import Node
from graphc.ir.types import bool_
from graphc.promotion import as_node
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

Repeating = Literal["edge", "reflect", "symmetric", "wrap"]


@public
def pad(
    array: TensorLike, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0
) -> Tensor:
    """`pad_width` elements more before and after each axis.

    `pad_width` is a number, a pair (before, after) for all axes, a pair for each axis, or a dict
    from axes to numbers or pairs. `mode` says what the elements are: `constant` (of
    `constant_values`, in the forms of `pad_width`), `edge` (the last element), `reflect` (mirrored
    about the last element), `symmetric` (mirrored about the edge) or `wrap` (from the other end);
    the mirrored ones go back and forth where they are wider than the axis.

    Raises `AttributeValueError` for other modes, negative widths, and for extending an axis of
    size 0 by a mode that repeats elements.
    """
    node = as_node(array)
    widths = _pairs("pad_width", pad_width, node)
    if (widths.size and widths.dtype.kind not in "iu") or (widths < 0).any():
        raise AttributeValueError(
            f"pad takes whole numbers, none of them negative, got pad_width {pad_width!r}"
        )
    if mode == "constant":
        return Tensor(_constant(node, widths, _pairs("constant_values", constant_values, node)))
    if mode not in get_args(Repeating):
        modes = ", ".join(("constant", *get_args(Repeating)))
        raise AttributeValueError(f"pad has no mode {mode!r}", help=f"the modes are {modes}")
    for axis, pair in enumerate(widths.tolist()):
        if any(pair):
            node = picked(node, axis, _extended(node, axis, pair, mode))
    return Tensor(node)


def _extended(node: Node, axis: int, pair: list[int], mode: Any) -> np.ndarray[Any, Any]:
    """The positions that a padded axis reads."""
    size = node.shape[axis]
    if size == 0:
        error = AttributeValueError(
            f"pad cannot extend axis {axis} by mode {mode!r}",
            operand=0,
            detail=f"which has no elements along axis {axis}",
            help="mode 'constant' brings elements of its own",
        )
        raise refused(error, node)
    return np.pad(np.arange(size), (pair[0], pair[1]), mode=mode)


def _constant(node: Node, widths: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> Node:
    """One pad where all ends take the same value; else one for each end, as NumPy fills corners."""
    if not widths.size:
        return node
    if np.array_equal(values, np.full_like(values, values[0, 0]), equal_nan=True):
        low, high = (tuple(widths[:, side].tolist()) for side in (0, 1))
        return ops.pad(node, low=low, high=high, value=_number(values[0, 0], node))
    none = (0,) * len(node.shape)
    for axis in range(len(none)):
        for side in (0, 1):
            width = int(widths[axis, side])
            one = resized(none, axis, width)
            low, high = (one, none) if side == 0 else (none, one)
            if width:
                value = _number(values[axis, side], node)
                node = ops.pad(node, low=low, high=high, value=value)
    return node


def _number(value: Any, node: Node) -> float | int:
    """A Python number of the kind of the tensor's dtype."""
    if node.dtype is bool_:
        return int(bool(value))
    return float(value) if node.dtype.is_float or not np.isfinite(value) else int(value)


def _pairs(name: str, given: Any, node: Node) -> np.ndarray[Any, Any]:
    """A (before, after) for each axis."""
    rank = len(node.shape)
    if isinstance(given, dict):
        pairs = [(0, 0)] * rank
        for axis, pair in given.items():
            place = axis_of("pad", axis, node)
            pairs[place] = pair if isinstance(pair, tuple) else (pair, pair)
        given = pairs
    try:
        return np.broadcast_to(np.asarray(given), (rank, 2))
    except ValueError:
        raise AttributeValueError(
            f"pad of {rank} axes cannot use {name} {given!r}",
            help="give a number, one pair, or one pair for each axis",
        ) from None
