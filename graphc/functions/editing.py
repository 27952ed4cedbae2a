"""Elements put in and taken out at known positions: insert, delete; positions of several axes.

Owns those functions, `unravel_index` and `ravel_multi_index`. Imports the op records. Invariant:
which elements stay is known while the graph is declared.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from graphc.functions.axes import axis_of, shape_of
from graphc.functions.elementwise import apply
from graphc.functions.indexing import take
from graphc.functions.joining import concatenate
from graphc.functions.layout import broadcast_to
from graphc.functions.rearranging import moveaxis
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def delete(arr: TensorLike, obj: Any, axis: int | None = None) -> Tensor:
    """`arr` without the parts `obj` along `axis`: a number, a slice, or a list of numbers or bools.

    Without an axis, of the flattened tensor. Raises `AttributeValueError` where `obj` is a tensor
    or lies outside.
    """
    tensor, place = _along("delete", arr, axis)
    left = np.delete(np.arange(tensor.shape[place]), _known("delete", obj, tensor, place))
    return take(tensor, left, place)


@public
def insert(arr: TensorLike, obj: Any, values: TensorLike, axis: int | None = None) -> Tensor:
    """`arr` with `values` before the positions `obj` along `axis`, in the dtype of `arr`.

    Positions are those in `arr`: a number, a slice or a list of numbers. Values broadcast to what
    is put in; for a single position they are parts without the axis, or several of them along it.
    Raises as `delete`.
    """
    tensor, place = _along("insert", arr, axis)
    rows = moveaxis(tensor, place, 0)
    positions = _gaps(obj, tensor, place)
    given = as_tensor(values).astype(tensor.dtype)
    if given.ndim == tensor.ndim:
        given = moveaxis(given, place, 0)
        if not positions.ndim:
            positions = np.full(given.shape[0], positions)
    positions = positions.reshape(-1)
    added = broadcast_to(given, (len(positions), *rows.shape[1:]))
    order = np.argsort(np.concatenate([np.arange(len(rows)) + 0.5, positions]), kind="stable")
    return moveaxis(take(concatenate([rows, added]), order, 0), 0, place)


def _along(name: str, a: TensorLike, axis: int | None) -> tuple[Tensor, int]:
    tensor = as_tensor(a)
    if axis is None:
        return tensor.reshape(-1), 0
    return tensor, axis_of(name, axis, tensor.node)


def _gaps(obj: Any, tensor: Tensor, axis: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Before which elements something is put: 0 to the size of the axis."""
    size = tensor.shape[axis]
    if isinstance(obj, slice) or np.asarray(_not_symbolic("insert", obj)).dtype == bool:
        return np.asarray(np.arange(size)[_known("insert", obj, tensor, axis)])
    positions = np.asarray(obj, np.int64)
    outside = (positions < -size) | (positions > size)
    if np.any(outside):
        error = AttributeValueError(
            f"insert before {positions[outside].flat[0]} on axis {axis} of size {size}", operand=0
        )
        raise refused(error, tensor.node)
    return np.where(positions < 0, positions + size, positions)


def _known(name: str, obj: Any, tensor: Tensor, axis: int) -> Any:
    """Positions as NumPy takes them, refused where they are not known or lie outside."""
    try:
        np.arange(tensor.shape[axis])[_not_symbolic(name, obj)]
    except IndexError as error:
        raise refused(AttributeValueError(f"{name}: {error}", operand=0), tensor.node) from None
    return obj


def _not_symbolic(name: str, obj: Any) -> Any:
    if isinstance(obj, Tensor):
        raise AttributeValueError(
            f"{name} needs positions that are known while the graph is declared",
            help="give them as a number, a list or an array; or choose with gc.where",
        )
    return obj


@public
def unravel_index(indices: TensorLike, shape: int | Sequence[int]) -> tuple[Tensor, ...]:
    """For positions in the flattened tensor of a shape those along each of its axes.

    Raises `DTypeError` for positions that are no integers.
    """
    rest = _integers("unravel_index", indices)
    result = []
    for size in reversed(shape_of("unravel_index", shape)):
        result.append(apply(ops.remainder, rest, size))
        rest = apply(ops.floor_divide, rest, size)
    return tuple(reversed(result))


@public
def ravel_multi_index(
    multi_index: Sequence[TensorLike] | Tensor,
    dims: Sequence[int],
    mode: Literal["raise", "wrap", "clip"] = "raise",
) -> Tensor:
    """For positions along each axis of a shape `dims` those in the flattened tensor, as i64.

    With `mode="wrap"` positions go round, with "clip" they end at the first and the last; else they
    must lie inside. Raises `ShapeError` unless there is one index for each axis.
    """
    sizes = shape_of("ravel_multi_index", dims)
    places = [_integers("ravel_multi_index", each) for each in multi_index]
    if len(places) != len(sizes):
        raise ShapeError(f"ravel_multi_index needs {len(sizes)} indices, got {len(places)}")
    if mode not in ("raise", "wrap", "clip"):
        raise AttributeValueError(
            f"ravel_multi_index has modes 'raise', 'wrap' and 'clip', got {mode!r}"
        )
    total = as_tensor(np.int64(0))
    for axis, (place, size) in enumerate(zip(places, sizes, strict=True)):
        if mode == "wrap":
            place = apply(ops.remainder, place, size)
        elif mode == "clip":
            place = place.clip(0, size - 1)
        total = total + place * math.prod(sizes[axis + 1 :])
    return total


def _integers(name: str, indices: TensorLike) -> Tensor:
    tensor = as_tensor(indices)
    if not tensor.dtype.is_integer:
        raise refused(DTypeError(f"{name} takes integer positions", operand=0), tensor.node)
    return tensor.astype(np.int64)
