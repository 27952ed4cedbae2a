"""Pooling: values, derivatives, ties and padding, compiled code, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.errors import AttributeValueError, ShapeError
from graphc.ir.graph import topological
from graphc.ir.interpreter import evaluate

Array = np.ndarray[Any, Any]

CASES: dict[str, tuple[tuple[int, ...], dict[str, Any], tuple[tuple[int, int], ...]]] = {
    "1 axis": ((2, 3, 9), {"size": 2}, ((0, 0),)),
    "1 axis, overlapping": ((2, 3, 9), {"size": 3, "stride": 2}, ((0, 0),)),
    "1 axis, dilated": ((2, 1, 9), {"size": 3, "stride": 1, "dilation": 2}, ((0, 0),)),
    "2 axes": ((2, 3, 6, 8), {"size": 2}, ((0, 0),) * 2),
    "2 axes, some left over": ((2, 3, 7, 9), {"size": 2}, ((0, 0),) * 2),
    "2 axes, padded": ((2, 2, 7, 6), {"size": 3, "stride": 2, "padding": 1}, ((1, 1),) * 2),
    "2 axes, two sizes": ((2, 2, 7, 6), {"size": (3, 2), "stride": (1, 3)}, ((0, 0),) * 2),
    "2 axes, gaps": ((1, 2, 8, 7), {"size": 2, "stride": 3}, ((0, 0),) * 2),
    "3 axes, same": ((1, 2, 3, 4, 5), {"size": 2, "padding": "same"}, ((0, 1), (0, 0), (0, 1))),
    "no image": ((0, 2, 4, 4), {"size": 2}, ((0, 0),) * 2),
}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def windows_of(
    x: Array, size: Any, pairs: tuple[tuple[int, int], ...], fill: float, **options: Any
) -> Array:
    """Every window of padded images, its elements along the last axis."""
    rank = len(pairs)
    sizes = np.broadcast_to(size, rank)
    strides = np.broadcast_to(options.get("stride", size), rank)
    dilations = np.broadcast_to(options.get("dilation", 1), rank)
    x = np.pad(x, ((0, 0), (0, 0), *pairs), constant_values=fill)
    spans = [(n - 1) * d + 1 for n, d in zip(sizes, dilations, strict=True)]
    counts = [(n - s) // t + 1 for n, s, t in zip(x.shape[2:], spans, strides, strict=True)]
    result = np.zeros((*x.shape[:2], *counts, np.prod(sizes)), x.dtype)
    for place in np.ndindex(*counts):
        window = tuple(
            np.s_[o * t : o * t + s : d]
            for o, t, s, d in zip(place, strides, spans, dilations, strict=True)
        )
        cut = x[(np.s_[:], np.s_[:], *window)]
        result[(np.s_[:], np.s_[:], *place)] = cut.reshape(*x.shape[:2], result.shape[-1])
    return result


def check(y: gc.Tensor, x: gc.Tensor, image: Array, wanted: Array) -> None:
    """The value by both evaluators, and the gradient by both against differences."""
    (interpreted,) = evaluate([y.node], {x.node: image})
    np.testing.assert_allclose(interpreted, wanted, atol=1e-12)
    np.testing.assert_allclose(gc.compile([x], y)(image), wanted, atol=1e-12)
    rng = np.random.default_rng(2)
    seed, to = rng.normal(size=y.shape), rng.normal(size=x.shape)
    g = gc.input("g", y.shape, gc.float64)
    (d_x,) = gc.grad((y * g).sum(), [x])
    (gradient,) = evaluate([d_x.node], {x.node: image, g.node: seed})
    if not image.size:
        return
    needed = [each for each in (x, g) if each.node in topological([d_x.node])]
    arguments = {x: image, g: seed}
    compiled = gc.compile(needed, d_x)(*(arguments[each] for each in needed))
    np.testing.assert_allclose(compiled, gradient, atol=1e-12)
    step = 1e-6
    (ahead,) = evaluate([y.node], {x.node: image + step * to})
    (behind,) = evaluate([y.node], {x.node: image - step * to})
    slope = ((ahead - behind) * seed).sum() / (2 * step)
    np.testing.assert_allclose((gradient * to).sum(), slope, rtol=1e-6, atol=1e-6)


@every_case
def test_max_pool(case: Any) -> None:
    shape, options, pairs = case
    image = np.random.default_rng(0).permutation(np.arange(np.prod(shape))).reshape(shape) / 7
    x = gc.input("x", shape, gc.float64)
    wanted = windows_of(image, fill=-np.inf, pairs=pairs, **options).max(-1)
    check(gc.nn.max_pool(x, **options), x, image, wanted)


@every_case
@pytest.mark.parametrize("included", [True, False])
def test_avg_pool(case: Any, included: bool) -> None:
    shape, options, pairs = case
    image = np.random.default_rng(0).normal(size=shape)
    x = gc.input("x", shape, gc.float64)
    windows = windows_of(image, fill=0 if included else np.nan, pairs=pairs, **options)
    wanted = windows.mean(-1) if included else np.nanmean(windows, -1)
    check(gc.nn.avg_pool(x, count_include_pad=included, **options), x, image, wanted)


def test_ties_share_the_gradient() -> None:
    x = gc.input("x", (1, 1, 6))
    (d_x,) = gc.grad(gc.nn.max_pool(x, 3).sum(), [x])
    result = gc.compile([x], d_x)(np.array([[[2, 1, 2, 0, 0, 0]]], np.float32))
    np.testing.assert_allclose(result[0, 0], [0.5, 0, 0.5, 1 / 3, 1 / 3, 1 / 3])


def test_padding_is_never_largest() -> None:
    x = gc.input("x", (1, 1, 2))
    y = gc.nn.max_pool(x, 2, stride=1, padding=1)
    result = gc.compile([x], y)(np.array([[[-5, -7]]], np.float32))
    np.testing.assert_array_equal(result, [[[-5, -5, -7]]])
    whole = gc.input("n", (1, 1, 2), gc.int8)
    pooled = gc.compile([whole], gc.nn.max_pool(whole, 2, stride=1, padding=1))
    np.testing.assert_array_equal(pooled(np.array([[[-5, -128]]], np.int8)), [[[-5, -5, -128]]])


def test_a_nan_stays_in_its_windows() -> None:
    x = gc.input("x", (1, 1, 6))
    image = np.array([[[1, np.nan, 3, 4, 5, 6]]], np.float32)
    np.testing.assert_array_equal(gc.compile([x], gc.nn.max_pool(x, 2))(image), [[[np.nan, 4, 6]]])


def test_windows_that_do_not_overlap_are_not_summed() -> None:
    x = gc.input("x", (2, 3, 8, 8))
    (d_x,) = gc.grad((gc.nn.max_pool(x, 2) ** 2).sum(), [x])
    assert "skew" not in [node.op.name for node in topological([d_x.node])]


@pytest.mark.parametrize("size", [1, 2, (3, 4)])
def test_adaptive_avg_pool(size: Any) -> None:
    image = np.random.default_rng(0).normal(size=(2, 3, 6, 8))
    x = gc.input("x", image.shape, gc.float64)
    rows, columns = np.broadcast_to(size, 2)
    wanted = image.reshape(2, 3, rows, 6 // rows, columns, 8 // columns).mean((3, 5))
    check(gc.nn.adaptive_avg_pool(x, size), x, image, wanted)


def test_integers_are_averaged_in_f64() -> None:
    x = gc.input("x", (1, 1, 4), gc.int32)
    y = gc.nn.avg_pool(x, 2)
    assert y.dtype is gc.float64
    result = gc.compile([x], y)(np.array([[[1, 2, 3, 5]]], np.int32))
    np.testing.assert_array_equal(result, [[[1.5, 4]]])


def test_refusals() -> None:
    x = gc.input("x", (2, 3, 8, 8))
    with pytest.raises(ShapeError, match=r"test_pooling.py(.|\n)*which has 8 elements"):
        gc.nn.max_pool(x, 9)
    with pytest.raises(AttributeValueError, match="max_pool takes as size"):
        gc.nn.max_pool(x, 0)
    with pytest.raises(AttributeValueError, match="avg_pool takes as stride"):
        gc.nn.avg_pool(x, 2, stride=0)
    with pytest.raises(AttributeValueError, match="not negative"):
        gc.nn.avg_pool(x, 2, padding=-1)
    with pytest.raises(ShapeError, match="avg_pool takes images"):
        gc.nn.avg_pool(gc.input("x", (8, 8)), 2)
    with pytest.raises(ShapeError, match="cut axis 2 into 3 equal parts"):
        gc.nn.adaptive_avg_pool(x, 3)
