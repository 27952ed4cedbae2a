"""Functions of several steps on 16-bit floats.

Owns `rounded_once`. Imports promotion and the tensor. Invariant: each op by itself rounds its
result to 16 bits; a function so marked keeps f32 between its steps.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from graphc.ir.build import cast
from graphc.promotion import as_tensor
from graphc.tensor import Tensor

Parameters = ParamSpec("Parameters")


def rounded_once(function: Callable[Parameters, Tensor]) -> Callable[Parameters, Tensor]:
    """`function`, done in f32 where its first argument is of 16-bit floats, with its result
    rounded to their dtype; unless an option `dtype` asks for another one."""
    signature = inspect.signature(function)
    first = next(iter(signature.parameters))

    @wraps(function)
    def widened(*args: Parameters.args, **options: Parameters.kwargs) -> Tensor:
        call = signature.bind(*args, **options)
        tensor = as_tensor(call.arguments[first])
        dtype = tensor.dtype
        if dtype is dtype.arithmetic or call.arguments.get("dtype") is not None:
            return function(*args, **options)
        call.arguments[first] = Tensor(cast(tensor.node, dtype.arithmetic))
        result = function(*call.args, **call.kwargs)
        return Tensor(cast(result.node, dtype))

    return widened
