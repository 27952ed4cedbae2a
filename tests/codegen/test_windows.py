"""Kernels that read through windows and skews: a coordinate moves with several loop axes."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.ir.build import Expression, ops
from graphc.ir.graph import Graph, Node, Update
from tests.codegen.running import check, graph_of, parameter, tensor

RNG = np.random.default_rng(0)


def windows(x: Node, size: int, stride: int = 1, dilation: int = 1) -> Node:
    """Windows over the last axis."""
    axis = len(x.shape) - 1
    return ops.windows(x, axes=(axis,), size=(size,), stride=(stride,), dilation=(dilation,))


@pytest.mark.parametrize("size", [1, 3, 8, 17])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("dilation", [1, 3])
def test_a_product_reads_windows_where_they_lie(size: int, stride: int, dilation: int) -> None:
    x, w = tensor("x", (67,)), tensor("w", (size, 9))
    read = windows(x, size, stride, dilation)
    arrays = {"x": RNG.normal(size=67), "w": RNG.normal(size=(size, 9))}
    wide = ops.transpose(read, perm=(1, 0))
    graph = graph_of(
        ops.matmul(read, w),
        ops.matmul(ops.transpose(w, perm=(1, 0)), wide),
        inputs=(x, w),
    )
    compilation = check(graph, arrays, rtol=1e-5, atol=1e-5)
    assert len(compilation.kernels) == 2


def test_a_product_reads_a_skew() -> None:
    x, w = tensor("x", (19, 7)), tensor("w", (7, 5))
    skewed = ops.skew(x, axes=(0,), along=(1,), step=(-2,), size=(23,))
    graph = graph_of(ops.matmul(skewed, w), inputs=(x, w))
    check(graph, {"x": RNG.normal(size=(19, 7)), "w": RNG.normal(size=(7, 5))}, rtol=1e-5)


def test_windows_of_padding_that_is_wider_than_the_operand() -> None:
    x = tensor("x", (3,))
    padded = ops.pad(x, low=(20,), high=(17,), value=2.5)
    graph = graph_of(
        ops.max(windows(padded, 5, 3), axes=(1,)),
        ops.sum(windows(padded, 5, 3, 2), axes=(0,)),
        inputs=(x,),
    )
    check(graph, {"x": RNG.normal(size=3)})


def test_windows_of_windows() -> None:
    x = tensor("x", (2, 40))
    twice = ops.windows(windows(x, 6, 2), axes=(1, 2), size=(3, 2), stride=(4, 1), dilation=(2, 3))
    graph = graph_of(ops.sum(twice, axes=(1, 4)), inputs=(x,))
    check(graph, {"x": RNG.normal(size=(2, 40))})


def test_a_skew_there_and_back_is_the_operand() -> None:
    x = tensor("x", (9, 4))
    there = ops.skew(x, axes=(0,), along=(1,), step=(2,), size=(15,))
    back = ops.skew(there, axes=(0,), along=(1,), step=(-2,), size=(9,))
    values = RNG.normal(size=(9, 4))
    graph = graph_of(ops.add(back, x), inputs=(x,))
    check(graph, {"x": values})


@pytest.mark.parametrize("step", [1, -1])
def test_an_update_that_reads_its_parameter_askew_is_kept_aside(step: int) -> None:
    w = parameter("w", (12, 5))
    askew = ops.skew(w, axes=(0,), along=(1,), step=(step,), size=(12,))
    updated = ops.add(w, ops.mul(askew, askew))
    graph = Graph("f", (), (w,), (), (), (Update(w, updated),))
    check(graph, {"w": RNG.normal(size=(12, 5))})


def test_an_update_that_sums_windows_of_its_parameter() -> None:
    w = parameter("w", (33,))
    padded = ops.pad(w, low=(2,), high=(0,), value=0)
    updated = (Expression(w) + Expression(ops.sum(windows(padded, 3), axes=(1,)))).node
    graph = Graph("f", (), (w,), (), (), (Update(w, updated),))
    check(graph, {"w": RNG.normal(size=33)})


def test_a_computed_value_is_not_read_through_windows_in_its_own_kernel() -> None:
    x = tensor("x", (6, 6))
    y = ops.exp(x)
    skewed = ops.skew(y, axes=(0,), along=(1,), step=(1,), size=(6,))
    graph = graph_of(ops.add(y, skewed), y, inputs=(x,))
    check(graph, {"x": RNG.normal(size=(6, 6))})


@pytest.mark.parametrize("axis", [0, 1])
def test_a_routine_reads_windows_where_they_lie(axis: int) -> None:
    x, y = tensor("x", (40,)), tensor("y", (40,))
    running = ops.recurrence(windows(x, 7, 3, 2), windows(y, 7, 3, 2), axis=axis)
    arrays = {"x": RNG.uniform(-1, 1, 40), "y": RNG.normal(size=40)}
    check(graph_of(running, inputs=(x, y)), arrays)
