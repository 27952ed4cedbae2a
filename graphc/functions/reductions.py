"""Reductions: those of the op records, and what is composed of them.

Owns the generated reductions, `mean`, `logsumexp`, `softmax` and `log_softmax`. Imports the op
records. Invariant: `axis` is None for all axes, a number or several, counted from the end where
negative, as in NumPy.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter as Argument
from typing import TYPE_CHECKING

from graphc.functions import elementwise
from graphc.functions.axes import axes_of
from graphc.ir import build
from graphc.ir.op import Family, Op
from graphc.ir.ops import OPS
from graphc.ir.types import float64
from graphc.promotion import as_node, as_tensor
from graphc.public import at_user_line, public
from graphc.registry import FUNCTIONS, register
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import Axis, TensorLike


def generate() -> None:
    """Make and register the function of every reduction that is not written by hand."""
    for op in OPS.values():
        names = op.numpy or (op.name,)
        if op.family is Family.REDUCTION and names[0] not in FUNCTIONS:
            register(_reduction(op, names[0]), names)


def _reduction(op: Op, name: str) -> Callable[..., Tensor]:
    def function(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
        node = as_node(a)
        axes = axes_of(name, axis, node)
        return Tensor(op(node, axes=axes, keepdims=bool(keepdims)))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"{op.doc}\n\nReduces along `axis`: None for all axes, a number or several. "
        f"`keepdims` leaves them at size 1.\n\nSymbolic counterpart of `np.{name}`."
    )
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            Argument("a", Argument.POSITIONAL_OR_KEYWORD),
            Argument("axis", Argument.POSITIONAL_OR_KEYWORD, default=None),
            Argument("keepdims", Argument.POSITIONAL_OR_KEYWORD, default=False),
        ]
    )
    return at_user_line(function)


@public
def mean(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean along `axis`; of integers and booleans in f64."""
    tensor = as_floats(a)
    axes = axes_of("mean", axis, tensor.node)
    count = 1
    for reduced in axes:
        count *= tensor.shape[reduced]
    return tensor.sum(axes, keepdims) / count


@public
def logsumexp(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(a))), without overflow: the largest element is taken out first."""
    shifted, largest, axes = _shifted("logsumexp", a, axis)
    result = FUNCTIONS["log"](FUNCTIONS["exp"](shifted).sum(axes, True)) + largest
    return result if keepdims else result.squeeze(axes)


@public
def softmax(a: TensorLike, axis: Axis = -1) -> Tensor:
    """exp(a) / sum(exp(a)) along `axis`, without overflow."""
    shifted, _, axes = _shifted("softmax", a, axis)
    powers = FUNCTIONS["exp"](shifted)
    return powers / powers.sum(axes, True)


@public
def log_softmax(a: TensorLike, axis: Axis = -1) -> Tensor:
    """log(softmax(a)) along `axis`, without overflow and without the logarithm of zero."""
    shifted, _, axes = _shifted("log_softmax", a, axis)
    return shifted - FUNCTIONS["log"](FUNCTIONS["exp"](shifted).sum(axes, True))


def as_floats(a: TensorLike) -> Tensor:
    """A float tensor as it is; integers and booleans as f64, as NumPy's float functions do."""
    tensor = as_tensor(a)
    return tensor if tensor.dtype.is_float else Tensor(build.cast(tensor.node, float64))


def _shifted(name: str, a: TensorLike, axis: Axis) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """`a` less its largest element along the axes, that element, and the axes.

    The maximum is a constant for differentiation: the results do not depend on it.
    """
    tensor = as_floats(a)
    axes = axes_of(name, axis, tensor.node)
    largest = tensor.max(axes, True)
    return tensor - largest, largest, axes
