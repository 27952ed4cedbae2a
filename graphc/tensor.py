"""`Tensor`: a symbolic value, which speaks NumPy's protocols.

Owns the class and how it prints. Imports the registry and `ir.graph`. Invariant: a tensor is a
handle on one immutable node; every operator and method calls the public function of its name, so
nothing about an operation is said here.

Tensors hash and are found in dicts and sets by identity, because `==` builds a graph node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np

from graphc import dispatch
from graphc.ir.graph import Node
from graphc.ir.types import DType, Shape
from graphc.registry import FUNCTIONS
from graphc.symbolic import Symbolic
from graphc.updates import At

TensorLike: TypeAlias = "Tensor | np.ndarray[Any, Any] | np.generic | float | Sequence[Any]"
"""What functions take as operand: a tensor, an array, a number, or nested lists of numbers."""

Axis: TypeAlias = int | Sequence[int] | None


def _call(name: str, *operands: object, **attrs: object) -> Tensor:
    result: Tensor = FUNCTIONS[name](*operands, **attrs)
    return result


class Tensor(Symbolic):
    """A symbolic tensor: a dtype, a static shape and the operation that makes its value.

    Made by `gc.input`, `gc.param`, `gc.const` and by operating on other tensors, with Python
    operators, with methods, with graphc's functions or with NumPy's. Mixed dtypes promote as in
    NumPy 2; Python numbers are weak.

    >>> import graphc as gc
    >>> x = gc.input("x", (32, 784))
    >>> (x * 2 + 1).mean(axis=1)
    <Tensor f32[32] = div(sum(add(mul(x, 2.0), 1.0)), 784.0)>
    """

    __slots__ = ("node",)
    __array_priority__ = 1000

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def shape(self) -> Shape:
        return self.node.shape

    @property
    def dtype(self) -> DType:
        return self.node.dtype

    @property
    def ndim(self) -> int:
        return len(self.node.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.node.type.size

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.dtype.numpy.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * self.itemsize

    @property
    def name(self) -> str:
        """The name it was declared with or assigned to, or ""."""
        return self.node.name

    @property
    def T(self) -> Tensor:  # noqa: N802  NumPy's name
        """All axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:  # noqa: N802  NumPy's name
        """The last two axes exchanged."""
        return _call("matrix_transpose", self)

    # Arithmetic, comparison and logic, by the names of NumPy's functions.

    def __add__(self, other: TensorLike) -> Tensor:
        return _call("add", self, other)

    def __radd__(self, other: TensorLike) -> Tensor:
        return _call("add", other, self)

    def __sub__(self, other: TensorLike) -> Tensor:
        return _call("subtract", self, other)

    def __rsub__(self, other: TensorLike) -> Tensor:
        return _call("subtract", other, self)

    def __mul__(self, other: TensorLike) -> Tensor:
        return _call("multiply", self, other)

    def __rmul__(self, other: TensorLike) -> Tensor:
        return _call("multiply", other, self)

    def __truediv__(self, other: TensorLike) -> Tensor:
        return _call("divide", self, other)

    def __rtruediv__(self, other: TensorLike) -> Tensor:
        return _call("divide", other, self)

    def __pow__(self, other: TensorLike) -> Tensor:
        return _call("power", self, other)

    def __rpow__(self, other: TensorLike) -> Tensor:
        return _call("power", other, self)

    def __matmul__(self, other: TensorLike) -> Tensor:
        return _call("matmul", self, other)

    def __rmatmul__(self, other: TensorLike) -> Tensor:
        return _call("matmul", other, self)

    def __floordiv__(self, other: TensorLike) -> Tensor:
        return _call("floor_divide", self, other)

    def __rfloordiv__(self, other: TensorLike) -> Tensor:
        return _call("floor_divide", other, self)

    def __mod__(self, other: TensorLike) -> Tensor:
        return _call("remainder", self, other)

    def __rmod__(self, other: TensorLike) -> Tensor:
        return _call("remainder", other, self)

    def __divmod__(self, other: TensorLike) -> tuple[Tensor, Tensor]:
        return self // other, self % other

    def __rdivmod__(self, other: TensorLike) -> tuple[Tensor, Tensor]:
        return self.__rfloordiv__(other), self.__rmod__(other)

    def __lshift__(self, other: TensorLike) -> Tensor:
        return _call("left_shift", self, other)

    def __rlshift__(self, other: TensorLike) -> Tensor:
        return _call("left_shift", other, self)

    def __rshift__(self, other: TensorLike) -> Tensor:
        return _call("right_shift", self, other)

    def __rrshift__(self, other: TensorLike) -> Tensor:
        return _call("right_shift", other, self)

    def __and__(self, other: TensorLike) -> Tensor:
        return _call("bitwise_and", self, other)

    def __rand__(self, other: TensorLike) -> Tensor:
        return _call("bitwise_and", other, self)

    def __or__(self, other: TensorLike) -> Tensor:
        return _call("bitwise_or", self, other)

    def __ror__(self, other: TensorLike) -> Tensor:
        return _call("bitwise_or", other, self)

    def __xor__(self, other: TensorLike) -> Tensor:
        return _call("bitwise_xor", self, other)

    def __rxor__(self, other: TensorLike) -> Tensor:
        return _call("bitwise_xor", other, self)

    def __invert__(self) -> Tensor:
        return _call("invert", self)

    def __neg__(self) -> Tensor:
        return _call("negative", self)

    def __pos__(self) -> Tensor:
        return _call("positive", self)

    def __abs__(self) -> Tensor:
        return _call("absolute", self)

    def __round__(self, ndigits: int = 0) -> Tensor:
        return _call("round", self, ndigits)

    def __lt__(self, other: TensorLike) -> Tensor:
        return _call("less", self, other)

    def __le__(self, other: TensorLike) -> Tensor:
        return _call("less_equal", self, other)

    def __gt__(self, other: TensorLike) -> Tensor:
        return _call("greater", self, other)

    def __ge__(self, other: TensorLike) -> Tensor:
        return _call("greater_equal", self, other)

    def __eq__(self, other: object) -> Tensor:  # type: ignore[override]
        return _call("equal", self, other)

    def __ne__(self, other: object) -> Tensor:  # type: ignore[override]
        return _call("not_equal", self, other)

    __hash__ = object.__hash__

    def __getitem__(self, index: object) -> Tensor:
        return _call("getitem", self, index)

    @property
    def at(self) -> At:
        """`t.at[index].set(values)`: the tensor with other values there; so `add`, `multiply`,
        `max`, `min`."""
        return At(self)

    # NumPy's methods.

    def sum(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("sum", self, axis=axis, keepdims=keepdims, **options)

    def prod(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("prod", self, axis=axis, keepdims=keepdims, **options)

    def mean(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("mean", self, axis=axis, keepdims=keepdims, **options)

    def var(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("var", self, axis=axis, keepdims=keepdims, **options)

    def std(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("std", self, axis=axis, keepdims=keepdims, **options)

    def max(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("max", self, axis=axis, keepdims=keepdims, **options)

    def min(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("min", self, axis=axis, keepdims=keepdims, **options)

    def any(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("any", self, axis=axis, keepdims=keepdims, **options)

    def all(self, axis: Axis = None, keepdims: bool = False, **options: Any) -> Tensor:
        return _call("all", self, axis=axis, keepdims=keepdims, **options)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return _call("argmax", self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return _call("argmin", self, axis=axis, keepdims=keepdims)

    def argsort(self, axis: int | None = -1, **options: Any) -> Tensor:
        return _call("argsort", self, axis, **options)

    def sort(self, axis: int | None = -1, **options: Any) -> Tensor:
        """The sorted tensor. NumPy's method sorts in place, which a value cannot be."""
        return _call("sort", self, axis, **options)

    def searchsorted(self, v: TensorLike, side: str = "left", **options: Any) -> Tensor:
        return _call("searchsorted", self, v, side, **options)

    def take(self, indices: TensorLike, axis: int | None = None, **options: Any) -> Tensor:
        return _call("take", self, indices, axis, **options)

    def cumsum(self, axis: int | None = None, dtype: object = None) -> Tensor:
        return _call("cumsum", self, axis, dtype)

    def cumprod(self, axis: int | None = None, dtype: object = None) -> Tensor:
        return _call("cumprod", self, axis, dtype)

    def dot(self, b: TensorLike) -> Tensor:
        return _call("dot", self, b)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return _call("diagonal", self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return _call("trace", self, offset, axis1, axis2)

    def repeat(self, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
        return _call("repeat", self, repeats, axis)

    def ravel(self, order: str = "C") -> Tensor:
        return _call("ravel", self, order)

    def flatten(self, order: str = "C") -> Tensor:
        return _call("ravel", self, order)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return _call("swapaxes", self, axis1, axis2)

    def reshape(self, *shape: int | Sequence[int], order: str = "C") -> Tensor:
        """`t.reshape(2, 3)` or `t.reshape((2, 3))`; one size may be -1."""
        return _call("reshape", self, _unpacked(shape), order)

    def transpose(self, *axes: int | Sequence[int]) -> Tensor:
        """`t.transpose(1, 0)` or `t.transpose((1, 0))`; without axes, all are reversed."""
        return _call("transpose", self, _unpacked(axes) if axes else None)

    def squeeze(self, axis: Axis = None) -> Tensor:
        return _call("squeeze", self, axis=axis)

    def clip(self, min: TensorLike | None = None, max: TensorLike | None = None) -> Tensor:
        return _call("clip", self, min, max)

    def round(self, decimals: int = 0) -> Tensor:
        return _call("round", self, decimals)

    def astype(self, dtype: object, *, copy: bool = True) -> Tensor:
        """The same numbers in another dtype. `copy` is there for NumPy's sake."""
        return _call("astype", self, dtype)

    def conj(self) -> Tensor:
        return _call("conj", self)

    def conjugate(self) -> Tensor:
        return _call("conj", self)

    def copy(self) -> Tensor:
        return _call("copy", self)

    # NumPy's protocols and Python's.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *operands: Any, **options: Any) -> Any:
        return dispatch.call_ufunc(ufunc, method, operands, options)

    def __array_function__(
        self,
        function: Callable[..., Any],
        types: tuple[type, ...],
        operands: tuple[Any, ...],
        options: dict[str, Any],
    ) -> Any:
        if not all(issubclass(kind, (Tensor, np.ndarray)) for kind in types):
            return NotImplemented
        return dispatch.call_function(function, operands, options)

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self!r} is a scalar and has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError(f"{self!r} is a scalar and cannot be iterated over")
        return (self[position] for position in range(self.shape[0]))

    def __repr__(self) -> str:
        label = f"{self.name}: " if self.name else ""
        return f"<Tensor {label}{self.node.type}{_definition(self.node)}>"


def _unpacked(sizes: Sequence[int | Sequence[int]]) -> object:
    """The sequence itself where a method was given one, instead of separate numbers."""
    if len(sizes) == 1 and not isinstance(sizes[0], SupportsIndex):
        return sizes[0]
    return sizes


def _definition(node: Node) -> str:
    """` = op(operands)`, spelled out down to named values and a few levels."""
    if not node.operands:
        return "" if node.name else f" = {_expression(node, 0)}"
    return f" = {_applied(node, 4)}"


def _applied(node: Node, depth: int) -> str:
    return f"{node.op.name}({', '.join(_expression(part, depth - 1) for part in node.operands)})"


def _expression(node: Node, depth: int) -> str:
    if node.name:
        return node.name
    if node.op.value is not None and not node.shape:
        return str(node.op.value(node.attrs))
    if depth <= 0 or not node.operands:
        return f"{node.op.name}(...)" if node.operands else str(node.type)
    return _applied(node, depth)
