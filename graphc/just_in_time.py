"""`jit`: a plain function of arrays, compiled when it is first called with their shapes.

Owns `jit` and `Jitted`. Imports `tracing` and `trees`. Invariant: which program a call runs depends
on the structure, shapes and dtypes of its arguments and on the values of the static ones, and on
nothing else.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import logging
import threading
import weakref
from collections.abc import Callable, Hashable, Sequence
from types import MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from graphc.ir.diagnostics import BoundaryError
from graphc.public import at_user_line
from graphc.runtime.errors import AlignmentError, ByteOrderError, ContiguityError
from graphc.tensor import Tensor
from graphc.threads import check_threads
from graphc.tracing import (
    Traced,
    argument_names,
    as_array,
    contiguous,
    described,
    parameters_of,
    signature,
    trace,
)
from graphc.trees import Static, Tree, flatten

if TYPE_CHECKING:
    from graphc.compilation import Step
    from graphc.runtime.profile import Profile

_log = logging.getLogger("graphc.jit")

_Key = tuple[Tree, tuple[Hashable, ...]]
"""Structure of the arguments, static values included, and the signature of each leaf."""


_functions: weakref.WeakSet[Jitted] = weakref.WeakSet()


@atexit.register
def _forget_programs() -> None:
    """Compiled code is let go before the modules that it needs for that are."""
    for function in _functions:
        function.cache_clear()


class CacheInfo(NamedTuple):
    """How often a function was traced, and for how many kinds of arguments it is compiled now."""

    traces: int
    size: int


class Jitted:
    """A function that is traced and compiled at the first call with each kind of arguments."""

    def __init__(
        self,
        function: Callable[..., Any],
        static: tuple[Sequence[int], Sequence[str]],
        explain: bool,
        threads: int | None,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__).strip("<>")
        self._static_argnums, self._static_argnames = static
        self._explain = explain
        self._threads = threads
        self._cache: dict[_Key, Traced] = {}
        self._lock = threading.RLock()
        self._traces = 0
        _functions.add(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        leaves, tree = self._flatten(args, kwargs)
        key = (tree, tuple([signature(leaf) for leaf in leaves]))
        traced = self._cache.get(key)
        if traced is None:
            if any(isinstance(leaf, Tensor) for leaf in leaves):
                return self.function(*args, **kwargs)
            traced, leaves = self._find(leaves, tree)
        try:
            return traced(leaves)
        except (ContiguityError, AlignmentError, ByteOrderError):
            return traced([contiguous(leaf) for leaf in leaves])

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def trace(self, *args: Any, **kwargs: Any) -> Step:
        """The step that a call with these arguments runs, for `.ir()`, `.cost()`, ..."""
        return self._step(args, kwargs)[0]

    def profile(self, *args: Any, **kwargs: Any) -> Profile:
        """Where the time of a call with these arguments goes: `Step.profile` of its step."""
        step, inputs = self._step(args, kwargs)
        return step.profile(*inputs)

    def _step(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Step, list[Any]]:
        """The step of a call, and what the call gives it."""
        traced, leaves = self._find(*self._flatten(args, kwargs))
        if traced.step is None:
            raise BoundaryError(f"{self.name} returns nothing: there is no step")
        taken = leaves if traced.used is None else traced.used(leaves)
        return traced.step, [contiguous(leaf) for leaf in taken]

    def cache_info(self) -> CacheInfo:
        """How often the function was traced, and how many programs are kept."""
        return CacheInfo(self._traces, len(self._cache))

    def cache_clear(self) -> None:
        """Forget every program."""
        with self._lock:
            self._cache.clear()

    def _flatten(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[Any], Tree]:
        if self._static_argnums or self._static_argnames:
            numbers, names = self._static_argnums, self._static_argnames
            args = tuple(
                _as_static(i, part) if i in numbers else part for i, part in enumerate(args)
            )
            kwargs = {
                name: _as_static(name, part) if name in names else part
                for name, part in kwargs.items()
            }
        return flatten((args, kwargs))

    @at_user_line
    def _find(self, leaves: list[Any], tree: Tree) -> tuple[Traced, list[Any]]:
        """The program for these leaves, traced if there is none yet, and the leaves as arrays."""
        names = self._names(tree)
        leaves = [as_array(leaf, name) for leaf, name in zip(leaves, names, strict=True)]
        key = (tree, tuple([signature(leaf) for leaf in leaves]))
        with self._lock:
            traced = self._cache.get(key)
            if traced is None:
                if self._explain:
                    _log.warning("%s", self._explanation(key))

                def call(tensors: list[Tensor]) -> Any:
                    args, kwargs = tree.build(tensors)
                    return self.function(*args, **kwargs)

                traced = self._cache[key] = trace(call, leaves, names, self.name, self._threads)
                self._traces += 1
        return traced, leaves

    def _names(self, tree: Tree) -> list[str]:
        """A name for each leaf of the arguments."""
        positional, keywords = tree.items
        return [*argument_names(self.function, positional), *keywords.paths()]

    def _explanation(self, key: _Key) -> str:
        if not self._cache:
            return f"{self.name} is traced for the first time"
        tree, leaves = min(self._cache, key=lambda known: _distance(key, known))
        if tree != key[0]:
            change = f"its arguments are {_spelled(key[0])}, not {_spelled(tree)}"
        else:
            named = zip(self._names(tree), key[1], leaves, strict=True)
            change = "; ".join(
                f"{name} is {described(new)}, not {described(old)}"
                for name, new, old in named
                if new != old
            )
        return f"{self.name} is traced again: {change}"

    def __repr__(self) -> str:
        return f"<jit of {self.name}>"


@overload
def jit(
    function: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    explain: bool = ...,
    threads: int | None = ...,
) -> Jitted: ...
@overload
def jit(
    *,
    static_argnums: int | Sequence[int] = ...,
    static_argnames: str | Sequence[str] = ...,
    explain: bool = ...,
    threads: int | None = ...,
) -> Callable[[Callable[..., Any]], Jitted]: ...
def jit(
    function: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    explain: bool = False,
    threads: int | None = None,
) -> Any:
    """Compile a function of arrays when it is called. Use it as a decorator or as a function.

    The function is called with symbolic tensors in place of arrays and numbers, once for each
    structure, shapes and dtypes of its arguments; what it returns is compiled, and later calls run
    the compiled code. Arguments and results may be nested tuples, lists, dicts, named tuples and
    dataclasses, and None. Arguments that are `static` (hashable values of any kind) are passed as
    they are, and the function is traced for each of their values.

    - Python numbers are inputs without axes and as weak as in an expression: they take the dtype of
      what they meet, and another value needs no other trace.
    - Arrays that the function finds elsewhere are constants of the compiled program; the values of
      parameters (`gc.param`) are read at every call. To update them, use `gc.compile`.
    - What else the function does (print, append to a list) it does only while it is traced.
    - A call with symbolic tensors runs the function on them, as if it were not decorated.
    - Calls may come from any thread.

    `explain` logs (to the logger `graphc.jit`) why a call needs a trace; `threads` is that of
    `gc.compile`. The result has
    `trace(*args)`, which gives the compiled `Step`, `profile(*args)`, `cache_info()` and
    `cache_clear()`.

    Raises `BoundaryError` for arguments that are no arrays and results that are no tensors.

    >>> import numpy as np
    >>> import graphc as gc
    >>> @gc.jit
    ... def scaled(x, factor):
    ...     return {"scaled": x * factor, "total": x.sum()}
    >>> scaled(np.arange(3, dtype="float32"), 2)
    {'scaled': array([0., 2., 4.], dtype=float32), 'total': np.float32(3.0)}
    """
    if function is None:
        return functools.partial(
            jit,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            explain=explain,
            threads=check_threads(threads),
        )
    if not callable(function):
        raise TypeError(f"gc.jit takes a function, got {type(function).__name__}")
    static = _static(function, static_argnums, static_argnames)
    return Jitted(function, static, explain, check_threads(threads))


def _static(
    function: Callable[..., Any], numbers: int | Sequence[int], names: str | Sequence[str]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Static arguments by position and by name; each of both kinds, as far as it can be known."""
    given_numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    given_names = (names,) if isinstance(names, str) else tuple(names)
    parameters = parameters_of(function)
    known = [parameter.name for parameter in parameters]
    by_position = [
        position
        for position, parameter in enumerate(parameters)
        if parameter.name in given_names and parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    counted = [number + len(known) if number < 0 else number for number in given_numbers]
    by_name = [known[number] for number in counted if 0 <= number < len(known)]
    return tuple({*counted, *by_position}), tuple({*given_names, *by_name})


def _as_static(place: int | str, value: Any) -> Static:
    try:
        hash(value)
    except TypeError:
        raise BoundaryError(
            f"static argument {place} is a {type(value).__name__}, which cannot be hashed",
            help="a program is looked up by the values of static arguments: pass a tuple for a "
            "list, and arrays as arguments that are not static",
        ) from None
    return Static(value)


def _distance(new: _Key, old: _Key) -> int:
    """How many leaves differ; another structure is further than any."""
    if new[0] != old[0]:
        return 1 + max(len(new[1]), len(old[1]))
    return sum(a != b for a, b in zip(new[1], old[1], strict=True))


def _spelled(tree: Tree) -> str:
    positional, keywords = tree.items
    return f"{positional}" + (f" and {keywords}" if keywords.items else "")
