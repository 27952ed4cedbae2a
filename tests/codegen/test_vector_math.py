"""The elementary functions: accuracy over all exponents, special values, and the code they are."""

from __future__ import annotations

import re
from functools import cache

import mpmath
import numpy as np
import pytest
from numpy import inf, nan, pi

from benchmarks.accuracy import (
    BINARY,
    REFERENCES,
    Array,
    Compiled,
    bit_patterns,
    compile_function,
    errors,
    samples,
    ulp_errors,
    without_avx512,
)
from graphc.codegen.target import host_target
from graphc.ir.types import FLOATS, DType, float32, float64

FUNCTIONS = sorted(REFERENCES)
UNARY = [name for name in FUNCTIONS if name not in BINARY]
PERIODIC = ("sin", "cos", "tan")
BY_LOOKUP = ("erf", "exp", "log", "log2", "log10", "pow", "sigmoid", "tanh")
"""Those that have other code for AVX-512."""

LANES = (1, 4, 8, 16)
MOST_ULP = {"pow": 4, "lgamma": 4}
"""Where it is more than 2."""

each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_dtype = pytest.mark.parametrize("dtype", FLOATS, ids=str)

compiled_function = cache(compile_function)


def widest(name: str, dtype: DType) -> Compiled:
    return compiled_function(name, dtype, host_target().lanes(dtype.bytes))


def worst(compiled: Compiled, *operands: Array) -> float:
    return float(errors(compiled, *operands).max())


def assert_same_bits(got: Array, expected: Array) -> None:
    """Equal to the bit, but for the payload of NaN."""
    unsigned = f"u{got.dtype.itemsize}"
    canonical = [np.where(np.isnan(a), np.array(nan, a.dtype), a) for a in (got, expected)]
    np.testing.assert_array_equal(canonical[0].view(unsigned), canonical[1].view(unsigned))


@each_dtype
@each_function
def test_error_is_a_few_ulp_over_all_exponents(name: str, dtype: DType) -> None:
    count = 60_000 if dtype is float32 else 20_000
    with np.errstate(all="ignore"):
        operands = samples(name, dtype, count)
    assert worst(widest(name, dtype), *operands) <= MOST_ULP.get(name, 2)


@each_dtype
@pytest.mark.parametrize("name", BY_LOOKUP)
def test_code_without_avx512(name: str, dtype: DType) -> None:
    compiled = compiled_function(name, dtype, None, without_avx512())
    assert not re.search("zmm|%k[0-7]", compiled.assembly)
    with np.errstate(all="ignore"):
        operands = samples(name, dtype, 60_000 if dtype is float32 else 20_000)
    assert worst(compiled, *operands) <= MOST_ULP.get(name, 2)
    if name in SPECIAL:
        x, expected = np.array(SPECIAL[name], dtype.numpy).T
        assert_same_bits(compiled(x), expected)


@each_dtype
@pytest.mark.parametrize("name", BY_LOOKUP)
def test_vectors_wider_than_a_register(name: str, dtype: DType) -> None:
    with np.errstate(all="ignore"):
        operands = samples(name, dtype, 1000)
    wide = compiled_function(name, dtype, 32)(*operands)
    assert_same_bits(wide, compiled_function(name, dtype, 1)(*operands))


@pytest.mark.parametrize(
    ("name", "dtype", "low", "high"),
    [
        # Where results become subnormal, vanish or overflow.
        ("exp", float32, -104.5, -87.0),
        ("exp", float32, 88.7, 88.8),
        ("exp", float64, -746.0, -708.0),
        ("exp", float64, 709.7, 709.8),
        ("expm1", float32, 88.7, 88.8),
        ("sigmoid", float32, -104.5, -87.0),
        ("sigmoid", float64, -746.0, -708.0),
        # Where one formula or multiple gives way to the next.
        ("expm1", float32, 0.34, 0.5),
        ("expm1", float64, 0.34, 0.5),
        ("tanh", float32, 0.6, 0.7),
        ("tanh", float64, 0.5, 0.6),
        ("erf", float32, 1.1, 1.2),
        ("erf", float64, 1.3, 1.4),
        ("erf", float64, 5.8, 6.0),
        ("log", float32, 0.7, 0.72),
        ("log1p", float64, 0.4, 0.5),
        ("sin", float32, 39990.0, 40010.0),
        ("cos", float64, 2.0**30 - 10, 2.0**30 + 10),
        ("tan", float32, 0.78, 0.79),
        ("tan", float32, 39990.0, 40010.0),
        ("tan", float64, 2.0**30 - 10, 2.0**30 + 10),
        ("asin", float32, 0.49, 0.51),
        ("asin", float64, 0.8, 0.9),
        ("asin", float64, -1.0, -0.9999),
        ("acos", float32, 0.9999, 1.0),
        ("acos", float64, -0.51, -0.49),
        ("atan", float32, 0.99, 1.01),
        ("atan", float64, -1.01, -0.99),
        ("sinh", float32, 0.34, 0.36),
        ("sinh", float32, 89.3, 89.5),
        ("sinh", float64, 710.4, 710.5),
        ("cosh", float32, 8.0, 9.0),
        ("cosh", float32, -89.5, -89.3),
        ("cosh", float64, 710.4, 710.5),
        ("asinh", float32, 4090.0, 4100.0),
        ("asinh", float64, 2.0**27 - 10, 2.0**27 + 10),
        ("asinh", float64, 1e-9, 1e-7),
        ("acosh", float32, 1.0, 1.001),
        ("acosh", float64, 1.0, 1.0 + 1e-12),
        ("acosh", float64, 2.0**27 - 10, 2.0**27 + 10),
        ("atanh", float32, 0.999, 1.0),
        ("atanh", float64, -1.0, -0.999),
        ("atanh", float64, 1e-9, 1e-7),
        ("exp2", float32, -150.5, -126.0),
        ("exp2", float64, 1023.5, 1024.5),
        ("log2", float32, 0.7, 0.72),
        ("log10", float64, 0.99, 1.01),
        ("erfc", float32, 0.74, 0.76),
        ("erfc", float32, 9.0, 10.3),
        ("erfc", float64, 26.0, 27.4),
        ("erfinv", float32, 0.996, 0.997),
        ("erfinv", float64, 0.999, 1.0),
        ("lgamma", float32, 0.45, 2.1),
        ("lgamma", float64, 2.9, 3.1),
        ("lgamma", float64, -2.0, -0.4),
        ("digamma", float32, 0.9, 3.1),
        ("digamma", float64, 1.4615, 1.4617),
    ],
)
def test_error_where_the_computation_changes(
    name: str, dtype: DType, low: float, high: float
) -> None:
    x = np.random.default_rng(0).uniform(low, high, 20_000).astype(dtype.numpy)
    assert worst(widest(name, dtype), x) <= MOST_ULP.get(name, 2)


@each_dtype
@pytest.mark.parametrize("name", PERIODIC)
def test_arguments_next_to_multiples_of_half_pi(name: str, dtype: DType) -> None:
    """The reduction must keep its relative accuracy where it cancels, also for huge arguments."""
    generator = np.random.default_rng(1)
    exponents = generator.uniform(0, 120 if dtype is float32 else 1000, 20_000)
    multiples = np.floor(np.exp2(np.longdouble(exponents))) * np.longdouble(np.pi) / 2
    assert worst(widest(name, dtype), multiples.astype(dtype.numpy)) <= 2


def test_the_doubles_next_to_multiples_of_half_pi() -> None:
    """The two worst cases known (Muller et al., Elementary Functions, 3rd ed., table 11.1).

    The sine there is 1 or -1 to the last digit.
    """
    x = np.array([16367173 * 2.0**72, 6381956970095103 * 2.0**797])
    cosine = widest("cos", float64)(x)
    np.testing.assert_allclose(cosine, [-1.6147697982476211e-09, -4.6871659242546277e-19], 4e-16)
    tangent = widest("tan", float64)(x)
    np.testing.assert_allclose(tangent, widest("sin", float64)(x) / cosine, 6e-16)


OUTSIDE = [(x, nan) for x in (1.0625, -1.0625, 1e4, inf, -inf, nan)]
"""Arguments beyond 1 and -1, of functions that have no value there."""

SPECIAL: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1), (-0.0, 1), (inf, inf), (-inf, 0.0), (nan, nan), (1e4, inf), (-1e4, 0.0)],
    "expm1": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -1), (nan, nan), (1e4, inf), (-1e4, -1)],
    "log": [(0.0, -inf), (-0.0, -inf), (1, 0.0), (inf, inf), (-inf, nan), (-1, nan), (nan, nan)],
    "log1p": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (-1, -inf),
        (-1.5, nan),
        (inf, inf),
        (-inf, nan),
        (nan, nan),
    ],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (inf, 1), (-inf, -1), (nan, nan), (1e4, 1), (-1e4, -1)],
    "sigmoid": [(0.0, 0.5), (-0.0, 0.5), (inf, 1), (-inf, 0.0), (nan, nan), (1e4, 1), (-1e4, 0.0)],
    "erf": [(0.0, 0.0), (-0.0, -0.0), (inf, 1), (-inf, -1), (nan, nan), (1e4, 1), (-1e4, -1)],
    "sin": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan), (nan, nan)],
    "cos": [(0.0, 1), (-0.0, 1), (inf, nan), (-inf, nan), (nan, nan)],
    "tan": [(0.0, 0.0), (-0.0, -0.0), (inf, nan), (-inf, nan), (nan, nan)],
    "asin": [(0.0, 0.0), (-0.0, -0.0), (1, pi / 2), (-1, -pi / 2), *OUTSIDE],
    "acos": [(0.0, pi / 2), (-0.0, pi / 2), (1, 0.0), (-1, pi), *OUTSIDE],
    "atan": [
        (0.0, 0.0),
        (-0.0, -0.0),
        (1, pi / 4),
        (-1, -pi / 4),
        (inf, pi / 2),
        (-inf, -pi / 2),
        (nan, nan),
    ],
    "sinh": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (nan, nan), (-1e4, -inf)],
    "cosh": [(0.0, 1), (-0.0, 1), (inf, inf), (-inf, inf), (nan, nan), (1e4, inf), (-1e4, inf)],
    "asinh": [(0.0, 0.0), (-0.0, -0.0), (inf, inf), (-inf, -inf), (nan, nan)],
    "acosh": [(1, 0.0), (0.0, nan), (0.9375, nan), (-3, nan), (inf, inf), (-inf, nan), (nan, nan)],
    "atanh": [(0.0, 0.0), (-0.0, -0.0), (1, inf), (-1, -inf), *OUTSIDE],
    "exp2": [(0.0, 1), (-0.0, 1), (inf, inf), (-inf, 0.0), (nan, nan), (3, 8), (-1e4, 0.0)],
    "log2": [(0.0, -inf), (-0.0, -inf), (1, 0.0), (8, 3), (inf, inf), (-inf, nan), (nan, nan)],
    "log10": [(0.0, -inf), (-0.0, -inf), (1, 0.0), (1000, 3), (inf, inf), (-1, nan), (nan, nan)],
    "cbrt": [(0.0, 0.0), (-0.0, -0.0), (27, 3), (-64, -4), (inf, inf), (-inf, -inf), (nan, nan)],
    "erfc": [(0.0, 1), (-0.0, 1), (inf, 0.0), (-inf, 2), (nan, nan), (1e4, 0.0), (-1e4, 2)],
    "erfinv": [(0.0, 0.0), (-0.0, -0.0), (1, inf), (-1, -inf), *OUTSIDE],
    "lgamma": [(0.0, inf), (-0.0, inf), (1, 0.0), (2, 0.0), *((x, inf) for x in (-7, inf, -inf))],
    "digamma": [(0.0, -inf), (-0.0, inf), (-7, nan), (inf, inf), (-inf, nan), (nan, nan)],
}


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tan", -1e300, 1e300),
        ("asin", -1, 1),
        ("acos", -1, 1),
        ("atan", -10, 10),
        ("sinh", -710, 710),
        ("cosh", -710, 710),
        ("asinh", -1e4, 1e4),
        ("acosh", 1, 100),
        ("atanh", -1, 1),
    ],
)
def test_doubles_against_arbitrary_precision(name: str, low: float, high: float) -> None:
    """At numbers spread over an interval, and over its exponents."""
    generator = np.random.default_rng(3)
    x = generator.uniform(low, high, 500)
    x = np.concatenate([x, x[:250] * np.exp2(-generator.uniform(0, 30, 250))])
    x = x[x >= 1] if name == "acosh" else x
    with mpmath.workprec(1200):
        values = [getattr(mpmath, name)(mpmath.mpf(float(argument))) for argument in x]
    # Two doubles hold enough of a value; their sum is exact in extended precision.
    exact = np.array([float(value) for value in values], np.longdouble)
    rest = [float(value - mpmath.mpf(float(value))) for value in values]
    assert ulp_errors(widest(name, float64)(x), exact + np.array(rest)).max() <= 2


@pytest.mark.parametrize("lanes", LANES)
@each_dtype
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name: str, dtype: DType, lanes: int) -> None:
    x, expected = np.array(SPECIAL[name], dtype.numpy).T
    assert_same_bits(compiled_function(name, dtype, lanes)(x), expected)


@each_dtype
@pytest.mark.parametrize(
    "name", ["expm1", "log1p", "tanh", "sin", "tan", "asin", "atan", "sinh", "asinh", "atanh"]
)
def test_odd_functions_keep_subnormal_arguments(name: str, dtype: DType) -> None:
    magnitudes = bit_patterns(dtype, 1, 1000, (1 << (23 if dtype is float32 else 52)) // 1000)
    x = np.concatenate([magnitudes, -magnitudes])
    assert_same_bits(widest(name, dtype)(x), x)


def special_pairs(dtype: DType) -> tuple[Array, Array]:
    info = np.finfo(np.float32 if dtype is float32 else np.float64)
    tiny, large = float(info.smallest_subnormal), float(info.max)
    magnitudes = [0.0, tiny, 1e-3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 1e9, 2.0**60 + 2.0**37, large, inf]
    values = np.array([*magnitudes, *(-m for m in magnitudes), nan], dtype.numpy)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    return x, y


@each_dtype
def test_atan2_of_special_values(dtype: DType) -> None:
    """Every pair of special values, as NumPy (C99, Annex F) has it, with the signs of zeros."""
    y, x = special_pairs(dtype)
    got, expected = widest("atan2", dtype)(y, x), np.arctan2(y, x, dtype=np.float64)
    exact = (y == 0) | (x == 0) | np.isinf(y) | np.isinf(x) | np.isnan(y) | np.isnan(x)
    assert_same_bits(got[exact], expected.astype(dtype.numpy)[exact])
    assert worst(widest("atan2", dtype), y, x) <= 2
    np.testing.assert_array_equal(np.signbit(got[~np.isnan(got)]), np.signbit(y[~np.isnan(got)]))


@each_dtype
def test_pow_of_special_values(dtype: DType) -> None:
    """Every pair of special values, as NumPy (C99, Annex F) has it."""
    x, y = special_pairs(dtype)
    got = widest("pow", dtype)(x, y)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    exact = ~np.isfinite(expected) | (expected == 0) | (np.abs(expected) == 1)
    assert_same_bits(got[exact], expected[exact])
    np.testing.assert_array_max_ulp(got[~exact], expected[~exact], 4)


@each_dtype
def test_hypot_of_special_values(dtype: DType) -> None:
    """Every pair of special values, as NumPy (C99, Annex F) has it; nothing overflows early."""
    info = np.finfo(np.float32 if dtype is float32 else np.float64)
    tiny, normal, large = (float(x) for x in (info.smallest_subnormal, info.tiny, info.max))
    magnitudes = [0.0, tiny, 7 * tiny, normal, 3.0, 4.0, large / 2, 0.8 * large, large, inf]
    values = np.array([*magnitudes, *(-m for m in magnitudes), nan], dtype.numpy)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    with np.errstate(all="ignore"):
        expected = np.hypot(x, y)
    got = widest("hypot", dtype)(x, y)
    exact = ~np.isfinite(expected) | (expected == 0) | (expected == 5)
    assert_same_bits(got[exact], expected[exact])
    np.testing.assert_array_max_ulp(got[~exact], expected[~exact], 1)


@each_dtype
def test_exact_values_of_roots_and_logarithms(dtype: DType) -> None:
    whole = np.arange(-100, 101).astype(dtype.numpy)
    assert_same_bits(widest("cbrt", dtype)(whole**3), whole)
    assert_same_bits(widest("log2", dtype)(np.exp2(whole)), whole)
    assert_same_bits(widest("exp2", dtype)(whole), np.exp2(whole))
    powers = np.arange(11).astype(dtype.numpy)
    assert_same_bits(widest("log10", dtype)(10**powers), powers)


@each_dtype
def test_pow_of_integers_is_exact(dtype: DType) -> None:
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(1, 9), np.arange(-3, 5)))
    x, y = x.astype(dtype.numpy), y.astype(dtype.numpy)
    powers_of_two = np.isin(x, (1, 2, 4, 8))
    got, expected = widest("pow", dtype)(x, y), np.power(x, y)
    assert_same_bits(got[powers_of_two], expected[powers_of_two])
    np.testing.assert_array_max_ulp(got, expected, 1)


@each_dtype
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tanh", -1, 1),
        ("sin", -1, 1),
        ("cos", -1, 1),
        ("erf", -1, 1),
        ("sigmoid", 0, 1),
        ("atan", -pi / 2, pi / 2),
        ("cosh", 1, inf),
    ],
)
def test_results_stay_in_range(name: str, low: float, high: float, dtype: DType) -> None:
    generator = np.random.default_rng(2)
    x = np.concatenate([generator.uniform(-40, 40, 50_000), generator.normal(0, 1e-3, 10_000)])
    result = widest(name, dtype)(x.astype(dtype.numpy))
    assert result.min() >= dtype.numpy.type(low)
    assert result.max() <= dtype.numpy.type(high)


@each_dtype
@each_function
def test_every_lane_count_gives_the_same_bits(name: str, dtype: DType) -> None:
    with np.errstate(all="ignore"):
        operands = samples(name, dtype, 1000)
    expected = compiled_function(name, dtype, 1)(*operands)
    for lanes in LANES[1:]:
        assert_same_bits(compiled_function(name, dtype, lanes)(*operands), expected)


@pytest.mark.parametrize("lanes", LANES)
@each_dtype
@each_function
def test_code_calls_no_library(name: str, dtype: DType, lanes: int) -> None:
    """The only call is of the reduction of huge arguments, a function of the same module."""
    assembly = compiled_function(name, dtype, lanes).assembly
    called = set(re.findall(r"^\s+(?:call|bl)\w*\s+(\S+)", assembly, re.MULTILINE))
    assert called <= ({f"{name}_huge_{dtype}x{lanes}"} if name in PERIODIC else set())
