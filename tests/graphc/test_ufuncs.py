"""The functions that stand for NumPy's ufuncs give NumPy's values, at edge cases of every dtype.

Most of them are read from the registry. Ufuncs that graphc leaves out are named here, with why.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.ops.samples import edges_of
from graphc.ir.types import DType, float32
from graphc.registry import FUNCTIONS
from tests.graphc.test_promotion import UFUNCS, numpys_answer

LEFT_OUT = {
    "isnat": "dates",
    "frexp": "two results of two dtypes; take log2 and exp2",
    "ldexp": "multiply by a power of 2",
}

Array = np.ndarray[Any, Any]


def test_every_ufunc_has_a_function_or_a_reason() -> None:
    named = {name: each for name, each in vars(np).items() if isinstance(each, np.ufunc)}
    missing = {each.__name__ for name, each in named.items() if name not in FUNCTIONS}
    assert missing == LEFT_OUT.keys()


DTYPES = ["bool", "int8", "int32", "int64", "uint8", "uint64", "float32", "float64"]


def operands(ufunc: np.ufunc, dtype: np.dtype[Any]) -> list[Array]:
    """All combinations of edge cases; powers and shifts that NumPy takes."""
    edges = edges_of(DType.of(dtype))
    grid = [axis.ravel() for axis in np.meshgrid(*[edges] * ufunc.nin)]
    if dtype.kind == "i" and ufunc is np.power:
        grid[1] = np.abs(grid[1] % 7)
    return grid


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_are_numpys(dtype: str, value: Any) -> None:
    for ufunc in UFUNCS:
        arrays = operands(ufunc, np.dtype(dtype))
        if numpys_answer(ufunc, (np.dtype(dtype),) * ufunc.nin) is None:
            continue
        if ufunc is np.spacing and dtype == "int8":
            continue  # NumPy's spacing of float16 drops the sign, those of the others do not.
        if ufunc is np.reciprocal and np.dtype(dtype).kind in "iu":
            arrays = [array[array != 0] for array in arrays]
        with np.errstate(all="ignore"):
            wanted = ufunc(*arrays)
        tensors = [gc.input(f"x{i}", array.shape, dtype) for i, array in enumerate(arrays)]
        found = FUNCTIONS[ufunc.__name__](*tensors)
        given = dict(zip(tensors, arrays, strict=True))
        pairs = [(found, wanted)] if ufunc.nout == 1 else zip(found, wanted, strict=True)
        for tensor, expected in pairs:
            assert_same(value(tensor, given), expected, f"{ufunc.__name__} of {dtype}")


def assert_same(actual: Array, expected: Array, label: str) -> None:
    """Equal, zeros in sign too; what is not exact to a few units in the last place."""
    assert actual.dtype == expected.dtype, label
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected, label)
        return
    tolerance = 8 * float(np.finfo(expected.dtype).eps)
    tiny = float(np.finfo(expected.dtype).tiny)
    np.testing.assert_allclose(actual, expected, tolerance, tiny, err_msg=label)
    zero = expected == 0
    same = np.signbit(actual[zero]) == np.signbit(expected[zero])
    assert np.all(same), f"{label}: the sign of zero"


COMPOSED: dict[str, Callable[[Any, Any], Any]] = {
    "round": lambda m, x: m.round(x),
    "round to tenths": lambda m, x: m.round(x, 1),
    "round to tens": lambda m, x: m.round(x, -1),
    "around": lambda m, x: m.around(x),
    "fix": lambda m, x: m.fix(x),
    "clip": lambda m, x: m.clip(x, 0, 2),
    "clip by a float": lambda m, x: m.clip(x, 0.5, None),
    "clip by name": lambda m, x: m.clip(x, min=1, max=2),
    "clip crossed": lambda m, x: m.clip(x, 3, 1),
    "clip to NaN": lambda m, x: m.clip(x, np.float64("nan"), 1),
    "clip to nothing": lambda m, x: m.clip(x),
    "nan_to_num": lambda m, x: m.nan_to_num(x),
    "nan_to_num given": lambda m, x: m.nan_to_num(x, nan=7, posinf=8, neginf=9),
    "isposinf": lambda m, x: m.isposinf(x),
    "isneginf": lambda m, x: m.isneginf(x),
}


@pytest.mark.parametrize("name", COMPOSED)
@pytest.mark.parametrize("module", [gc, np], ids=["gc", "np"])
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int64", "float32", "float64"])
def test_composed_functions_are_numpys(name: str, module: Any, dtype: str, value: Any) -> None:
    array = edges_of(DType.of(dtype), floats=(0, -0.0, 0.25, -2.5, 15.5, 25, np.inf, np.nan))
    x = gc.input("x", array.shape, dtype)
    with np.errstate(all="ignore"):
        wanted = COMPOSED[name](np, array)
        found = value(COMPOSED[name](module, x), {x: array})
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == wanted.dtype


def test_bounds_of_a_clip_are_named_once() -> None:
    x = gc.input("x", 3)
    with pytest.raises(TypeError, match="a_min or as min"):
        gc.clip(x, 0, min=1)


OPERATORS: dict[str, Callable[..., Any]] = {
    "//": operator.floordiv,
    "%": operator.mod,
    "divmod": divmod,
    "**": operator.pow,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}


@pytest.mark.parametrize("sign", OPERATORS)
def test_operators_of_integers_compiled(sign: str) -> None:
    """Compiled, beside each other: all pairs of small integers, with the smallest and largest."""
    function = OPERATORS[sign]
    for dtype in ("int8", "uint8", "int32", "uint64"):
        bounds = np.iinfo(dtype)
        edges = [bounds.min, bounds.min + 1, 0, 1, 2, 3, 7, bounds.max]
        signed = [] if bounds.min == 0 else [-1, -2, -7]
        left = np.array([*edges, *signed], dtype)
        right = left if sign != "**" else np.array([0, 1, 2, 5, 11], dtype)
        pairs = np.array(list(itertools.product(left, right)), dtype).T.copy()
        x, y = gc.input("x", pairs.shape[1], dtype), gc.input("y", pairs.shape[1], dtype)
        found = gc.compile([x, y], function(x, y))(*pairs)
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(found, function(*pairs), f"{sign} of {dtype}")
            by_number = function(2, gc.input("y", 3, dtype))
        assert by_number is not None


def test_quotients_of_floats_compiled() -> None:
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        powers = np.finfo(dtype).maxexp - 2
        x, y = (
            np.ldexp(rng.uniform(-1, 1, 3000), rng.integers(-powers, powers, 3000)).astype(dtype)
            for _ in range(2)
        )
        edges = edges_of(DType.of(dtype))
        grid = np.meshgrid(edges, edges)
        x, y = np.append(x, grid[0].ravel()), np.append(y, grid[1].ravel())
        a, b = gc.input("a", x.shape, dtype), gc.input("b", y.shape, dtype)
        outputs = [gc.floor_divide(a, b), gc.remainder(a, b), gc.fmod(a, b), gc.nextafter(a, b)]
        found = gc.compile([a, b], outputs)(x, y)
        with np.errstate(all="ignore"):
            wanted = [np.floor_divide(x, y), np.remainder(x, y), np.fmod(x, y), np.nextafter(x, y)]
        for actual, expected in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(actual, expected)
            number = ~np.isnan(expected)
            np.testing.assert_array_equal(np.signbit(actual[number]), np.signbit(expected[number]))


def test_powers_of_integers() -> None:
    x = gc.input("x", 3, gc.int32)
    assert (x**x).dtype is gc.int32
    assert (2**x).dtype is gc.int32
    with pytest.raises(gc.errors.AttributeValueError, match="to the power -2 is no integer"):
        x**-2
    with pytest.raises(gc.errors.AttributeValueError, match="to the power -1 is no integer"):
        gc.power(x, np.array([1, -1, 2]))
    found = gc.compile([x], 3 ** (x - 1))(np.array([0, 1, 3], "int32"))
    np.testing.assert_array_equal(found, [0, 1, 9])


def test_bits_of_floats_are_refused() -> None:
    x = gc.input("x", 3)
    calls: list[Callable[[], gc.Tensor]] = [
        lambda: x & 1,
        lambda: ~x,
        lambda: x << 1,
        lambda: gc.gcd(x, x),
    ]
    for call in calls:
        with pytest.raises(gc.errors.DTypeError):
            call()
    assert x.dtype is float32
