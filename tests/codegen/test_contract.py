"""Contractions whose rows, columns and depth are several axes, compiled beside guard pages."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.codegen.operand import Contraction
from graphc.codegen.pipeline import Compilation, compile_graph
from graphc.codegen.target import Target
from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.differentiate import adjoints
from graphc.ir.types import DType, Shape, float32, float64
from tests.codegen.running import check, graph_of, run_compiled, tensor

RNG = np.random.default_rng(3)


@dataclass(frozen=True)
class Case:
    """A convolution: sizes of the image and the kernel, from channels on."""

    image: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape = ()
    low: Shape = ()
    high: Shape = ()
    batch: int = 2
    dtype: DType = field(default=float32)


def each(numbers: Shape, count: int, default: int) -> Shape:
    return numbers or (default,) * count


def convolved(x: Node, w: Node, case: Case) -> Node:
    rank = len(case.image) - 1
    low, high = each(case.low, rank, 0), each(case.high or case.low, rank, 0)
    padded = ops.pad(x, low=(0, 0, *low), high=(0, 0, *high), value=0)
    axes = tuple(range(2, 2 + rank))
    windows = ops.windows(
        padded,
        axes=axes,
        size=case.kernel[2:],
        stride=each(case.stride, rank, 1),
        dilation=each(case.dilation, rank, 1),
    )
    places, elements = tuple(range(4, 4 + rank)), tuple(range(4 + rank, 4 + 2 * rank))
    return ops.contract(
        windows,
        w,
        left=(0, 1, *places, *elements),
        right=(2, 1, *elements),
        result=(0, 2, *places),
    )


def graph_with_gradients(case: Case) -> tuple[Graph, dict[str, Any]]:
    x = tensor("x", (case.batch, *case.image), case.dtype)
    w = tensor("w", case.kernel, case.dtype)
    y = convolved(x, w, case)
    seed = tensor("seed", y.shape, case.dtype)
    d_x, d_w = adjoints([y], [seed], [x, w])
    assert d_x is not None
    assert d_w is not None
    graph = graph_of(y, d_x, d_w, inputs=(x, w, seed))
    arrays = {n.name: RNG.normal(size=n.shape).astype(n.dtype.numpy) for n in graph.inputs}
    return graph, arrays


CASES = {
    "image of lenet": Case((1, 28, 28), (6, 1, 5, 5), (1, 1), low=(2, 2)),
    "rows of ten": Case((6, 14, 14), (16, 6, 5, 5), (1, 1), batch=5),
    "kernel as large as the image": Case((3, 5, 7), (4, 3, 5, 7), (1, 1)),
    "one pixel": Case((3, 1, 1), (4, 3, 1, 1), (1, 1)),
    "one pixel, padded": Case((3, 1, 1), (4, 3, 3, 3), (1, 1), low=(1, 1)),
    "stride beyond the kernel": Case((2, 13, 11), (3, 2, 2, 2), (3, 5)),
    "stride two": Case((5, 17, 17), (7, 5, 3, 3), (2, 2), low=(1, 1)),
    "uneven strides": Case((2, 9, 14), (3, 2, 3, 4), (1, 3), low=(1, 2), high=(0, 1)),
    "dilation": Case((2, 13, 17), (3, 2, 3, 3), (1, 1), dilation=(2, 3)),
    "stride and dilation": Case((2, 13, 17), (3, 2, 3, 2), (2, 3), dilation=(3, 2), low=(2, 1)),
    "padding beyond the kernel": Case((2, 4, 5), (3, 2, 3, 3), (1, 1), low=(5, 4), high=(3, 6)),
    "no images": Case((2, 5, 5), (3, 2, 3, 3), (1, 1), batch=0),
    "one image": Case((19, 13, 31), (23, 19, 3, 3), (1, 1), low=(1, 1), batch=1),
    "primes": Case((3, 11, 37), (17, 3, 3, 7), (1, 1), batch=3),
    "columns of one vector": Case((2, 6, 18), (14, 2, 3, 3), (1, 1)),
    "a line": Case((4, 101), (6, 4, 7), (1,), low=(3,)),
    "a line with strides": Case((4, 101), (6, 4, 8), (4,), batch=3),
    "a line with dilation": Case((3, 67), (5, 3, 3), (1,), dilation=(9,), low=(9,)),
    "a volume": Case((3, 5, 6, 7), (4, 3, 2, 3, 3), (1, 1, 1), low=(1, 0, 1)),
    "a volume with strides": Case((2, 7, 6, 9), (4, 2, 3, 2, 3), (2, 1, 2)),
    "doubles": Case((3, 12, 13), (5, 3, 3, 3), (1, 1), low=(1, 1), dtype=float64),
    "doubles with strides": Case((3, 12, 13), (5, 3, 3, 3), (2, 2), dtype=float64),
    "one channel to one": Case((1, 9, 8), (1, 1, 3, 3), (1, 1), low=(1, 1)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_convolution_and_its_adjoints(name: str) -> None:
    graph, arrays = graph_with_gradients(CASES[name])
    tolerance = 1e-12 if CASES[name].dtype is float64 else 2e-5
    check(graph, arrays, rtol=tolerance, atol=5 * tolerance)


AVX2 = "+avx,+avx2,+fma,+f16c"
NARROW = {
    "AVX2": Target("x86_64-unknown-linux-gnu", "x86-64", AVX2, 256, 16),
    "SSE2": Target("x86_64-unknown-linux-gnu", "x86-64", "", 128, 16),
}


@pytest.mark.parametrize("target", NARROW)
@pytest.mark.parametrize("name", ["rows of ten", "uneven strides", "a line with strides"])
def test_narrow_vectors(name: str, target: str) -> None:
    graph, arrays = graph_with_gradients(CASES[name])
    expected = run_compiled(graph, arrays).outputs
    found = run_compiled(graph, arrays, target=NARROW[target]).outputs
    for output, value in expected.items():
        np.testing.assert_allclose(found[output], value, rtol=1e-4, atol=1e-3)


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    case = Case((8, 30, 30), (16, 8, 3, 3), (1, 1), low=(1, 1), batch=9)
    graph, arrays = graph_with_gradients(case)
    one = run_compiled(graph, arrays, threads=1).outputs
    for threads in (2, 5):
        found = run_compiled(graph, arrays, threads=threads).outputs
        for output, value in one.items():
            assert_array_equal(found[output], value)


def test_large_operands_are_cut_into_blocks() -> None:
    case = Case((96, 21, 50), (32, 96, 3, 3), (1, 1), low=(1, 1), batch=1)
    graph, arrays = graph_with_gradients(case)
    compilation = check(graph, arrays, rtol=1e-4, atol=2e-3)
    schedules = [kernel.schedule for kernel in compilation.kernels if kernel.schedule]
    products = products_of(compilation)
    assert any(s.column_block < p.columns.extent for s, p in zip(schedules, products, strict=True))


def products_of(compilation: Compilation) -> list[Contraction]:
    loops = [kernel.loops for kernel in compilation.kernels]
    return [each for each in loops if isinstance(each, Contraction)]


def test_windows_are_read_by_part_and_not_stored() -> None:
    graph, _ = graph_with_gradients(CASES["rows of ten"])
    compilation = compile_graph(graph)
    forward = compilation.kernels[0]
    assert forward.schedule is not None
    assert forward.schedule.right == "by part"
    (product, *_) = products_of(compilation)
    whole = product.columns.extent * product.depth.extent * 4
    # Of the five rows of a window each is in the copy once.
    assert forward.scratch_bytes < whole / 3
    assert sum(len(kernel.writes) for kernel in compilation.kernels) == 3


@pytest.mark.parametrize("order", [(0, 4, 2), (2, 0, 4), (4, 2, 0), (2, 4, 0)])
@pytest.mark.parametrize("shape", [(3, 5, 4), (17, 6, 9), (2, 33, 40)])
def test_any_order_of_axes(order: Shape, shape: Shape) -> None:
    m, k, n = shape
    x, y = tensor("x", (m, k, 3)), tensor("y", (3, 2, n, k))
    result = ops.contract(x, y, left=(0, 1, 3), right=(3, 2, 4, 1), result=order)
    total = ops.tanh(ops.add(result, tensor("b", (result.shape[-1],))))
    inputs = (x, y, total.operands[0].operands[1])
    graph = graph_of(total, inputs=inputs)
    check(graph, {n.name: RNG.normal(size=n.shape) for n in inputs}, rtol=1e-4, atol=1e-4)


def test_an_epilogue_reads_along_a_part_of_a_group() -> None:
    """Along merged columns some operands do not move in equal steps."""
    case = CASES["image of lenet"]
    x, w = tensor("x", (2, *case.image)), tensor("w", case.kernel)
    y = convolved(x, w, case)
    row, column, mask = tensor("r", (28, 1)), tensor("c", (28,)), tensor("m", (28, 28))
    flipped = ops.transpose(mask, perm=(1, 0))
    positions = ops.iota(shape=(28, 28), axis=1, dtype=float32)
    total = ops.mul(ops.add(ops.mul(ops.add(y, row), column), flipped), positions)
    inputs = (x, w, row, column, mask)
    compilation = check(
        graph_of(total, inputs=inputs),
        {n.name: RNG.normal(size=n.shape) for n in inputs},
        rtol=1e-4,
        atol=1e-4,
    )
    assert len(compilation.kernels) == 1


def test_a_prologue_through_windows() -> None:
    case = replace(CASES["primes"], low=(1, 2))
    x, w = tensor("x", (2, *case.image)), tensor("w", case.kernel)
    cheap = convolved(ops.abs(x), w, case)
    dear = convolved(ops.tanh(x), w, case)
    arrays = {n.name: RNG.normal(size=n.shape) for n in (x, w)}
    assert len(check(graph_of(cheap, inputs=(x, w)), arrays, rtol=1e-4, atol=1e-4).kernels) == 1
    # A hyperbolic tangent is not computed again for every window.
    assert len(check(graph_of(dear, inputs=(x, w)), arrays, rtol=1e-4, atol=1e-4).kernels) == 2
