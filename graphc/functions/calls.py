"""`call`: a user's own function, native or in Python, inside a program.

Owns that function. Imports `ir.foreign`, `runtime.callback` and `regions`. Invariant: the types of
what is called are fixed when the program is declared; equal calls call one foreign function.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from graphc.functions.regions import Rules, set_apart
from graphc.ir import foreign
from graphc.ir.build import ops, zeros_like
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.ir.foreign import ForeignFunction, Types
from graphc.ir.ops.bundle import items
from graphc.ir.ops.call import external
from graphc.ir.types import Shape, TensorType, float32
from graphc.promotion import as_dtype, as_tensor
from graphc.public import public
from graphc.runtime.callback import Buffer, Callback, address_of, call_native
from graphc.tensor import Tensor

_NATIVE = ctypes.CFUNCTYPE(None).__mro__[1]
"""What all functions of ctypes derive from."""

_lock = threading.Lock()
_made: WeakValueDictionary[tuple[object, ...], ForeignFunction] = WeakValueDictionary()
"""By function and types. A key's ids stay those of the function, which its value keeps alive."""


@public
def call(
    function: Any,
    *operands: Any,
    shape: int | Sequence[int] | None = None,
    dtype: object = float32,
    like: Any = None,
    results: Sequence[Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    name: str | None = None,
    vectorized: bool = False,
) -> Any:
    """`function(*operands)`, called whenever the compiled program runs.

    `function` is a Python function of NumPy arrays, which it may read while it runs and not change;
    or native code: a function of `ctypes`, or an address, of the C signature `void f(const T0 *x0,
    ..., R0 *y0, ...)` on contiguous row-major arrays, operands first.

    The result is one tensor, of `shape` and `dtype` or those of the tensor or array `like`; or,
    with `results`, a tuple: a (shape, dtype) or something alike for each. Python returns exactly
    that, with several results as a tuple.

    `vjp(operands, results, adjoints)` says how adjoints of the results become adjoints of the
    operands: a function of tensors, which may use `call` itself, and returns one for each operand
    (None is zero). `jvp(operands, results, tangents)` says the same for tangents, forward. Operands
    are a tuple, results are as `call` returns them; of integers the adjoint or tangent is None.

    The results must depend on the operands alone: a call whose result is not needed may be left
    out, one may stand for two that are equal, and `gc.checkpoint` calls again. An exception in a
    Python function ends the step, which raises it; its parameters keep their values. In `gc.vmap`
    the function is called for one example after the other, or once with `vectorized`, which says
    that it takes and returns arrays with a batch axis in front.

    Raises `AttributeValueError` where the results are not declared or `function` is no function.

    >>> import numpy as np
    >>> import graphc as gc
    >>> x = gc.input("x", 3)
    >>> y = gc.call(np.sort, x, like=x)
    >>> gc.compile([x], 2 * y)(np.array([3, 1, 2], "float32"))
    array([2., 4., 6.], dtype=float32)
    """
    one, types = _declared(shape, dtype, like, results)
    tensors = [as_tensor(operand) for operand in operands]
    given = tuple(tensor.node.type for tensor in tensors)
    called = name or getattr(function, "__name__", "") or type(function).__name__
    target = _foreign(function, called, given, types, vectorized)

    def outputs_of(*parts: Tensor) -> Any:
        nodes = [part.node for part in parts]
        bundle = ops.call(external(function=target), *nodes, function=target)
        found = tuple(Tensor(node) for node in items(bundle))
        return found[0] if one else found

    if vjp is None and jvp is None:
        return outputs_of(*tensors)

    def region(*parts: Tensor) -> Rules:
        outputs = outputs_of(*parts)
        backward, forward = None, None
        if vjp is not None:
            backward = functools.partial(_backward, vjp, parts, outputs)
        if jvp is not None:
            forward = functools.partial(_forward, jvp, parts, outputs)
        return Rules(outputs, backward, forward)

    region.__name__ = target.name
    return set_apart(region, tuple(tensors), lambda rules: rules)


def _backward(
    vjp: Callable[..., Any], operands: tuple[Tensor, ...], results: Any, *adjoints: Tensor
) -> Any:
    return vjp(operands, results, _alike(results, adjoints))


def _forward(
    jvp: Callable[..., Any], operands: tuple[Tensor, ...], results: Any, *tangents: Tensor
) -> Any:
    returned = jvp(operands, results, _among(operands, tangents))
    several = isinstance(results, tuple)
    pairs = zip(results, returned, strict=True) if several else [(results, returned)]
    return [
        Tensor(zeros_like(result.node)) if tangent is None else tangent
        for result, tangent in pairs
        if result.dtype.is_float
    ]


def _alike(results: Any, moving: Sequence[Tensor]) -> Any:
    """Adjoints put together as results are."""
    if isinstance(results, tuple):
        return _among(results, moving)
    return _among((results,), moving)[0]


def _among(tensors: Sequence[Tensor], moving: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """For each float tensor what it moves by; None for the others."""
    rest = iter(moving)
    return tuple(next(rest) if tensor.dtype.is_float else None for tensor in tensors)


def _declared(
    shape: int | Sequence[int] | None, dtype: object, like: Any, results: Sequence[Any] | None
) -> tuple[bool, Types]:
    """Whether there is one result, not a tuple of them; and the types."""
    if (shape is not None) + (like is not None) + (results is not None) != 1:
        raise AttributeValueError(
            "call needs to know what the function returns, once",
            help="give shape= and dtype=, or like=x, or results=[(shape, dtype), ...]",
        )
    if results is None:
        return True, (_type_of(like) if shape is None else _type(shape, dtype),)
    if not results:
        raise AttributeValueError("call needs a function that returns something")
    pairs = [_type(*each) if _is_pair(each) else _type_of(each) for each in results]
    return False, tuple(pairs)


def _is_pair(result: Any) -> bool:
    return isinstance(result, tuple) and len(result) == 2


def _type_of(value: Any) -> TensorType:
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise AttributeValueError(
            f"a result of call is declared like {value!r}, which has no shape and dtype",
            help="give a tensor, an array, or a pair (shape, dtype)",
        )
    return _type(value.shape, value.dtype)


def _type(shape: Any, dtype: object) -> TensorType:
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if not all(isinstance(size, int | np.integer) and size >= 0 for size in sizes):
        raise ShapeError(f"a result of call has the shape {shape!r}", help="sizes are 0 or more")
    exact: Shape = tuple(map(int, sizes))
    return TensorType(as_dtype(dtype), exact)


def _foreign(
    function: Any, name: str, operands: Types, results: Types, vectorized: bool
) -> ForeignFunction:
    """The foreign function for these types, made if there is none."""
    native = isinstance(function, int | np.integer | _NATIVE) and not isinstance(function, bool)
    if not native and not callable(function):
        raise AttributeValueError(
            f"call takes a function, got {type(function).__name__}",
            help="pass a Python function, a function of ctypes, or its address",
        )
    if native and vectorized:
        raise AttributeValueError(
            "native code cannot be told the size of a batch",
            help="leave out vectorized: it is called for one example after the other",
        )
    identity = int(function) if isinstance(function, int | np.integer) else id(function)
    key = (identity, native, name, operands, results, vectorized)
    with _lock:
        known = _made.get(key)
        if known is None:
            make = _native if native else functools.partial(_python, vectorized=vectorized)
            known = foreign.register(name, lambda fresh: make(function, fresh, operands, results))
            _made[key] = known
    return known


def _native(function: Any, name: str, operands: Types, results: Types) -> ForeignFunction:
    is_address = isinstance(function, int | np.integer)
    address = int(function) if is_address else address_of(function)
    if not 0 < address < 1 << 64:
        raise AttributeValueError(f"{address} is no address of a function")
    buffers = _buffers(results)
    return ForeignFunction(
        name,
        operands,
        results,
        address,
        gives_status=False,
        evaluate=lambda *arrays: call_native(address, buffers, arrays),
        owner=function,
    )


def _python(
    function: Any, name: str, operands: Types, results: Types, vectorized: bool
) -> ForeignFunction:
    callback = Callback(name, function, _buffers(operands), _buffers(results))
    native = callback.native()

    def for_batch(size: int) -> ForeignFunction:
        taken, given = (
            tuple(each.with_shape((size, *each.shape)) for each in types)
            for types in (operands, results)
        )
        return _foreign(function, name, taken, given, vectorized)

    return ForeignFunction(
        name,
        operands,
        results,
        address_of(native),
        gives_status=True,
        evaluate=lambda *arrays: callback.evaluate(*(array.copy() for array in arrays)),
        owner=native,
        for_batch=for_batch if vectorized else None,
    )


def _buffers(types: Types) -> list[Buffer]:
    return [Buffer(each.dtype.numpy, each.shape) for each in types]
