"""Special functions composed of ops, with their first and second derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
from numpy import inf, nan
from numpy.testing import assert_allclose, assert_array_equal

import graphc as gc
from graphc.errors import AttributeValueError

Array = np.ndarray[Any, Any]


def derivatives(function: Callable[..., gc.Tensor], *arrays: Array) -> list[Array]:
    """The value, and by each operand the first and second derivative, compiled."""
    operands = [gc.input(f"x{i}", array.shape, array.dtype) for i, array in enumerate(arrays)]
    value = function(*operands)
    results = [value]
    for operand in operands:
        first = gc.grad(value.sum(), operand)
        results += [first, gc.grad(first.sum(), operand)]
    return [np.array(result) for result in gc.compile(operands, results)(*arrays)]


PAIRS = (
    np.array([3.0, 0.0, 2.0, -1e4, 1e4, -inf, 0.5]),
    np.array([3.0, 0.0, 1.0, -1e4, -1e4, 1.0, -40.0]),
)


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
def test_sums_of_two_exponentials(name: str) -> None:
    x, y = PAIRS
    scale = 1.0 if name == "logaddexp" else np.log(2.0)
    value, by_x, by_x_twice, by_y, by_y_twice = derivatives(getattr(gc, name), x, y)
    assert_allclose(value, getattr(np, name)(x, y), 1e-15)
    share = scipy.special.expit(scale * (x - y))
    assert_allclose(by_x, share, 1e-13, 1e-16)
    assert_allclose(by_y, scipy.special.expit(scale * (y - x)), 1e-13, 1e-16)
    assert_allclose(by_x_twice, scale * share * (1 - share), 1e-13, 1e-15)
    assert_allclose(by_y_twice, by_x_twice, 1e-13, 1e-15)


@pytest.mark.parametrize("name", ["logaddexp", "logaddexp2"])
def test_sums_of_two_exponentials_of_infinities(name: str) -> None:
    x = np.array([-inf, inf, inf, -inf, nan, 1.0, nan])
    y = np.array([-inf, inf, -inf, 2.0, 1.0, nan, inf])
    value, *rest = derivatives(getattr(gc, name), x, y)
    assert_array_equal(value, [-inf, inf, inf, 2, nan, nan, nan])
    assert np.isfinite(np.array(rest)[:, :4]).all()


def test_softplus_of_large_arguments() -> None:
    x = np.array([0.0, 1e4, -1e4, -40.0, 40.0, inf, -inf])
    value, first, second = derivatives(gc.softplus, x)
    assert_allclose(value, np.logaddexp(0, x), 1e-15)
    assert_allclose(first, scipy.special.expit(x), 1e-15)
    assert_allclose(second, scipy.special.expit(x) * scipy.special.expit(-x), 1e-15)
    assert_allclose(derivatives(lambda x: gc.softplus(x, 3), x)[0], np.logaddexp(0, 3 * x) / 3)


def test_log_sigmoid_of_large_arguments() -> None:
    x = np.array([0.0, 1e4, -1e4, -40.0, 40.0, inf, -inf])
    value, first, _ = derivatives(gc.log_sigmoid, x)
    assert_allclose(value, scipy.special.log_expit(x), 1e-15)
    assert_allclose(first, scipy.special.expit(-x), 1e-15)


def test_sinc_and_its_derivatives() -> None:
    x = np.array([0.0, -0.0, 1e-9, 1e-3, 0.25, 0.4999999, 0.5, 0.500001, 1.5, 7.25, -123.375])
    with mpmath.workprec(200):
        exact = [
            [float(mpmath.diff(lambda t: mpmath.sincpi(t), each, order)) for each in map(float, x)]
            for order in range(3)
        ]
    for found, expected in zip(derivatives(gc.sinc, x), exact, strict=True):
        assert_allclose(found, expected, 4e-15, 1e-24)


def test_sinc_of_whole_numbers_is_zero() -> None:
    value, first, _ = derivatives(gc.sinc, np.array([1.0, -2.0, 3.0, 2.0**60]))
    assert_array_equal(value, 0)
    assert_allclose(first, [-1, -0.5, -1 / 3, 2.0**-60], 1e-15)


def test_logit() -> None:
    x = np.array([1e-300, 1e-3, 0.25, 0.4999999, 0.5, 0.75, 0.999])
    value, first, _ = derivatives(gc.logit, x)
    with mpmath.workprec(200):
        exact = [float(mpmath.log(mpmath.mpf(each) / (1 - mpmath.mpf(each)))) for each in x]
    assert_allclose(value, exact, 1e-15)
    assert_allclose(first, 1 / (x * (1 - x)), 1e-14)
    edges = derivatives(gc.logit, np.array([0.0, 1.0, -0.5, 1.5, nan]))[:2]
    assert_array_equal(edges[0], [-inf, inf, nan, nan, nan])
    assert_array_equal(edges[1][:2], [inf, inf])


def test_entr() -> None:
    x = np.array([0.0, 1e-300, 0.1, 1.0, 2.0, -1.0, nan])
    value, first, _ = derivatives(gc.entr, x)
    assert_allclose(value, scipy.special.entr(x), 1e-15)
    assert_allclose(first[:5], [0, *(-np.log(x[1:5]) - 1)], 1e-15)


def test_xlogy() -> None:
    x = np.array([0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0, nan])
    y = np.array([0.0, 2.0, inf, -1.0, 0.0, 3.0, nan, 1.0])
    value, by_x, _, by_y, _ = derivatives(gc.xlogy, x, y)
    assert_allclose(value, scipy.special.xlogy(x, y), 1e-15)
    assert_allclose(by_x[:6], [0, np.log(2), 0, 0, -inf, np.log(3)], 1e-15)
    assert_allclose(by_y[:6], [0, 0, 0, 0, inf, 2 / 3], 1e-15)


@pytest.mark.parametrize("order", range(5))
def test_polygamma(order: int) -> None:
    x = np.array([0.25, 1.5, 3.0, 40.0, -0.75])
    value, first, _ = derivatives(lambda x: gc.polygamma(order, x), x)
    with mpmath.workprec(100):
        exact = [
            [float(mpmath.polygamma(order + more, float(each))) for each in x] for more in (0, 1)
        ]
    assert_allclose(value, exact[0], 1e-14)
    assert_allclose(first, exact[1], 1e-14)


def test_polygamma_of_an_order_there_is_not() -> None:
    with pytest.raises(AttributeValueError, match="order is from 1 to 30"):
        gc.polygamma(-1, gc.input("x", 3))
