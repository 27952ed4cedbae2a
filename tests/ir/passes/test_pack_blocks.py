"""Places for blocks that are needed for a time."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphc.ir.passes.pack_blocks import (
    _PACKERS,
    MOST_COMPARED,
    Block,
    Packing,
    most_needed,
    pack_blocks,
)

blocks = st.builds(
    lambda size, first, length: Block(size, first, first + length),
    st.integers(0, 300),
    st.integers(0, 12),
    st.integers(0, 6),
)


def check(given_blocks: list[Block], packing: Packing) -> None:
    """No two blocks that are needed at the same time overlap, and all are aligned and inside."""
    for i, block in enumerate(given_blocks):
        start = packing.offsets[i]
        assert start % block.alignment == 0
        assert start + block.size <= packing.size
        for other, place in zip(given_blocks[:i], packing.offsets, strict=False):
            meet = block.first <= other.last and other.first <= block.last
            if meet:
                # An empty block has a byte of its own, so that it is told apart.
                assert start + max(block.size, 1) <= place or place + max(other.size, 1) <= start


@given(st.lists(blocks, max_size=30))
@settings(deadline=None)
def test_every_packer_keeps_blocks_apart(given_blocks: list[Block]) -> None:
    for pack in _PACKERS:
        check(given_blocks, pack(given_blocks))
    assert pack_blocks(given_blocks).size >= most_needed(given_blocks)


def test_of_many_blocks_none_overlap() -> None:
    generator = random.Random(0)
    many = []
    for _ in range(MOST_COMPARED + 1):
        first = generator.randrange(500)
        many.append(Block(generator.randrange(2000), first, first + generator.randrange(20)))
    check(many, pack_blocks(many))


def test_a_better_order_is_found() -> None:
    # The small block in the middle of the time splits what the two large ones would share.
    given_blocks = [Block(128, 0, 1), Block(64, 1, 2), Block(192, 2, 3)]
    assert pack_blocks(given_blocks).size == 256 == most_needed(given_blocks)


def test_small_blocks_share_a_cache_line() -> None:
    assert pack_blocks([Block(4, 0, 1), Block(4, 0, 1)]).size == 8
    assert pack_blocks([Block(1, 0, 1), Block(8, 0, 1)]).size <= 16


def test_no_block_needs_nothing() -> None:
    assert pack_blocks([]) == Packing((), 0)


@pytest.mark.parametrize(("size", "alignment"), [(0, 1), (1, 1), (3, 4), (12, 16), (33, 64)])
def test_alignment_of_a_block(size: int, alignment: int) -> None:
    assert Block(size, 0, 0).alignment == alignment


def test_cost_grows_with_the_number_of_blocks() -> None:
    def seconds(count: int) -> float:
        nested = [Block(64 + i % 7 * 64, i, 2 * count - i) for i in range(count)]
        begin = time.process_time()
        pack_blocks(nested)
        return time.process_time() - begin

    assert seconds(20_000) < 60 * max(seconds(2_000), 0.001)
