"""The elementary functions: accuracy over all exponents, special values, and the code they are."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from numpy import inf, nan

from benchmarks.accuracy import (
    REFERENCES,
    Array,
    Compiled,
    bit_patterns,
    compile_function,
    reference,
    samples,
    ulp_errors,
)
from graphc.codegen.target import host_target
from graphc.ir.types import FLOATS, DType, float32, float64

FUNCTIONS = sorted(REFERENCES)
UNARY = [name for name in FUNCTIONS if name != "pow"]
LANES = (1, 4, 8, 16)

each_function = pytest.mark.parametrize("name", FUNCTIONS)
each_dtype = pytest.mark.parametrize("dtype", FLOATS, ids=str)

compiled_function = cache(compile_function)


def widest(name: str, dtype: DType) -> Compiled:
    return compiled_function(name, dtype, host_target().lanes(dtype.bytes))


def worst(compiled: Compiled, *operands: Array) -> float:
    return float(ulp_errors(compiled(*operands), reference(compiled.name, *operands)).max())


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
    assert worst(widest(name, dtype), *operands) <= (4 if name == "pow" else 2)


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
    ],
)
def test_error_where_the_computation_changes(
    name: str, dtype: DType, low: float, high: float
) -> None:
    x = np.random.default_rng(0).uniform(low, high, 20_000).astype(dtype.numpy)
    assert worst(widest(name, dtype), x) <= 2


@each_dtype
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_arguments_next_to_multiples_of_half_pi(name: str, dtype: DType) -> None:
    """The reduction must keep its relative accuracy where it cancels, also for huge arguments."""
    generator = np.random.default_rng(1)
    exponents = generator.uniform(0, 120 if dtype is float32 else 1000, 20_000)
    multiples = np.floor(np.exp2(np.longdouble(exponents))) * np.longdouble(np.pi) / 2
    assert worst(widest(name, dtype), multiples.astype(dtype.numpy)) <= 2


def test_the_doubles_next_to_multiples_of_half_pi() -> None:
    """The two worst cases known (Muller et al., Elementary Functions, 3rd ed., table 11.1)."""
    x = np.array([16367173 * 2.0**72, 6381956970095103 * 2.0**797])
    cosine = widest("cos", float64)(x)
    np.testing.assert_allclose(cosine, [-1.6147697982476211e-09, -4.6871659242546277e-19], 4e-16)


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
}


@pytest.mark.parametrize("lanes", LANES)
@each_dtype
@pytest.mark.parametrize("name", UNARY)
def test_special_values(name: str, dtype: DType, lanes: int) -> None:
    x, expected = np.array(SPECIAL[name], dtype.numpy).T
    assert_same_bits(compiled_function(name, dtype, lanes)(x), expected)


@each_dtype
@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "sin"])
def test_odd_functions_keep_subnormal_arguments(name: str, dtype: DType) -> None:
    magnitudes = bit_patterns(dtype, 1, 1000, (1 << (23 if dtype is float32 else 52)) // 1000)
    x = np.concatenate([magnitudes, -magnitudes])
    assert_same_bits(widest(name, dtype)(x), x)


@each_dtype
def test_pow_of_special_values(dtype: DType) -> None:
    """Every pair of special values, as NumPy (C99, Annex F) has it."""
    info = np.finfo(np.float32 if dtype is float32 else np.float64)
    tiny, large = float(info.smallest_subnormal), float(info.max)
    magnitudes = [0.0, tiny, 1e-3, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 1e9, 2.0**60 + 2.0**37, large, inf]
    values = np.array([*magnitudes, *(-m for m in magnitudes), nan], dtype.numpy)
    x, y = (grid.ravel() for grid in np.meshgrid(values, values))
    got = widest("pow", dtype)(x, y)
    with np.errstate(all="ignore"):
        expected = np.power(x, y)
    exact = ~np.isfinite(expected) | (expected == 0) | (np.abs(expected) == 1)
    assert_same_bits(got[exact], expected[exact])
    np.testing.assert_array_max_ulp(got[~exact], expected[~exact], 4)


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
    ("name", "low"), [("tanh", -1), ("sin", -1), ("cos", -1), ("erf", -1), ("sigmoid", 0)]
)
def test_results_stay_in_range(name: str, low: float, dtype: DType) -> None:
    generator = np.random.default_rng(2)
    x = np.concatenate([generator.uniform(-40, 40, 50_000), generator.normal(0, 1e-3, 10_000)])
    result = widest(name, dtype)(x.astype(dtype.numpy))
    assert result.min() >= low
    assert result.max() <= 1


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
    assert called <= ({f"{name}_huge_{dtype}x{lanes}"} if name in ("sin", "cos") else set())
