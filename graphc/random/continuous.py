"""Random numbers of continuous distributions.

Owns `uniform`, `normal`, `truncated_normal`, `exponential`, `gumbel` and `laplace`. Invariant: each
number is made of one word by inverting the distribution function, and is finite. f32 takes 24
random bits and f64 53; float16 and bfloat16 are computed in f32 and rounded.

Everything but the bits is ordinary arithmetic: `loc + scale * normal(key, shape)` has derivatives
by `loc` and `scale`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from graphc.functions.arithmetic import clip, where
from graphc.functions.elementwise import apply
from graphc.ir.build import broadcast, cast, ops
from graphc.ir.diagnostics import AttributeValueError, DTypeError
from graphc.ir.types import DType, float32, float64, int32, int64, uint32, uint64
from graphc.promotion import as_dtype, as_node
from graphc.public import at_user_line
from graphc.random.keys import words
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike


@at_user_line
def uniform(
    key: TensorLike,
    shape: object = (),
    dtype: object = float32,
    minval: TensorLike = 0.0,
    maxval: TensorLike = 1.0,
) -> Tensor:
    """Uniform in [minval, maxval): multiples of 2**-24 in f32 and of 2**-53 in f64, of 2**-11 in
    float16 and 2**-8 in bfloat16, scaled to the interval.

    The bounds broadcast to `shape`; there are derivatives by them. Raises `DTypeError` for a dtype
    that is no float and `AttributeValueError` for numbers of which `minval` is not the smaller.

    >>> import graphc as gc
    >>> key = gc.random.key(0)
    >>> gc.random.uniform(key, (2, 3)).shape
    (2, 3)
    """
    kind = _float("uniform", dtype)
    shift = _word(kind).bits - kind.digits
    whole = (words("uniform", key, shape, _word(kind)) >> shift).astype(_signed(kind))
    unit = (whole.astype(kind.arithmetic) * 2.0**-kind.digits).astype(kind)
    check_interval("uniform", minval, maxval)
    if _is(minval, 0) and _is(maxval, 1):
        return unit
    low, high = (_parameter(bound, kind, unit) for bound in (minval, maxval))
    spread = low + unit * (high - low)
    # The sum may round up to the upper bound, which is not in the interval.
    return where(spread < high, spread, apply(ops.nextafter, high, low))


@at_user_line
def normal(key: TensorLike, shape: object = (), dtype: object = float32) -> Tensor:
    """Normal with mean 0 and variance 1: `sqrt(2) * erfinv(u)` of u uniform in (-1, 1).

    u is an odd multiple of 2**-24, or 2**-53 in f64, so the largest numbers are 5.4 and 8.3.
    """
    kind = _float("normal", dtype)
    return (math.sqrt(2) * apply(ops.erfinv, _symmetric("normal", key, shape, kind))).astype(kind)


@at_user_line
def truncated_normal(
    key: TensorLike,
    lower: TensorLike,
    upper: TensorLike,
    shape: object = (),
    dtype: object = float32,
) -> Tensor:
    """Normal as `normal` is, conditioned on being in [lower, upper]; the bounds broadcast.

    It inverts the distribution function, so where both bounds are far out on one side there are
    few different numbers. Raises `AttributeValueError` for numbers of which `lower` is not the
    smaller.
    """
    kind = _float("truncated_normal", dtype)
    check_interval("truncated_normal", lower, upper)
    unit = _open("truncated_normal", key, shape, kind)
    bounds = [_parameter(bound, kind.arithmetic, unit) for bound in (lower, upper)]
    low, high = (apply(ops.erf, bound * math.sqrt(0.5)) for bound in bounds)
    most = 1 - 2.0**-kind.arithmetic.digits
    inside = clip(low + unit * (high - low), -most, most)
    return clip(math.sqrt(2) * apply(ops.erfinv, inside), *bounds).astype(kind)


@at_user_line
def exponential(key: TensorLike, shape: object = (), dtype: object = float32) -> Tensor:
    """Exponential with mean 1: `-log(1 - u)` of u uniform in [0, 1), at most 16.6, in f64 36.7."""
    kind = _float("exponential", dtype)
    return (-apply(ops.log1p, -uniform(key, shape, kind.arithmetic))).astype(kind)


@at_user_line
def gumbel(key: TensorLike, shape: object = (), dtype: object = float32) -> Tensor:
    """Gumbel, of largest values: `-log(-log(u))` of u uniform in (0, 1)."""
    kind = _float("gumbel", dtype)
    unit = _open("gumbel", key, shape, kind)
    return (-apply(ops.log, -apply(ops.log, unit))).astype(kind)


@at_user_line
def laplace(key: TensorLike, shape: object = (), dtype: object = float32) -> Tensor:
    """Laplace with mean 0 and scale 1 (variance 2): `-sign(u) * log(1 - |u|)` of u uniform in
    (-1, 1)."""
    kind = _float("laplace", dtype)
    unit = _symmetric("laplace", key, shape, kind)
    magnitude = -apply(ops.log1p, -abs(unit))
    return apply(ops.copysign, magnitude, unit).astype(kind)


def check_interval(name: str, low: TensorLike, high: TensorLike) -> None:
    """Raise where both ends are known and an interval is empty."""
    if isinstance(low, Tensor) or isinstance(high, Tensor) or np.all(np.less(low, high)):
        return
    raise AttributeValueError(f"{name} needs an interval that is not empty, got [{low}, {high})")


def _float(name: str, dtype: object) -> DType:
    kind = as_dtype(dtype)
    if not kind.is_float:
        raise DTypeError(f"{name} makes floats, not {kind}")
    return kind


def _word(kind: DType) -> DType:
    """What one number is made of."""
    return uint64 if kind is float64 else uint32


def _signed(kind: DType) -> DType:
    """The signed integers of that width, which processors make floats of faster."""
    return int64 if kind is float64 else int32


def _symmetric(name: str, key: TensorLike, shape: object, dtype: DType) -> Tensor:
    """Odd multiples of 2**-24, or 2**-53, in (-1, 1), in the dtype that is computed in."""
    kind = dtype.arithmetic
    whole = words(name, key, shape, _word(kind)).astype(_signed(kind))
    odd = (whole >> (_word(kind).bits - kind.digits - 1)) | 1
    return odd.astype(kind) * 2.0**-kind.digits


def _open(name: str, key: TensorLike, shape: object, dtype: DType) -> Tensor:
    """Odd multiples of 2**-24, or 2**-53, in (0, 1), in the dtype that is computed in."""
    kind = dtype.arithmetic
    odd = (words(name, key, shape, _word(kind)) >> (_word(kind).bits - kind.digits)) | 1
    return odd.astype(_signed(kind)).astype(kind) * 2.0**-kind.digits


def _parameter(value: TensorLike, kind: DType, like: Tensor) -> Tensor:
    """A parameter of a distribution, in its dtype and the shape of what is drawn."""
    known = value if isinstance(value, Tensor) else np.asarray(value, kind.numpy)
    return Tensor(broadcast(cast(as_node(known), kind), like.shape))


def _is(value: TensorLike, number: float) -> bool:
    """Whether a value is known and is this number."""
    return not isinstance(value, Tensor) and np.array_equal(value, number)
