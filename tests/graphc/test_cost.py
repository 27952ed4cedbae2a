"""What `cost` counts, against counts known from the literature."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import graphc as gc


def mlp(examples: int, widths: list[int]) -> tuple[gc.Tensor, gc.Tensor, list[gc.Parameter]]:
    """Input, loss and weights of a network without biases."""
    x = gc.input("x", (examples, widths[0]))
    weights, h = [], x
    for i, (rows, columns) in enumerate(pairwise(widths)):
        weights.append(gc.param(f"w{i}", np.zeros((rows, columns), "float32")))
        h = gc.tanh(h @ weights[-1])
    return x, h.sum(), weights


@pytest.mark.parametrize("examples", [1, 7])
@pytest.mark.parametrize("widths", [[5, 3], [784, 100, 10], [4, 6, 6, 6, 2]])
def test_network_without_biases(examples: int, widths: list[int]) -> None:
    """Forward, one multiply-add for each weight and example; backward two, less the adjoint of the
    first layer's input (Griewank and Walther, Evaluating Derivatives, 2nd ed., section 4.5)."""
    _, loss, weights = mlp(examples, widths)
    count = sum(w.size for w in weights)
    assert gc.cost(loss).multiply_adds == examples * count
    both = gc.cost([loss, gc.grad(loss, weights)]).multiply_adds
    assert both - examples * count == examples * (2 * count - weights[0].size)


def test_linear_in_layers_quadratic_in_width() -> None:
    def adds(width: int, layers: int) -> int:
        _, loss, weights = mlp(1, [width] * (layers + 1))
        return gc.cost(gc.grad(loss, weights)).multiply_adds

    assert adds(8, 11) - adds(8, 6) == adds(8, 6) - adds(8, 1)
    assert adds(24, 5) == 9 * adds(8, 5)


def test_a_hessian_vector_product_costs_a_few_gradients() -> None:
    _, loss, weights = mlp(3, [8, 8, 8])
    directions = [np.ones(w.shape, "float32") for w in weights]
    gradient = gc.cost(gc.grad(loss, weights))
    product = gc.cost(gc.hvp(loss, weights, directions))
    assert product.multiply_adds <= 3 * gradient.multiply_adds
    assert product.operations <= 5 * gradient.operations


def test_operations_and_bytes_of_each_op() -> None:
    x = gc.input("x", (3, 4), gc.float64)
    table = gc.cost({"y": gc.exp(x.T) + 1, "z": [gc.sum(x)]})
    by_op = {cost.op: cost for cost in table.ops}
    assert by_op["transpose"].bytes_read == by_op["transpose"].operations == 0
    assert by_op["exp"].operations == 12 * gc.exp(x).node.op.cost
    assert by_op["add"].operations == by_op["sum"].operations == 12
    assert by_op["add"].bytes_read == 12 * 8 + 8
    assert by_op["sum"].bytes_written == 8
    assert table.operations == table.total.operations == sum(c.operations for c in table.ops)
    assert table.bytes == table.total.bytes_read + table.total.bytes_written
    assert table.total.count == 4


def test_batches_of_products() -> None:
    x, y = gc.input("x", (5, 2, 3)), gc.input("y", (5, 3, 4))
    assert gc.cost(x @ y).multiply_adds == 5 * 2 * 3 * 4


def test_shared_values_count_once() -> None:
    x = gc.input("x", 10)
    y = gc.exp(x)
    assert gc.cost([y, y, y + 1]).operations == gc.cost(y).operations + 10


def test_table() -> None:
    x, w = gc.input("x", (32, 784)), gc.input("w", (784, 10))
    lines = str(gc.cost(gc.exp(x @ w))).splitlines()
    assert lines[0].startswith("op ")
    assert lines[0].endswith(" bytes written")
    assert lines[1].split()[:3] == ["matmul", "1", "250,880"]
    assert lines[-1].startswith("total")
    assert len({len(line) for line in lines}) == 1


def test_of_a_step_it_is_that_of_the_declared_program() -> None:
    x, loss, weights = mlp(3, [4, 5, 2])
    updates = {w: w - g for w, g in zip(weights, gc.grad(loss, weights), strict=True)}
    step = gc.compile([x], loss, updates)
    assert step.cost() == gc.cost([loss, [updates[w] for w in weights]])


def test_what_is_no_tensor(x: Any) -> None:
    with pytest.raises(gc.errors.BoundaryError, match="got int"):
        gc.cost([x, 3])
