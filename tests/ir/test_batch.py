"""The batch pass: every record's batch rule against its own reference, and the walk itself.

Nothing in the first half names an op: adding a record adds its tests.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from graphc.ir.build import constant, ops, scalar
from graphc.ir.diagnostics import BatchError, VerificationError
from graphc.ir.graph import Node, topological
from graphc.ir.interpreter import evaluate
from graphc.ir.location import Location, Origin, provenance
from graphc.ir.op import Array, Op, Sample
from graphc.ir.ops import OPS
from graphc.ir.passes.batch import batch_nodes
from graphc.ir.types import DType, Shape, TensorType, TupleType, float32
from tests.ir.test_ops_records import assert_equal

SIZE = 3

Arrays = Sequence[Array]


def placeholder(dtype: DType, shape: Shape, name: str = "x") -> Node:
    return ops.input(type=TensorType(dtype, shape), name=name)


def like(array: Array) -> Node:
    return placeholder(DType.of(array.dtype), array.shape)


def examples(op: Op, dtype: DType) -> Iterator[tuple[Sample, list[Arrays]]]:
    """Each sample of an op, with the operands of `SIZE` examples."""
    rng = np.random.default_rng(zlib.crc32(f"batch {op.name} {dtype}".encode()))
    for sample in op.samples:
        if sample.refuse is None:
            yield sample, [sample.arrays(rng, dtype) for _ in range(SIZE)]


def choices(count: int) -> Iterator[tuple[bool, ...]]:
    """Which of so many operands carry the batch: one, several or all of them."""
    return (mask for mask in itertools.product((False, True), repeat=count) if any(mask))


def check(op: Op, sample: Sample, drawn: list[Arrays], mask: tuple[bool, ...]) -> None:
    """The batch of a node equals the stack of its values, where operands differ as `mask` says."""
    nodes = [like(array) for array in drawn[0]]
    node = op(*nodes, **sample.attrs)
    parts = node.type.results if isinstance(node.type, TupleType) else ()
    roots = [ops.item(node, index=i) for i in range(len(parts))] or [node]
    columns = [
        [arrays[i] if each else drawn[0][i] for arrays in drawn] for i, each in enumerate(mask)
    ]
    alone = [
        evaluate(roots, dict(zip(nodes, operands, strict=True)))
        for operands in zip(*columns, strict=True)
    ]
    values = dict(zip(nodes, drawn[0], strict=True))
    stacks = {}
    for old, column, each in zip(nodes, columns, mask, strict=True):
        if each:
            stacks[old] = like(np.stack(column))
            values[stacks[old]] = np.stack(column)
    found = batch_nodes(roots, stacks, SIZE)
    assert all(batched for _, batched in found)
    together = evaluate([stack for stack, _ in found], values)
    for actual, expected in zip(together, zip(*alone, strict=True), strict=True):
        label = f"{sample.label}, batched {mask}"
        assert_equal(actual, np.stack(expected), op.ulp, label)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.samples and op.operands], ids=str)
def test_a_batch_is_the_stack_of_its_examples(op: Op) -> None:
    for sample, drawn in examples(op, op.tested_dtypes[0]):
        for mask in choices(len(drawn[0])):
            check(op, sample, drawn, mask)


def test_what_does_not_depend_on_the_batch_stays_itself() -> None:
    x, w = placeholder(float32, (3,)), placeholder(float32, (3,), "w")
    shared = ops.exp(w)
    y = ops.mul(x, shared)
    (stack, batched), (same, moved) = batch_nodes([y, shared], {x: placeholder(float32, (5, 3))}, 5)
    assert batched
    assert stack.operands[1] is shared
    assert (same, moved) == (shared, False)


def test_a_boundary_node_is_its_stack() -> None:
    x, xs = placeholder(float32, (3,)), placeholder(float32, (5, 3))
    assert batch_nodes([x], {x: xs}, 5) == [(xs, True)]


def test_the_walk_ends_at_inner_boundary_nodes() -> None:
    x, hs = placeholder(float32, (3,)), placeholder(float32, (5, 3))
    h = ops.exp(x)
    ((y, _),) = batch_nodes([ops.neg(h)], {h: hs}, 5)
    assert y.operands == (hs,)


def test_names_locations_and_origins_survive() -> None:
    x, xs = placeholder(float32, (3,)), placeholder(float32, (5, 3))
    loc, origin = Location("user.py", 7), Origin("d/dx of sum", "h")
    with provenance(loc, origin):
        y = ops.broadcast_to(x, shape=(2, 3)).renamed("y")
    ((stack, _),) = batch_nodes([y], {x: xs}, 5)
    assert stack.name == "y"
    rebuilt = list(topological([stack], [xs]))[1:]
    assert [node.op.name for node in rebuilt] == ["reshape", "broadcast_to"]
    assert all((node.loc, node.origin) == (loc, origin) for node in rebuilt)


def test_shared_nodes_are_rebuilt_once_and_deep_graphs_walked() -> None:
    x, xs = placeholder(float32, (3,)), placeholder(float32, (2, 3))
    y = x
    for _ in range(20_000):
        y = ops.add(y, y)
    ((stack, _),) = batch_nodes([y], {x: xs}, 2)
    assert sum(1 for _ in topological([stack])) == 20_001


def test_a_matrix_that_all_examples_share_is_not_copied() -> None:
    w = placeholder(float32, (4, 5), "w")
    rows, column = placeholder(float32, (2, 4)), placeholder(float32, (5, 1))
    (left, _), (right, _) = (
        *batch_nodes([ops.matmul(rows, w)], {rows: placeholder(float32, (7, 2, 4))}, 7),
        *batch_nodes([ops.matmul(w, column)], {column: placeholder(float32, (7, 5, 1))}, 7),
    )
    for stack, product in ((left, (14, 5)), (right, (7, 4))):
        (matmul,) = (node for node in topological([stack]) if node.op is OPS["matmul"])
        assert matmul.shape == product
    many = placeholder(float32, (9, 4))
    ((stack, _),) = batch_nodes([ops.matmul(many, w)], {many: placeholder(float32, (7, 9, 4))}, 7)
    assert (stack.op, stack.operands[1]) == (OPS["matmul"], w)


def test_a_batch_of_a_batch_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    x, y = placeholder(float32, (3,)), placeholder(float32, (4, 1))
    node = ops.sum(ops.mul(x, y), axes=(1,))
    for size in (2, 5, 6):
        xs = placeholder(float32, (size, *x.shape))
        ((node, _),) = batch_nodes([node], {x: xs}, size)
        x = xs
    values = {x: rng.normal(size=x.shape).astype("f"), y: rng.normal(size=y.shape).astype("f")}
    expected = (values[x][..., None, :] * values[y]).sum(-1)
    np.testing.assert_allclose(evaluate([node], values)[0], expected, rtol=1e-5, atol=1e-6)


def test_every_result_of_a_node_is_batched() -> None:
    x, xs = placeholder(float32, (3,)), placeholder(float32, (5, 3))
    both = replace(
        OPS["exp"],
        infer=lambda types, attrs: TupleType.of([*types, *types]),
        reference=lambda x: (np.exp(x), -x),
        batch=lambda node, operands, batched: node.op(*operands),
    )
    node = both(x)
    ((second, _),) = batch_nodes([ops.item(node, index=1)], {x: xs}, 5)
    values = np.arange(15, dtype="f").reshape(5, 3)
    np.testing.assert_array_equal(evaluate([second], {xs: values})[0], -values)


def test_an_op_without_a_rule_is_refused_at_its_line() -> None:
    x, xs = placeholder(float32, (3,)), placeholder(float32, (5, 3))
    ruleless = replace(OPS["exp"], batch=None)
    with provenance(Location("user.py", 7)):
        y = ruleless(x)
    with pytest.raises(BatchError, match=r"(?s)exp cannot be vectorised.*user\.py:7"):
        batch_nodes([y], {x: xs}, 5)
    (same,) = batch_nodes([ruleless(scalar(1, float32))], {x: xs}, 5)
    assert not same[1]


def test_a_wrong_rule_and_a_wrong_stack_are_found() -> None:
    x, xs = placeholder(float32, (3,)), placeholder(float32, (5, 3))
    wrong = replace(OPS["exp"], batch=lambda node, operands, batched: constant(np.float32(0)))
    with pytest.raises(VerificationError, match="the batch of"):
        batch_nodes([wrong(x)], {x: xs}, 5)
    with pytest.raises(VerificationError, match="4 examples on axis 0"):
        batch_nodes([x], {x: xs}, 4)
