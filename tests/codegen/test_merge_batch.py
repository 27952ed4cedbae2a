"""Products of a stack of matrices by one matrix: when they are one tall product, and that they are
right either way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.codegen.coordinates import Buffer
from graphc.codegen.merge_batch import merge_batch
from graphc.codegen.roles import matmul_contraction
from graphc.codegen.values import POINTER, Value
from graphc.ir.build import ops, scalar
from graphc.ir.graph import Node
from graphc.ir.types import Shape, float32, int32, row_major_strides
from tests.codegen.products import check, flipped, values
from tests.codegen.running import tensor


def merged(product: Node, inputs: list[Node], *stores: Node) -> tuple[tuple[int, ...], int]:
    """The extents of the batch axes and of the rows that are left."""
    stored = stores or (product,)
    buffers = {
        node: Buffer(Value("null", POINTER), row_major_strides(node.shape))
        for node in (*inputs, *stored)
    }
    contraction = matmul_contraction(product)
    contraction = replace(contraction, stores=tuple((node, buffers[node]) for node in stored))
    result = merge_batch(contraction, buffers)
    return tuple(axis.extent for axis in result.batch), result.rows.extent


PLAIN: list[tuple[Shape, Shape, tuple[int, ...], int]] = [
    ((3, 5, 7), (7, 18), (), 15),
    ((3, 5, 7), (1, 7, 18), (), 15),
    ((2, 3, 5, 7), (7, 18), (), 30),
    ((2, 3, 5, 7), (2, 1, 7, 18), (2,), 15),
    ((2, 3, 5, 7), (3, 7, 18), (2, 3), 5),
    ((1, 5, 7), (1, 7, 18), (), 5),
    ((4, 1, 7), (7, 18), (), 4),
    ((5, 7), (3, 7, 18), (3,), 5),
    ((3, 1, 5, 7), (3, 4, 7, 18), (3, 4), 5),
    ((4, 1, 7), (7, 1), (), 4),
    ((6, 40, 20), (20, 64), (), 240),
]


@pytest.mark.parametrize(("left", "right", "batch", "rows"), PLAIN)
def test_what_merges(left: Shape, right: Shape, batch: tuple[int, ...], rows: int) -> None:
    a, b = tensor("a", left), tensor("b", right)
    x, y = values(left, float32, 1), values(right, float32, 2)
    product = ops.matmul(a, b)
    assert merged(product, [a, b]) == (batch, rows)
    check(product, [a, b], [x, y], [x @ y])
    c = tensor("c", (*right[:-2], right[-1], right[-2]))
    turned = ops.matmul(a, flipped(c))
    assert merged(turned, [a, c]) == (batch, rows)
    check(turned, [a, c], [x, np.swapaxes(y, -1, -2)], [x @ y])


def test_a_left_operand_that_is_transposed_stays_a_batch() -> None:
    a, b = tensor("a", (3, 7, 5)), tensor("b", (7, 18))
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    product = ops.matmul(flipped(a), b)
    assert merged(product, [a, b]) == ((3,), 5)
    check(product, [a, b], [x, y], [x.swapaxes(1, 2) @ y])


@pytest.mark.parametrize(
    ("shape", "merges"),
    [
        ((18,), True),
        ((3, 5, 18), True),
        ((3, 5, 1), True),
        ((1, 1, 1), True),
        ((5, 18), False),
        ((5, 1), False),
        ((3, 1, 18), False),
        ((3, 1, 1), False),
    ],
)
@pytest.mark.parametrize("side", ["epilogue", "prologue"])
def test_operands_that_are_broadcast(shape: Shape, merges: bool, side: str) -> None:
    """Beside the product, and in the place of the depth beside the left operand."""
    a, b, c = tensor("a", (3, 5, 18)), tensor("b", (18, 18)), tensor("c", shape)
    x, y, z = (values(node.shape, float32, i) for i, node in enumerate((a, b, c)))
    changes: dict[str, Any] = {"depth_block": 16} if side == "prologue" else {}
    if side == "epilogue":
        product = ops.matmul(a, b)
        result, expected = ops.tanh(ops.mul(product, c)), np.tanh((x @ y) * z)
    else:
        product = result = ops.matmul(ops.mul(ops.exp(a), c), b)
        expected = (np.exp(x) * z) @ y
    assert merged(product, [a, b, c], result) == (((), 15) if merges else ((3,), 5))
    stores = [result] if side == "prologue" else [result, product]
    wanted = [expected] if side == "prologue" else [expected, x @ y]
    check(product, [a, b, c], [x, y, z], wanted, stores, **changes)


def test_values_that_depend_on_their_place_stay_a_batch() -> None:
    a, b = tensor("a", (3, 5, 7)), tensor("b", (7, 9))
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    padded = ops.matmul(ops.pad(a, low=(0, 1, 0), high=(0, 2, 0)), b)
    assert merged(padded, [a, b]) == ((3,), 8)
    check(padded, [a, b], [x, y], [np.pad(x, ((0, 0), (1, 2), (0, 0))) @ y])

    picks = tensor("picks", (3, 4, 7), int32)
    numbers = values(picks.shape, int32, 3) % 5
    taken = ops.matmul(ops.take_along_axis(a, picks, axis=1), b)
    assert merged(taken, [a, b, picks]) == ((3,), 4)
    expected = np.take_along_axis(x, numbers, axis=1) @ y
    check(taken, [a, b, picks], [x, y, numbers], [expected])


def test_slices_merge_if_they_run_on() -> None:
    a, b = tensor("a", (6, 5, 9)), tensor("b", (7, 9))
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    some = ops.slice(a, start=(2, 0, 1), step=(1, 1, 1), shape=(3, 5, 7))
    assert merged(ops.matmul(some, b), [a, b]) == ((), 15)
    check(ops.matmul(some, b), [a, b], [x, y], [x[2:5, :, 1:8] @ y])
    other = ops.slice(a, start=(0, 0, 0), step=(2, 1, 1), shape=(3, 5, 7))
    assert merged(ops.matmul(other, b), [a, b]) == ((3,), 5)
    check(ops.matmul(other, b), [a, b], [x, y], [x[::2, :, :7] @ y])


def test_a_step_of_a_stack_is_updated_in_place() -> None:
    w, x, y = tensor("w", (3, 5, 9)), tensor("x", (3, 5, 7)), tensor("y", (7, 9))
    arrays = [values(node.shape, float32, i) for i, node in enumerate((w, x, y))]
    product = ops.matmul(x, y)
    updated = ops.sub(w, ops.mul(scalar(0.1, float32), product))
    expected = arrays[0] - 0.1 * (arrays[1] @ arrays[2])
    check(product, [w, x, y], arrays, [expected], [updated], in_place=True)
