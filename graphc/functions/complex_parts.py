"""Functions of complex numbers, for programs that call them on real ones.

Owns those. Imports the op records. Invariant: every tensor is of real numbers, so nothing is
computed but angles.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.arithmetic import where
from graphc.functions.creation import full_like, zeros_like
from graphc.functions.elementwise import apply
from graphc.functions.floats import signbit
from graphc.functions.reductions import as_floats
from graphc.ir.build import ops
from graphc.ir.types import bool_
from graphc.promotion import as_tensor, promoted_as
from graphc.public import public
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@public
def real(val: TensorLike) -> Tensor:
    """The real part: the tensor itself."""
    return as_tensor(val)


@public
def imag(val: TensorLike) -> Tensor:
    """The imaginary part: zeros."""
    return zeros_like(val)


@public(also=("conjugate",))
def conj(x: TensorLike) -> Tensor:
    """The complex conjugate: the tensor itself; bools as i8, as NumPy does."""
    return Tensor(*promoted_as(np.conjugate, [x]))


@public
def angle(z: TensorLike, deg: bool = False) -> Tensor:
    """0 of positive numbers, pi of negative ones, in radians or degrees; NaN of NaN."""
    x = as_floats(z)
    turned = where(signbit(x), 180.0 if deg else math.pi, 0.0).astype(x.dtype)
    return where(apply(ops.ne, x, x), x, turned)


@public
def isreal(x: TensorLike) -> Tensor:
    """Whether an element is real: True."""
    return full_like(x, True, bool_)


@public
def iscomplex(x: TensorLike) -> Tensor:
    """Whether an element has an imaginary part: False."""
    return full_like(x, False, bool_)


@public
def isrealobj(x: TensorLike) -> bool:
    """Whether the type of the elements is real: True."""
    return True


@public
def iscomplexobj(x: TensorLike) -> bool:
    """Whether the type of the elements is complex: False."""
    return False
