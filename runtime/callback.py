"""Functions of the user's that compiled code calls: how it reaches them, and what they raise.

Owns `External`, `Callback`, which native code can call, `call_native` and `guarded`. Imports
ctypes, NumPy and the rest of `runtime`. Invariant: a result is written only once all results have
been checked; what a function raises ends the step and is raised by the call of the step.

The interpreter's lock is taken for a Python function, whichever thread runs the step.
"""

from __future__ import annotations

import ctypes
import functools
import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.buffers import address_range
from graphc.runtime.errors import CallbackResultError, ReentryError

Array = NDArray[Any]

RAISED = -2
"""The status of a step that a Python function ended; -1 is the entry's own."""

_raised = threading.local()
"""What a callback of this thread raised last, until the step's call raises it."""


class External(Protocol):
    """A function of this process that a step calls, and that lives as long as the step has it."""

    @property
    def gives_status(self) -> bool:
        """Whether it can end the step: a Python function can."""


@dataclass(frozen=True)
class Buffer:
    """An array that a function takes or gives: contiguous, of native byte order."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def empty(self) -> Array:
        return np.empty(self.shape, self.dtype)

    def at(self, address: int | None) -> Array:
        """The array that lies at an address."""
        if 0 in self.shape or address is None:
            return self.empty()
        size = math.prod(self.shape) * self.dtype.itemsize
        memory = memoryview((ctypes.c_char * size).from_address(address)).cast("B")
        return np.ndarray(self.shape, self.dtype, memory)


class Callback:
    """A Python function of arrays that native code can call.

    The function gets arrays that cannot be written to and that are its only while it runs. It
    returns an array, or a tuple or list of them where it has several results.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        operands: Sequence[Buffer],
        results: Sequence[Buffer],
    ) -> None:
        self.name = name
        self._function = function
        self._operands, self._results = tuple(operands), tuple(results)

    def native(self) -> Any:
        """A function of ctypes that calls this one on the addresses of operands and results, and
        returns a status. It keeps this one alive, which so knows nothing of it."""
        count = len(self._operands) + len(self._results)
        return _prototype(count, ctypes.c_int32)(self._run)

    def evaluate(self, *operands: Array) -> list[Array]:
        """The results, checked. Raises what the function raises, and `CallbackResultError`."""
        for operand in operands:
            operand.flags.writeable = False
        returned = self._function(*operands)
        several = isinstance(returned, tuple | list) if len(self._results) > 1 else False
        values = list(returned) if several or isinstance(returned, tuple) else [returned]
        if len(values) != len(self._results):
            raise CallbackResultError(
                f"{self.name} returned {len(values)} results, {len(self._results)} are declared"
            )
        return [
            self._checked(position, value, expected)
            for position, (value, expected) in enumerate(zip(values, self._results, strict=True))
        ]

    def _checked(self, position: int, value: Any, expected: Buffer) -> Array:
        array = np.asarray(value)
        if array.dtype == expected.dtype and array.shape == expected.shape:
            return array
        which = f"result {position + 1} of {self.name}" if len(self._results) > 1 else self.name
        raise CallbackResultError(
            f"{which} is declared {expected.dtype} of shape {expected.shape}, "
            f"got {array.dtype} of shape {array.shape}",
            help="declare what it returns, or convert it with np.asarray(..., dtype)",
        )

    def _run(self, *addresses: int | None) -> int:
        """What native code calls. Nothing may be raised here: ctypes would print and drop it."""
        try:
            count = len(self._operands)
            given = [b.at(a) for b, a in zip(self._operands, addresses, strict=False)]
            found = self.evaluate(*given)
            for buffer, address, value in zip(self._results, addresses[count:], found, strict=True):
                buffer.at(address)[...] = value
        except BaseException as error:
            _raised.error = error
            return RAISED
        return 0


def call_native(address: int, results: Sequence[Buffer], operands: Sequence[Array]) -> list[Array]:
    """The results of the native function at an address, which returns nothing."""
    arrays = [np.ascontiguousarray(operand) for operand in operands]
    found = [buffer.empty() for buffer in results]
    function = _prototype(len(arrays) + len(found), None)(address)
    function(*(address_range(array)[0] for array in (*arrays, *found)))
    return found


def address_of(native: Any) -> int:
    """Where the code of a function of ctypes begins."""
    return ctypes.cast(native, ctypes.c_void_p).value or 0


def take_raised() -> BaseException:
    """What the callback raised that ended the step of this thread."""
    error: BaseException = _raised.__dict__.pop("error")
    return error


def guarded(call: Callable[..., Any], name: str, updated: Sequence[Array]) -> Callable[..., Any]:
    """The call of a step that calls functions of this process.

    One call runs at a time. What is `updated` is as it was if it raises. Raises `ReentryError`
    where a function of the step calls the step.
    """
    lock = threading.Lock()
    running: list[int] = []

    @functools.wraps(call)
    def guarded_call(*args: Any, **named: Any) -> Any:
        this_thread = threading.get_ident()
        if this_thread in running:
            raise ReentryError(
                f"{name}() was called by a function that it calls",
                help="compile what the function needs as a step of its own",
            )
        with lock:
            running.append(this_thread)
            before = [array.copy() for array in updated]
            try:
                return call(*args, **named)
            except BaseException:
                for array, values in zip(updated, before, strict=True):
                    array[...] = values
                raise
            finally:
                running.clear()

    return guarded_call


def _prototype(count: int, result: Any) -> Any:
    return ctypes.CFUNCTYPE(result, *[ctypes.c_void_p] * count)
