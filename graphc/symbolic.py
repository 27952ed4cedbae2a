"""What Python and NumPy ask of a number or an array, and a symbolic value cannot answer.

Owns `Symbolic`, the base of `Tensor`. Imports nothing. Invariant: every refusal says what to write
instead.
"""

from __future__ import annotations

from typing import NoReturn


class Symbolic:
    """A value that is not known while the graph is declared."""

    __slots__ = ()

    def __setitem__(self, index: object, values: object) -> NoReturn:
        raise TypeError(
            "a symbolic tensor is a value and cannot be changed in place: "
            "write `t = t.at[index].set(values)`"
        )

    def __array__(self, *options: object, **more: object) -> NoReturn:
        raise TypeError(
            f"{self!r} is symbolic and has no values to make an array of. In a traced function, "
            "call gc.* or np.* functions on the tensor itself; elsewhere, "
            "compile it with gc.compile and call the step"
        )

    def __bool__(self) -> NoReturn:
        raise TypeError(
            f"{self!r} is symbolic: its truth is not known while the graph is declared. "
            "Choose between values with gc.where(condition, x, y), between computations with "
            "gc.cond, combine conditions with & | ~, "
            "and compare the tensors themselves with `is` (so not `t in list`)"
        )

    def __float__(self) -> NoReturn:
        raise self._no_number("float")

    def __int__(self) -> NoReturn:
        raise self._no_number("int")

    def __index__(self) -> NoReturn:
        raise self._no_number("int")

    def item(self, *index: int) -> NoReturn:
        raise self._no_number("number")

    def tolist(self) -> NoReturn:
        raise self._no_number("list")

    def _no_number(self, kind: str) -> TypeError:
        return TypeError(
            f"{self!r} is symbolic and is no {kind} yet. In a traced "
            "function, name the argument in static_argnums to have its value; elsewhere, "
            "compile it with gc.compile and convert what the step returns"
        )
