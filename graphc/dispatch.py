"""NumPy's functions on symbolic tensors: `np.exp(t)` builds the node that `gc.exp(t)` builds.

Owns the two protocol handlers. Imports the registry only. Invariant: which NumPy function means
what is read from the registry, which the op records and the public functions fill.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.registry import BY_NUMPY, FUNCTIONS


def call_ufunc(
    ufunc: np.ufunc, method: str, operands: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Answer `__array_ufunc__`; raises `TypeError` for what a graph cannot express."""
    name = ufunc.__name__
    if getattr(ufunc, method, None) in BY_NUMPY:
        return BY_NUMPY[getattr(ufunc, method)](*operands, **options)
    if method == "outer" and not options:
        return call_function(ufunc, _outer(*operands), options)
    if method != "__call__":
        raise TypeError(
            f"np.{name}.{method} does not take symbolic tensors; "
            "use the reductions gc.sum, gc.prod, gc.max, gc.min"
        )
    if "out" in options:
        raise TypeError(
            f"np.{name} cannot write into out=: a symbolic tensor is a value, not a buffer; "
            f"write `y = gc.{name}(...)`"
        )
    return call_function(ufunc, operands, options)


def _outer(x: Any, y: Any) -> tuple[Any, Any]:
    """Both operands, the axes of the second after those of the first."""
    return FUNCTIONS["reshape"](x, (*np.shape(x), *[1] * np.ndim(y))), y


def call_function(
    function: Callable[..., Any], operands: tuple[Any, ...], options: dict[str, Any]
) -> Any:
    """Answer `__array_function__`; raises `TypeError` for what a graph cannot express."""
    public = BY_NUMPY.get(function)
    name = getattr(function, "__name__", str(function))
    if public is None:
        close = [known for known in sorted(FUNCTIONS) if name in known or known in name]
        hint = f"; graphc has {', '.join('gc.' + known for known in close)}" if close else ""
        raise TypeError(f"np.{name} does not take symbolic tensors{hint}")
    given = {key: value for key, value in options.items() if value is not np._NoValue}
    signature = inspect.signature(public)
    try:
        signature.bind(*operands, **given)
    except TypeError as error:
        # Without the types, which are longer than all the rest.
        plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
        taken = inspect.Signature(plain)
        raise TypeError(f"np.{name} on symbolic tensors takes {taken}: {error}") from None
    return public(*operands, **given)
