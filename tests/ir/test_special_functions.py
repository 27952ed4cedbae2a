"""The special functions that NumPy lacks, against arbitrary precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy import inf, nan

from graphc.ir import special_functions
from graphc.ir.op import Array

CASES: list[tuple[str, Callable[..., Any], float, float]] = [
    ("erfc", mpmath.erfc, -3, 26),
    ("erfc", mpmath.erfc, 0.9, 1.1),
    ("erfinv", mpmath.erfinv, -1, 1),
    ("erfinv", mpmath.erfinv, 0.999999, 1),
    ("lgamma", mpmath.loggamma, 0, 4),
    ("lgamma", mpmath.loggamma, 4, 1e6),
    ("lgamma", lambda x: mpmath.log(abs(mpmath.gamma(x))), -2, 0),
    ("digamma", mpmath.digamma, 0, 4),
    ("digamma", mpmath.digamma, 1.4616, 1.4617),
    ("digamma", mpmath.digamma, 4, 1e6),
]


def exact(function: Callable[..., Any], x: Array) -> Array:
    with mpmath.workprec(150):
        return np.array([float(function(mpmath.mpf(float(each)))) for each in x])


@pytest.mark.parametrize(("name", "function", "low", "high"), CASES)
def test_within_an_ulp(name: str, function: Callable[..., Any], low: float, high: float) -> None:
    x = np.random.default_rng(0).uniform(low, high, 200)
    got = getattr(special_functions, name)(x)
    assert got.dtype == np.float64
    np.testing.assert_array_max_ulp(got, exact(function, x), 1)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 9, 30])
def test_polygamma_within_two_ulp(order: int) -> None:
    generator = np.random.default_rng(order)
    x = np.concatenate([generator.uniform(0.05, 20, 50), 2.0 ** generator.uniform(-9, 20, 50)])
    got = special_functions.polygamma(x, order)
    expected = exact(lambda each: mpmath.polygamma(order, each), x)
    np.testing.assert_array_max_ulp(got, expected, 2)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_polygamma_of_negative_numbers(order: int) -> None:
    x = np.random.default_rng(order).uniform(-9, 0, 60)
    expected = exact(lambda each: mpmath.polygamma(order, each), x)
    np.testing.assert_allclose(special_functions.polygamma(x, order), expected, 1e-14)


def test_special_values() -> None:
    x = np.array([0.0, -0.0, 1, -1, 2, -2, inf, -inf, nan])
    for name, expected in {
        "erfc": [1, 1, 0.15729920705028513, 1.8427007929497148, 0.004677734981047266],
        "erfinv": [0.0, -0.0, inf, -inf, nan, nan, nan, nan, nan],
        "lgamma": [inf, inf, 0, inf, 0, inf, inf, inf, nan],
        "digamma": [-inf, inf, -0.5772156649015329, nan, 0.42278433509846713, nan, inf, nan, nan],
    }.items():
        got = getattr(special_functions, name)(x)[: len(expected)]
        np.testing.assert_array_equal(got, expected, name)
    np.testing.assert_array_equal(
        special_functions.polygamma(x, 2)[[0, 1, 3, 6, 8]], [-inf, inf, nan, 0, nan]
    )
    np.testing.assert_array_equal(special_functions.erfc(np.array([inf, -inf, nan])), [0, 2, nan])


def test_bernoulli_numbers() -> None:
    for n in range(0, 20, 2):
        assert mpmath.almosteq(
            mpmath.bernoulli(n), mpmath.mpf(float(special_functions.bernoulli(n)))
        )
