"""Convolution and its transpose: values, derivatives of both orders, compiled code, refusals."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.signal

import graphc as gc
from graphc.errors import AttributeValueError, ShapeError
from graphc.ir.graph import topological

Array = np.ndarray[Any, Any]
Pairs = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Case:
    """A convolution; `pairs` is what its padding means."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    pairs: Pairs
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    padding: Any = None

    @property
    def options(self) -> dict[str, Any]:
        rank = len(self.pairs)
        return {
            "stride": self.stride or (1,) * rank,
            "dilation": self.dilation or (1,) * rank,
            "groups": self.groups,
            "padding": self.pairs if self.padding is None else self.padding,
        }

    def arrays(self) -> tuple[Array, Array]:
        rng = np.random.default_rng(3)
        return rng.normal(size=self.x), rng.normal(size=self.w)

    def inputs(self) -> tuple[gc.Tensor, gc.Tensor]:
        return gc.input("x", self.x, gc.float64), gc.input("w", self.w, gc.float64)


NONE = ((0, 0),) * 2

CASES = {
    "1 axis": Case((2, 3, 11), (4, 3, 3), ((0, 0),)),
    "1 axis, stride 2, pads 1": Case((2, 3, 11), (4, 3, 3), ((1, 1),), stride=(2,)),
    "1 axis, stride 3, kernel 5": Case((1, 2, 17), (3, 2, 5), ((2, 0),), stride=(3,)),
    "1 axis, stride beyond the kernel": Case((2, 1, 13), (2, 1, 2), ((0, 1),), stride=(5,)),
    "1 axis, dilated": Case((2, 3, 13), (4, 3, 3), ((2, 2),), dilation=(3,)),
    "1 axis, dilated, stride 2": Case((2, 3, 13), (4, 3, 3), ((2, 2),), (2,), (3,)),
    "1 axis, whole kernel": Case((3, 2, 7), (5, 2, 7), ((0, 0),)),
    "2 axes": Case((2, 3, 7, 9), (4, 3, 3, 2), NONE),
    "2 axes, stride 2": Case((2, 3, 7, 9), (4, 3, 3, 3), NONE, (2, 2)),
    "2 axes, strides and pads": Case((2, 3, 7, 6), (4, 3, 3, 2), ((1, 2), (0, 1)), (2, 3)),
    "2 axes, mixed": Case((1, 2, 9, 8), (2, 2, 3, 3), ((1, 1), (2, 0)), (2, 3), (2, 1)),
    "2 axes, groups": Case((2, 4, 6, 5), (6, 2, 3, 3), ((1, 1),) * 2, groups=2),
    "2 axes, a group a channel": Case((2, 3, 6, 5), (6, 1, 2, 3), NONE, (2, 1), groups=3),
    "2 axes, 1x1": Case((2, 3, 5, 4), (7, 3, 1, 1), NONE),
    "2 axes, 1x1, groups, stride": Case((2, 4, 5, 4), (6, 2, 1, 1), NONE, (2, 3), groups=2),
    "2 axes, 1x1, pads": Case((1, 3, 2, 4), (2, 3, 1, 1), ((1, 0), (0, 2))),
    "2 axes, 1x3": Case((2, 3, 5, 6), (2, 3, 1, 3), ((0, 0), (1, 1)), (2, 2)),
    "2 axes, one channel": Case((3, 1, 5, 5), (1, 1, 3, 3), NONE),
    "2 axes, no image": Case((0, 3, 5, 5), (2, 3, 3, 3), NONE, (2, 1)),
    "same": Case((2, 3, 7, 8), (4, 3, 3, 4), ((1, 1), (1, 2)), padding="same"),
    "same, stride 2": Case((2, 3, 7, 8), (4, 3, 3, 3), ((1, 1), (0, 1)), (2, 2), padding="same"),
    "valid": Case((2, 3, 7, 8), (4, 3, 3, 4), NONE, padding="valid"),
    "one padding": Case((2, 3, 4, 4), (4, 3, 3, 3), ((2, 2),) * 2, padding=2),
    "a padding an axis": Case((1, 2, 4, 4), (2, 2, 3, 3), ((2, 2), (1, 1)), padding=(2, 1)),
    "2 axes, larger": Case((3, 17, 19, 23), (37, 17, 3, 3), ((1, 1),) * 2),
    "3 axes": Case((2, 2, 4, 5, 3), (3, 2, 2, 3, 2), ((0, 0),) * 3),
    "3 axes, strides": Case((1, 2, 5, 4, 6), (4, 1, 3, 2, 2), ((1, 1),) * 3, (2, 1, 2), groups=2),
}

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def correlated(
    x: Array, w: Array, pairs: Pairs, stride: Sequence[int], dilation: Sequence[int], groups: int
) -> Array:
    """Convolution as it is defined, position by position."""
    x = np.pad(x, ((0, 0), (0, 0), *pairs))
    spans = [(n - 1) * d + 1 for n, d in zip(w.shape[2:], dilation, strict=True)]
    counts = [(n - s) // t + 1 for n, s, t in zip(x.shape[2:], spans, stride, strict=True)]
    result = np.zeros((len(x), len(w), *counts))
    outputs, inputs = len(w) // groups, w.shape[1]
    for group, place in itertools.product(range(groups), np.ndindex(*counts)):
        window = tuple(
            np.s_[o * t : o * t + s : d]
            for o, t, s, d in zip(place, stride, spans, dilation, strict=True)
        )
        chosen = x[(np.s_[:], np.s_[group * inputs : (group + 1) * inputs], *window)]
        part = np.s_[group * outputs : (group + 1) * outputs]
        result[(np.s_[:], part, *place)] = np.tensordot(
            chosen, w[part], (range(1, chosen.ndim), range(1, w.ndim))
        )
    return result


def compiled(given: dict[gc.Tensor, Array], *outputs: gc.Tensor) -> tuple[Array, ...]:
    """The outputs by compiled code, which takes only the inputs that they depend on."""
    needed = set(topological([output.node for output in outputs]))
    inputs = [each for each in given if each.node in needed]
    results = gc.compile(inputs, outputs)(*(given[each] for each in inputs))
    return tuple(results)


def expected(case: Case, x: Array, w: Array) -> Array:
    options = case.options
    return correlated(x, w, case.pairs, options["stride"], options["dilation"], case.groups)


@every_case
def test_convolution(case: Case, value: Any) -> None:
    x, w = case.inputs()
    arrays = case.arrays()
    y = gc.nn.conv(x, w, **case.options)
    wanted = expected(case, *arrays)
    np.testing.assert_allclose(value(y, dict(zip((x, w), arrays, strict=True))), wanted, atol=1e-12)
    (result,) = compiled(dict(zip((x, w), arrays, strict=True)), y)
    np.testing.assert_allclose(result, wanted, atol=1e-12)


@pytest.mark.parametrize("shape", [(9,), (6, 7), (4, 5, 6)])
def test_convolution_is_scipys_correlation(shape: tuple[int, ...], value: Any) -> None:
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=shape), rng.normal(size=(3,) * len(shape))
    x, w = gc.input("x", (1, 1, *shape), gc.float64), gc.const(kernel[None, None])
    for padding in ("valid", "same"):
        y = value(gc.nn.conv(x, w, padding=padding), {x: image[None, None]})
        np.testing.assert_allclose(y[0, 0], scipy.signal.correlate(image, kernel, padding))


@every_case
def test_gradients_agree_with_the_transpose_and_with_differences(case: Case) -> None:
    """Convolution is linear in each operand, so differences are exact up to rounding."""
    x, w = case.inputs()
    arrays = case.arrays()
    y = gc.nn.conv(x, w, **case.options)
    g = gc.input("g", y.shape, gc.float64)
    d_x, d_w = gc.grad((y * g).sum(), [x, w])
    rng = np.random.default_rng(5)
    seed, to_x, to_w = (rng.normal(size=s) for s in (y.shape, x.shape, w.shape))
    given = dict(zip((x, w, g), (*arrays, seed), strict=True))
    got_x, got_w = compiled(given, d_x, d_w)
    np.testing.assert_allclose(
        (got_x * to_x).sum(), (expected(case, to_x, arrays[1]) * seed).sum(), atol=1e-9
    )
    np.testing.assert_allclose(
        (got_w * to_w).sum(), (expected(case, arrays[0], to_w) * seed).sum(), atol=1e-9
    )


def transposed(case: Case, g: gc.Tensor, w: gc.Tensor) -> gc.Tensor:
    """`conv_transpose` of the case's convolution, to exactly the size of its image."""
    options = dict(case.options, padding=case.pairs)
    counts = zip(g.shape[2:], options["stride"], case.w[2:], options["dilation"], strict=True)
    smallest = [(n - 1) * s + (k - 1) * d + 1 for n, s, k, d in counts]
    extra = [
        size + sum(pair) - least
        for size, pair, least in zip(case.x[2:], case.pairs, smallest, strict=True)
    ]
    return gc.nn.conv_transpose(g, w, output_padding=extra, **options)


@every_case
def test_transposed_convolution_is_the_gradient(case: Case) -> None:
    x, w = case.inputs()
    image, kernel = case.arrays()
    y = gc.nn.conv(x, w, **case.options)
    g = gc.input("g", y.shape, gc.float64)
    z = transposed(case, g, w)
    assert z.shape == x.shape
    seed = np.random.default_rng(5).normal(size=y.shape)
    (d_x,) = gc.grad((y * g).sum(), [x])
    got, gradient = compiled({x: image, w: kernel, g: seed}, z, d_x)
    np.testing.assert_allclose(got, gradient, atol=1e-12)


@every_case
def test_gradients_of_transposed_convolution(case: Case) -> None:
    x, w = case.inputs()
    image, kernel = case.arrays()
    shape = expected(case, image, kernel).shape
    g = gc.input("g", shape, gc.float64)
    seed = np.asarray(np.random.default_rng(5).normal(size=shape))
    d_g, d_w = gc.grad((transposed(case, g, w) * x).sum(), [g, w])
    got_g, got_w = compiled({g: seed, w: kernel, x: image}, d_g, d_w)
    np.testing.assert_allclose(got_g, expected(case, image, kernel), atol=1e-10)
    to_w = np.random.default_rng(6).normal(size=w.shape)
    np.testing.assert_allclose(
        (got_w * to_w).sum(), (expected(case, image, to_w) * seed).sum(), atol=1e-9
    )


@pytest.mark.parametrize(
    "name",
    [
        "1 axis, stride 3, kernel 5",
        "1 axis, stride beyond the kernel",
        "1 axis, dilated, stride 2",
        "2 axes, strides and pads",
        "2 axes, mixed",
        "2 axes, groups",
        "2 axes, 1x1, groups, stride",
        "2 axes, no image",
    ],
)
def test_second_order(name: str, value: Any) -> None:
    """The gradient of a gradient's product with a vector, against differences of the gradient."""
    case = CASES[name]
    x, w = case.inputs()
    arrays = case.arrays()
    y = gc.nn.conv(x, w, **case.options)
    first = gc.grad((gc.sin(y) * y).sum(), [x, w])
    rng = np.random.default_rng(5)
    to = [rng.normal(size=each.shape) for each in (x, w)]
    slope = sum((d * v).sum() for d, v in zip(first, to, strict=True))
    second = gc.grad(slope, [x, w])
    given = dict(zip((x, w), arrays, strict=True))
    step = 1e-5
    ahead, behind = (
        compiled({s: a + sign * v for s, a, v in zip((x, w), arrays, to, strict=True)}, *first)
        for sign in (step, -step)
    )
    results = compiled(given, *second)
    for result, node, up, down in zip(results, second, ahead, behind, strict=True):
        np.testing.assert_allclose(result, value(node, given), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(result, (up - down) / (2 * step), rtol=1e-5, atol=1e-5)


def ops_of(*tensors: gc.Tensor) -> list[str]:
    return [node.op.name for node in topological([tensor.node for tensor in tensors])]


def test_derivatives_are_products_and_a_fold() -> None:
    x, w = gc.input("x", (8, 3, 16, 16)), gc.input("w", (4, 3, 3, 3))
    y = gc.nn.conv(x, w, padding=1)
    assert ops_of(y).count("contract") == 1
    (d_w,) = gc.grad((y * y).sum(), [w])
    assert ops_of(d_w).count("contract") == 2
    assert "skew" not in ops_of(d_w)
    (d_x,) = gc.grad((y * y).sum(), [x])
    assert ops_of(d_x).count("contract") == 2
    assert ops_of(d_x).count("skew") == 1
    step = gc.compile([x, w], d_x)
    stored = [kernel.writes for kernel in step.compilation.kernels]
    largest = max(node.type.size for nodes in stored for node in nodes)
    assert largest <= 8 * 4 * 18 * 18


def test_kernels_of_one_element_make_no_windows() -> None:
    x, w = gc.input("x", (8, 3, 16, 16)), gc.input("w", (4, 3, 1, 1))
    y = gc.nn.conv(x, w, stride=2)
    d_x, d_w = gc.grad((y * y).sum(), [x, w])
    assert "windows" not in ops_of(y, d_x, d_w)
    z = gc.nn.conv_transpose(y, gc.input("v", (4, 2, 1, 1)))
    assert "windows" not in ops_of(z)


def test_names_by_rank() -> None:
    for rank, named in enumerate((gc.nn.conv1d, gc.nn.conv2d, gc.nn.conv3d), start=1):
        x, w = gc.input("x", (2, 3, *(7,) * rank)), gc.input("w", (4, 3, *(3,) * rank))
        assert named(x, w, 2, 1).shape == gc.nn.conv(x, w, 2, 1).shape == (2, 4, *(4,) * rank)
        with pytest.raises(ShapeError, match=f"conv{rank}d takes images"):
            named(gc.input("x", (2, 3, *(7,) * (rank + 1))), w)


def test_dtypes_are_those_of_a_matrix_product() -> None:
    x = gc.input("x", (1, 2, 5), gc.float64)
    w = gc.const(np.ones((3, 2, 2), np.float32))
    assert gc.nn.conv(x, w).dtype is gc.float64
    whole = gc.input("n", (1, 2, 5), gc.int32)
    y = gc.nn.conv(whole, gc.const(np.ones((3, 2, 2), np.int32)))
    assert y.dtype is gc.int32
    image = np.arange(10, dtype=np.int32).reshape(1, 2, 5)
    result = gc.compile([whole], y)(image)
    np.testing.assert_array_equal(
        result, correlated(image, np.ones((3, 2, 2)), ((0, 0),), [1], [1], 1)
    )


REFUSED: dict[str, tuple[type[Exception], Any, Any, dict[str, Any], str]] = {
    "rank of x": (ShapeError, (3, 8, 8), (4, 3, 3), {}, "conv takes images|needs kernels"),
    "rank of x too small": (ShapeError, (3, 8), (4, 3), {}, "conv takes images"),
    "rank of w": (ShapeError, (2, 3, 8, 8), (4, 3, 3), {}, "as many axes as the image"),
    "empty kernel": (ShapeError, (2, 3, 8), (4, 3, 0), {}, "none of them empty"),
    "channels": (ShapeError, (2, 3, 8), (4, 2, 3), {}, "kernels for 3 / 1 channels"),
    "groups and channels": (ShapeError, (2, 3, 8), (4, 1, 3), {"groups": 2}, "cut 3 channels"),
    "groups and outputs": (ShapeError, (2, 4, 8), (3, 2, 3), {"groups": 2}, "cut 3 outputs"),
    "no groups": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"groups": 0}, "number of groups"),
    "kernel": (ShapeError, (2, 3, 4), (4, 3, 7), {"padding": 1}, "one window of 7"),
    "dilated kernel": (ShapeError, (2, 3, 4), (4, 3, 3), {"dilation": 2}, "one window of 5"),
    "stride 0": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"stride": 0}, "as stride a whole"),
    "strides": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"stride": (1, 2)}, "as stride"),
    "stride of 1.5": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"stride": 1.5}, "as stride"),
    "dilation 0": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"dilation": 0}, "as dilation"),
    "negative": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"padding": -1}, "not negative"),
    "pair": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"padding": (1, 2)}, "pair for each"),
    "triple": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"padding": ((1, 2, 3),)}, "a pair"),
    "word": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"padding": "full"}, '"valid", "same"'),
    "padding": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"padding": None}, "not negative"),
    "padding of 0.5": (AttributeValueError, (2, 3, 8), (4, 3, 3), {"padding": 0.5}, "not negative"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_name_the_line(name: str) -> None:
    error, x_shape, w_shape, options, message = REFUSED[name]
    x, w = gc.input("x", x_shape), gc.input("w", w_shape)
    with pytest.raises(error, match=message) as caught:
        gc.nn.conv(x, w, **options)
    assert "test_convolution.py" in str(caught.value)


def test_refusals_of_transposed_convolution() -> None:
    x, w = gc.input("x", (2, 4, 5)), gc.input("w", (4, 3, 3))
    with pytest.raises(ShapeError, match="needs kernels for 4 channels"):
        gc.nn.conv_transpose(x, gc.input("w", (3, 4, 3)))
    with pytest.raises(AttributeValueError, match="output_padding smaller than"):
        gc.nn.conv_transpose(x, w, stride=2, output_padding=2)
    with pytest.raises(ShapeError, match="cuts off more than there is"):
        gc.nn.conv_transpose(x, w, padding=4)
    with pytest.raises(ShapeError, match="cut 4 channels"):
        gc.nn.conv_transpose(x, w, groups=3)
    assert gc.nn.conv_transpose(x, w, stride=3, padding="same").shape == (2, 3, 15)
