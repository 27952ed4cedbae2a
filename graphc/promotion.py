"""From what a user passes to nodes of one dtype, by NumPy 2's rules.

Owns `as_node`, `as_tensor`, `as_result`, `promoted` and `WeakNode`. Imports NumPy, `ir` and the
tensor. Invariant: Python numbers are weak (they take the dtype of the tensors beside them), and so
are the inputs that stand for them in a traced function; NumPy scalars and arrays are not; bfloat16
promotes as float16 does, and the two of them to f32.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.ir import build
from graphc.ir.diagnostics import DTypeError, GraphError
from graphc.ir.graph import Node
from graphc.ir.op import Op
from graphc.ir.types import DType, bfloat16, bool_, float16, float32, float64, int64
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

NumpyType = np.dtype[Any]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class WeakNode(Node):
    """An input that stands for a Python number, and is as weak as one.

    It holds all of the number (f64 or i64). Beside a tensor it takes that tensor's dtype, as the
    number would; by itself a float becomes f32.
    """


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
            f"graphc has no dtype {str(dtype) if isinstance(dtype, np.dtype) else dtype!r}",
            help="use one of bool, int8 ... int64, uint8 ... uint64, float16, bfloat16, float32, "
            "float64",
        ) from None


def as_node(value: TensorLike) -> Node:
    """The node of a tensor, or a constant that copies an array or a number.

    A Python float becomes f32, as everything that is declared without a dtype.
    """
    if isinstance(value, Tensor):
        node = value.node
        return build.cast(node, float32) if is_weak(node) and node.dtype is float64 else node
    if type(value) is float:
        return build.scalar(value, float32)
    array = _as_array(value)
    as_dtype(array.dtype)
    return build.constant(array)


def as_tensor(value: TensorLike) -> Tensor:
    """The tensor itself, or a constant of an array or a number. It is not weak."""
    if isinstance(value, Tensor) and not is_weak(value.node):
        return value
    return Tensor(as_node(value))


def as_result(value: object, function: str, error: type[GraphError]) -> Tensor:
    """What a user's function returned as a tensor; raises `error` for what cannot be one."""
    try:
        return as_tensor(value)  # type: ignore[arg-type]
    except GraphError:
        raise error(
            f"{function} returns a {type(value).__name__}, which is no tensor",
            help="return tensors, or tuples, lists and dicts of them",
        ) from None


def is_weak(node: Node) -> bool:
    """Whether the value is a Python number's."""
    return type(node) is WeakNode


def promoted(op: Op, operands: Sequence[TensorLike]) -> list[Node]:
    """The operands of an elementwise op or a matrix product, cast to the dtypes NumPy computes in.

    NumPy's own function is asked where the op has one; other ops take the common dtype.
    """
    known = [_as_operand(operand) for operand in operands]
    try:
        wanted = _taken_by(op, tuple(_weak_type(operand) for operand in known))
    except DTypeError as error:
        nodes = [each if isinstance(each, Node) else as_node(each) for each in known]
        wrong = [i for i, node in enumerate(nodes) if node.dtype.arithmetic not in op.dtypes]
        error.operand = wrong[0] if wrong else None
        error.locate(None, nodes)
        raise
    return [_converted(operand, dtype) for operand, dtype in zip(known, wanted, strict=True)]


def promoted_as(ufunc: np.ufunc, operands: Sequence[TensorLike]) -> list[Node]:
    """The operands cast to the dtypes that a function of NumPy computes in.

    Raises `DTypeError` where it takes no such operands.
    """
    known = [_as_operand(operand) for operand in operands]
    types = tuple(_weak_type(operand) for operand in known)
    wanted = _computed_in(ufunc.__name__, ufunc, types)
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
    if value is None or isinstance(value, str):
        raise GraphError(
            f"expected a tensor, an array or a number, got {value!r}",
            help="ask whether there is a tensor at all with `is None`",
        )
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:
        raise GraphError(
            f"expected a tensor, an array or a number, got {type(value).__name__}: {error}",
            help="combine several tensors with gc.stack or gc.concatenate",
        ) from None


def _weak_type(operand: Node | np.ndarray[Any, Any] | int | float) -> Any:
    """A dtype, or `int`/`float` for Python's weak numbers."""
    if isinstance(operand, Node):
        if is_weak(operand):
            return float if operand.dtype.is_float else int
        return operand.dtype
    return as_dtype(operand.dtype) if isinstance(operand, np.ndarray) else type(operand)


@cache
def _taken_by(op: Op, types: tuple[Any, ...]) -> list[DType]:
    ufunc = getattr(np, op.numpy[0], None) if op.numpy else None
    wanted = _computed_in(op.name, ufunc, types)
    if op.dtypes and not any(dtype.is_integer or dtype is bool_ for dtype in op.dtypes):
        return [dtype if dtype.is_float else float64 for dtype in wanted]
    return wanted


@cache
def _computed_in(name: str, ufunc: object, types: tuple[Any, ...]) -> list[DType]:
    if not any(isinstance(kind, DType) for kind in types):
        types = tuple(float32 if float in types else int64 for _ in types)
    if not isinstance(ufunc, np.ufunc):
        return [_result_type(types)] * len(types)
    try:
        asked = (*_known_to_numpy(types), *[None] * ufunc.nout)
        resolved = ufunc.resolve_dtypes(asked)[: -ufunc.nout]
    except TypeError:
        given = " and ".join(
            kind.name if isinstance(kind, DType) else f"a Python {kind.__name__}" for kind in types
        )
        help_ = "convert with .astype(...)"
        if bool_ in types:
            help_ += "; logical_not, logical_xor and the other logical functions take bools"
        raise DTypeError(f"{name} does not take {given}", help=help_) from None
    wanted = [_known_to_graphc(dtype, types) for dtype in resolved]
    # i64 and u64, which NumPy compares in a loop of their own, have a common dtype as well.
    return wanted if len(set(wanted)) == 1 else [_result_type(types)] * len(types)


def _result_type(types: Sequence[Any]) -> DType:
    strong = [kind for kind in _known_to_numpy(types) if isinstance(kind, np.dtype)]
    weak = [kind(0) for kind in types if not isinstance(kind, DType)]
    if not strong and float in types:
        return float32
    return _known_to_graphc(np.result_type(*strong, *weak), types)


def _known_to_numpy(types: Sequence[Any]) -> list[Any]:
    """NumPy's dtypes, so that it can be asked. float16 stands for bfloat16, which promotes alike;
    beside float16 itself f32 does, for neither of them holds the other."""
    stand_in = float32 if float16 in types else float16
    known = [stand_in if kind is bfloat16 else kind for kind in types]
    return [kind.numpy if isinstance(kind, DType) else kind for kind in known]


def _known_to_graphc(dtype: NumpyType, types: Sequence[Any]) -> DType:
    """What NumPy answers for operands of `types`, with bfloat16 back in the place of float16."""
    found = as_dtype(dtype)
    return bfloat16 if found is float16 and bfloat16 in types else found


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
