"""Contractions of one row whose vectors run along the depth.

Owns the loop that multiplies a row by columns whose terms are neighbours in memory, and the sum
over the lanes of many vectors at once. Imports the emitter and the questions asked of operands.
Invariant: an element of the right operand is read once.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.codegen.emit import Function
from graphc.codegen.microkernel import TileShape, multiply_add
from graphc.codegen.operand import Contraction
from graphc.codegen.packing import exchanged
from graphc.codegen.place import Place, lane_mask, shifted
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import Value, constant, index


def sum_columns(place: Place, contraction: Contraction, shape: TileShape, chains: int) -> Value:
    """The sums for the columns of a tile of one row that stands at `place`, as one vector.

    Each column has `chains` sums of every so many-th vector of terms, added at the end.
    """
    function, depth, lanes, columns = place.function, contraction.depth, shape.lanes, shape.columns
    sums = [constant(0, contraction.dtype, lanes)] * (columns * chains)
    whole = depth.extent // (lanes * chains) * (lanes * chains)
    if whole:
        with function.loop(index(0), index(whole), lanes * chains, sums, "depth") as loop:
            here = place.moved(depth, loop.counter)
            for i in range(chains):
                part = loop.carried[i * columns : (i + 1) * columns]
                loop.next += _step(here, contraction, part, i * lanes, lanes)
        sums = loop.results
    chain_sums = [sums[i * columns : (i + 1) * columns] for i in range(chains)]
    after = place.moved(depth, index(whole))
    for i, first in enumerate(range(0, depth.extent - whole, lanes)):
        active = min(depth.extent - whole - first, lanes)
        chain_sums[i] = _step(after, contraction, chain_sums[i], first, active)
    add = VectorScalars(function).add
    totals = chain_sums[0]
    for part in chain_sums[1:]:
        totals = [add(x, y) for x, y in zip(totals, part, strict=True)]
    return lane_sums(function, totals)


def _step(
    place: Place, contraction: Contraction, sums: Sequence[Value], by: int, active: int
) -> list[Value]:
    """Each column's sum plus the products of the terms that begin `by` after `place`."""
    function, depth, lanes = place.function, contraction.depth, sums[0].lanes
    evaluator, mask = place.evaluator(depth, lanes), lane_mask(active, lanes)
    left, right = contraction.left, contraction.right
    factor = evaluator.value(left.node, shifted(left.at, depth, by), mask)
    at = shifted(right.at, depth, by)
    result = []
    for column, total in enumerate(sums):
        value = evaluator.value(right.node, shifted(at, contraction.columns, column), mask)
        x, y = function.splat(factor, lanes), function.splat(value, lanes)
        added = multiply_add(function, x, y, total)
        # An inactive lane of an operand that is computed may hold anything.
        result.append(added if mask is None else function.select(mask, added, total))
    return result


def lane_sums(function: Function, vectors: Sequence[Value]) -> Value:
    """The vector whose lane i is the sum over the lanes of the i-th vector, 0 behind the last.

    Halves of pairs of vectors are exchanged and added, so n vectors take about 3 n instructions.
    """
    lanes, dtype = vectors[0].lanes, vectors[0].dtype
    level = [*vectors, *[constant(0, dtype, lanes)] * (lanes - len(vectors))]
    add = VectorScalars(function).add
    distance = 1
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=True)
        level = [add(*exchanged(function, x, y, distance)) for x, y in pairs]
        distance *= 2
    return level[0]
