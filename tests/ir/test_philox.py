"""Philox, number for number: Random123's known answers at 32 bits, NumPy's stream at 64.

The known answers are those of `philox4x32 10` in tests/kat_vectors of Random123
(https://github.com/DEShawResearch/random123).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.codegen.target import Target, host_target
from graphc.ir.build import ops
from graphc.ir.graph import Graph
from graphc.ir.ops.random import philox
from graphc.ir.types import DType, TensorType, uint32, uint64
from tests.codegen.running import run_compiled

Array = np.ndarray[Any, Any]

KNOWN = [
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]
"""Counter, key and the words that belong to them."""


def words(text: str) -> Array:
    return np.array([int(word, 16) for word in text.split()], np.uint32)


def compiled(
    key: Array, counter: Array, size: int, dtype: DType, target: Target | None = None
) -> Array:
    operands = [
        ops.input(name=name, type=TensorType(DType.of(array.dtype), array.shape))
        for name, array in (("key", key), ("counter", counter))
    ]
    stream = ops.philox(*operands, size=size, dtype=dtype)
    graph = Graph("f", tuple(operands), (), (stream,), ("stream",))
    result = run_compiled(graph, {"key": key, "counter": counter}, target=target)
    return np.array(result.outputs["stream"])


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_words_of_32_bits_are_the_known_answers(counter: str, key: str, expected: str) -> None:
    operands = words(key), words(counter)
    assert_array_equal(philox.reference(*operands, size=4, dtype=uint32), words(expected))
    assert_array_equal(compiled(*operands, 4, uint32), words(expected))
    # As one of several that are made at once: the last of ten, which begin nine counters before.
    before = (int.from_bytes(words(counter).tobytes(), "little") - 9) % 2**128
    start = np.frombuffer(before.to_bytes(16, "little"), np.uint32)
    assert_array_equal(compiled(operands[0], start, 40, uint32)[36:], words(expected))


@pytest.mark.parametrize(
    "counter",
    [[0, 0, 0, 0], [2**64 - 3, 0, 0, 0], [2**64 - 2, 2**64 - 1, 2**64 - 1, 7], [2**64 - 9] * 4],
)
@pytest.mark.parametrize("key", [[0, 0], [0x243F6A8885A308D3, 2**64 - 1]])
def test_words_of_64_bits_are_the_stream_of_numpy(counter: list[int], key: list[int]) -> None:
    generator = np.random.Philox(key=np.array(key, "u8"), counter=np.array(counter, "u8"))
    expected = generator.random_raw(131)
    # NumPy increments its counter before each block.
    number = sum(word << 64 * place for place, word in enumerate(counter)) + 1
    start = np.frombuffer((number % 2**256).to_bytes(32, "little"), "u8")
    operands = np.array(key, "u8"), start
    assert_array_equal(philox.reference(*operands, size=131, dtype=uint64), expected)
    assert_array_equal(compiled(*operands, 131, uint64), expected)


def test_two_words_make_one_wide_number() -> None:
    key, counter = words("00000007 00000009"), words("00000000 00000000 00000000 00000000")
    narrow = philox.reference(key, counter, size=70, dtype=uint32)
    wide = philox.reference(key, counter, size=35, dtype=uint64)
    assert_array_equal(narrow.view("<u8"), wide)
    assert_array_equal(compiled(key, counter, 35, uint64), wide)


HOST = host_target()


@pytest.mark.parametrize("bits", [bits for bits in (64, 128, 256) if bits <= HOST.vector_bits])
@pytest.mark.parametrize("size", [1, 9, 16, 67])
def test_narrower_vectors_give_the_same_words(bits: int, size: int) -> None:
    key, counter = words("00000007 00000009"), words("fffffffe ffffffff 00000000 00000000")
    target = replace(HOST, vector_bits=bits)
    for dtype in (uint32, uint64):
        expected = philox.reference(key, counter, size=size, dtype=dtype)
        assert_array_equal(compiled(key, counter, size, dtype, target), expected)
