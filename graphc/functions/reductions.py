"""Reductions: those of the op records, and what is composed of them.

Owns the generated reductions, `mean`, `logsumexp`, `softmax` and `log_softmax`. Imports the op
records. Invariant: `axis` is None for all axes, a number or several, counted from the end where
negative, as in NumPy.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import cache
from inspect import Parameter as Argument
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.arithmetic import where
from graphc.functions.axes import axes_of
from graphc.functions.elementwise import apply
from graphc.ir.build import cast, ops
from graphc.ir.op import Family, Op
from graphc.ir.ops import OPS
from graphc.ir.ops.combinators import ReductionAttrs
from graphc.ir.types import DType, TensorType, float32, float64
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
        node = cast(node, _accumulator(op, name, node.dtype))
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


@cache
def _accumulator(op: Op, name: str, dtype: DType) -> DType:
    """The dtype that NumPy reduces in: sums and products of small integers are 64 bits wide."""
    counterpart = getattr(np, name, None)
    keeps_dtype = op.infer([TensorType(float32, (1,))], ReductionAttrs((0,))).dtype == float32
    if counterpart is None or not keeps_dtype:
        return dtype
    return DType.of(counterpart(np.ones(1, dtype.numpy)).dtype)


@public
def mean(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The arithmetic mean along `axis`; of integers and booleans in f64."""
    tensor = as_floats(a)
    axes = axes_of("mean", axis, tensor.node)
    return tensor.sum(axes, keepdims) / math.prod(tensor.shape[reduced] for reduced in axes)


@public
def logsumexp(a: TensorLike, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(exp(a))), without overflow: the largest element is taken out first."""
    shifted, shift, axes = _shifted("logsumexp", a, axis)
    result = apply(ops.log, apply(ops.exp, shifted).sum(axes, True)) + shift
    return result if keepdims else result.squeeze(axes)


@public
def softmax(a: TensorLike, axis: Axis = -1) -> Tensor:
    """exp(a) / sum(exp(a)) along `axis`, without overflow."""
    shifted, _, axes = _shifted("softmax", a, axis)
    powers = apply(ops.exp, shifted)
    return powers / powers.sum(axes, True)


@public
def log_softmax(a: TensorLike, axis: Axis = -1) -> Tensor:
    """log(softmax(a)) along `axis`, without overflow and without the logarithm of zero."""
    shifted, _, axes = _shifted("log_softmax", a, axis)
    return shifted - apply(ops.log, apply(ops.exp, shifted).sum(axes, True))


def as_floats(a: TensorLike) -> Tensor:
    """A float tensor as it is; integers and booleans as f64, as NumPy's float functions do."""
    tensor = as_tensor(a)
    return tensor if tensor.dtype.is_float else Tensor(cast(tensor.node, float64))


def _shifted(name: str, a: TensorLike, axis: Axis) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """`a` less its largest element along the axes, that element, and the axes.

    Infinities are not taken out. The results do not depend on what is, so it has no gradient.
    """
    tensor = as_floats(a)
    axes = axes_of(name, axis, tensor.node)
    largest = tensor.max(axes, True)
    shift = apply(ops.stop_gradient, where(abs(largest) < math.inf, largest, 0))
    return tensor - shift, shift, axes
