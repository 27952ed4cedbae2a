"""Result dtypes are NumPy 2's: of every function that stands for a ufunc, at every pair of dtypes.

Nothing here names a function: what stands for a ufunc is read from the registry.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc as gc
import graphc.declare
from graphc.ir.types import ALL_DTYPES, float16
from graphc.registry import BY_NUMPY

DTYPES = [dtype.numpy for dtype in (*ALL_DTYPES, float16)]
WEAK = [bool, int, float]
UFUNCS = sorted(
    (each for each in BY_NUMPY if isinstance(each, np.ufunc) and each.signature is None),
    key=lambda ufunc: ufunc.__name__,
)


def result_dtypes(result: Any) -> list[np.dtype[Any]]:
    return [each.dtype for each in (result if isinstance(result, tuple) else (result,))]


def numpys_answer(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> list[np.dtype[Any]] | None:
    """The dtypes that NumPy gives, or None where it refuses."""
    operands = [kind(1) if isinstance(kind, type) else np.ones(2, kind) for kind in kinds]
    try:
        with np.errstate(all="ignore"):
            return result_dtypes(ufunc(*operands))
    except TypeError:
        return None


def graphcs_answer(ufunc: np.ufunc, kinds: tuple[Any, ...]) -> list[np.dtype[Any]] | None:
    operands = [
        kind(1) if isinstance(kind, type) else gc.input(f"x{i}", 2, kind)
        for i, kind in enumerate(kinds)
    ]
    try:
        result = BY_NUMPY[ufunc](*operands)
    except gc.errors.DTypeError:
        return None
    tensors = result if isinstance(result, tuple) else (result,)
    return [tensor.dtype.numpy for tensor in tensors]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_result_dtype_is_numpys(ufunc: np.ufunc) -> None:
    kinds = [*DTYPES, *WEAK] if ufunc.nin > 1 else DTYPES
    for chosen in itertools.product(kinds, repeat=ufunc.nin):
        if not all(isinstance(kind, type) for kind in chosen):
            assert graphcs_answer(ufunc, chosen) == numpys_answer(ufunc, chosen), chosen


OPERATORS = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.floordiv,
    operator.mod,
    operator.pow,
    operator.and_,
    operator.or_,
    operator.xor,
    operator.lshift,
    operator.rshift,
    operator.lt,
    operator.eq,
]


@pytest.mark.parametrize("function", OPERATORS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("number", [3, 2.5])
def test_operators_with_python_numbers(function: Callable[..., Any], number: float) -> None:
    for dtype in DTYPES:
        array, tensor = np.ones(2, dtype), gc.input("x", 2, dtype)
        for swapped in (False, True):
            pair = (number, array) if swapped else (array, number)
            given = (number, tensor) if swapped else (tensor, number)
            try:
                wanted = function(*pair).dtype
            except TypeError:
                with pytest.raises(gc.errors.DTypeError):
                    function(*given)
                continue
            assert function(*given).dtype.numpy == wanted, (dtype, swapped)


@pytest.mark.parametrize("number", [-1, 0, 255, 256, 2**40, -(2**70)])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "uint64"])
def test_comparisons_with_python_integers_are_exact(number: int, dtype: str, value: Any) -> None:
    bounds = np.iinfo(dtype)
    array = np.array([bounds.min, 0, 1, bounds.max], dtype)
    x = gc.input("x", 4, dtype)
    for compare in ("lt", "le", "gt", "ge", "eq", "ne"):
        function = getattr(operator, compare)
        np.testing.assert_array_equal(
            value(function(x, number), {x: array}), function(array, number)
        )
        np.testing.assert_array_equal(
            value(function(number, x), {x: array}), function(number, array)
        )


@pytest.mark.parametrize("dtype", ["int8", "int64"])
def test_signed_and_unsigned_integers_compare_exactly(dtype: str, value: Any) -> None:
    bounds = np.iinfo(dtype)
    signed = np.array([bounds.min, -1, 0, 1, bounds.max], dtype)
    unsigned = np.array([0, 1, bounds.max, 2**63, 2**64 - 1], np.uint64)
    x, y = gc.input("x", 5, dtype), gc.input("y", (5, 1), gc.uint64)
    given = {x: signed, y: unsigned[:, None]}
    for compare in ("lt", "le", "gt", "ge", "eq", "ne"):
        function = getattr(operator, compare)
        wanted = [[function(int(a), int(b)) for a in signed] for b in unsigned]
        swapped = [[function(int(b), int(a)) for a in signed] for b in unsigned]
        np.testing.assert_array_equal(value(function(x, y), given), wanted)
        np.testing.assert_array_equal(value(function(y, x), given), swapped)


def test_numbers_that_do_not_fit_are_refused_in_arithmetic() -> None:
    x = gc.input("x", 2, gc.uint8)
    with pytest.raises(gc.errors.DTypeError, match="300 does not fit in u8"):
        x + 300
    with pytest.raises(gc.errors.DTypeError, match="-1 does not fit in u8"):
        gc.maximum(x, -1)
