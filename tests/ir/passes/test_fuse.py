"""Fusion, ordering of updates and memory planning, on graphs small enough to state the result."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from graphc.ir.build import Expression, ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.passes.fuse import fuse
from graphc.ir.passes.grouping import MAX_CHAIN, MAX_NODES
from graphc.ir.passes.lifetimes import stored_nodes
from graphc.ir.passes.plan_memory import plan_memory
from graphc.ir.types import DType, TensorType, float32, int32
from graphc.ir.verifier import verify


def tensor(name: str, *shape: int, dtype: DType = float32) -> Node:
    return ops.input(name=name, type=TensorType(dtype, shape))


def parameter(name: str, *shape: int) -> Node:
    return ops.param(name=name, type=TensorType(float32, shape))


def fused(*outputs: Node, inputs: tuple[Node, ...]) -> Graph:
    names = tuple(f"out{i}" for i in range(len(outputs)))
    graph = fuse(Graph("g", inputs, (), outputs, names))
    verify(graph)
    return graph


def shapes(graph: Graph) -> list[str]:
    return [kernel.shape for kernel in graph.kernels]


def test_elementwise_chain_is_one_map() -> None:
    x = tensor("x", 8, 5)
    assert shapes(fused(ops.tanh(ops.exp(ops.neg(x))), inputs=(x,))) == ["map"]


def test_reduction_takes_its_producer_and_its_epilogue() -> None:
    x = tensor("x", 8, 5)
    total = ops.sum(ops.exp(x), axes=(0, 1))
    assert shapes(fused(ops.sqrt(total), inputs=(x,))) == ["reduce"]


def test_a_second_sweep_over_the_whole_makes_it_a_row_kernel() -> None:
    x = tensor("x", 8, 5)
    e = ops.exp(x)
    assert shapes(fused(ops.mul(e, ops.sum(e, axes=(0, 1))), inputs=(x,))) == ["row"]


def test_another_axis_begins_another_kernel_and_says_why() -> None:
    x = tensor("x", 8, 5)
    e = ops.exp(x)
    graph = fused(ops.sum(e, axes=(0,)), ops.sum(e, axes=(1,)), inputs=(x,))
    assert shapes(graph) == ["reduce", "reduce"]
    assert graph.kernels[1].reason == "reduces other axes than k0 loops over"


def test_layer_normalisation_and_its_gradient_are_row_kernels() -> None:
    x = tensor("x", 8, 50)
    mean = ops.mul(ops.sum(x, axes=(1,), keepdims=True), scalar(1 / 50, float32))
    centred = ops.sub(x, mean)
    variance = ops.sum(ops.square(centred), axes=(1,), keepdims=True)
    y = ops.mul(centred, ops.rsqrt(variance))
    g = tensor("g", 8, 50)
    (d_x,) = adjoints([y], [g], [x])
    assert d_x is not None
    assert shapes(fused(y, inputs=(x,))) == ["row"]
    assert shapes(fused(d_x, inputs=(x, g))) == ["row"]


def test_matrix_product_takes_its_epilogue_but_no_reduction() -> None:
    x, w, b = tensor("x", 8, 5), tensor("w", 5, 6), tensor("b", 6)
    h = ops.tanh(ops.add(ops.matmul(x, w), b))
    graph = fused(h, ops.sum(h, axes=(0,)), inputs=(x, w, b))
    assert shapes(graph) == ["contract", "reduce"]
    assert graph.kernels[1].reason == "reduces the matrix product of k0"


def test_elementwise_that_only_feeds_a_product_is_its_prologue() -> None:
    x, w = tensor("x", 8, 5), tensor("w", 5, 6)
    assert shapes(fused(ops.matmul(ops.exp(x), w), inputs=(x, w))) == ["contract"]


def test_a_value_that_two_products_read_is_stored() -> None:
    x, w = tensor("x", 8, 8), tensor("w", 8, 8)
    e = ops.exp(x)
    graph = fused(ops.matmul(e, w), ops.matmul(w, e), inputs=(x, w))
    assert shapes(graph) == ["map", "contract", "contract"]


def test_cheap_masks_are_recomputed_and_not_stored() -> None:
    x, w = tensor("x", 8, 8), tensor("w", 8, 8)
    mask = ops.gt(ops.tanh(x), scalar(0, float32))
    one = ops.where(mask, x, w)
    other = ops.matmul(ops.where(mask, w, x), one)
    graph = fused(one, ops.where(mask, other, x), inputs=(x, w))
    stored = {node.op.name for nodes in stored_nodes(graph).values() for node in nodes}
    assert "gt" not in stored


def test_a_kernel_holds_a_bounded_number_of_nodes() -> None:
    x = tensor("x", 4)
    y = Expression(x)
    for _ in range(2 * MAX_CHAIN):
        y = y.tanh()
    graph = fused(y.node, inputs=(x,))
    assert [len(kernel.nodes) for kernel in graph.kernels] == [MAX_CHAIN, MAX_CHAIN]


def test_a_kernel_that_sweeps_again_or_has_a_product_is_short() -> None:
    x, w = tensor("x", 8, 8), tensor("w", 8, 8)
    rows = x
    for _ in range(MAX_NODES):
        rows = ops.tanh(ops.sub(rows, ops.max(rows, axes=(1,), keepdims=True)))
    y = Expression(ops.matmul(x, w))
    for _ in range(2 * MAX_NODES):
        y = y.tanh()
    graph = fused(rows, ops.matmul(y.node, w), inputs=(x, w))
    sizes = {kernel.shape: len(kernel.nodes) for kernel in graph.kernels}
    assert sizes["row"] <= MAX_NODES
    assert sizes["contract"] <= MAX_NODES
    assert len(graph.kernels) >= 2 + 3


def _positions(b: Node) -> Node:
    """Indices from the values of `b`, some out of range on either side."""
    return ops.cast(ops.mul(b, scalar(8, float32)), dtype=int32)


STEPS: list[Callable[[Node, Node, int], Node]] = [
    lambda a, b, i: ops.mul(a, b),
    lambda a, b, i: ops.tanh(a),
    lambda a, b, i: ops.sub(a, ops.max(b, axes=(i,), keepdims=True)),
    lambda a, b, i: ops.add(a, ops.sum(b, axes=(i,))),
    lambda a, b, i: ops.matmul(a, b),
    lambda a, b, i: ops.transpose(a, perm=(1, 0)),
    lambda a, b, i: ops.reshape(ops.reshape(a, shape=(4, 9)), shape=(6, 6)),
    lambda a, b, i: ops.where(ops.gt(a, b), a, ops.exp(b)),
    lambda a, b, i: ops.take_along_axis(a, _positions(b), axis=i),
    lambda a, b, i: ops.add(
        a, ops.take_along_axis(b, ops.max(_positions(a), axes=(i,), keepdims=True), axis=i)
    ),
    lambda a, b, i: ops.slice(
        ops.pad(ops.mul(a, b), low=(2, 1), high=(1, 3)), start=(1, 3), step=(1, 1), shape=(6, 6)
    ),
    lambda a, b, i: ops.slice(
        ops.concatenate(ops.concatenate(a, b, axis=0), ops.concatenate(b, a, axis=0), axis=1),
        start=(9, 2),
        step=(-1, 1),
        shape=(6, 6),
    ),
    lambda a, b, i: ops.concatenate(
        *(ops.sum(a, axes=(1,), keepdims=True) for _ in range(3)),
        ops.slice(b, start=(0, 5), step=(1, -2), shape=(6, 3)),
        axis=1,
    ),
    lambda a, b, i: ops.reshape(ops.neg(ops.reshape(a, shape=(6, 1, 6))), shape=(6, 6)),
]


def random_graph(seed: int) -> Graph:
    """Square matrices under elementwise ops, reductions, products and moves, all shared freely."""
    rng = random.Random(seed)
    x, w = tensor("x", 6, 6), parameter("w", 6, 6)
    made = [x, w]
    for _ in range(rng.randrange(1, 25)):
        one, other = rng.choice(made), rng.choice(made)
        made.append(rng.choice(STEPS)(one, other, rng.randrange(2)))
    outputs = tuple(rng.choice(made) for _ in range(3))
    update = Update(w, rng.choice(made))
    return Graph("g", (x,), (w,), outputs, ("a", "b", "c"), (update,))


@pytest.mark.parametrize("seed", range(60))
def test_any_graph_fuses_into_kernels_that_can_run_in_order(seed: int) -> None:
    verify(fuse(random_graph(seed)))


@pytest.mark.parametrize("first", ["w1", "w2"])
def test_updates_run_after_everyone_who_reads_the_parameter(first: str) -> None:
    x, w1, w2 = tensor("x", 8, 8), parameter("w1", 8, 8), parameter("w2", 8, 8)
    y = ops.matmul(ops.tanh(ops.matmul(x, w1)), w2)
    loss = ops.sum(ops.square(y), axes=(0, 1))
    gradients = adjoints([loss], [scalar(1, float32)], [w1, w2])
    updates = [
        Update(w, ops.sub(w, g)) for w, g in zip((w1, w2), gradients, strict=True) if g is not None
    ]
    if first == "w2":
        updates.reverse()
    graph = fuse(Graph("step", (x,), (w1, w2), (loss,), ("loss",), tuple(updates)))
    verify(graph)
    assert "copy" not in {node.op.name for node in graph.nodes}
    position = {node: i for i, kernel in enumerate(graph.kernels) for node in kernel.nodes}
    for update in graph.updates:
        readers = [position[n] for n in graph.nodes if n in position and update.param in n.operands]
        assert position[update.value] >= max(readers)


def test_a_copy_goes_along_with_who_reads_or_updates_the_same() -> None:
    x, p, q = tensor("x", 8, 5), parameter("p", 8, 5), parameter("q", 8, 5)
    product = ops.matmul(x, tensor("y", 5, 5))
    updates = (Update(p, ops.tanh(ops.exp(p))), Update(q, ops.sin(ops.tanh(x))))
    inputs = (x, product.operands[1])
    graph = fuse(Graph("g", inputs, (p, q), (p, q, product), ("p", "q", "product"), updates))
    verify(graph)
    assert sorted(shapes(graph)) == ["contract", "map", "map"]


def test_a_copy_stays_apart_from_who_must_run_before_or_after_it() -> None:
    x, y = tensor("x", 8, 8), tensor("y", 8, 8)
    small = ops.neg(x)
    outputs = (small, ops.exp(ops.add(x, ops.matmul(small, y))), ops.sum(small, axes=(0,)))
    assert "contract" in shapes(fused(*outputs, inputs=(x, y)))


def test_updates_of_one_space_keep_their_own_time_to_run() -> None:
    p, q = parameter("p", 4), parameter("q", 4)
    updates = (Update(p, q), Update(q, p))
    graph = fuse(Graph("g", (), (p, q), (), (), updates))
    verify(graph)
    assert shapes(graph) == ["map", "map", "map"]


def test_memory_is_shared_by_values_whose_lifetimes_do_not_meet() -> None:
    x = tensor("x", 64, 64)
    y = x
    for _ in range(10):
        y = ops.tanh(ops.matmul(y, y))
    plan = plan_memory(fused(y, inputs=(x,)), {}, {})
    assert plan.workspace_bytes == 2 * 64 * 64 * 4


def test_no_two_values_overlap_while_both_are_needed() -> None:
    x = tensor("x", 16, 16)
    y, outputs = x, []
    for i in range(12):
        y = ops.matmul(ops.tanh(y), ops.transpose(y, perm=(1, 0)))
        if i % 3 == 0:
            outputs.append(ops.sum(y, axes=(0,)))
    graph = fused(*outputs, y, inputs=(x,))
    plan = plan_memory(graph, {}, {})
    last: dict[Node, int] = {}
    for number, kernel in enumerate(graph.kernels):
        for node in kernel.nodes:
            for operand in node.operands:
                last[operand] = number
    live: dict[Node, tuple[int, int]] = {}
    for number, (_, nodes) in enumerate(stored_nodes(graph).items()):
        for node in nodes:
            if plan.storage[node].place == "workspace":
                start = plan.storage[node].position
                for other, (low, high) in live.items():
                    if last[other] >= number:
                        assert start + node.type.bytes <= low or start >= high
                live[node] = (start, start + node.type.bytes)


def test_a_general_reshape_shares_memory_with_what_it_reshapes() -> None:
    x = tensor("x", 6, 4)
    e = ops.exp(x)
    turned = ops.reshape(e, shape=(8, 3))
    graph = fused(ops.neg(turned), ops.sum(e, axes=(0,)), inputs=(x,))
    plan = plan_memory(graph, {}, {})
    (view,) = [node for node in graph.nodes if node.op.name == "reshape"]
    assert plan.storage[view] == plan.storage[view.operands[0]]
