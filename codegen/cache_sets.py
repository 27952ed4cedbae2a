"""Lines of memory that share a set of a cache, where each can push the others out.

Owns `collide` and `overflows`. Imports the target and the size of a line. Invariant: lines are
counted once, however many elements of each are read.
"""

from __future__ import annotations

import math

from graphc.codegen.microkernel import LINE_BYTES
from graphc.codegen.target import Target

PAGE_BYTES = 4096
_WAYS = 8  # lines in a set of the L1 cache, of which there is one for each line of a page


def collide(step: int, rows: int) -> bool:
    """Whether so many rows, `step` bytes apart, share a set of the L1 cache that they push one
    another out."""
    lines = {row * step // LINE_BYTES for row in range(rows)}
    sets = [line * LINE_BYTES % PAGE_BYTES for line in lines]
    return max(map(sets.count, sets)) > _WAYS // 2


def overflows(step: int, terms: int, target: Target) -> bool:
    """Whether so many lines, `step` bytes apart, are more than their sets of the L2 cache hold."""
    way = target.l2_bytes // _WAYS
    sets = way // math.gcd(max(step, LINE_BYTES), way)
    return terms > _WAYS * sets // 2
