"""Give blocks of memory that are needed for a time places in one piece of memory.

Owns `Block` and `pack_blocks`. Imports nothing of graphc. Invariant: two blocks that are needed at
the same time never overlap.

Finding the smallest piece is NP-hard (Garey and Johnson 1979, dynamic storage allocation), so a few
orders are tried and the best is kept. The largest first is the order of Pisarchyk and Lee,
"Efficient Memory Management for Deep Neural Net Inference" (2020).
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

ALIGNMENT = 64
"""Bytes; a cache line, and the widest vector."""

MOST_COMPARED = 600
"""Blocks of which each is compared with all others; of more, only with those needed meanwhile."""


@dataclass(frozen=True)
class Block:
    """`size` bytes needed from step `first` to step `last`. Of one that needs none, one byte is
    its own."""

    size: int
    first: int
    last: int

    @property
    def room(self) -> int:
        """Bytes that it takes up: of a large one whole cache lines."""
        size = max(self.size, 1)
        return aligned(size) if size > ALIGNMENT // 2 else 1 << (size - 1).bit_length()

    @property
    def alignment(self) -> int:
        """What its place is a multiple of; a small one shares a line with others."""
        return min(self.room, ALIGNMENT)


@dataclass(frozen=True)
class Packing:
    """The offset of each block, and the size of the piece of memory."""

    offsets: tuple[int, ...]
    size: int


def pack_blocks(blocks: Sequence[Block]) -> Packing:
    """Places for blocks, in a piece of memory that is as small as was found."""
    least = most_needed(blocks)
    best: Packing | None = None
    for pack in _PACKERS:
        found = pack(blocks)
        if best is None or found.size < best.size:
            best = found
        if best.size <= least or len(blocks) > MOST_COMPARED:
            break
    assert best is not None
    return best


def most_needed(blocks: Sequence[Block]) -> int:
    """The bytes of all blocks that are needed at one step, where they are most: no piece of memory
    can be smaller."""
    events = [(block.first, block.size) for block in blocks]
    events += [(block.last + 1, -block.size) for block in blocks]
    needed = most = 0
    for _, change in sorted(events):
        needed += change
        most = max(most, needed)
    return most


def _in_time(blocks: Sequence[Block]) -> Packing:
    """Each block when it is first needed goes into the smallest hole that it fits."""
    offsets = [0] * len(blocks)
    ending: list[tuple[int, int]] = []
    holes, size = _Holes(), 0
    for number in sorted(range(len(blocks)), key=lambda n: (blocks[n].first, -blocks[n].room)):
        block = blocks[number]
        while ending and ending[0][0] < block.first:
            gone = ending.pop(0)[1]
            holes.add(offsets[gone], blocks[gone].room)
        offsets[number] = holes.take(block)
        insort(ending, (block.last, number))
        size = max(size, offsets[number] + block.size)
    return Packing(tuple(offsets), size)


def _backwards(blocks: Sequence[Block]) -> Packing:
    """The same from the last step to the first."""
    return _in_time([Block(block.size, -block.last, -block.first) for block in blocks])


def _largest_first(blocks: Sequence[Block]) -> Packing:
    """Each block, from the largest on, goes to the lowest place that is free all its time."""
    return _lowest(blocks, lambda block: (-block.room, block.first))


def _longest_first(blocks: Sequence[Block]) -> Packing:
    """The same from the one that is needed longest."""
    return _lowest(blocks, lambda block: (block.first - block.last, -block.room))


def _lowest(blocks: Sequence[Block], key: Callable[[Block], tuple[int, int]]) -> Packing:
    offsets = [0] * len(blocks)
    placed: list[tuple[int, int]] = []
    for number in sorted(range(len(blocks)), key=lambda n: key(blocks[n])):
        block = blocks[number]
        place = 0
        for offset, other in placed:
            taken = blocks[other]
            if taken.first > block.last or taken.last < block.first:
                continue
            if place + block.room <= offset:
                break
            place = max(place, aligned(offset + taken.room, block.alignment))
        offsets[number] = place
        insort(placed, (place, number))
    ends = (offset + block.size for offset, block in zip(offsets, blocks, strict=True))
    return Packing(tuple(offsets), max(ends, default=0))


_PACKERS = (_in_time, _largest_first, _backwards, _longest_first)


class _Holes:
    """Free parts of a piece of memory that may grow at its end."""

    def __init__(self) -> None:
        self._holes: list[tuple[int, int]] = []
        self._end = 0

    def take(self, block: Block) -> int:
        """The place of a block, in the smallest hole that has room; else at the end."""
        fitting = min(self._fitting(block), default=None)
        if fitting is not None:
            _, offset, hole = fitting
            self._split(hole, offset, block.room)
            return offset
        start = self._end
        if self._holes and sum(self._holes[-1]) == self._end:
            start = self._holes.pop()[0]
        offset = aligned(start, block.alignment)
        if offset > start:
            self.add(start, offset - start)
        self._end = offset + block.room
        return offset

    def add(self, offset: int, room: int) -> None:
        """Let a part be free; it becomes one with free neighbours."""
        insort(self._holes, (offset, room))
        at = self._holes.index((offset, room))
        if at + 1 < len(self._holes) and self._holes[at + 1][0] == offset + room:
            room += self._holes.pop(at + 1)[1]
            self._holes[at] = (offset, room)
        if at and sum(self._holes[at - 1]) == offset:
            start, before = self._holes[at - 1]
            self._holes[at - 1 : at + 1] = [(start, before + room)]

    def _fitting(self, block: Block) -> Iterator[tuple[int, int, int]]:
        """The room, place and number of each hole that a block fits."""
        for number, (start, room) in enumerate(self._holes):
            offset = aligned(start, block.alignment)
            if offset + block.room <= start + room:
                yield room, offset, number

    def _split(self, number: int, offset: int, room: int) -> None:
        start, whole = self._holes[number]
        left = [(start, offset - start), (offset + room, start + whole - offset - room)]
        self._holes[number : number + 1] = [hole for hole in left if hole[1]]


def aligned(size: int, alignment: int = ALIGNMENT) -> int:
    """A size in bytes rounded up, so that what comes behind is aligned.

    >>> aligned(65), aligned(5, 4)
    (128, 8)
    """
    return -(-size // alignment) * alignment
