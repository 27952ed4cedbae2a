"""Contractions against NumPy: every form of tile and copy, memory guarded on both sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.codegen.contraction import emit_contraction
from graphc.codegen.coordinates import Buffer
from graphc.codegen.emit import Module
from graphc.codegen.operand import Contraction
from graphc.codegen.roles import matmul_contraction
from graphc.codegen.scratch_layout import scratch_bytes
from graphc.codegen.target import Target
from graphc.codegen.tile_costs import best_tile
from graphc.codegen.tiling import ContractionSchedule, schedule_contraction
from graphc.codegen.values import POINTER, Value
from graphc.ir.build import ops, scalar
from graphc.ir.graph import Node
from graphc.ir.types import (
    DType,
    Shape,
    float32,
    float64,
    int8,
    int32,
    int64,
    row_major_strides,
    uint8,
)
from tests.codegen.products import HOST, check, compile_kernel, flipped, run, values
from tests.codegen.running import tensor


def matmul_case(
    m: int, n: int, k: int, form: str = "NN", dtype: DType = float32, **changes: Any
) -> ContractionSchedule:
    a = tensor("a", (m, k) if form[0] == "N" else (k, m), dtype)
    b = tensor("b", (k, n) if form[1] == "N" else (n, k), dtype)
    x, y = values(a.shape, dtype, 1), values(b.shape, dtype, 2)
    left, right = (a, x) if form[0] == "N" else (flipped(a), x.T)
    product = ops.matmul(left, b if form[1] == "N" else flipped(b))
    wide = np.float64 if dtype.is_float else dtype.numpy
    expected = right.astype(wide) @ (y if form[1] == "N" else y.T).astype(wide)
    return check(product, [a, b], [x, y], [expected], **changes)


FORMS = ["NN", "TN", "NT", "TT"]
SIZES = [
    (1, 1, 1),
    (1, 1, 100),
    (1, 50, 7),
    (50, 1, 7),
    (1, 17, 130),
    (33, 1, 16),
    (2, 3, 5),
    (5, 16, 31),
    (13, 13, 13),
    (14, 32, 4),
    (15, 33, 17),
    (61, 67, 71),
    (64, 64, 10),
    (97, 49, 3),
    (130, 100, 64),
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes(size: tuple[int, int, int], form: str) -> None:
    matmul_case(*size, form)


@pytest.mark.parametrize("dtype", [float64, int8, uint8, int32, int64], ids=str)
@pytest.mark.parametrize("size", [(7, 9, 5), (1, 19, 23), (35, 1, 9), (29, 70, 37)], ids=str)
def test_dtypes(size: tuple[int, int, int], dtype: DType) -> None:
    for form in FORMS:
        matmul_case(*size, form, dtype)


@pytest.mark.parametrize("bits", [bits for bits in (128, 256) if bits <= HOST.vector_bits])
@pytest.mark.parametrize("size", [(7, 9, 5), (1, 19, 23), (35, 1, 9), (29, 70, 37)], ids=str)
def test_narrower_vectors(size: tuple[int, int, int], bits: int) -> None:
    target = replace(HOST, vector_bits=bits, vector_registers=16)
    for form in FORMS:
        for dtype in (float32, float64, int32):
            matmul_case(*size, form, dtype, target=target)


@pytest.mark.parametrize("size", [(0, 3, 4), (3, 0, 4), (0, 0, 0), (3, 4, 0), (1, 5, 0), (5, 1, 0)])
def test_empty(size: tuple[int, int, int]) -> None:
    matmul_case(*size)


BLOCKS: dict[str, Any] = {"depth_block": 32, "row_block": 12, "column_block": 64}
TILE: dict[str, Any] = {"lanes": 16, "rows": 6, "vectors": 2, "chains": 1}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [(40, 150, 100), (12, 64, 64), (13, 65, 33)], ids=str)
def test_blocks_on_every_axis(size: tuple[int, int, int], form: str) -> None:
    m, n, k = size
    matmul_case(m, n, k, form, **BLOCKS, **TILE)


@pytest.mark.parametrize("left", ["in place", "by row", "by depth"])
@pytest.mark.parametrize("right", ["in place", "by depth", "computed"])
@pytest.mark.parametrize("blocks", [{}, BLOCKS], ids=["whole", "blocks"])
def test_every_packing(left: str, right: str, blocks: dict[str, Any]) -> None:
    matmul_case(31, 85, 51, left=left, right=right, **TILE, **blocks)
    matmul_case(31, 85, 51, dtype=float64, left=left, right=right, **TILE, **blocks)


@pytest.mark.parametrize("rows", range(1, 15))
def test_every_height_of_a_tile(rows: int) -> None:
    matmul_case(29, 45, 9, lanes=16, rows=rows, vectors=2)


@pytest.mark.parametrize("chains", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 9])
def test_interleaved_sums(chains: int, depth: int) -> None:
    matmul_case(3, 10, depth, rows=1, vectors=1, chains=chains)


def test_a_deep_product_is_blocked_by_itself() -> None:
    schedule = matmul_case(19, 40, 20000)
    assert schedule.depth_block < 20000


def test_blocks_run_over_and_larger_than_caches() -> None:
    matmul_case(301, 270, 1700)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 5, 7), (3, 7, 18)),
        ((3, 5, 7), (7, 18)),
        ((5, 7), (4, 7, 18)),
        ((2, 1, 5, 7), (3, 7, 18)),
        ((1, 5, 7), (2, 7, 40)),
        ((4, 1, 7), (4, 7, 1)),
        ((4, 1, 70), (70, 33)),
        ((0, 5, 7), (7, 18)),
        ((6, 40, 20), (20, 64)),
    ],
)
def test_batches(left: Shape, right: Shape) -> None:
    a, b = tensor("a", left), tensor("b", right)
    x, y = values(left, float32, 1), values(right, float32, 2)
    check(ops.matmul(a, b), [a, b], [x, y], [x @ y])
    z = np.swapaxes(y, -1, -2)
    c = tensor("c", z.shape)
    check(ops.matmul(a, flipped(c)), [a, c], [x, z], [x @ y])


def test_a_batch_whose_depth_is_in_blocks() -> None:
    a, b = tensor("a", (3, 9, 100)), tensor("b", (100, 20))
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    check(ops.matmul(a, b), [a, b], [x, y], [x @ y], depth_block=48, right="by depth")


@pytest.mark.parametrize("size", [(1, 40, 33), (37, 1, 50), (4, 9, 3), (40, 70, 50)], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_operands_that_are_computed(size: tuple[int, int, int], form: str) -> None:
    """A mask and an activation's derivative on the left, exp (not 0 at 0) on the right."""
    m, n, k = size
    a, b = tensor("a", (m, k)), tensor("b", (k, n))
    c, d = tensor("c", (m, k) if form[0] == "N" else (k, m)), tensor("d", (k,))
    if form[1] == "T":
        b = tensor("b", (n, k))
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    z, w = values(c.shape, float32, 3), values(d.shape, float32, 4)
    mask = ops.gt(c if form[0] == "N" else flipped(c), scalar(0, float32))
    left = ops.where(mask, ops.mul(a, d), scalar(0.5, float32))
    right = ops.exp(b)
    product = ops.matmul(left, flipped(right) if form[1] == "T" else right)
    expected = np.where((z if form[0] == "N" else z.T) > 0, x * w, np.float32(0.5))
    expected = expected.astype(np.float64) @ np.exp(y.T if form[1] == "T" else y)
    variants: list[dict[str, Any]] = [{}] if 1 in (m, n) else [{}, {"depth_block": 32}]
    for blocks in variants:
        check(product, [a, b, c, d], [x, y, z, w], [expected], tolerance=1e-4, **blocks)


def test_operands_that_are_cast_sliced_and_padded() -> None:
    a, b = tensor("a", (20, 30), int32), tensor("b", (25, 19))
    x, y = values(a.shape, int32, 1), values(b.shape, float32, 2)
    left = ops.slice(a, start=(19, 3), step=(-2, 1), shape=(10, 26))
    right = ops.pad(b, low=(1, 2), high=(0, 3))
    product = ops.matmul(ops.cast(left, dtype=float32), right)
    expected = x[19::-2, 3:29].astype(np.float64) @ np.pad(y, ((1, 0), (2, 3)))
    check(product, [a, b], [x, y], [expected])


def test_a_sliced_operand_is_read_in_place() -> None:
    a, b = tensor("a", (30, 50)), tensor("b", (40, 60))
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    left = ops.slice(a, start=(28, 7), step=(-3, 2), shape=(8, 20))
    right = ops.slice(b, start=(5, 9), step=(1, 1), shape=(20, 40))
    expected = x[28:6:-3, 7:47:2] @ y[5:25, 9:49]
    schedule = check(ops.matmul(left, right), [a, b], [x, y], [expected])
    assert schedule.right == "in place"


@pytest.mark.parametrize("looped", [True, False])
@pytest.mark.parametrize("blocks", [{}, {"depth_block": 16}], ids=["whole", "blocks"])
@pytest.mark.parametrize("size", [(23, 37, 40), (1, 37, 40), (23, 1, 40), (8, 16, 40)], ids=str)
def test_epilogue_with_several_stores(
    size: tuple[int, int, int], blocks: dict[str, Any], looped: bool
) -> None:
    m, n, k = size
    if blocks and 1 in size:
        blocks = {}
    a, b, row, column = (
        tensor("a", (m, k)),
        tensor("b", (k, n)),
        tensor("r", (n,)),
        tensor("c", (m, 1)),
    )
    x, y = values(a.shape, float32, 1), values(b.shape, float32, 2)
    r, c = values(row.shape, float32, 3), values(column.shape, float32, 4)
    product = ops.matmul(a, b)
    biased = ops.add(product, row)
    active = ops.tanh(ops.mul(biased, column))
    signs = ops.gt(biased, scalar(0, float32))
    plain = x.astype(np.float64) @ y
    expected = [np.tanh((plain + r) * c), plain, plain + r, plain + r > 0]
    stores = [active, product, biased, signs]
    inputs, arrays = [a, b, row, column], [x, y, r, c]
    check(product, inputs, arrays, expected, stores, looped_epilogue=looped, **blocks)


@pytest.mark.parametrize("size", [(33, 47, 20), (5, 1, 9), (1, 8, 9)], ids=str)
@pytest.mark.parametrize("blocks", [{}, {"depth_block": 16}], ids=["whole", "blocks"])
def test_update_in_place(size: tuple[int, int, int], blocks: dict[str, Any]) -> None:
    """W becomes W - 0.1 * x^T g where W lies; the gradient is stored as well, or not at all."""
    m, n, k = size
    if 1 in size:
        blocks = {}
    w, x, g = tensor("w", (m, n)), tensor("x", (k, m)), tensor("g", (k, n))
    arrays = [values(node.shape, float32, i) for i, node in enumerate((w, x, g))]
    product = ops.matmul(flipped(x), g)
    updated = ops.sub(w, ops.mul(scalar(0.1, float32), product))
    gradient = arrays[1].T.astype(np.float64) @ arrays[2]
    expected = arrays[0] - 0.1 * gradient
    inputs = [w, x, g]
    check(product, inputs, arrays, [expected], [updated], in_place=True, **blocks)
    both = [product, updated]
    check(product, inputs, arrays, [gradient, expected], both, in_place=True, **blocks)


def test_what_an_epilogue_reads_is_asked_for_before_the_sum() -> None:
    """Masks and the value that is updated, of each dtype; not what is only stored, or short."""
    for k, asked in ((200, True), (20, False)):
        w, m = tensor("w", (33, 47)), tensor("m", (33, 47), uint8)
        x, g = tensor("x", (33, k)), tensor("g", (k, 47))
        product = ops.matmul(x, g)
        masked = ops.where(ops.gt(m, scalar(50, uint8)), product, scalar(0, float32))
        updated = ops.sub(w, masked)
        inputs = [w, x, g, m]
        arrays = [values(node.shape, node.dtype, i) for i, node in enumerate(inputs)]
        expected = arrays[0] - np.where(arrays[3] > 50, arrays[1] @ arrays[2], 0)
        check(product, inputs, arrays, [expected], [updated], in_place=True)
        assert ("llvm.prefetch" in compile_kernel(product, inputs, [updated], True).text) == asked
        assert "llvm.prefetch" not in compile_kernel(product, inputs, [product], False).text


def test_float_products_round_once() -> None:
    """The products are added with a fused multiply-add: 1 - (1 + e)(1 - e) = e * e, not 0."""
    e = np.float32(2.0**-12)
    a, b = tensor("a", (1, 2)), tensor("b", (2, 40))
    x = np.array([[1, 1 + e]], np.float32)
    y = np.stack([np.ones(40), np.full(40, -(1 - e))]).astype(np.float32)
    check(ops.matmul(a, b), [a, b], [x, y], [np.full((1, 40), e * e)], tolerance=0)


def test_infinities_stay_in_their_row_and_column() -> None:
    """What a vector holds behind an edge must not reach a sum."""
    for m, n, k in [(5, 17, 9), (1, 9, 21), (9, 1, 21)]:
        a, b = tensor("a", (m, k)), tensor("b", (n, k))
        x, y = np.ones((m, k), np.float32), np.ones((n, k), np.float32)
        x[0, 0] = np.inf
        expected = x @ y.T
        logarithm = ops.div(scalar(1, float32), b)
        product = ops.matmul(a, flipped(logarithm))
        kernel = compile_kernel(product, [a, b], [product], False)
        (got,) = run(kernel, [x, y], [product], False, True)
        assert_array_equal(got, expected)


def test_the_same_bits_every_time() -> None:
    a, b = tensor("a", (65, 130)), tensor("b", (130, 70))
    product = ops.matmul(a, b)
    arrays = [values(a.shape, float32, 1), values(b.shape, float32, 2)]
    texts, results = set(), []
    for _ in range(2):
        kernel = compile_kernel(product, [a, b], [product], False)
        texts.add(kernel.text)
        results.append(run(kernel, arrays, [product], False, True)[0])
    assert len(texts) == 1
    assert_array_equal(results[0], results[1])


def machine(bits: int) -> Target:
    registers = 32 if bits == 512 else 16
    return Target("x86_64-unknown-linux-gnu", "", "", bits, registers)


def contraction_of(m: int, n: int, k: int) -> tuple[Contraction, dict[Node, Buffer]]:
    a, b = tensor("a", (m, k)), tensor("b", (k, n))
    product = ops.matmul(a, b)
    buffers = {node: nowhere(node) for node in (a, b, product)}
    contraction = matmul_contraction(product)
    return replace(contraction, stores=((product, buffers[product]),)), buffers


def nowhere(node: Node) -> Buffer:
    return Buffer(Value("null", POINTER), row_major_strides(node.shape))


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_tiles_fit_the_registers(bits: int) -> None:
    target = machine(bits)
    for size in [(1000, 1000, 100), (7, 5, 3), (1, 1000, 8), (200, 10, 50)]:
        schedule = schedule_contraction(*contraction_of(*size), target)
        used = schedule.vectors * (schedule.rows + 1) + 1
        assert used <= target.vector_registers
        assert schedule.row_block % schedule.rows == 0
        assert schedule.column_block % schedule.width == 0


def test_tiles_divide_what_they_cover_where_that_is_cheap() -> None:
    rows, vectors = best_tile(24, 4, 500, 32)
    assert 24 % rows == 0
    assert 4 % vectors == 0
    assert best_tile(1, 100, 500, 32)[0] == 1
    assert best_tile(9, 3, 500, 32) == (9, 3)


def test_scratch_is_asked_for_and_needed() -> None:
    contraction, buffers = contraction_of(300, 500, 700)
    schedule = schedule_contraction(contraction, buffers, machine(256))
    assert scratch_bytes(contraction, schedule) % 64 == 0
    assert scratch_bytes(contraction, schedule) >= 500 * 700 * 4
    function = Module().function("kernel", [])
    with pytest.raises(ValueError, match="needs scratch memory"):
        emit_contraction(function, contraction, buffers, schedule)


def test_small_products_need_no_scratch() -> None:
    contraction, buffers = contraction_of(4, 10, 30)
    schedule = schedule_contraction(contraction, buffers, machine(512))
    assert scratch_bytes(contraction, schedule) == 0


def test_the_depth_is_in_blocks_where_sums_stay_in_the_cache() -> None:
    """Sums that wait for the rest cost little there, more in memory."""
    target = machine(512)
    near = schedule_contraction(*contraction_of(300, 400, 2048), target)
    far = schedule_contraction(*contraction_of(2000, 2000, 1000), target)
    assert near.depth_block < 2048
    assert near.depth_parts == 1
    assert far.depth_block == 1000


def test_what_passes_through_the_cache_pushes_out_what_is_read_in_place() -> None:
    target = machine(512)
    small, passing = contraction_of(40, 112, 700), contraction_of(400, 112, 700)
    assert schedule_contraction(*small, target).right == "in place"
    assert schedule_contraction(*passing, target).right == "by depth"


@pytest.mark.parametrize("bits", [256, 512])
def test_what_tiles_along_the_depth_read_again_is_near(bits: int) -> None:
    """From beyond the L1 cache vectors come slower than they are multiplied by a tall tile."""
    target = machine(bits)
    a, b = tensor("a", (256, 1024)), tensor("b", (256, 1024))
    product = ops.matmul(a, flipped(b))
    contraction = replace(matmul_contraction(product), stores=((product, nowhere(product)),))
    buffers = {node: nowhere(node) for node in (a, b, product)}
    assert not schedule_contraction(contraction, buffers, target).inner


def test_a_short_tile_reads_a_transposed_left_side_from_a_copy() -> None:
    for bits, packing in ((256, "by depth"), (512, "in place")):
        a, b = tensor("a", (300, 224)), tensor("b", (300, 256))
        product = ops.matmul(flipped(a), b)
        contraction = replace(matmul_contraction(product), stores=((product, nowhere(product)),))
        buffers = {node: nowhere(node) for node in (a, b, product)}
        assert schedule_contraction(contraction, buffers, machine(bits)).left == packing
