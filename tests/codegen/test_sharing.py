"""Kernels that tasks share: bits do not depend on how many there are, and no task strays.

Every kernel is shared here, however short. References are the interpreter and NumPy.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from graphc.codegen import sharing
from graphc.codegen.pipeline import compile_graph
from graphc.codegen.target import host_target
from graphc.ir.build import ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.types import DType, Shape, float32, float64, int32
from tests.codegen.running import Arrays, Result, check, graph_of, parameter, run_compiled, tensor
from tests.random_graphs import Case, cases

THREADS = (2, 3, 7)
NARROW = replace(host_target(), vector_bits=128)
"""More rounds to share in small tensors. The instructions are those of the host."""

rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def everything_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_NANOSECONDS", 0)
    monkeypatch.setattr(sharing, "TASK_NANOSECONDS", 1)


def same_bits(one: Result, other: Result) -> bool:
    values = [
        {name: value.tobytes() for name, value in {**result.outputs, **result.params}.items()}
        for result in (one, other)
    ]
    return values[0] == values[1]


def check_shared(graph: Graph, arrays: Arrays, **tolerance: float) -> list[sharing.Sharing]:
    """Check one task against the interpreter, and more tasks against one; how kernels are cut."""
    check(graph, arrays, **tolerance)
    single = run_compiled(graph, arrays, target=NARROW)
    for threads, at_end in product(THREADS, (True, False)):
        result = run_compiled(graph, arrays, threads=threads, target=NARROW, at_end=at_end)
        assert result.status == 0
        assert same_bits(single, result), f"{threads} threads differ from one"
    kernels = result.compilation.kernels
    return [kernel.sharing for kernel in kernels if kernel.sharing is not None]


def values(shape: Shape, dtype: DType = float32) -> np.ndarray:
    return rng.standard_normal(shape).astype(dtype.numpy)


def tanh_of_sum(x: Node, axis: int) -> Node:
    return ops.tanh(ops.sum(ops.mul(x, x), axes=(axis,)))


@pytest.mark.parametrize("size", [32, 63, 64, 65, 1000, 1024, 1041])
def test_maps_of_every_length(size: int) -> None:
    x = tensor("x", (size,))
    y = ops.mul(ops.exp(x), x)
    (cut,) = check_shared(graph_of(y, inputs=(x,)), {"x": values((size,))})
    assert cut.tasks == min(max(THREADS), cut.units)


def test_maps_share_the_outermost_loop_that_has_enough_rounds() -> None:
    for shape, axis in (((20, 3, 50), "i0"), ((2, 3, 900), "i2"), ((2, 40, 9), "i1")):
        x, y = tensor("x", shape), tensor("y", shape[::-1])
        z = ops.add(x, ops.transpose(y, perm=(2, 1, 0)))
        graph = graph_of(z, inputs=(x, y))
        (cut,) = check_shared(graph, {"x": values(shape), "y": values(shape[::-1])})
        assert cut.axis == axis


@pytest.mark.parametrize("shape", [(6, 50), (67, 50), (8, 1000), (3, 31, 20)], ids=str)
def test_rows_side_by_side(shape: Shape) -> None:
    x = tensor("x", shape)
    axis = len(shape) - 1
    powers = ops.exp(ops.sub(x, ops.max(x, axes=(axis,), keepdims=True)))
    y = ops.div(powers, ops.sum(powers, axes=(axis,), keepdims=True))
    check_shared(graph_of(y, inputs=(x,)), {"x": values(shape)}, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4096,), (1000, 7), (9, 700), (3, 5000), (64, 64), (5001, 1)])
@pytest.mark.parametrize("dtype", [float32, float64])
def test_reductions_over_each_axis(shape: Shape, dtype: DType) -> None:
    x = tensor("x", shape, dtype)
    sums = [tanh_of_sum(x, axis) for axis in range(len(shape))]
    whole = ops.sum(x, axes=tuple(range(len(shape))))
    arrays = {"x": values(shape, dtype)}
    assert check_shared(graph_of(*sums, whole, inputs=(x,)), arrays, atol=1e-3, rtol=1e-4)


def test_long_reductions_are_cut_into_blocks() -> None:
    x = tensor("x", (10_007,))
    (cut,) = check_shared(
        graph_of(ops.sum(ops.exp(x), axes=(0,)), inputs=(x,)), {"x": values((10_007,))}, rtol=1e-5
    )
    assert cut.blocks
    assert cut.units == sharing.MOST_BLOCKS


def test_rows_are_swept_block_by_block() -> None:
    """A softmax of one long row: each sweep needs what all blocks of the one before it found."""
    x = tensor("x", (3001,))
    exponential = ops.exp(ops.sub(x, ops.max(x, axes=(0,), keepdims=True)))
    softmax = ops.div(exponential, ops.sum(exponential, axes=(0,), keepdims=True))
    largest = ops.argmax(x, axes=(0,))
    given_values = values((3001,))
    cuts = check_shared(graph_of(softmax, largest, inputs=(x,)), {"x": given_values}, atol=1e-6)
    assert any(cut.blocks for cut in cuts)


def test_states_of_several_parts_are_kept_by_block() -> None:
    x = tensor("x", (2000, 3))
    arrays = {"x": np.round(values((2000, 3)), 1)}
    positions = [ops.argmax(each, axes=(0,)) for each in (x, ops.neg(x))]
    truth = [ops.max(ops.gt(x, scalar(3.0, float32)), axes=(0,))]
    check_shared(graph_of(*positions, *truth, inputs=(x,)), arrays)


def test_updates_are_written_in_place_by_every_task() -> None:
    p, g = parameter("p", (3000,)), tensor("g", (3000,))
    new = ops.sub(p, ops.mul(scalar(0.1, float32), g))
    loss = ops.sum(ops.mul(p, g), axes=(0,))
    graph = Graph("f", (g,), (p,), (loss,), ("loss",), updates=(Update(p, new),))
    check_shared(graph, {"p": values((3000,)), "g": values((3000,))}, rtol=1e-4)


MATRICES = [
    (1, 700, 300), (300, 700, 1), (100, 33, 9), (9, 33, 100), (65, 130, 67), (128, 64, 128),
    (40, 3000, 40), (200, 20, 5),
]  # fmt: skip


@pytest.mark.parametrize(("m", "k", "n"), MATRICES)
@pytest.mark.parametrize("flipped", ["NN", "TN", "NT"])
def test_matrix_products(m: int, k: int, n: int, flipped: str) -> None:
    shapes = [(m, k), (k, n)]
    turned = [shape[::-1] if f == "T" else shape for shape, f in zip(shapes, flipped, strict=True)]
    operands = [tensor(name, shape) for name, shape in zip("ab", turned, strict=True)]
    sides = [
        ops.transpose(x, perm=(1, 0)) if f == "T" else x
        for x, f in zip(operands, flipped, strict=True)
    ]
    y = ops.tanh(ops.matmul(*sides))
    arrays = {x.name: values(x.shape) / math.sqrt(k) for x in operands}
    check_shared(graph_of(y, inputs=tuple(operands)), arrays, atol=1e-5, rtol=1e-5)


BATCHES: list[tuple[Shape, Shape]] = [
    ((20, 9, 8), (20, 8, 7)),
    ((2, 9, 30, 8), (8, 17)),
    ((3, 1, 5, 6), (4, 6, 33)),
    ((2, 65, 40), (2, 40, 66)),
]


@pytest.mark.parametrize(("left", "right"), BATCHES)
def test_batches_of_products(left: Shape, right: Shape) -> None:
    a, b = tensor("a", left), tensor("b", right)
    y = ops.matmul(ops.exp(a), ops.exp(b))
    arrays = {"a": values(left), "b": values(right)}
    assert check_shared(graph_of(y, inputs=(a, b)), arrays, rtol=1e-4)


@pytest.mark.parametrize("axis", ["batch", "rows", "columns"])
def test_every_axis_of_a_product_may_be_shared(axis: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all kinds of copies and with sums of part of the depth, which tasks share or not."""
    monkeypatch.setattr("graphc.codegen.tiling._shared_axis", lambda product, schedule: axis)
    small = replace(NARROW, l2_bytes=8 << 10)
    a, b = tensor("a", (3, 50, 700)), tensor("b", (3, 61, 700))
    y = ops.matmul(ops.exp(a), ops.transpose(ops.exp(b), perm=(0, 2, 1)))
    graph, arrays = graph_of(y, inputs=(a, b)), {"a": values(a.shape), "b": values(b.shape)}
    single = run_compiled(graph, arrays, target=small)
    assert_allclose(
        single.outputs["out0"],
        np.exp(arrays["a"]) @ np.exp(arrays["b"]).swapaxes(1, 2),
        rtol=1e-4,
    )
    (kernel,) = run_compiled(graph, arrays, target=small).compilation.kernels
    assert kernel.schedule is not None
    assert kernel.schedule.depth_block < 700
    for threads in THREADS:
        assert same_bits(single, run_compiled(graph, arrays, threads=threads, target=small))


@settings(max_examples=25, deadline=None, database=None)
@given(
    shape=st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple),
    scale=st.integers(1, 30),
    data=st.data(),
)
def test_random_shapes(shape: Shape, scale: int, data: st.DataObject) -> None:
    grown = data.draw(st.integers(0, len(shape) - 1))
    shape = tuple(n * scale if i == grown else n for i, n in enumerate(shape))
    axes = tuple(data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1)))
    x = tensor("x", shape)
    count = math.prod(shape[axis] for axis in axes)
    mean = ops.mul(ops.sum(x, axes=axes, keepdims=True), scalar(1 / count, float32))
    centred = ops.sub(x, mean)
    graph = graph_of(centred, ops.max(ops.abs(centred), axes=axes), inputs=(x,))
    arrays = {"x": values(shape)}
    single = run_compiled(graph, arrays, target=NARROW)
    expected = arrays["x"] - arrays["x"].mean(axis=axes, keepdims=True, dtype=float)
    assert_allclose(single.outputs["out0"], expected, atol=1e-5)
    for threads in THREADS:
        assert same_bits(single, run_compiled(graph, arrays, threads=threads, target=NARROW))


@seed(0)
@settings(
    max_examples=15,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(case=cases())
def test_random_graphs(case: Case) -> None:
    """Of every op there is; more of them share, and in more blocks, than in use."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "ENOUGH_UNITS", 4)
        single = run_compiled(case.graph, case.arrays, target=NARROW)
        shared = run_compiled(case.graph, case.arrays, target=NARROW, threads=3, at_end=False)
    assert single.status == shared.status
    assert single.status or same_bits(single, shared)


def test_the_code_is_the_same_for_any_number_of_threads() -> None:
    """Only how many tasks there are, and where each has its scratch memory, depends on it."""
    x, w = tensor("x", (500, 30)), tensor("w", (30, 40))
    y = ops.sum(ops.tanh(ops.matmul(x, w)), axes=(0, 1))
    texts = []
    for threads in (2, 3):
        text = compile_graph(graph_of(y, inputs=(x, w)), threads=threads).llvm
        texts.append([line for line in text.splitlines() if "@graphc.parallel" not in line])
    assert texts[0] == texts[1]


def test_short_kernels_are_left_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    x = tensor("x", (1000,))
    compilation = compile_graph(graph_of(ops.tanh(x), inputs=(x,)), threads=8)
    assert compilation.artifact.manifest.threads == 1
    assert "graphc.parallel" not in compilation.llvm
    assert "shared" not in compilation.texts["kernels"]()


def test_an_empty_tensor_is_not_shared() -> None:
    x, i = tensor("x", (0, 40)), tensor("i", (40,), int32)
    check_shared(graph_of(ops.sum(x, axes=(0,)), ops.neg(x), ops.neg(i), inputs=(x, i)),
                 {"x": values((0, 40)), "i": np.arange(40, dtype=np.int32)})  # fmt: skip
