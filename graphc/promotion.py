"""From what a user passes to nodes of one dtype, by NumPy 2's rules.

Owns `as_node`, `as_tensor` and `promoted`. Imports NumPy, `ir` and `Tensor`. Invariant: Python
numbers are weak (they take the dtype of the tensors beside them), NumPy scalars and arrays are
not; where graphc lacks the dtype that NumPy would choose (float16), the next larger one stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir import build
from graphc.ir.diagnostics import DTypeError, GraphError
from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.ir.types import DType, bool_, float32, float64
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

NumpyType = np.dtype[Any]


def as_dtype(dtype: object) -> DType:
    """The graphc dtype of `gc.float32`, `np.float32`, `"float32"`, `"f32"`, `float`, ...

    Raises `DTypeError` for what graphc has no type for.

    >>> as_dtype("int8")
    DType(name='i8', kind='int', bits=8)
    """
    try:
        return DType.of(dtype)
    except (KeyError, TypeError):
        raise DTypeError(
            f"graphc has no dtype {dtype!r}",
            help="use one of bool, int8 ... int64, uint8 ... uint64, float32, float64",
        ) from None


def as_node(value: TensorLike) -> Node:
    """The node of a tensor, or a constant that copies an array or a number.

    A Python float becomes f32, as everything that is declared without a dtype.
    """
    if isinstance(value, Tensor):
        return value.node
    if type(value) is float:
        return build.scalar(value, float32)
    array = _as_array(value)
    as_dtype(array.dtype)
    return build.constant(array)


def as_tensor(value: TensorLike) -> Tensor:
    """The tensor itself, or a constant of an array or a number."""
    return value if isinstance(value, Tensor) else Tensor(as_node(value))


def promoted(op: Op, operands: Sequence[TensorLike]) -> list[Node]:
    """The operands of an elementwise op or a matrix product, cast to the dtypes NumPy computes in.

    NumPy's own function is asked where the op has one; other ops take the common dtype.
    """
    known = [_as_operand(operand) for operand in operands]
    wanted = _computed_in(op, tuple(_weak_type(operand) for operand in known))
    return [_converted(operand, dtype) for operand, dtype in zip(known, wanted, strict=True)]


def common(operands: Sequence[TensorLike]) -> list[Node]:
    """The operands cast to their common dtype, as `np.concatenate` and `np.where` do."""
    known = [_as_operand(operand) for operand in operands]
    dtype = _result_type([_weak_type(operand) for operand in known])
    return [_converted(operand, dtype) for operand in known]


def _as_operand(value: TensorLike) -> Node | np.ndarray[Any, Any] | int | float:
    if isinstance(value, Tensor):
        return value.node
    if type(value) in (int, float):
        return value  # type: ignore[return-value]
    array = _as_array(value)
    as_dtype(array.dtype)
    return array


def _as_array(value: object) -> np.ndarray[Any, Any]:
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise GraphError(
            f"expected a tensor, an array or a number, got {type(value).__name__}: {error}",
            help="combine several tensors with gc.stack or gc.concatenate",
        ) from None


def _weak_type(operand: Node | np.ndarray[Any, Any] | int | float) -> Any:
    """A NumPy dtype, or `int`/`float` for Python's weak numbers."""
    if isinstance(operand, Node):
        return operand.dtype.numpy
    return operand.dtype if isinstance(operand, np.ndarray) else type(operand)


@cache
def _computed_in(op: Op, types: tuple[Any, ...]) -> list[DType]:
    ufunc = getattr(np, op.numpy[0], None) if op.numpy else None
    if isinstance(ufunc, np.ufunc) and any(isinstance(kind, np.dtype) for kind in types):
        try:
            resolved = ufunc.resolve_dtypes((*types, None))[:-1]
        except TypeError as error:
            raise DTypeError(f"{op.name} does not take these operands: {error}") from None
        wanted = [_nearest(dtype) for dtype in resolved]
        if len(set(wanted)) > 1:  # i64 with u64, which NumPy compares in a loop of their own
            wanted = [_result_type(types)] * len(types)
    else:
        wanted = [_result_type(types)] * len(types)
    if op.dtypes and not any(dtype.is_integer or dtype is bool_ for dtype in op.dtypes):
        return [dtype if dtype.is_float else float64 for dtype in wanted]
    return wanted


def _result_type(types: Sequence[Any]) -> DType:
    strong = [kind for kind in types if isinstance(kind, np.dtype)]
    weak = [kind(0) for kind in types if not isinstance(kind, np.dtype)]
    if not strong and float in types:
        return float32
    return _nearest(np.result_type(*strong, *weak))


def _nearest(dtype: NumpyType) -> DType:
    return float32 if dtype == np.float16 else as_dtype(dtype)


def _converted(operand: Node | np.ndarray[Any, Any] | int | float, dtype: DType) -> Node:
    if isinstance(operand, Node):
        return operand if operand.dtype is dtype else build.cast(operand, dtype)
    try:
        return build.constant(np.asarray(operand, dtype.numpy))
    except OverflowError:
        raise DTypeError(
            f"the Python number {operand} does not fit in {dtype}",
            help="convert the tensor to a wider dtype with .astype(...)",
        ) from None
