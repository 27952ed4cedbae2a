"""Tiles of a contraction whose vectors run along the depth.

Owns the loop that multiplies rows by columns whose terms are neighbours, and the sum over the lanes
of many vectors at once. Imports the emitter and the questions asked of operands. Invariant: a step
of a tile reads each of its rows and columns once; lanes behind the end of the depth add nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.codegen.emit import Function
from graphc.codegen.microkernel import Tile, TileShape, multiply_add
from graphc.codegen.operand import Contraction
from graphc.codegen.packing import exchanged
from graphc.codegen.place import Place, Span, lane_mask, shifted
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import Value, constant, index, is_number


def sum_tile(
    place: Place, contraction: Contraction, shape: TileShape, terms: Span, chains: int
) -> Tile:
    """The sums over `terms` for a tile that stands at `place`; a row of it is one vector.

    Each sum has `chains` parts, of every so many-th vector of terms, added at the end. Terms
    that are not the whole depth start at a multiple of `chains` vectors.
    """
    function, lanes, extent = place.function, shape.lanes, terms.axis.extent
    count, step = shape.rows * shape.columns, lanes * chains
    sums = [constant(0, contraction.dtype, lanes)] * (count * chains)
    whole = extent // step * step
    if whole:
        stop = terms.stop if whole == extent else _first(function, terms.stop, whole)
        with function.loop(terms.start, stop, step, sums, "depth") as loop:
            here = place.moved(terms.axis, loop.counter)
            for i in range(chains):
                part = loop.carried[i * count : (i + 1) * count]
                loop.next += _step(here, contraction, shape, part, i * lanes, None)
        sums = loop.results
    parts = [sums[i * count : (i + 1) * count] for i in range(chains)]
    behind = place.moved(terms.axis, index(whole))
    for i, first in enumerate(range(0, extent - whole, lanes)):
        mask = _rest_mask(function, terms, whole, extent - whole - first, lanes)
        parts[i] = _step(behind, contraction, shape, parts[i], first, mask)
    add = VectorScalars(function).add
    totals = parts[0]
    for part in parts[1:]:
        totals = [add(x, y) for x, y in zip(totals, part, strict=True)]
    return _rows(function, totals, shape)


def _first(function: Function, stop: Value, whole: int) -> Value:
    if is_number(stop):
        return index(min(int(stop.ref), whole))
    return function.intrinsic("smin", stop, index(whole))


def _rest_mask(
    function: Function, terms: Span, whole: int, active: int, lanes: int
) -> Value | None:
    """The lanes of a vector behind `whole` terms that are among `terms`."""
    mask = lane_mask(active, lanes)
    if terms.whole:
        return mask
    reached = function.splat(function.compare("icmp sgt", terms.stop, index(whole)), lanes)
    return reached if mask is None else function.binary("and", reached, mask)


def _step(
    place: Place,
    contraction: Contraction,
    shape: TileShape,
    sums: Sequence[Value],
    by: int,
    mask: Value | None,
) -> list[Value]:
    """Each sum, row after row, plus the products of the terms that begin `by` after `place`."""
    function, depth, lanes = place.function, contraction.depth, shape.lanes
    evaluator = place.evaluator(depth, lanes)
    left, right = contraction.left, contraction.right
    at = shifted(right.at, depth, by)
    vectors = [
        function.splat(
            evaluator.value(right.node, shifted(at, contraction.columns, column), mask), lanes
        )
        for column in range(shape.columns)
    ]
    at = shifted(left.at, depth, by)
    result = []
    for row in range(shape.rows):
        factor = evaluator.value(left.node, shifted(at, contraction.rows, row), mask)
        spread = function.splat(factor, lanes)
        for column, vector in enumerate(vectors):
            total = sums[row * shape.columns + column]
            added = multiply_add(function, spread, vector, total)
            # An inactive lane of an operand that is computed may hold anything.
            result.append(added if mask is None else function.select(mask, added, total))
    return result


def _rows(function: Function, totals: Sequence[Value], shape: TileShape) -> Tile:
    """The sum over the lanes of each vector, put together to one vector a row."""
    lanes, columns = shape.lanes, shape.columns
    groups = [totals[i : i + lanes] for i in range(0, len(totals), lanes)]
    packed = [lane_sums(function, group) for group in groups]
    if columns == lanes:
        return [[vector] for vector in packed]
    tile = []
    for first in range(0, len(totals), columns):
        near, far = first // lanes, (first + columns - 1) // lanes
        # Lanes behind the columns hold any of the sums; they are not stored.
        picks = [first % lanes + min(lane, columns - 1) for lane in range(lanes)]
        tile.append([function.shuffle(packed[near], packed[far], picks)])
    return tile


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
