"""Which kernels share code: those that differ in addresses alone.

Every program is compared with the interpreter, on buffers beside pages that may not be touched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pytest

from graphc.codegen.pipeline import Compilation
from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.types import DType, Shape, float32, float64, int8
from tests.codegen.running import check, graph_of, run_compiled, tensor

WIDTH = 16
ROWS = 60


def kernels_written(compilation: Compilation) -> int:
    return sum(not kernel.same_as for kernel in compilation.kernels)


def window(x: Node, start: Shape, shape: Shape, step: Shape | None = None) -> Node:
    return ops.slice(x, start=start, step=step or (1,) * len(start), shape=shape)


def next_state(state: Node, weights: Node) -> Node:
    """A value that a kernel of its own makes of the last."""
    return ops.sum(ops.mul(weights, state), axes=(1,))


def random_arrays(graph: Graph) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    return {n.name: 0.1 * random.normal(size=n.shape) for n in graph.inputs}


def over_rows(starts: Sequence[Shape], dtype: DType = float32) -> Graph:
    """A recurrence that reads a piece of a row at each step."""
    x, weights = tensor("x", (9, 40), dtype), tensor("w", (WIDTH, WIDTH), dtype)
    state = tensor("h", (WIDTH,), dtype)
    inputs = (x, weights, state)
    for start in starts:
        row = ops.reshape(window(x, start, (1, WIDTH)), shape=(WIDTH,))
        state = ops.tanh(ops.add(next_state(state, weights), row))
    return graph_of(state, inputs=inputs)


FORTH = [(i, 3 * i) for i in range(9)]


@pytest.mark.parametrize("starts", [FORTH, FORTH[::-1], [FORTH[i] for i in (4, 8, 0, 2)]])
@pytest.mark.parametrize("dtype", [float32, float64])
def test_slices_that_start_elsewhere_are_read_by_one_code(
    starts: Sequence[Shape], dtype: DType
) -> None:
    graph = over_rows(starts, dtype)
    compilation = check(graph, random_arrays(graph))
    assert len(compilation.kernels) == len(starts)
    assert kernels_written(compilation) == 1


def over_pairs(starts: Sequence[tuple[int, int]]) -> Graph:
    """A recurrence that reads two pieces of the same value at each step."""
    x, weights, state = tensor("x", (61,)), tensor("w", (WIDTH, WIDTH)), tensor("h", (WIDTH,))
    inputs = (x, weights, state)
    for first, second in starts:
        pair = ops.mul(window(x, (first,), (WIDTH,)), window(x, (second,), (WIDTH,)))
        state = ops.add(next_state(state, weights), pair)
    return graph_of(state, inputs=inputs)


@pytest.mark.parametrize(
    ("starts", "written"),
    [([(0, 5), (3, 8), (40, 45)], 1), ([(40, 45), (0, 5)], 1), ([(0, 5), (3, 9), (5, 0)], 3)],
)
def test_slices_of_one_value_are_as_far_apart_in_one_code(
    starts: Sequence[tuple[int, int]], written: int
) -> None:
    graph = over_pairs(starts)
    assert kernels_written(check(graph, random_arrays(graph))) == written


def test_steps_are_part_of_the_code() -> None:
    x, weights, state = tensor("x", (40,)), tensor("w", (WIDTH, WIDTH)), tensor("h", (WIDTH,))
    inputs = (x, weights, state)
    for start, step in [(30, -1), (15, -1), (39, -1), (0, 2), (9, 2)]:
        piece = window(x, (start,), (WIDTH,), (step,))
        state = ops.add(next_state(state, weights), piece)
    graph = graph_of(state, inputs=inputs)
    assert kernels_written(check(graph, random_arrays(graph))) == 2


def test_a_value_that_is_also_read_whole_stays_where_it_is() -> None:
    x, weights, state = (
        tensor("x", (2 * WIDTH,)),
        tensor("w", (WIDTH, WIDTH)),
        tensor("h", (WIDTH,)),
    )
    inputs = (x, weights, state)
    for start in (0, 4, 0):
        rows = ops.sum(
            ops.mul(ops.reshape(x, shape=(2, WIDTH)), window(x, (start,), (WIDTH,))), axes=(0,)
        )
        state = ops.add(next_state(state, weights), rows)
    graph = graph_of(state, inputs=inputs)
    check(graph, random_arrays(graph))


@pytest.mark.parametrize("starts", [(0, 3, 5), (5, 3, 0), (3, 0, 5)])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_what_a_mask_leaves_out_is_not_read_outside_the_value(
    starts: Sequence[int], count: int
) -> None:
    x, weights = tensor("x", (7, 1)), tensor("w", (ROWS, WIDTH, WIDTH))
    state = tensor("h", (ROWS, WIDTH))
    inputs = (x, weights, state)
    for start in starts:
        piece = window(x, (start, 0), (count, 1))
        piece = ops.pad(piece, low=(1, 0), high=(ROWS - 1 - count, 0), value=0.5)
        mixed = ops.sum(ops.mul(weights, ops.reshape(state, shape=(ROWS, 1, WIDTH))), axes=(2,))
        state = ops.add(mixed, piece)
    graph = graph_of(state, inputs=inputs)
    compilation = check(graph, random_arrays(graph))
    if count:
        assert kernels_written(compilation) == 1
        # Seen in the text, as LLVM may find that the load need not happen.
        read = re.findall(r"select i1 \S+, i64 \S+, i64 (\d+)$", compilation.llvm, re.MULTILINE)
        assert set(read) == {str(starts[0])}


def test_elements_of_one_byte() -> None:
    x, state = tensor("x", (3, 40), int8), tensor("h", (WIDTH, 1), int8)
    inputs = (x, state)
    for row in (2, 0, 1):
        piece = window(x, (row, row), (1, WIDTH))
        state = ops.reshape(ops.max(ops.add(state, piece), axes=(1,)), shape=(WIDTH, 1))
    graph = graph_of(state, inputs=inputs)
    arrays = {node.name: np.arange(node.type.size).reshape(node.shape) % 50 for node in inputs}
    assert kernels_written(check(graph, arrays)) == 1


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_products_and_sums_of_slices_on_threads(threads: int) -> None:
    x, weights = tensor("x", (5, 300, 64)), tensor("w", (3, 64, 64))
    outputs = []
    for i in (2, 0, 1):
        rows = ops.reshape(window(x, (i + 2, 0, 0), (1, 300, 64)), shape=(300, 64))
        matrix = ops.reshape(window(weights, (i, 0, 0), (1, 64, 64)), shape=(64, 64))
        outputs += [ops.sum(ops.exp(rows), axes=(1,)), ops.matmul(rows, matrix)]
    graph = graph_of(*outputs, inputs=(x, weights))
    arrays = {name: a.astype(np.float32) for name, a in random_arrays(graph).items()}
    alone, several = (run_compiled(graph, arrays, threads=n) for n in (1, threads))
    check(graph, arrays, rtol=1e-5, atol=1e-5)
    for name, value in alone.outputs.items():
        assert value.tobytes() == several.outputs[name].tobytes()
