"""Products of few rows or columns, and deep ones: vectors along the columns, the rows or the depth,
and the depth in parts that threads share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from graphc.codegen import sharing
from graphc.codegen.target import host_target
from graphc.codegen.tile_costs import depth_tile
from graphc.codegen.tiling import ContractionSchedule
from graphc.ir.build import ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.types import DType, float32, float64, int32
from tests.codegen.products import HOST, check, flipped, values
from tests.codegen.running import graph_of, parameter, run_compiled, tensor

FORMS = ["NN", "TN", "NT", "TT"]


def product(
    m: int, n: int, k: int, form: str, dtype: DType = float32, **changes: Any
) -> ContractionSchedule:
    """A product whose operands are computed if their letter is small."""
    operands: list[tuple[Node, Any]] = []
    sides, numbers = [], []
    for name, letter, (height, width) in zip("ab", form, [(m, k), (k, n)], strict=True):
        stored = (width, height) if letter in "Tt" else (height, width)
        node, array = tensor(name, stored, dtype), values(stored, dtype, len(operands))
        operands.append((node, array))
        side, number = (flipped(node), array.T) if letter in "Tt" else (node, array)
        if letter.islower():
            # Not 0 at 0, which is what an inactive lane may be given.
            side, number = ops.add(side, scalar(3, dtype)), number + np.array(3, dtype.numpy)
        sides.append(side)
        numbers.append(number)
    wide = np.float64 if dtype.is_float else dtype.numpy
    expected = numbers[0].astype(wide) @ numbers[1].astype(wide)
    nodes, arrays = [node for node, _ in operands], [array for _, array in operands]
    return check(ops.matmul(*sides), nodes, arrays, [expected], **changes)


ALONG: dict[str, dict[str, Any]] = {
    "columns": {"swapped": False, "inner": False},
    "rows": {"swapped": True, "inner": False},
    "depth": {"swapped": False, "inner": True},
    "depth, swapped": {"swapped": True, "inner": True},
}
SHAPES = [(1, 1, 1), (5, 7, 33), (17, 3, 40), (2, 37, 31), (19, 23, 0)]


@pytest.mark.parametrize("along", ALONG)
@pytest.mark.parametrize("form", [*FORMS, "nT", "tn"])
@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_vectors_along_every_axis(size: tuple[int, int, int], form: str, along: str) -> None:
    forced: dict[str, Any] = {"left": "by row", "right": "by depth"}
    if "depth" in along:
        forced = {"left": "by row", "right": "by row"}
    forced |= {"lanes": 8, "rows": 3, "vectors": 2, "row_block": 12, "column_block": 48}
    m, n, k = size
    product(m, n, k, form, depth_block=k, depth_parts=1, chains=1, **forced, **ALONG[along])


@pytest.mark.parametrize("dtype", [float32, float64, int32], ids=str)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "size", [(70, 3, 50), (3, 70, 50), (33, 10, 100), (4, 4, 1000), (1, 9, 77), (9, 1, 77)], ids=str
)
def test_narrow_products(size: tuple[int, int, int], form: str, dtype: DType) -> None:
    product(*size, form, dtype)


@pytest.mark.parametrize("bits", [bits for bits in (128, 256) if bits <= HOST.vector_bits])
@pytest.mark.parametrize("form", FORMS)
def test_narrow_products_on_narrower_machines(form: str, bits: int) -> None:
    target = replace(HOST, vector_bits=bits, vector_registers=16)
    for size in [(70, 3, 50), (3, 70, 50), (33, 10, 100), (4, 4, 1000)]:
        for dtype in (float32, float64):
            product(*size, form, dtype, target=target)


@pytest.mark.parametrize("rows", [1, 2, 5, 16])
@pytest.mark.parametrize("columns", [1, 3, 8])
@pytest.mark.parametrize("chains", [1, 2, 3])
def test_every_tile_along_the_depth(rows: int, columns: int, chains: int) -> None:
    sizes: dict[str, Any] = {"lanes": 8, "rows": rows, "vectors": columns, "chains": chains}
    sizes |= {"row_block": 32 * rows, "column_block": 32 * columns}
    for k in (7, 8, 24, 61):
        product(17, 11, k, "NT", inner=True, swapped=False, left="in place", right="in place",
                depth_block=k, **sizes)  # fmt: skip


@pytest.mark.parametrize("along", ALONG)
@pytest.mark.parametrize("k", [33, 95, 128])
@pytest.mark.parametrize("form", ["NN", "TT", "tn"])
def test_parts_of_the_depth(form: str, k: int, along: str) -> None:
    packings = [("by row", "by depth"), ("by depth", "by depth")]
    if "depth" in along:
        packings = [("by row", "by row")]
    for left, right in packings:
        parts = -(-k // 32)
        product(21, 27, k, form, depth_block=32, depth_parts=parts, parallel="depth", chains=1,
                lanes=16, rows=4, vectors=1, row_block=8, column_block=16, left=left, right=right,
                **ALONG[along])  # fmt: skip


@pytest.mark.parametrize("along", ["rows", "depth"])
@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("looped", [True, False])
def test_epilogues(along: str, parts: int, looped: bool) -> None:
    """Several stores, of another dtype too; and W - 0.1 * x^T g where W lies."""
    m, n, k = 21, 10, 96
    x, g, w = tensor("x", (k, m)), tensor("g", (k, n)), tensor("w", (m, n))
    row, column = tensor("r", (n,)), tensor("c", (m, 1))
    nodes = [w, x, g, row, column]
    arrays = [values(node.shape, float32, i) for i, node in enumerate(nodes)]
    changes: dict[str, Any] = {"looped_epilogue": looped, "depth_block": k // parts} | ALONG[along]
    changes |= {"depth_parts": parts, "parallel": "depth" if parts > 1 else "rows", "chains": 1}
    changes |= {"lanes": 16, "rows": 4, "vectors": 1, "row_block": 8, "column_block": 32}
    changes |= {"left": "by row", "right": "by row" if along == "depth" else "by depth"}
    result = ops.matmul(flipped(x), g)
    plain = arrays[1].T.astype(np.float64) @ arrays[2]
    biased = ops.mul(ops.add(result, row), column)
    expected = (plain + arrays[3]) * arrays[4]
    stores = [biased, result, ops.gt(biased, scalar(0, float32))]
    check(result, nodes, arrays, [expected, plain, expected > 0], stores, **changes)
    updated = ops.sub(w, ops.mul(scalar(0.1, float32), result))
    check(result, nodes, arrays, [arrays[0] - 0.1 * plain], [updated], in_place=True, **changes)


def test_vectors_lie_along_the_axis_that_wastes_least() -> None:
    assert product(512, 10, 256, "TN").swapped
    assert product(512, 10, 256, "NT").inner
    assert product(6, 25, 500, "NT").inner
    wide = product(10, 512, 256, "NN")
    assert (wide.swapped, wide.inner) == (False, False)


def test_tiles_along_the_depth_fit_the_registers() -> None:
    for registers in (16, 31, 32):
        for m, n in [(100, 100), (1, 50), (50, 1), (3, 4)]:
            rows, columns = depth_tile((m, n, 20), 16, registers, 1.0)
            assert rows * columns + columns + 1 <= registers
            assert columns <= 16


THREADS = (2, 5)


@pytest.fixture
def everything_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_NANOSECONDS", 0)
    monkeypatch.setattr(sharing, "TASK_NANOSECONDS", 1)


@pytest.mark.usefixtures("everything_is_shared")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "size", [(6, 25, 9000), (64, 60, 2001), (700, 3, 300), (1, 1, 30_000)], ids=str
)
def test_the_same_bits_for_any_number_of_threads(size: tuple[int, int, int], form: str) -> None:
    m, n, k = size
    a = tensor("a", (m, k) if form[0] == "N" else (k, m))
    b = tensor("b", (k, n) if form[1] == "N" else (n, k))
    p = parameter("p", (m, n))
    gradient = ops.matmul(
        *(flipped(x) if f == "T" else x for x, f in zip((a, b), form, strict=True))
    )
    update = Update(p, ops.sub(p, ops.mul(scalar(0.1, float32), gradient)))
    graph = Graph("f", (a, b), (p,), (), (), updates=(update,))
    arrays = {node.name: values(node.shape, float32, i) for i, node in enumerate((a, b, p))}
    single = run_compiled(graph, arrays)
    left = arrays["a"] if form[0] == "N" else arrays["a"].T
    right = arrays["b"] if form[1] == "N" else arrays["b"].T
    expected = arrays["p"] - 0.1 * (left.astype(np.float64) @ right)
    np.testing.assert_allclose(single.params["p"], expected, atol=2e-5 * np.abs(expected).max())
    for threads in THREADS:
        shared = run_compiled(graph, arrays, threads=threads)
        assert shared.params["p"].tobytes() == single.params["p"].tobytes()


@pytest.mark.usefixtures("everything_is_shared")
def test_a_deep_product_of_few_tiles_is_shared_along_the_depth() -> None:
    a, b = tensor("a", (40_000, 6)), tensor("b", (40_000, 25))
    graph = graph_of(ops.matmul(flipped(a), b), inputs=(a, b))
    arrays = {"a": values(a.shape, float32, 1), "b": values(b.shape, float32, 2)}
    result = run_compiled(graph, arrays, threads=2, target=replace(host_target(), vector_bits=256))
    (kernel,) = result.compilation.kernels
    assert kernel.sharing is not None
    assert (kernel.sharing.axis, kernel.tasks) == ("depth", 2)
    assert kernel.schedule is not None
    assert kernel.sharing.units == kernel.schedule.depth_parts >= 16


def test_rows_within_one_line_do_not_collide() -> None:
    """Rows of three elements lie in the same lines: they need no copy, however many there are."""
    schedule = product(32, 16, 3, "NT")
    assert schedule.left == "in place"
    assert product(64, 512, 1024, "NN").left != "in place"


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_large_sides_have_no_vectors_along_the_depth(dtype: DType) -> None:
    """Nothing is kept in a cache there: both sides have to be narrow, or the depth short."""
    assert not product(1024, 700, 1024, "NT", dtype).inner
    assert product(1, 3, 400_000, "NT", dtype).inner
