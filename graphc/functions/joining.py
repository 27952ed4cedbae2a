"""Several tensors made into one: concatenate and stack.

Owns those functions. Imports the op records. Invariant: operands take their common dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.functions.axes import axis_of
from graphc.functions.layout import expand_dims
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import ShapeError
from graphc.promotion import as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public(also=("concat",))
def concatenate(arrays: Sequence[TensorLike], axis: int | None = 0) -> Tensor:
    """One after the other along an existing axis; with `axis=None`, all elements in a row."""
    if not arrays:
        raise ShapeError("concatenate needs at least one operand")
    tensors = [as_tensor(array) for array in arrays]
    if axis is None:
        tensors, axis = [tensor.reshape(-1) for tensor in tensors], 0
    nodes = common(tensors)
    return Tensor(ops.concatenate(*nodes, axis=axis_of("concatenate", axis, nodes[0])))


@public
def stack(arrays: Sequence[TensorLike], axis: int = 0) -> Tensor:
    """One after the other along a new axis, which stands at `axis` in the result."""
    if not arrays:
        raise ShapeError("stack needs at least one operand")
    tensors = [as_tensor(array) for array in arrays]
    for position, tensor in enumerate(tensors):
        if tensor.shape != tensors[0].shape:
            error = ShapeError(
                "stack needs operands of one shape",
                operand=position,
                detail=f"but the first is {tensors[0].node.type}",
            )
            raise refused(error, *(each.node for each in tensors))
    place = axis_of("stack", axis, tensors[0].node, extra=1)
    return concatenate([expand_dims(tensor, place) for tensor in tensors], place)
