"""`t.at[index]`: a tensor changed at an index, as a new tensor.

Owns `At` and `Place`. Imports the registry. Invariant: nothing is changed in place; every method
calls the public function of the operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.registry import FUNCTIONS

if TYPE_CHECKING:
    from graphc.tensor import Tensor, TensorLike


class Place:
    """The elements `t[index]`, to be changed: each method gives the whole tensor with new ones.

    Values broadcast to the shape of `t[index]`. Of an element that the index names several times,
    `set` keeps the last value and all others act one after the other.
    """

    __slots__ = ("_index", "_tensor")

    def __init__(self, tensor: Tensor, index: object) -> None:
        self._tensor = tensor
        self._index = index

    def get(self) -> Tensor:
        """The elements themselves."""
        result: Tensor = FUNCTIONS["getitem"](self._tensor, self._index)
        return result

    def set(self, values: TensorLike) -> Tensor:
        return self._changed(values, "set")

    def add(self, values: TensorLike) -> Tensor:
        return self._changed(values, "add")

    def multiply(self, values: TensorLike) -> Tensor:
        return self._changed(values, "mul")

    def max(self, values: TensorLike) -> Tensor:
        """Keep the larger of element and value."""
        return self._changed(values, "max")

    def min(self, values: TensorLike) -> Tensor:
        """Keep the smaller of element and value."""
        return self._changed(values, "min")

    def _changed(self, values: TensorLike, mode: str) -> Tensor:
        result: Tensor = FUNCTIONS["update_at"](self._tensor, self._index, values, mode)
        return result


class At:
    """`t.at`, which is indexed as `t` is."""

    __slots__ = ("_tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def __getitem__(self, index: object) -> Place:
        return Place(self._tensor, index)
