"""Attention in blocks: against the dense form in values and derivatives, and in memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.nn.attention_in_blocks import attention_in_blocks
from tests.codegen.running import check

Array = np.ndarray[Any, Any]
BLOCK = (4, 6)
dense = gc.nn.scaled_dot_product_attention


def blocked(
    q: gc.Tensor, k: gc.Tensor, v: gc.Tensor, mask: gc.Tensor | None = None, *, causal: bool = False
) -> gc.Tensor:
    scale = 1 / math.sqrt(q.shape[-1])
    return attention_in_blocks(q, k, v, mask, causal=causal, scale=scale, block=BLOCK)


def drawn(*shapes: tuple[int, ...], dtype: str = "float64") -> list[Array]:
    rng = np.random.default_rng(5)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def both(arrays: list[Array], mask: Array | None = None, *, causal: bool = False) -> Any:
    """Value and gradients of a loss, in blocks and dense."""
    found = []
    for attend in (blocked, dense):
        q, k, v = inputs = [
            gc.input(n, a.shape, a.dtype) for n, a in zip("qkv", arrays, strict=True)
        ]
        y = attend(q, k, v, None if mask is None else gc.const(mask), causal=causal)
        weights = np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype.numpy)
        gradients = gc.grad((y * weights).sum(), inputs)
        found.append(gc.compile(inputs, [y, *gradients])(*arrays))
    return found


def assert_same(found: Any, expected: Any, tolerance: float = 1e-11) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    ("queries", "keys", "causal"),
    [
        (1, 1, True),
        (4, 6, False),
        (8, 12, True),
        (5, 7, False),
        (13, 11, True),
        (11, 29, False),
        (17, 3, False),
        (3, 18, True),
    ],
)
def test_sizes(queries: int, keys: int, causal: bool) -> None:
    arrays = drawn((2, queries, 3), (2, keys, 3), (2, keys, 5))
    assert_same(*both(arrays, causal=causal))


@pytest.mark.parametrize(
    ("shape", "causal"),
    [
        ((1, 1, 9, 13), True),
        ((1, 1, 1, 13), False),
        ((1, 1, 9, 1), False),
        ((2, 1, 1, 13), True),
        ((1, 3, 9, 13), False),
        ((2, 3, 1, 13), False),
        ((1, 1, 1, 1), False),
    ],
)
def test_masks(shape: tuple[int, ...], causal: bool) -> None:
    arrays = drawn((2, 3, 9, 4), (2, 3, 13, 4), (2, 3, 13, 4))
    mask = np.asarray(np.random.default_rng(1).random(shape) < 0.6)
    assert_same(*both(arrays, mask, causal=causal))


def test_repeated_matrices() -> None:
    arrays = drawn((2, 3, 9, 4), (2, 1, 13, 4), (1, 1, 13, 2))
    assert_same(*both(arrays))


def test_matrices_alone() -> None:
    assert_same(*both(drawn((9, 4), (13, 4), (13, 2))))


def test_nothing_seen_is_zero() -> None:
    mask = np.ones((9, 13), bool)
    mask[[0, 5]] = False
    value, *gradients = both(drawn((9, 4), (13, 4), (13, 2)), mask)[0]
    assert not value[[0, 5]].any()
    assert not gradients[0][[0, 5]].any()
    assert all(np.isfinite(each).all() for each in gradients)


def test_large_scores_do_not_overflow() -> None:
    arrays = [1000 * each for each in drawn((9, 4), (13, 4), (13, 2), dtype="float32")]
    found, expected = both(arrays)
    assert_same([found[0]], [expected[0]], 1e-4)
    assert all(np.isfinite(each).all() for each in found)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_key_that_is_no_number_spoils_those_that_see_it(bad: float) -> None:
    q, k, v = (np.abs(each) for each in drawn((9, 4), (13, 4), (13, 2)))
    k[7] = bad
    found, expected = both([q, k, v], causal=True)
    assert np.isnan(found[0][7:]).all()
    assert_same([found[0][:7]], [expected[0][:7]])


@pytest.mark.parametrize("dtype", [gc.float16, gc.bfloat16])
def test_half(dtype: Any) -> None:
    arrays = drawn((9, 4), (13, 4), (13, 2), dtype="float32")
    found = []
    for of in (gc.float32, dtype):
        q, k, v = inputs = [gc.input(n, a.shape) for n, a in zip("qkv", arrays, strict=True)]
        y = blocked(*(gc.asarray(each).astype(of) for each in (q, k, v)))
        assert y.dtype is of
        y = y.astype(gc.float32)
        found.append(gc.compile(inputs, [y, *gc.grad((y * y).sum(), inputs)])(*arrays))
    assert_same(found[0], found[1], 0.05)


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_further_derivatives(causal: bool) -> None:
    arrays = drawn((5, 3), (7, 3), (7, 2))
    found = []
    for attend in (blocked, dense):
        q, k, v = inputs = [
            gc.input(n, a.shape, gc.float64) for n, a in zip("qkv", arrays, strict=True)
        ]
        y = attend(q, k, v, causal=causal)
        moved = gc.jvp(y, inputs, [v[:5, :1] * q, k * 2, v + 1])
        gradients = gc.grad((y * y).sum(), inputs)
        second = gc.grad(sum((each * each).sum() for each in gradients), inputs)
        found.append(gc.compile(inputs, [moved, *second])(*arrays))
    assert_same(found[0], found[1], 1e-9)


def test_vmap() -> None:
    arrays = drawn((3, 9, 4), (3, 13, 4), (13, 2))
    found = []
    for attend in (blocked, dense):
        q, k, v = inputs = [
            gc.input(n, a.shape, gc.float64) for n, a in zip("qkv", arrays, strict=True)
        ]
        y = gc.vmap(lambda q, k, v, f=attend: f(q, k, v, causal=True), (0, 0, None))(q, k, v)
        found.append(gc.compile(inputs, [y, *gc.grad((y * y).sum(), inputs)])(*arrays))
    assert_same(*found)


def test_nothing_outside_is_touched() -> None:
    arrays = dict(zip("qkv", drawn((9, 4), (13, 4), (13, 2), dtype="float32"), strict=True))
    inputs = [gc.input(name, array.shape) for name, array in arrays.items()]
    y = blocked(*inputs, causal=True)
    check(gc.build_graph(inputs, [y, *gc.grad((y * y).sum(), inputs)]), arrays, rtol=1e-4)


def workspace(length: int, heads: int = 8) -> int:
    q, k, v = inputs = [gc.input(name, (1, heads, length, 64)) for name in "qkv"]
    y = gc.nn.scaled_dot_product_attention(q, k, v, causal=True)
    step = gc.compile(inputs, [y, *gc.grad((y * y).sum(), inputs)])
    return step.artifact.manifest.workspace_bytes


def test_memory_grows_with_the_length_and_not_with_its_square() -> None:
    one, two = workspace(2048), workspace(4096)
    assert two < 2.1 * one
    rows = 8 * 4096 * 64 * 4
    assert two < 9 * rows


def test_few_scores_are_three_ops() -> None:
    q, k, v = inputs = [gc.input(name, (8, 4, 64, 64)) for name in "qkv"]
    attend = gc.nn.scaled_dot_product_attention
    assert "scan" not in str(gc.build_graph(inputs, attend(q, k, v)))
    one_query = gc.input("query", (8, 4, 1, 64))
    assert "scan" not in str(gc.build_graph([one_query, k, v], attend(one_query, k, v)))


def test_the_adjoint_of_keys_is_a_product_as_they_lie() -> None:
    q, k, v = inputs = [gc.input(name, (4, 8, 6)) for name in "qkv"]
    d_k = gc.grad((gc.nn.scaled_dot_product_attention(q, k, v) ** 2).sum(), k)
    fused = gc.compile(inputs, d_k).ir("fused")
    assert fused.rstrip("}\n ").endswith("# matrix product")
