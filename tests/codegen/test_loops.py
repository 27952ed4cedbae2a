"""Loop nests: map, reduce and row kernels against the interpreter, memory guarded."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.loop_schedule import REGISTERS
from graphc.ir.build import Expression, constant, ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.types import DType, Shape, float32, float64, int32, int64, uint64
from tests.codegen.running import check, graph_of, parameter, run_compiled, tensor

SHAPES: list[Shape] = [(), (1,), (5,), (16,), (17,), (131,), (3, 5), (4, 1, 7), (0, 3), (33, 65)]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("dtype", [float32, float64, int32], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_map_with_two_outputs(shape: Shape, dtype: DType) -> None:
    x, y = tensor("x", shape, dtype), tensor("y", shape, dtype)
    z = ops.add(ops.mul(x, y), x)
    arrays = {"x": 9 * normal(*shape), "y": 9 * normal(*shape)}
    check(graph_of(z, ops.neg(z), inputs=(x, y)), arrays)


@pytest.mark.parametrize(
    ("left", "right"), [((7, 1), (1, 9)), ((5,), (3, 5)), ((), (70,)), ((2, 3, 1), (3, 40))]
)
def test_broadcasting(left: Shape, right: Shape) -> None:
    x, y = tensor("x", left), tensor("y", right)
    check(graph_of(ops.sub(x, y), inputs=(x, y)), {"x": normal(*left), "y": normal(*right)})


@pytest.mark.parametrize("keepdims", [True, False])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "argmax"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((), ()),
        ((100,), (0,)),
        ((3, 50), (1,)),
        ((50, 3), (0,)),
        ((70, 33), (0,)),
        ((5, 6, 7), (0, 1, 2)),
        ((1, 5), (0,)),
    ],
)
def test_reductions(name: str, shape: Shape, axes: tuple[int, ...], keepdims: bool) -> None:
    x = tensor("x", shape)
    reduced = ops.__getattr__(name)(ops.mul(x, x), axes=axes, keepdims=keepdims)
    after = ops.add(reduced, scalar(3, reduced.dtype))
    check(graph_of(reduced, after, inputs=(x,)), {"x": normal(*shape)}, rtol=3e-5)


@pytest.mark.parametrize("axes", [(0, 2), (1,), (0, 1)])
def test_reductions_over_several_axes(axes: tuple[int, ...]) -> None:
    x = tensor("x", (4, 19, 18))
    arrays = {"x": normal(4, 19, 18)}
    check(graph_of(ops.sum(x, axes=axes), ops.max(x, axes=axes), inputs=(x,)), arrays, rtol=1e-5)


def test_reduction_of_nothing_is_the_identity() -> None:
    x = tensor("x", (3, 0))
    outputs = (ops.sum(x, axes=(1,)), ops.prod(x, axes=(0, 1)))
    check(graph_of(*outputs, inputs=(x,)), {"x": np.zeros((3, 0))})


def test_argmax_takes_the_first_of_equals_and_nan_wins() -> None:
    x = tensor("x", (4, 40))
    values = np.zeros((4, 40))
    values[1, [7, 23, 39]] = 5
    values[2, [11, 30]] = np.nan
    values[3] = -np.inf
    check(graph_of(ops.argmax(x, axes=(1,)), inputs=(x,)), {"x": values})


def softmax(x: Node, axis: int) -> tuple[Node, Node]:
    shifted = ops.exp(ops.sub(x, ops.max(x, axes=(axis,), keepdims=True)))
    total = ops.sum(shifted, axes=(axis,), keepdims=True)
    return ops.div(shifted, total), total


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1), (3, 10), (40, 16), (17, 100), (100, 17)])
def test_softmax_is_one_row_kernel(shape: Shape, axis: int) -> None:
    x = tensor("x", shape)
    probabilities, total = softmax(x, axis)
    arrays = {"x": 5 * normal(*shape)}
    compilation = check(graph_of(probabilities, total, inputs=(x,)), arrays, rtol=1e-5)
    if 1 not in shape:
        assert [kernel.group.shape for kernel in compilation.kernels] == ["row"]


@pytest.mark.parametrize("dtype", [float32, float64])
@pytest.mark.parametrize(
    "shape", [(2, 5), (3, 16), (4, 17), (5, 64), (9, 33), (7, 1), (6, 1023), (5, 1025)], ids=str
)
def test_rows_side_by_side(shape: Shape, dtype: DType) -> None:
    x = tensor("x", shape, dtype)
    probabilities, total = softmax(x, 1)
    places = ops.argmax(x, axes=(1,))
    graph = graph_of(probabilities, total, places, inputs=(x,))
    check(graph, {"x": normal(*shape).astype(dtype.numpy)}, rtol=1e-5)


def test_short_rows_are_swept_side_by_side_and_long_ones_alone() -> None:
    rows = []
    for length in (16, 10_000):
        x = tensor("x", (10, length))
        compilation = check(
            graph_of(softmax(x, 1)[0], inputs=(x,)), {"x": normal(10, length)}, rtol=1e-4
        )
        nest = compilation.kernels[0].loops
        assert isinstance(nest, LoopNest)
        rows.append(nest.schedule.rows)
    assert rows == [REGISTERS, 1]


def test_expensive_values_are_kept_in_scratch_memory() -> None:
    x = tensor("x", (30, 50))
    compilation = check(graph_of(softmax(x, 1)[0], inputs=(x,)), {"x": normal(30, 50)}, rtol=1e-5)
    assert compilation.kernels[0].scratch_bytes >= 50 * 4


@pytest.mark.parametrize(
    ("start", "step", "shape"),
    [((1, 0), (1, 2), (20, 9)), ((36, 18), (-1, -1), (37, 19)), ((30, 3), (-3, 5), (10, 3))],
)
def test_slices(start: Shape, step: Shape, shape: Shape) -> None:
    x = tensor("x", (37, 19))
    part = ops.slice(x, start=start, step=step, shape=shape)
    check(graph_of(part, ops.square(part), inputs=(x,)), {"x": normal(37, 19)})


def test_moves_of_data() -> None:
    x = tensor("x", (37, 19))
    outputs = (
        ops.transpose(x, perm=(1, 0)),
        ops.pad(ops.square(x), low=(1, 2), high=(0, 17), value=-3.0),
        ops.concatenate(x, ops.neg(x), x, axis=0),
        ops.concatenate(x, ops.neg(x), x, axis=1),
        ops.reshape(ops.transpose(x, perm=(1, 0)), shape=(37 * 19,)),
        ops.reshape(ops.neg(x), shape=(19, 37)),
        ops.add(ops.transpose(x, perm=(1, 0)), ops.iota(shape=(19, 37), axis=1, dtype=float32)),
        ops.reshape(ops.iota(shape=(6, 4), axis=0, dtype=int64), shape=(8, 3)),
        ops.broadcast_to(scalar(4.0, float32), shape=(3, 3)),
    )
    check(graph_of(*outputs, inputs=(x,)), {"x": normal(37, 19)})


def test_padding_reads_nothing_outside_even_of_an_empty_operand() -> None:
    x, empty = tensor("x", (3,)), tensor("empty", (0,))
    padded = ops.pad(empty, low=(2,), high=(3,), value=7.0)
    joined = ops.concatenate(x, empty, x, axis=0)
    check(graph_of(padded, joined, inputs=(x, empty)), {"x": normal(3), "empty": np.zeros(0)})


@pytest.mark.parametrize("dtype", [int32, int64], ids=str)
def test_take_along_axis_with_negative_indices(dtype: DType) -> None:
    x, i = tensor("x", (37, 19)), tensor("i", (37, 5), dtype)
    indices = np.random.default_rng(1).integers(-19, 19, (37, 5))
    taken = ops.take_along_axis(x, i, axis=1)
    check(graph_of(taken, ops.neg(taken), inputs=(x, i)), {"x": normal(37, 19), "i": indices})


@pytest.mark.parametrize("axis", [0, 1])
def test_elements_taken_of_a_pad_or_a_join_that_is_never_stored(axis: int) -> None:
    x, y = tensor("x", (3, 4)), tensor("y", (3, 4))
    padded = ops.pad(x, low=(2, 2), high=(3, 3), value=5.0)
    joined = ops.concatenate(x, y, x, axis=axis)
    outputs = [
        ops.take_along_axis(moved, ops.iota(shape=moved.shape, axis=axis, dtype=int32), axis=axis)
        for moved in (padded, joined)
    ]
    check(graph_of(*outputs, inputs=(x, y)), {"x": normal(3, 4), "y": np.ones((3, 4))})


@pytest.mark.parametrize("move", ["concatenate", "take_along_axis"])
def test_the_one_element_of_a_row_is_read_through_a_move(move: str) -> None:
    x = tensor("x", (7, 2))
    top = ops.max(x, axes=(1,), keepdims=True)
    if move == "concatenate":
        twice = ops.concatenate(top, top, axis=1)
    else:
        twice = ops.take_along_axis(top, ops.iota(shape=(7, 2), axis=1, dtype=int32), axis=1)
    check(graph_of(ops.sub(x, twice), inputs=(x,)), {"x": normal(7, 2)})


@pytest.mark.parametrize("bad", [19, -20, 2**31 - 1])
def test_an_index_out_of_range_is_refused_before_anything_is_written(bad: int) -> None:
    x, i, w = tensor("x", (4, 19)), tensor("i", (4, 1), int32), parameter("w", (4, 1))
    taken = ops.take_along_axis(x, i, axis=1)
    graph = Graph("f", (x, i), (w,), (taken,), ("taken",), (Update(w, ops.add(w, taken)),))
    arrays = {"x": normal(4, 19), "i": np.array([[0], [1], [bad], [2]]), "w": np.zeros((4, 1))}
    result = run_compiled(graph, arrays)
    assert result.status == 1
    assert (result.outputs["taken"] == 77).all()
    assert (result.params["w"] == 0).all()


def test_an_unsigned_index_is_never_taken_for_a_negative_one() -> None:
    x, i = tensor("x", (5,)), tensor("i", (1,), uint64)
    graph = graph_of(ops.take_along_axis(x, i, axis=0), inputs=(x, i))
    arrays = {"x": np.arange(5), "i": np.array([2**64 - 2], np.uint64)}
    assert run_compiled(graph, arrays).status == 1


def test_constants_in_memory() -> None:
    x = tensor("x", (5, 6))
    table = constant(np.arange(30, dtype=np.float32).reshape(5, 6))
    check(graph_of(ops.mul(x, table), table, inputs=(x,)), {"x": normal(5, 6)})


def test_an_input_may_be_an_output_and_an_output_given_twice() -> None:
    x = tensor("x", (5,))
    y = ops.square(x)
    check(graph_of(x, y, y, x, inputs=(x,)), {"x": normal(5)})


def test_updates_are_written_in_place() -> None:
    x, w = tensor("x", (6, 40)), parameter("w", (6, 40))
    graph = Graph("f", (x,), (w,), (), (), (Update(w, ops.sub(w, ops.mul(x, x))),))
    compilation = check(graph, {"x": normal(6, 40), "w": normal(6, 40)})
    assert compilation.artifact.manifest.workspace_bytes == 0


def test_parameters_that_swap_values() -> None:
    a, b = parameter("a", (50,)), parameter("b", (50,))
    graph = Graph("f", (), (a, b), (), (), (Update(a, b), Update(b, a)))
    check(graph, {"a": normal(50), "b": np.arange(50)})


def test_a_parameter_updated_with_its_own_reversal() -> None:
    w = parameter("w", (50,))
    turned = ops.slice(w, start=(49,), step=(-1,), shape=(50,))
    graph = Graph("f", (), (w,), (), (), (Update(w, ops.add(w, turned)),))
    check(graph, {"w": normal(50)})


def test_a_parameter_normalised_by_its_own_sum() -> None:
    w = parameter("w", (20, 30))
    total = ops.sum(ops.exp(w), axes=(1,), keepdims=True)
    graph = Graph("f", (), (w,), (), (), (Update(w, ops.div(ops.exp(w), total)),))
    check(graph, {"w": normal(20, 30)}, rtol=1e-5)


def test_a_long_chain_is_cut_into_kernels() -> None:
    x = tensor("x", (33,), float64)
    y = Expression(x)
    for _ in range(2100):
        y = y * 0.999 + 0.001
    compilation = check(graph_of(y.node, inputs=(x,)), {"x": normal(33)}, rtol=1e-12)
    assert [len(kernel.group.nodes) for kernel in compilation.kernels] == [4096, 104]


def test_kernels_that_differ_in_addresses_alone_are_one_function() -> None:
    x, w = tensor("x", (9, 9)), [tensor(f"w{i}", (9, 9)) for i in range(6)]
    y = x
    for weights in w:
        y = ops.tanh(ops.matmul(y, weights))
    arrays = {"x": normal(9, 9)} | {f"w{i}": 0.3 * normal(9, 9) for i in range(6)}
    compilation = check(graph_of(y, inputs=(x, *w)), arrays, rtol=1e-5)
    assert len(compilation.kernels) == 6
    assert compilation.llvm.count("define internal void") == 1


def test_a_kernel_that_writes_over_what_it_reads_is_another_function() -> None:
    x, w, v = tensor("x", (50,)), parameter("w", (50,)), parameter("v", (50,))
    plain = ops.sub(w, x)
    graph = Graph("f", (x,), (w, v), (plain,), ("y",), (Update(v, ops.sub(v, x)),))
    check(graph, {"x": normal(50), "w": np.ones(50), "v": np.ones(50)})


def test_kernels_of_equal_code_where_one_reads_an_empty_value() -> None:
    x, y, z = tensor("x", (0, 1, 2)), tensor("y", (0, 2, 8)), tensor("z", (0, 1, 8))
    bias = tensor("bias", (8,))
    outputs = []
    for empty in (ops.matmul(x, y), z):
        total = ops.reshape(ops.sum(empty, axes=(0,)), shape=(8,))
        outputs.append(ops.reshape(ops.add(bias, total), shape=(1, 8)))
    check(
        graph_of(*outputs, inputs=(x, y, z, bias)),
        {node.name: normal(*node.shape) for node in (x, y, z, bias)},
    )


def test_a_row_of_no_elements_keeps_nothing() -> None:
    x = tensor("x", (3, 0))
    exponential = ops.exp(x)
    total = ops.sum(exponential, axes=(1,), keepdims=True)
    check(graph_of(total, ops.div(exponential, total), inputs=(x,)), {"x": np.zeros((3, 0))})


@pytest.mark.parametrize("move", ["transpose", "take_along_axis"])
def test_the_one_element_of_a_matrix_product_is_read_through_a_move(move: str) -> None:
    x, y = tensor("x", (1, 5)), tensor("y", (5, 1))
    product = ops.matmul(x, y)
    if move == "transpose":
        moved = ops.transpose(product, perm=(1, 0))
    else:
        moved = ops.take_along_axis(product, ops.iota(shape=(1, 1), axis=0, dtype=int32), axis=0)
    check(graph_of(moved, inputs=(x, y)), {"x": normal(1, 5), "y": normal(5, 1)})


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((1_000_000,), (0,)), ((300_000, 5), (0,)), ((3, 200_000), (1,)), ((70, 80, 90), (0, 1, 2))],
)
def test_rounding_errors_of_long_sums_stay_small(shape: Shape, axes: tuple[int, ...]) -> None:
    x = tensor("x", shape)
    values = np.full(shape, 0.1, np.float32)
    result = run_compiled(graph_of(ops.sum(x, axes=axes), inputs=(x,)), {"x": values})
    exact = values.astype(np.float64).sum(axes)
    np.testing.assert_allclose(result.outputs["out0"], exact, rtol=1e-6)


@pytest.mark.parametrize("length", [32 * 16, 33 * 16, 1024 * 64, 1024 * 64 + 31, 70_001])
def test_reductions_in_blocks_leave_nothing_out(length: int) -> None:
    x = tensor("x", (length,), int64)
    values = np.arange(length) * 7919 % 10_007
    outputs = (ops.sum(x, axes=(0,)), ops.max(x, axes=(0,)), ops.argmax(x, axes=(0,)))
    check(graph_of(*outputs, inputs=(x,)), {"x": values})
