"""Random bools and integers.

Owns `bernoulli` and `randint`. Invariant: each number is made of one draw; the deviation from the
exact distribution is said.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.refusal import refused
from graphc.ir.build import broadcast, cast, scalar
from graphc.ir.diagnostics import AttributeValueError, DTypeError
from graphc.ir.types import DType, float32, int32, int64, uint64
from graphc.promotion import as_dtype, as_tensor
from graphc.public import at_user_line
from graphc.random.continuous import check_interval, uniform
from graphc.random.keys import words
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

_LOWER = 0xFFFFFFFF


@at_user_line
def bernoulli(key: TensorLike, p: TensorLike = 0.5, shape: object = None) -> Tensor:
    """True with probability `p`, which broadcasts to `shape`; its own shape unless one is given.

    A uniform number is compared with `p`, so that the probability is exact to 2**-24 (2**-53 where
    `p` is f64). Raises `AttributeValueError` for a number `p` outside of [0, 1].
    """
    if not isinstance(p, Tensor) and not np.all((np.asarray(p) >= 0) & (np.asarray(p) <= 1)):
        raise AttributeValueError(f"bernoulli takes a probability in [0, 1], got {p}")
    chance = as_tensor(p)
    kind = chance.dtype.arithmetic if chance.dtype.is_float else float32
    unit = uniform(key, chance.shape if shape is None else shape, kind)
    return unit < Tensor(broadcast(cast(chance.node, kind), unit.shape))


@at_user_line
def randint(
    key: TensorLike,
    shape: object,
    minval: TensorLike,
    maxval: TensorLike,
    dtype: object = int32,
) -> Tensor:
    """Integers in [minval, maxval); the bounds broadcast to `shape`.

    64 random bits are multiplied with the number of choices and the upper 64 bits of the product
    taken, so no choice is more likely than another by more than 2**-64. Where a tensor `maxval` is
    not above `minval`, the result is `minval` or has no meaning.

    Raises `DTypeError` for bounds that are no integers or that the dtype cannot hold and
    `AttributeValueError` for numbers of which `minval` is not the smaller.

    >>> import graphc as gc
    >>> gc.random.randint(gc.random.key(0), (3,), 0, 10).dtype
    DType(name='i32', kind='int', bits=32)
    """
    kind = as_dtype(dtype)
    if not kind.is_integer:
        raise DTypeError(f"randint makes integers, not {kind}")
    check_interval("randint", minval, maxval)
    random = words("randint", key, shape, uint64)
    low = _bound(minval, kind, last=False)
    choices = _bound(maxval, kind, last=True) - low
    spread = Tensor(broadcast(choices.node, random.shape))
    start = Tensor(broadcast(low.node, random.shape))
    return (start + _upper_product(random, spread)).astype(kind)


def _bound(value: TensorLike, kind: DType, *, last: bool) -> Tensor:
    """A bound as u64, modulo 2**64; the upper one may be one more than the dtype's largest."""
    if isinstance(value, (Tensor, np.ndarray)):
        bound = as_tensor(value)
        if not bound.dtype.is_integer:
            raise refused(DTypeError("randint takes integer bounds", operand=0), bound.node)
        return (bound.astype(int64) if bound.dtype.kind == "int" else bound).astype(uint64)
    try:
        whole = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise DTypeError(f"randint takes integer bounds, got {value!r}") from None
    info = np.iinfo(str(kind.numpy))
    if not info.min <= whole <= info.max + last:
        raise DTypeError(f"randint of {kind} cannot be bounded by {whole}")
    return Tensor(scalar(whole % (1 << 64), uint64))


def _upper_product(x: Tensor, y: Tensor) -> Tensor:
    """The upper 64 bits of the product of two u64, by halves."""
    low, high, other_low, other_high = x & _LOWER, x >> 32, y & _LOWER, y >> 32
    crossed = high * other_low + (low * other_low >> 32)
    middle = low * other_high + (crossed & _LOWER)
    return high * other_high + (crossed >> 32) + (middle >> 32)
