"""Differences of neighbours along an axis.

Owns `diff`. Imports the op records. Invariant: neighbours are two slices of one tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.axes import axis_of
from graphc.functions.elementwise import apply
from graphc.functions.joining import concatenate
from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, ops, resized
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.types import bool_
from graphc.promotion import as_tensor
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def diff(
    a: TensorLike,
    n: int = 1,
    axis: int = -1,
    prepend: TensorLike | None = None,
    append: TensorLike | None = None,
) -> Tensor:
    """Each element less the one before it along `axis`, `n` times over; of bools, whether they
    differ.

    `prepend` and `append` are put at the ends first: a number for one element, or a tensor. Raises
    `ShapeError` for scalars and `AttributeValueError` for a negative `n`.
    """
    tensor = as_tensor(a)
    if not tensor.ndim:
        raise refused(ShapeError("diff needs an axis", operand=0), tensor.node)
    if n < 0:
        raise AttributeValueError(f"diff cannot be taken {n} times")
    if n == 0:
        return tensor
    place = axis_of("diff", axis, tensor.node)
    ends = [None if end is None else _end(end, tensor, place) for end in (prepend, append)]
    parts = [part for part in (ends[0], tensor, ends[1]) if part is not None]
    result = parts[0] if len(parts) == 1 else concatenate(parts, place)
    whole = (slice(None),) * place
    for _ in range(n):
        later, earlier = result[(*whole, slice(1, None))], result[(*whole, slice(None, -1))]
        result = apply(ops.ne if result.dtype is bool_ else ops.sub, later, earlier)
    return result


def _end(end: TensorLike, tensor: Tensor, axis: int) -> Tensor:
    """What is put at an end; a Python number takes the tensor's dtype, as everywhere in graphc."""
    wanted = as_tensor(end)
    if wanted.ndim:
        return wanted
    number = wanted.astype(tensor.dtype) if isinstance(end, int | float) else wanted
    return Tensor(broadcast(number.node, resized(tensor.shape, axis, 1)))
