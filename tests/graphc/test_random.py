"""Random numbers: keys and streams, distributions, and that programs do not change the numbers."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.testing import assert_allclose, assert_array_equal

import graphc as gc
from graphc import random
from graphc.errors import AttributeValueError, DTypeError, GraphError, ShapeError

Array = np.ndarray[Any, Any]

KEY = random.key(2024)
COUNT = 100_000


def drawn(tensor: gc.Tensor) -> Array:
    return np.array(gc.compile([], tensor)())


DRAWS: dict[str, Callable[[Any, Any], gc.Tensor]] = {
    "bits": random.bits,
    "wide bits": lambda key, shape: random.bits(key, shape, gc.int64),
    "uniform": random.uniform,
    "uniform f64": lambda key, shape: random.uniform(key, shape, gc.float64, -1, 2),
    "normal": random.normal,
    "normal f64": lambda key, shape: random.normal(key, shape, gc.float64),
    "truncated_normal": lambda key, shape: random.truncated_normal(key, -1, 2, shape),
    "exponential": random.exponential,
    "gumbel": random.gumbel,
    "laplace": random.laplace,
    "bernoulli": lambda key, shape: random.bernoulli(key, 0.3, shape),
    "randint": lambda key, shape: random.randint(key, shape, -5, 9),
    "choice": lambda key, shape: random.choice(key, 7, shape),
}

every_draw = pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())


# Keys


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**63 - 1, -1, -(2**63)])
def test_a_seed_gives_one_key_as_a_number_and_as_a_tensor(seed: int) -> None:
    words = random.key(seed)
    assert (words.dtype, words.shape) == (np.dtype("uint32"), (2,))
    assert words.view("<i8")[0] == seed
    symbol = gc.input("seed", (), gc.int64)
    assert_array_equal(gc.compile([symbol], random.key(symbol))(np.int64(seed)), words)


def test_keys_of_small_and_unsigned_tensors() -> None:
    small, large = gc.input("small", (), gc.int8), gc.input("large", (), gc.uint64)
    step = gc.compile([small, large], [random.key(small), random.key(large)])
    of_small, of_large = step(np.int8(-3), np.uint64(2**64 - 5))
    assert_array_equal(of_small, random.key(-3))
    assert_array_equal(of_large, random.key(2**64 - 5))


def test_streams_of_one_key_do_not_meet() -> None:
    """Bits, split keys and folded keys are blocks of Philox with different counters."""
    bits = drawn(random.bits(KEY, 4000))
    keys = drawn(random.split(KEY, 1000))
    folded = drawn(gc.vmap(lambda data: random.fold_in(KEY, data))(gc.arange(1000)))
    words = [bits.view("u8"), keys.view("u8")[:, 0], folded.view("u8")[:, 0]]
    assert len(np.unique(np.concatenate(words))) == 2000 + 1000 + 1000


def test_splitting_and_folding_in() -> None:
    five = drawn(random.split(KEY, 5))
    assert_array_equal(drawn(random.split(KEY)), five[:2])
    assert_array_equal(drawn(random.split(KEY, 0)), np.empty((0, 2), np.uint32))
    symbol = gc.input("data", (), gc.int32)
    step = gc.compile([symbol], random.fold_in(KEY, symbol))
    for data in (0, 1, -1, 2**31 - 1):
        assert_array_equal(step(np.int32(data)), drawn(random.fold_in(KEY, data)))
    assert not np.array_equal(step(np.int32(0)), step(np.int32(1)))


# The same numbers whatever the program


@every_draw
def test_the_first_numbers_do_not_depend_on_how_many_there_are(
    draw: Callable[[Any, Any], gc.Tensor],
) -> None:
    long = drawn(draw(KEY, (13, 17)))
    assert_array_equal(drawn(draw(KEY, 50)), long.ravel()[:50])
    assert_array_equal(drawn(draw(KEY, ())), long[0, 0])
    assert drawn(draw(KEY, (3, 0))).shape == (3, 0)


@every_draw
def test_the_program_does_not_change_the_numbers(draw: Callable[[Any, Any], gc.Tensor]) -> None:
    alone = drawn(draw(KEY, (6, 35)))
    key = gc.input("key", 2, gc.uint32)
    values = draw(key, (6, 35))
    used = [values, gc.sum(values * 2, axis=1), values.T + 1, draw(key, (6, 35))[2:4]]
    together = gc.compile([key], used)(KEY)
    assert_array_equal(together[0], alone)
    assert_array_equal(together[3], alone[2:4])
    assert_array_equal(gc.jit(lambda key: draw(key, (6, 35)))(KEY), alone)


@every_draw
def test_batches_and_scans_of_keys(draw: Callable[[Any, Any], gc.Tensor]) -> None:
    keys = drawn(random.split(KEY, 5))
    symbol = gc.input("keys", (5, 2), gc.uint32)
    expected = np.stack([drawn(draw(key, (3, 7))) for key in keys])
    batch = gc.vmap(lambda key: draw(key, (3, 7)))(symbol)
    _, steps = gc.scan(lambda carry, key: (carry, draw(key, (3, 7))), gc.const(0.0), symbol)
    step = gc.compile([symbol], [batch, steps])
    for result in step(keys):
        assert_array_equal(result, expected)


def test_a_permutation_of_each_key() -> None:
    keys = drawn(random.split(KEY, 4))
    rows = drawn(gc.vmap(lambda key: random.permutation(key, 9))(gc.const(keys)))
    expected = [drawn(random.permutation(key, 9)) for key in keys]
    assert_array_equal(rows, expected)
    assert len({tuple(row) for row in rows.tolist()}) == 4


# Distributions


REFERENCES = {
    "uniform": scipy.stats.uniform(),
    "uniform f64": scipy.stats.uniform(-1, 3),
    "normal": scipy.stats.norm(),
    "normal f64": scipy.stats.norm(),
    "truncated_normal": scipy.stats.truncnorm(-1, 2),
    "exponential": scipy.stats.expon(),
    "gumbel": scipy.stats.gumbel_r(),
    "laplace": scipy.stats.laplace(),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_continuous_distributions(name: str) -> None:
    reference = REFERENCES[name]
    values = drawn(DRAWS[name](KEY, COUNT)).astype(float)
    assert np.isfinite(values).all()
    assert scipy.stats.kstest(values, reference.cdf).pvalue > 1e-3
    mean, variance, kurtosis = map(float, reference.stats("mvk"))
    assert abs(values.mean() - mean) < 4 * math.sqrt(variance / COUNT)
    assert abs(values.var() / variance - 1) < 4 * math.sqrt((kurtosis + 2) / COUNT)
    # Neighbours in the stream know nothing of each other.
    correlation = np.corrcoef(values[:-1], values[1:])[0, 1]
    assert abs(correlation) < 4 / math.sqrt(COUNT)


@pytest.mark.parametrize("dtype", [gc.float16, gc.bfloat16, gc.float32, gc.float64])
def test_every_float_dtype(dtype: Any) -> None:
    pytest.importorskip("ml_dtypes") if dtype is gc.bfloat16 else None
    unit = drawn(random.uniform(KEY, COUNT, dtype)).astype(float)
    assert unit.min() >= 0
    assert unit.max() < 1
    assert_array_equal(unit, unit.astype(dtype.numpy).astype(float))
    assert abs(unit.mean() - 0.5) < 4 / math.sqrt(12 * COUNT) + 2.0**-dtype.digits
    scaled = drawn(random.uniform(KEY, COUNT, dtype, 1, 2)).astype(float)
    assert scaled.min() >= 1
    assert scaled.max() < 2
    for draw in (random.normal, random.exponential, random.gumbel, random.laplace):
        values = draw(KEY, 1000, dtype)
        assert values.dtype is dtype
        assert np.isfinite(drawn(values).astype(float)).all()


def test_the_ends_of_the_words_give_finite_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of random words: the smallest, the largest, and those around the middle."""

    def ends(name: str, key: object, shape: object, dtype: Any) -> gc.Tensor:
        half, whole = 2 ** (dtype.bits - 1), 2**dtype.bits
        return gc.const(np.array([0, 1, half - 1, half, whole - 2, whole - 1], dtype.numpy))

    monkeypatch.setattr("graphc.random.continuous.words", ends)
    for dtype in (gc.float32, gc.float64):
        unit = drawn(random.uniform(KEY, 6, dtype))
        assert unit.min() == 0
        assert unit.max() == 1 - 2.0**-dtype.digits
        normal = drawn(random.normal(KEY, 6, dtype)).astype(float)
        assert_array_equal(normal, -normal[::-1])
        assert_allclose(normal.max(), -scipy.stats.norm.ppf(2.0 ** (-dtype.digits - 1)), 1e-6)
        for draw in (random.exponential, random.gumbel, random.laplace):
            assert np.isfinite(drawn(draw(KEY, 6, dtype))).all()
        clipped = drawn(random.truncated_normal(KEY, -np.inf, np.inf, 6, dtype))
        assert np.isfinite(clipped).all()


def test_bernoulli_of_every_probability() -> None:
    chances = np.array([0, 0.25, 0.5, 1], "float32")
    shares = drawn(random.bernoulli(KEY, gc.const(chances), (COUNT, 4))).mean(axis=0)
    assert (shares[0], shares[3]) == (0, 1)
    assert_allclose(shares[1:3], chances[1:3], atol=4 / math.sqrt(COUNT))
    assert drawn(random.bernoulli(KEY, np.full((2, 3), 0.5))).shape == (2, 3)


@pytest.mark.parametrize("dtype", [gc.int8, gc.uint8, gc.int32, gc.uint32, gc.int64, gc.uint64])
def test_integers_of_all_of_a_dtype(dtype: Any) -> None:
    info = np.iinfo(dtype.numpy)
    low, high = int(info.min), int(info.max)
    values = drawn(random.randint(KEY, COUNT, low, high + (dtype.bits < 64), dtype))
    assert values.dtype == dtype.numpy
    position = (values.astype(float) - low + 0.5) / (float(high) - low + 1)
    test = scipy.stats.kstest(position, "uniform")
    assert test.statistic < 4 / math.sqrt(COUNT) + 2.0 ** -min(dtype.bits, 50)


def test_integers_are_equally_likely() -> None:
    counts = np.bincount(drawn(random.randint(KEY, COUNT, -3, 10)) + 3)
    assert len(counts) == 13
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    low = gc.const(np.array([0, -4, 7], "int32"))
    rows = drawn(random.randint(KEY, (1000, 3), low, low + 2))
    assert_array_equal(np.unique(rows - np.array([0, -4, 7])), [0, 1])


def test_integers_are_the_upper_part_of_an_exact_product() -> None:
    bits = drawn(random.bits(KEY, 200, gc.uint64)).tolist()
    for span in (3, 2**32, 2**40 + 12345, 2**63 - 1):
        values = drawn(random.randint(KEY, 200, 0, span, gc.int64)).tolist()
        assert values == [word * span >> 64 for word in bits]


def test_categories_have_their_probabilities() -> None:
    chances = np.array([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        logits = np.log(chances.T)
    kinds = drawn(random.categorical(KEY, logits, axis=0, shape=(COUNT, 2)))
    for column, expected in zip(kinds.T, chances, strict=True):
        shares = np.bincount(column, minlength=3) / COUNT
        assert_allclose(shares, expected, atol=4 / math.sqrt(COUNT))
    assert not np.any(kinds[:, 1] == 1)
    assert drawn(random.categorical(KEY, logits, axis=0)).shape == (2,)


def test_all_orders_are_equally_likely() -> None:
    keys = random.split(KEY, 6000)
    orders = drawn(gc.vmap(lambda key: random.permutation(key, 3))(keys))
    _, counts = np.unique(orders @ [9, 3, 1], return_counts=True)
    assert len(counts) == 6
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_permutations_along_an_axis() -> None:
    table = np.arange(12).reshape(3, 4)
    order = drawn(random.permutation(KEY, 4))
    assert_array_equal(np.sort(order), np.arange(4))
    assert_array_equal(drawn(random.permutation(KEY, table, axis=1)), table[:, order])
    assert_array_equal(drawn(random.shuffle(KEY, table.T)), table.T[order])


def test_choices() -> None:
    letters = np.array([10, 20, 30, 40])
    weights = [1, 0, 2, 1]
    chosen = drawn(random.choice(KEY, letters, COUNT, p=weights))
    shares = [np.mean(chosen == letter) for letter in letters]
    assert_allclose(shares, np.array(weights) / 4, atol=4 / math.sqrt(COUNT))
    some = drawn(random.choice(KEY, 30, (4, 5), replace=False))
    assert len(np.unique(some)) == 20
    weighted = drawn(random.choice(KEY, 4, 3, replace=False, p=weights))
    assert_array_equal(np.sort(weighted), [0, 2, 3])
    assert drawn(random.choice(KEY, np.zeros((3, 5)), 2, axis=1)).shape == (3, 2)


# Derivatives


def test_derivatives_by_the_parameters_of_a_distribution() -> None:
    loc, scale = gc.input("loc", 3), gc.input("scale", 3)
    value = gc.sum((loc + scale * random.normal(KEY, 3)) ** 2)
    by_loc, by_scale = gc.grad(value, [loc, scale])
    low, high = gc.input("low"), gc.input("high")
    by_low, by_high = gc.grad(gc.sum(random.uniform(KEY, 5, minval=low, maxval=high)), [low, high])
    z, unit = drawn(random.normal(KEY, 3)), drawn(random.uniform(KEY, 5))
    step = gc.compile([loc, scale, low, high], [by_loc, by_scale, by_low, by_high])
    at = np.array([1, 2, 3], "f"), np.array([0.5, 1, 2], "f"), np.float32(-1), np.float32(4)
    results = step(*at)
    point = at[0] + at[1] * z
    for result, expected in zip(
        results, (2 * point, 2 * point * z, (1 - unit).sum(), unit.sum()), strict=True
    ):
        assert_allclose(result, expected, 1e-5)


# Dropout


def test_dropout_keeps_the_expectation() -> None:
    x = gc.input("x", (200, 100))
    kept = gc.nn.dropout(x, 0.25, KEY)
    values, slope = gc.compile([x], [kept, gc.grad(kept.sum(), x)])(np.ones(x.shape, "f"))
    assert_array_equal(np.unique(values), np.array([0, 1 / 0.75], "f"))
    assert abs(values.mean() - 1) < 4 * math.sqrt(1 / 3 / 20_000)
    assert_array_equal(slope, values)
    nothing = gc.nn.dropout(x, 0.0, KEY)
    assert_array_equal(gc.compile([x], nothing)(values), values)


def test_a_key_that_each_step_replaces() -> None:
    key = gc.param("key", random.key(3))
    use, following = random.split(key)
    step = gc.compile([], random.uniform(use, 4), updates={key: following})
    first, second = np.array(step()), np.array(step())
    assert not np.array_equal(first, second)
    key.value = random.key(3)
    assert_array_equal(step(), first)


# What is refused


REFUSED: list[tuple[Callable[[], object], type[GraphError], str]] = [
    (lambda: random.key(1.5), DTypeError, "key takes an integer, got 1.5"),  # type: ignore[call-overload]
    (lambda: random.key(2**64), AttributeValueError, "64 bits"),
    (lambda: random.key(gc.input("seed")), DTypeError, "key takes an integer"),
    (lambda: random.normal(np.zeros(2, "f")), DTypeError, r"normal takes a key, u32\[2\]"),
    (lambda: random.normal(0), DTypeError, r"gc.random.key\(seed\)"),
    (lambda: random.split(gc.input("k", (3, 2), gc.uint32)), ShapeError, "split takes a key"),
    (lambda: random.bits(np.zeros(3, "uint32")), ShapeError, "bits takes a key"),
    (lambda: random.split(KEY, -1), ShapeError, "0 or more"),
    (lambda: random.uniform(KEY, (2, -1)), ShapeError, r"0 or more, got \[2, -1\]"),
    (lambda: random.uniform(KEY, 2.5), ShapeError, "whole numbers as shape"),
    (lambda: random.bits(KEY, 2, gc.float32), DTypeError, "integers, not f32"),
    (lambda: random.uniform(KEY, 2, gc.int32), DTypeError, "floats, not i32"),
    (lambda: random.uniform(KEY, 2, minval=1, maxval=1), AttributeValueError, "not empty"),
    (lambda: random.uniform(KEY, 2, minval=gc.input("low", 3)), ShapeError, "broadcast"),
    (lambda: random.truncated_normal(KEY, 2, 1), AttributeValueError, "not empty"),
    (lambda: random.randint(KEY, 2, 5, 5), AttributeValueError, "not empty"),
    (lambda: random.randint(KEY, 2, 0, 300, gc.uint8), DTypeError, "bounded by 300"),
    (lambda: random.randint(KEY, 2, 0.0, 3.0), DTypeError, "integer bounds"),
    (lambda: random.randint(KEY, 2, 0, 3, gc.float32), DTypeError, "integers, not f32"),
    (lambda: random.bernoulli(KEY, 1.5), AttributeValueError, "probability"),
    (lambda: random.fold_in(KEY, 0.5), DTypeError, "fold_in takes an integer"),
    (lambda: random.fold_in(KEY, gc.arange(3)), ShapeError, "one integer"),
    (lambda: random.categorical(KEY, gc.zeros((2, 0))), ShapeError, "needs a category"),
    (lambda: random.categorical(KEY, gc.zeros((2, 3)), shape=3), ShapeError, "cannot have shape"),
    (lambda: random.permutation(KEY, gc.zeros(3), axis=1), AttributeValueError, "axis 1"),
    (lambda: random.permutation(KEY, -1), ShapeError, "0 numbers or more"),
    (lambda: random.choice(KEY, 3, 4, replace=False), ShapeError, "4 out of 3"),
    (lambda: random.choice(KEY, 3, 4, p=[0.5, 0.5]), ShapeError, "3 probabilities"),
    (lambda: random.choice(KEY, 2, 4, p=[1.5, -0.5]), AttributeValueError, "0 or more"),
    (lambda: gc.nn.dropout(gc.zeros(3), 1.0, KEY), AttributeValueError, "rate in"),
]


@pytest.mark.parametrize(("call", "error", "words"), REFUSED, ids=range(len(REFUSED)))
def test_mistakes_are_refused_at_the_users_line(
    call: Callable[[], object], error: type[GraphError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    line = inspect.getsourcelines(call)[1]
    assert f"test_random.py:{line}" in str(caught.value)
