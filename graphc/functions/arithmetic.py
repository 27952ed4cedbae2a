"""Elementwise functions that say more than one op record: powers, selection, logic of bits.

Owns those. Imports the op records through `apply`. Invariant: dtypes come out as NumPy's do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.functions.elementwise import apply
from graphc.functions.refusal import refused
from graphc.ir.build import cast, ops
from graphc.ir.diagnostics import AttributeValueError, DTypeError
from graphc.ir.types import bool_
from graphc.promotion import as_dtype, as_node, as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public(also=("pow",))
def power(x: TensorLike, y: TensorLike) -> Tensor:
    """x to the power y. Integers to the power of a Python integer stay integers.

    Raises `AttributeValueError` for an integer to a negative power, as NumPy does.
    """
    if isinstance(x, Tensor) and x.dtype.is_integer and isinstance(y, int):
        return _whole_power(x, y)
    return apply(ops.pow, x, y)


def _whole_power(x: Tensor, exponent: int) -> Tensor:
    """By repeated squaring."""
    if exponent < 0:
        raise AttributeValueError(
            f"an integer to the power {exponent} is no integer",
            help="convert the base to a float with .astype(gc.float32)",
        )
    result: Tensor | None = None
    factor = x
    while exponent:
        if exponent & 1:
            result = factor if result is None else result * factor
        exponent >>= 1
        if exponent:
            factor = factor * factor
    return x * 0 + 1 if result is None else result


@public
def where(condition: TensorLike, x: TensorLike, y: TensorLike) -> Tensor:
    """`x` where the condition holds, `y` elsewhere. A number is true where it is not zero."""
    chosen = cast(as_node(condition), bool_)
    return Tensor(ops.where(chosen, *common([x, y])))


@public
def astype(x: TensorLike, dtype: object) -> Tensor:
    """The same numbers in another dtype; a tensor that has it already is returned as it is."""
    return Tensor(cast(as_node(x), as_dtype(dtype)))


@public
def clip(a: TensorLike, a_min: TensorLike | None = None, a_max: TensorLike | None = None) -> Tensor:
    """`a` with what is below `a_min` or above `a_max` moved to that bound; None is no bound."""
    result = as_tensor(a)
    if a_min is not None:
        result = apply(ops.maximum, result, a_min)
    return result if a_max is None else apply(ops.minimum, result, a_max)


@public
def bitwise_and(x: TensorLike, y: TensorLike) -> Tensor:
    """`x & y` of two bools."""
    return apply(ops.logical_and, *_bools("&", x, y))


@public
def bitwise_or(x: TensorLike, y: TensorLike) -> Tensor:
    """`x | y` of two bools."""
    return apply(ops.logical_or, *_bools("|", x, y))


@public
def bitwise_xor(x: TensorLike, y: TensorLike) -> Tensor:
    """`x ^ y` of two bools."""
    return apply(ops.logical_xor, *_bools("^", x, y))


@public(also=("bitwise_not",))
def invert(x: TensorLike) -> Tensor:
    """`~x` of a bool."""
    return apply(ops.logical_not, *_bools("~", x))


def _bools(operator: str, *operands: TensorLike) -> list[Tensor]:
    tensors = [as_tensor(operand) for operand in operands]
    for position, tensor in enumerate(tensors):
        if tensor.dtype is not bool_:
            error = DTypeError(
                f"{operator} combines bools",
                operand=position,
                help="compare first: (x > 0) & (x < 1), with the parentheses",
            )
            raise refused(error, *(each.node for each in tensors))
    return tensors


@public
def isnan(x: TensorLike) -> Tensor:
    """Whether an element is NaN."""
    return apply(ops.ne, x, x)
