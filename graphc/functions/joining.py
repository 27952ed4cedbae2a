"""Several tensors made into one: concatenate, stack, asarray and what is made of them.

Owns those functions. Imports the op records. Invariant: operands take their common dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from graphc.functions.axes import axis_of
from graphc.functions.layout import atleast_1d, atleast_2d, atleast_3d, expand_dims
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.promotion import as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public(also=("concat",))
def concatenate(
    arrays: Sequence[TensorLike] | Tensor, axis: int | None = 0, *, dtype: object = None
) -> Tensor:
    """One after the other along an existing axis; with `axis=None`, all elements in a row.

    In `dtype`, or in the common one. A tensor stands for its parts along the first axis.
    """
    tensors = [as_tensor(array) for array in arrays]
    if not tensors:
        raise ShapeError("concatenate needs at least one operand")
    if axis is None:
        tensors, axis = [tensor.reshape(-1) for tensor in tensors], 0
    nodes = common(tensors if dtype is None else [each.astype(dtype) for each in tensors])
    return Tensor(ops.concatenate(*nodes, axis=axis_of("concatenate", axis, nodes[0])))


@public
def stack(arrays: Sequence[TensorLike] | Tensor, axis: int = 0, *, dtype: object = None) -> Tensor:
    """One after the other along a new axis, which stands at `axis` in the result.

    In `dtype`, or in the common one. A tensor stands for its parts along the first axis.
    """
    tensors = [as_tensor(array) for array in arrays]
    if not tensors:
        raise ShapeError("stack needs at least one operand")
    for position, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            error = ShapeError(
                "stack needs operands of one shape",
                operand=position,
                detail=f"but the first is {tensors[0].node.type}",
            )
            raise refused(error, *(each.node for each in tensors))
    place = axis_of("stack", axis, tensors[0].node, extra=1)
    return concatenate([expand_dims(tensor, place) for tensor in tensors], place, dtype=dtype)


@public(also=("array",))
def asarray(
    a: TensorLike | Sequence[TensorLike], dtype: object = None, *, copy: bool | None = None
) -> Tensor:
    """A tensor of an array, a number, or nested lists of them and of scalar tensors.

    In `dtype`, or in that of what is given. `copy` is taken because NumPy takes it; an array is
    copied, a tensor never changes.

    >>> import graphc as gc
    >>> x = gc.input("x", 3)
    >>> gc.asarray([x[0], 2 * x[1], 0.0]).shape
    (3,)
    """
    tensor = as_tensor(_stacked(a))
    return tensor if dtype is None else tensor.astype(dtype)


def _stacked(a: Any) -> TensorLike:
    """Nested lists with tensors in them as one tensor."""
    if isinstance(a, list | tuple) and any(_has_tensors(each) for each in a):
        return stack([_stacked(each) for each in a])
    given: TensorLike = a
    return given


def _has_tensors(a: object) -> bool:
    if isinstance(a, list | tuple):
        return any(map(_has_tensors, a))
    return isinstance(a, Tensor)


@public
def append(arr: TensorLike, values: TensorLike, axis: int | None = None) -> Tensor:
    """`values` after `arr` along `axis`; without one, all elements of both in a row."""
    return concatenate([arr, values], axis)


@public
def vstack(tup: Sequence[TensorLike]) -> Tensor:
    """One below the other: along axis 0, vectors as rows."""
    return concatenate(_all_atleast(tup, atleast_2d), 0)


@public
def hstack(tup: Sequence[TensorLike]) -> Tensor:
    """Side by side: along axis 1, vectors along axis 0."""
    tensors = _all_atleast(tup, atleast_1d)
    return concatenate(tensors, 0 if tensors and tensors[0].ndim == 1 else 1)


@public
def dstack(tup: Sequence[TensorLike]) -> Tensor:
    """Behind one another: along axis 2, vectors and matrices with unit axes as `atleast_3d`."""
    return concatenate(_all_atleast(tup, atleast_3d), 2)


@public
def column_stack(tup: Sequence[TensorLike]) -> Tensor:
    """Side by side: along axis 1, vectors as columns."""
    tensors = [as_tensor(array) for array in tup]
    columns = [each if each.ndim > 1 else each.reshape(-1, 1) for each in tensors]
    return concatenate(columns, 1)


@public
def block(arrays: Any) -> Tensor:
    """Blocks in nested lists joined: the innermost along the last axis, those around them along
    the axis before it, and so on.

    Raises `ShapeError` for an empty list and for lists that are not nested equally deep.
    """
    leaves: list[Tensor] = []
    depth = _depth(arrays, leaves)
    rank = max([depth, *(leaf.ndim for leaf in leaves)])
    return _joined(arrays, depth, rank)


def _depth(arrays: Any, leaves: list[Tensor]) -> int:
    """How deep the lists are nested; what is no list is added to `leaves`."""
    if not isinstance(arrays, list):
        leaves.append(as_tensor(arrays))
        return 0
    depths = {_depth(part, leaves) for part in arrays}
    if len(depths) != 1:
        raise ShapeError(
            "block needs lists that are nested equally deep, and none of them empty",
            help="a block of one row is written gc.block([a, b]), one of rows [[a, b], [c, d]]",
        )
    return 1 + depths.pop()


def _joined(arrays: Any, depth: int, rank: int) -> Tensor:
    if depth == 0:
        tensor = as_tensor(arrays)
        return tensor.reshape((1,) * (rank - tensor.ndim) + tensor.shape)
    return concatenate([_joined(part, depth - 1, rank) for part in arrays], rank - depth)


def _all_atleast(arrays: Sequence[TensorLike], atleast: Callable[..., Any]) -> list[Tensor]:
    return [atleast(array) for array in arrays]
