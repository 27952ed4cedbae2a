"""The array inside a constant.

Owns `ConstantValue`. Imports NumPy only. Invariant: immutable, contiguous, native byte order;
two values are equal when dtype, shape and every bit agree, so NaN equals itself and -0.0 is not
0.0.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

import numpy as np

from graphc.ir.types import DType, TensorType


class ConstantValue:
    """An immutable array compared by content.

    Keeps a copy of `array`. Raises `KeyError` for a dtype graphc has no type for.

    >>> ConstantValue(np.float32([0.0])) == ConstantValue(np.float32([-0.0]))
    False
    """

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.type = TensorType(DType.of(array.dtype), array.shape)
        self.array = np.array(array, self.type.dtype.numpy, order="C")
        self.array.flags.writeable = False

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of type and content, in hexadecimal digits."""
        content = hashlib.sha256(str(self.type).encode())
        content.update(self.array.reshape(-1).view(np.uint8).data)
        return content.hexdigest()

    @property
    def digest(self) -> str:
        """The first 16 digits of the SHA-256: what the value is called in text."""
        return self.sha256[:16]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ConstantValue):
            return NotImplemented
        return self.type == other.type and (
            self.array is other.array or self.array.tobytes() == other.array.tobytes()
        )

    @cached_property
    def _hash(self) -> int:
        return hash((self.type, self.array.tobytes()))

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        text = repr(self.array.tolist()) if self.array.size <= 16 else f"sha256:{self.digest}"
        return f"<{self.type} {text}>"
