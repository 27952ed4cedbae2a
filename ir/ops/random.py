"""Random words from a key and a counter: Philox, which all random numbers are made of.

Owns the record of `philox`. Invariant: a word is a function of the key and of its place in the
stream alone, so it does not depend on how many are asked for, nor on who computes it.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
section 4.3; rounds, multipliers and key increments are those of Random123's Philox4x32-10 and
Philox4x64-10.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.diagnostics import AttributeValueError, DTypeError, GraphError, ShapeError
from graphc.ir.graph import Attrs
from graphc.ir.op import NO_GRADIENT, Array, Family, Op, Sample
from graphc.ir.ops.batching import batch_stacked
from graphc.ir.ops.registry import register
from graphc.ir.ops.samples import refused_dtypes
from graphc.ir.routine import ArrayView, Index, RoutineBuilder
from graphc.ir.types import DType, Shape, TensorType, int32, uint32, uint64

ROUNDS = 10
MULTIPLIERS = {32: (0xD2511F53, 0xCD9E8D57), 64: (0xD2E7470EE14C6C93, 0xCA5A826395121157)}
KEY_INCREMENTS = {32: (0x9E3779B9, 0xBB67AE85), 64: (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)}
"""By the bits of a word: the golden ratio's and those of the square root of 3, less 1."""

_LOWER = 0xFFFFFFFF

Word = Any
"""A u64 number of a routine, or an array of them: both have the operators that are used. Of 32-bit
words the lower half counts; the upper one may hold anything."""


@dataclass(frozen=True)
class PhiloxAttrs(Attrs):
    """`size`: how many numbers; `dtype`: u64 makes each of two 32-bit words, the lower one
    first."""

    size: int
    dtype: DType = uint32


def _philox_type(types: Sequence[TensorType], attrs: PhiloxAttrs) -> TensorType:
    key, counter = types
    if counter.dtype != key.dtype:
        raise DTypeError(
            "philox needs key and counter of one dtype", operand=1, detail=f"but {{0}} is {key}"
        )
    if key.shape[-1:] != (2,):
        raise ShapeError("philox needs a key of 2 words", operand=0)
    if counter.shape != (*key.shape[:-1], 4):
        raise ShapeError(
            "philox needs a counter of 4 words for each key",
            operand=1,
            detail=f"but {{0}} is {key}",
        )
    if attrs.dtype not in (uint32, uint64) or attrs.dtype.bits < key.dtype.bits:
        raise DTypeError(f"philox of {key.dtype} words makes no {attrs.dtype}")
    if attrs.size < 0:
        raise AttributeValueError(f"philox needs a size of 0 or more, got {attrs.size}")
    return TensorType(attrs.dtype, (*key.shape[:-1], attrs.size))


def _product(x: Word, factor: int, bits: int) -> tuple[Word, Word]:
    """The upper and the lower word of a product of two words."""
    if bits == 32:
        product = (x & _LOWER) * factor
        return product >> 32, product
    low, high = x & _LOWER, x >> 32
    factor_low, factor_high = factor & _LOWER, factor >> 32
    crossed = high * factor_low
    middle = ((low * factor_low) >> 32) + (crossed & _LOWER) + low * factor_high
    return high * factor_high + (crossed >> 32) + (middle >> 32), x * factor


def _scrambled(counter: Sequence[Word], key: Sequence[Word], bits: int) -> list[Word]:
    """The four words that belong to a counter of four."""
    (a, b, c, d), (first, second) = counter, key
    for _ in range(ROUNDS):
        upper_a, lower_a = _product(a, MULTIPLIERS[bits][0], bits)
        upper_c, lower_c = _product(c, MULTIPLIERS[bits][1], bits)
        a, b, c, d = upper_c ^ b ^ first, lower_c, upper_a ^ d ^ second, lower_a
        first, second = first + KEY_INCREMENTS[bits][0], second + KEY_INCREMENTS[bits][1]
    return [a, b, c, d]


def _block(
    key: Sequence[Word], counter: Sequence[Word], number: Word, types: tuple[DType, DType, Any]
) -> list[Word]:
    """What block `number` of the stream gives, in order: words, or numbers of two words.

    `types` are that of the words, that of the numbers, and u64 as `astype` takes it.
    """
    word, result, wide = types
    if word.bits == 32:
        counter = [low | (high << 32) for low, high in (counter[:2], counter[2:])]
    limbs, carry = [], number
    for limb in counter:
        total = limb + carry
        carry = (total < limb).astype(wide)
        limbs.append(total)
    if word.bits == 64:
        return _scrambled(limbs, key, 64)
    words = _scrambled([part for limb in limbs for part in (limb, limb >> 32)], key, 32)
    if result.bits == 32:
        return words
    return [(low & _LOWER) | (high << 32) for low, high in (words[:2], words[2:])]


def _per_block(word: DType, result: DType) -> int:
    return 4 * word.bits // result.bits


def _philox_reference(key: Array, counter: Array, size: int, dtype: DType) -> Array:
    word = DType.of(key.dtype)
    wide = uint64.numpy
    keys, counters = (
        [part[..., np.newaxis] for part in np.moveaxis(each.astype(wide), -1, 0)]
        for each in (key, counter)
    )
    numbers = np.arange(math.ceil(size / _per_block(word, dtype)), dtype=wide)
    blocks = np.stack(_block(keys, counters, numbers, (word, dtype, wide)), axis=-1)
    stream = blocks.reshape(*key.shape[:-1], blocks.shape[-2] * blocks.shape[-1])
    return stream[..., :size].astype(dtype.numpy)


def _philox(
    builder: RoutineBuilder,
    attrs: PhiloxAttrs,
    key: ArrayView,
    counter: ArrayView,
    y: ArrayView,
) -> None:
    """Block after block, as many at once as u64 numbers fit in a vector."""
    width = _per_block(key.dtype, y.dtype)
    whole, rest = divmod(attrs.size, width)
    blocks = y.rows(width)
    if not y.type.size:
        return
    with builder.each(*y.shape[:-1]) as place:
        keys = [key[(*place, i)].astype(uint64) for i in range(2)]
        counters = [counter[(*place, i)].astype(uint64) for i in range(4)]

        def made(number: Word) -> tuple[Word, ...]:
            block = _block(keys, counters, number, (key.dtype, y.dtype, uint64))
            return tuple(each.astype(y.dtype) for each in block)

        def fill(i: Index) -> None:
            blocks[(*place, i)] = made(builder.position(i).astype(uint64))

        builder.lanes(0, whole, uint64, fill)
        if rest:
            last = made(builder.number(whole, uint64))
            for j in range(rest):
                y[(*place, whole * width + j)] = last[j]


def _words(rng: np.random.Generator, dtype: DType, shape: Shape) -> Array:
    """Any words."""
    return rng.integers(0, 256, (*shape, dtype.bytes), np.uint8).view(dtype.numpy)[..., 0]


def _sample(
    size: int,
    lead: Shape = (),
    *,
    narrow: bool = False,
    key: Shape = (2,),
    counter: Shape = (4,),
    counter_dtype: DType | None = None,
    refuse: type[GraphError] | None = None,
) -> Sample:
    """Numbers of u64 at both widths of words, or `narrow` ones of 32-bit words."""

    def arrays(rng: np.random.Generator, dtype: DType) -> tuple[Array, ...]:
        word = uint32 if narrow else dtype
        counters = _words(rng, counter_dtype or word, (*lead, *counter))
        counters[..., :2] = np.invert(np.zeros((), counters.dtype))  # The second block carries.
        return _words(rng, word, (*lead, *key)), counters

    label = f"{size} of {(*lead, *key)} and {(*lead, *counter)}{' narrow' if narrow else ''}"
    attrs = {"size": size, "dtype": uint32 if narrow else uint64}
    return Sample(arrays, attrs, refuse, label)


philox = register(
    Op(
        name="philox",
        family=Family.ROUTINE,
        operands=("key", "counter"),
        attrs=PhiloxAttrs,
        infer=_philox_type,
        reference=_philox_reference,
        doc="Random words in the order of their stream: Philox 4x32-10 of a u32 key, 4x64-10 of a "
        "u64 key. Block j of four words is that of the counter plus j, a number of four words with "
        "the lowest first. Each key (2 words, on the last axis) has a counter (4 words) and gives "
        "`size` numbers.",
        vjp=NO_GRADIENT,
        jvp=NO_GRADIENT,
        batch=batch_stacked,
        routine=_philox,
        dtypes=(uint32, uint64),
        cost=25,
        samples=(
            *(_sample(size) for size in (0, 1, 2, 3, 4, 7, 67)),
            *(_sample(size, narrow=True) for size in (0, 1, 3, 4, 31, 32, 67, 130)),
            _sample(5, (3,)),
            _sample(4, (2, 3)),
            _sample(7, (2, 3), narrow=True),
            _sample(3, (0,)),
            _sample(3, key=(3,), refuse=ShapeError),
            _sample(3, key=(), refuse=ShapeError),
            _sample(3, counter=(2,), refuse=ShapeError),
            _sample(3, counter=(5, 4), refuse=ShapeError),
            _sample(3, counter_dtype=int32, refuse=DTypeError),
            *refused_dtypes((uint32, uint64), 2, size=3, dtype=uint64),
            _sample(-1, refuse=AttributeValueError),
        ),
    )
)
