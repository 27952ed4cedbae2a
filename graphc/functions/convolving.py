"""Convolution and correlation of vectors, as NumPy defines them.

Owns `convolve` and `correlate`. Imports the op records. Invariant: both are one product of a
matrix of sliding windows, which is a view, with a vector.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from graphc.functions.contraction import matmul
from graphc.functions.layout import atleast_1d
from graphc.functions.padding import pad
from graphc.functions.rearranging import flip
from graphc.functions.refusal import refused
from graphc.ir.build import ops
from graphc.ir.diagnostics import AttributeValueError, ShapeError
from graphc.promotion import common
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

Mode = Literal["full", "same", "valid"]


@public
def convolve(a: TensorLike, v: TensorLike, mode: Mode = "full") -> Tensor:
    """`sum over m of a[m] v[n - m]`, for vectors.

    "full" wherever they overlap, "same" the middle of it, as long as the longer vector, "valid"
    where they overlap wholly. Raises `ShapeError` unless both are vectors that are not empty.

    >>> import graphc as gc
    >>> [gc.convolve(gc.input("x", 8), [1.0, 2.0, 1.0], mode).size
    ...  for mode in ("full", "same", "valid")]
    [10, 8, 6]
    """
    first, second = _vectors("convolve", a, v)
    if second.size > first.size:
        first, second = second, first
    return _correlated("convolve", first, flip(second), mode)


@public
def correlate(a: TensorLike, v: TensorLike, mode: Mode = "valid") -> Tensor:
    """`sum over n of a[n + k] v[n]`, for vectors; modes as of `convolve`."""
    first, second = _vectors("correlate", a, v)
    if second.size > first.size:
        return flip(_correlated("correlate", second, first, mode))
    return _correlated("correlate", first, second, mode)


def _vectors(name: str, a: TensorLike, v: TensorLike) -> list[Tensor]:
    nodes = common([a, v])
    vectors = [atleast_1d(Tensor(node)) for node in nodes]
    for position, vector in enumerate(vectors):
        assert isinstance(vector, Tensor)
        if vector.ndim != 1 or not vector.size:
            error = ShapeError(f"{name} takes vectors that are not empty", operand=position)
            raise refused(error, *nodes)
    return vectors  # type: ignore[return-value]


def _correlated(name: str, longer: Tensor, shorter: Tensor, mode: str) -> Tensor:
    """Sums over windows of the longer vector as wide as the shorter one."""
    width = shorter.size
    if mode == "full":
        before, after = width - 1, width - 1
    elif mode == "same":
        before, after = width // 2, (width - 1) // 2
    elif mode == "valid":
        before, after = 0, 0
    else:
        raise AttributeValueError(f"{name} has modes 'full', 'same' and 'valid', got {mode!r}")
    padded = pad(longer, ((before, after),))
    windows = ops.windows(padded.node, axes=(0,), size=(width,), stride=(1,), dilation=(1,))
    return matmul(Tensor(windows), shorter)
