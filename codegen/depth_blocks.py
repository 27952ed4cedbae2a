"""Into which blocks or parts the depth of a matrix product is cut.

Owns `block_of_depth` and `part_of_depth`. Imports the target and what a product is. Invariant: that
of a schedule: an answer depends on shapes and the target alone.
"""

from __future__ import annotations

from graphc.codegen.operand import Contraction
from graphc.codegen.target import Target

ENOUGH_UNITS = 16
"""Tiles, rounds or products of a batch from which an axis is shared evenly by a few threads."""

_ROWS_OF_A_BLOCK = 256  # of the left operand, which half of the L2 cache is to hold
_SHORTEST_PART = 128  # terms, so that to store and to add partial sums takes little
_FEWEST_PARTS = 8  # to share them is to share them evenly
_WORTH_PARTS = 60_000  # cycles of multiply-adds from which there is something to share


def block_of_depth(contraction: Contraction, reads: int, lanes: int, target: Target) -> int:
    """Terms summed at a time: all, if what a tile `reads` of them stays in the L2 cache. Where that
    cache holds the sums of one product, which wait for the rest, but not the right operand,
    blocks are of a length that lets many rows of the left operand stay there."""
    m, n, depth = contraction.extents
    size, cache = contraction.dtype.bytes, target.l2_bytes
    if not contraction.batch and m * n * size <= cache < n * depth * size:
        most = max(cache // 2 // (_ROWS_OF_A_BLOCK * size), _SHORTEST_PART)
        whole = depth < 2 * most
    else:
        most = max(cache // 4 // (reads * size), lanes)
        whole = depth * reads * size <= cache // 2
    if whole:
        return depth
    blocks = -(-depth // most)
    return -(-depth // (blocks * lanes)) * lanes


def part_of_depth(
    contraction: Contraction, units: int, lanes: int, step: int, target: Target
) -> int:
    """Terms of a part of the depth, a multiple of `step`, or the whole depth.

    It is cut so that there is enough to share and the operands of a part stay in the L2 cache; but
    not if the product is short, or has enough tiles.
    """
    m, n, k = contraction.extents
    if units >= ENOUGH_UNITS or contraction.batch or m * n * k < _WORTH_PARTS * lanes:
        return k
    size = contraction.dtype.bytes
    most = min(k // _SHORTEST_PART, target.l2_bytes // (m * -(-n // lanes) * lanes * size))
    wanted = max(ENOUGH_UNITS, -(-k * (m + n) * size // (target.l2_bytes // 4)))
    parts = min(most, wanted)
    return -(-k // (parts * step)) * step if parts >= _FEWEST_PARTS else k
