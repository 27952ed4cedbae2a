"""Choice between several values: select, choose, piecewise.

Owns those functions. Imports the op records. Invariant: all values are computed, the first whose
condition holds is taken, and only what is taken has a derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from graphc.functions.arithmetic import where
from graphc.functions.elementwise import apply
from graphc.functions.layout import broadcast_arrays, broadcast_to
from graphc.functions.refusal import refused
from graphc.ir.build import cast, ops
from graphc.ir.diagnostics import AttributeValueError, DTypeError, ShapeError
from graphc.ir.types import bool_
from graphc.promotion import as_node, as_tensor, common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def select(
    condlist: Sequence[TensorLike], choicelist: Sequence[TensorLike], default: TensorLike = 0
) -> Tensor:
    """Element by element the choice of the first condition that holds, else `default`.

    Raises `ShapeError` unless there are as many choices as conditions, at least one.
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ShapeError(
            f"select takes as many choices as conditions, got {len(choicelist)} and {len(condlist)}"
        )
    *choices, result = (Tensor(node) for node in common([*choicelist, default]))
    for condition, choice in reversed(list(zip(condlist, choices, strict=True))):
        result = where(condition, choice, result)
    return result


@public
def choose(
    a: TensorLike,
    choices: Sequence[TensorLike] | Tensor,
    *,
    mode: Literal["raise", "wrap", "clip"] = "raise",
) -> Tensor:
    """Element by element the choice with the number in `a`, all of them broadcast.

    A number with no choice takes the nearest; with `mode="wrap"` numbers go round. Raises
    `DTypeError` for `a` that are no integers.
    """
    number, options = as_tensor(a), list(choices)
    if not number.dtype.is_integer:
        raise refused(DTypeError("choose takes integers", operand=0), number.node)
    if not options:
        raise ShapeError("choose needs at least one choice")
    if mode == "wrap":
        number = apply(ops.remainder, number, len(options))
    elif mode not in ("raise", "clip"):
        raise AttributeValueError(f"choose has modes 'raise', 'wrap' and 'clip', got {mode!r}")
    values = [Tensor(node) for node in common(options)]
    result = broadcast_arrays(values[-1], number)[0]
    for position in range(len(values) - 2, -1, -1):
        result = where(number <= position, values[position], result)
    return result


@public
def piecewise(
    x: TensorLike,
    condlist: Sequence[TensorLike],
    funclist: Sequence[Callable[..., Any] | TensorLike],
    *args: Any,
    **kw: Any,
) -> Tensor:
    """`f(x, *args, **kw)` of the last condition that holds, in the dtype of `x`.

    `funclist` has a function or a number for each condition, and one more for where none holds,
    which is 0 by itself. Every function is given all of `x`. Raises `ShapeError` for another
    number of functions.
    """
    tensor = as_tensor(x)
    if len(funclist) - len(condlist) not in (0, 1):
        raise ShapeError(
            f"piecewise takes a function for each of {len(condlist)} conditions, and perhaps one "
            f"more, got {len(funclist)}"
        )
    values = [each(tensor, *args, **kw) if callable(each) else each for each in funclist]
    otherwise: TensorLike = values[-1] if len(values) > len(condlist) else 0
    result = broadcast_to(Tensor(cast(as_node(otherwise), tensor.dtype)), tensor.shape)
    for condition, value in zip(condlist, values, strict=False):
        chosen = Tensor(cast(as_node(value), tensor.dtype))
        result = where(Tensor(cast(as_node(condition), bool_)), chosen, result)
    return result
