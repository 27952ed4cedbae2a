"""Every length up to two rounds of the widest loop, beside pages that may not be touched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from graphc.ir.build import Expression, ops
from graphc.ir.graph import Graph, Node
from graphc.ir.types import DType, Shape, bfloat16, bool_, float16, float32, float64, int8
from tests.codegen.running import check, tensor

Build = Callable[[Node], Node]


def shifted(x: Node) -> Node:
    return ops.add(x, x)


def negated(x: Node) -> Node:
    return ops.logical_not(x)


def total(x: Node) -> Node:
    return ops.sum(x, axes=(1,))


def centred(x: Node) -> Node:
    row = Expression(x)
    return (row - row.max(axes=(1,), keepdims=True)).node


def running(x: Node) -> Node:
    return ops.recurrence(x, x, axis=0)


def askew(x: Node) -> Node:
    return ops.transpose(x, perm=(1, 0))


def check_lengths(build: Build, dtype: DType, lengths: range, rows: int = 3) -> None:
    """One graph with an output for each length of a row."""
    shapes: list[Shape] = [(rows, length) for length in lengths]
    inputs = tuple(tensor(f"x{i}", shape, dtype) for i, shape in enumerate(shapes))
    outputs = tuple(build(x) for x in inputs)
    graph = Graph("tails", inputs, (), outputs, tuple(f"y{i}" for i in range(len(outputs))))
    rng = np.random.default_rng(0)
    arrays = {x.name: rng.integers(-4, 5, x.shape) / 2 for x in inputs}
    check(graph, arrays)


@pytest.mark.parametrize(
    ("build", "dtype", "lengths"),
    [
        (shifted, float32, range(1, 131)),
        (shifted, float64, range(1, 67)),
        (shifted, int8, range(1, 131)),
        (shifted, float16, range(1, 67)),
        (shifted, bfloat16, range(1, 67)),
        (negated, bool_, range(1, 131)),
        (total, float32, range(1, 131)),
        (centred, float32, range(1, 131)),
        (running, float32, range(1, 35)),
        (running, float64, range(1, 35)),
        (askew, float32, range(1, 67)),
    ],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_every_length(build: Build, dtype: DType, lengths: range) -> None:
    check_lengths(build, dtype, lengths)
