"""Declaring a graph's sources: inputs, parameters and constants.

Owns `input`, `param`, `const` and `Parameter`. Imports `ir`, `runtime.buffers` and the tensor.
Invariant: a parameter's storage lives as long as any node of a graph that uses it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import graphc.functions  # noqa: F401  fills the registry, from which tensors take operators
from graphc.ir.build import ops
from graphc.ir.diagnostics import DTypeError, NameClashError, ShapeError
from graphc.ir.graph import Node
from graphc.ir.types import Shape, TensorType, float32
from graphc.promotion import as_dtype, as_tensor
from graphc.public import at_user_line
from graphc.runtime.buffers import ParameterStorage
from graphc.tensor import Tensor, TensorLike

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ParameterNode(Node):
    """The node of a parameter, which keeps the parameter's storage alive."""

    storage: ParameterStorage | None = None


class Parameter(Tensor):
    """A tensor whose value lives between calls of compiled steps.

    >>> import graphc as gc
    >>> w = gc.param("w", [1.0, 2.0])
    >>> w.value *= 2
    >>> w.value
    array([2., 4.], dtype=float32)
    """

    __slots__ = ("_storage",)

    def __init__(self, name: str, storage: ParameterStorage) -> None:
        array = storage.value
        node = ops.param(type=TensorType(as_dtype(array.dtype), array.shape), name=name)
        super().__init__(
            ParameterNode(node.op, (), node.attrs, node.type, node.loc, node.origin, name, storage)
        )
        self._storage = storage

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """A view of the parameter's memory: steps write to it, and what is written is read."""
        return self._storage.value

    @value.setter
    def value(self, values: ArrayLike) -> None:
        """Copy values in. Raises `ShapeError` or `DTypeError` if they do not fit."""
        array = np.asarray(values)
        if array.shape != self.shape and array.shape != ():
            raise ShapeError(
                f"the value of parameter {self.name} has shape {self.shape}, "
                f"but the one assigned has shape {array.shape}"
            )
        if not np.can_cast(array.dtype, self.dtype.numpy, "same_kind"):
            raise DTypeError(
                f"parameter {self.name} is {self.node.type}, "
                f"but the value assigned is {array.dtype}",
                help="convert it with np.asarray(value).astype(...)",
            )
        self._storage.value = array


@at_user_line
def input(name: str, shape: int | Sequence[int] = (), dtype: object = float32) -> Tensor:
    """Declare a value that is given at every call of the compiled step.

    `shape` is a tuple or, for a vector, its length; `()` is a scalar. Raises `NameClashError` for
    a name that is no dotted identifier, `ShapeError` for a size that is no natural number and
    `DTypeError` for an unknown dtype.

    >>> import graphc as gc
    >>> gc.input("labels", 128, gc.int32)
    <Tensor labels: i32[128]>
    """
    _check_name(name, "an input")
    type_ = TensorType(as_dtype(dtype), _as_shape(name, shape))
    return Tensor(ops.input(type=type_, name=name))


@at_user_line
def param(name: str, value: ArrayLike, dtype: object = None) -> Parameter:
    """Declare a value that lives between calls, with its initial value, which is copied.

    Without `dtype` an array keeps its own and Python numbers and lists of them become f32.
    Raises `NameClashError` for a name that is no dotted identifier and `DTypeError` for values
    that graphc has no dtype for.
    """
    _check_name(name, "a parameter")
    if isinstance(value, Tensor):
        raise DTypeError(
            f"the initial value of parameter {name} must be an array or a number, got {value!r}",
            help="a tensor has no value yet; pass the array itself",
        )
    declared = np.asarray(value)
    if dtype is not None:
        declared = declared.astype(as_dtype(dtype).numpy)
    elif not isinstance(value, (np.ndarray, np.generic)) and declared.dtype != np.bool_:
        as_dtype(declared.dtype)
        declared = declared.astype(np.float32)
    as_dtype(declared.dtype)
    return Parameter(name, ParameterStorage(declared))


@at_user_line
def const(value: TensorLike, dtype: object = None) -> Tensor:
    """A tensor whose value is known now; it is copied into the graph.

    >>> import graphc as gc
    >>> gc.const([1, 2], gc.int32) + 1
    <Tensor i32[2] = add(i32[2], 1)>
    """
    if dtype is not None:
        value = np.asarray(value).astype(as_dtype(dtype).numpy)
    return as_tensor(value)


def _check_name(name: object, what: str) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise NameClashError(
            f"{name!r} cannot be the name of {what}",
            help="use letters, digits and underscores, and dots between parts: layer1.w",
        )


def _as_shape(name: str, shape: int | Sequence[int]) -> Shape:
    try:
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
        result = tuple(int(size.__index__()) for size in sizes)
    except (TypeError, AttributeError):
        raise ShapeError(
            f"the shape of input {name} must be whole numbers, got {shape!r}",
            help="shapes are static: every size is known when the graph is declared",
        ) from None
    return result
