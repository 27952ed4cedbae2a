"""Tensors: operators, promotion, protocols, what they refuse."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.ir.types import ALL_DTYPES, DType, float16

BINARY = [
    operator.add,
    operator.sub,
    operator.mul,
    operator.truediv,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.eq,
    operator.ne,
]


@pytest.mark.parametrize("operation", BINARY, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("left", [*ALL_DTYPES, float16], ids=str)
@pytest.mark.parametrize("right", [*ALL_DTYPES, float16], ids=str)
def test_promotion_is_numpys(operation: Any, left: DType, right: DType) -> None:
    a, b = gc.input("a", 2, left), gc.input("b", 2, right)
    try:
        expected = operation(np.ones(2, left.numpy), np.ones(2, right.numpy)).dtype
    except TypeError:
        with pytest.raises(gc.errors.DTypeError):
            operation(a, b)
        return
    assert operation(a, b).dtype.numpy == expected


@pytest.mark.parametrize("number", [2, 2.5, np.float32(2), np.float64(2), np.int8(2), True])
@pytest.mark.parametrize("dtype", [gc.float16, gc.float32, gc.float64, gc.int32, gc.uint8], ids=str)
def test_python_numbers_are_weak_and_numpy_scalars_are_not(number: Any, dtype: DType) -> None:
    tensor, array = gc.input("a", 2, dtype), np.ones(2, dtype.numpy)
    assert (tensor + number).dtype.numpy == (array + number).dtype
    assert (number * tensor).dtype.numpy == (number * array).dtype


def test_operators_compute_what_numpy_computes(value: Any) -> None:
    a, b = gc.input("a", (2, 3)), gc.input("b", (3,))
    rng = np.random.default_rng(0)
    given = {
        a: rng.uniform(1, 2, (2, 3)).astype("float32"),
        b: rng.uniform(1, 2, 3).astype("float32"),
    }
    x, y = given[a], given[b]
    for operation in [*BINARY, operator.pow]:
        np.testing.assert_allclose(
            value(operation(a, b), given), operation(x, y), rtol=1e-6, err_msg=str(operation)
        )
        np.testing.assert_allclose(value(operation(2, b), given), operation(2, y), rtol=1e-6)
        np.testing.assert_allclose(value(operation(y, b), given), operation(y, y), rtol=1e-6)
    np.testing.assert_array_equal(value(-a, given), -x)
    np.testing.assert_array_equal(value(abs(a - 1.5), given), abs(x - 1.5))
    assert +a is a


def test_logic_of_bools(value: Any) -> None:
    a = gc.input("a", 4, gc.bool_)
    b = gc.input("b", 4, gc.bool_)
    given = {a: [True, True, False, False], b: [True, False, True, False]}
    assert value(a & b, given).tolist() == [True, False, False, False]
    assert value(a | b, given).tolist() == [True, True, True, False]
    assert value(a ^ b, given).tolist() == [False, True, True, False]
    assert value(~a, given).tolist() == [False, False, True, True]
    with pytest.raises(gc.errors.DTypeError, match="compare first"):
        a & gc.input("c", 4)


def test_integer_powers_stay_integers(value: Any) -> None:
    n = gc.input("n", 4, gc.int32)
    given = {n: [0, 1, -2, 3]}
    for exponent in range(6):
        power = n**exponent
        assert power.dtype is gc.int32
        assert value(power, given).tolist() == [number**exponent for number in (0, 1, -2, 3)]
    with pytest.raises(gc.errors.AttributeValueError, match="power -1"):
        n**-1


def test_number_that_does_not_fit_is_refused() -> None:
    with pytest.raises(gc.errors.DTypeError, match="300 does not fit in u8"):
        gc.input("n", 2, gc.uint8) + 300


def test_arrays_on_the_left_build_nodes(x: gc.Tensor) -> None:
    assert isinstance(np.ones((3, 4), "float32") * x, gc.Tensor)
    assert isinstance(np.ones((2, 3), "float32") @ x, gc.Tensor)
    assert isinstance(np.float32(2) - x, gc.Tensor)


def test_attributes(x: gc.Tensor) -> None:
    assert (x.shape, x.dtype, x.ndim, x.size, x.name, len(x)) == ((3, 4), gc.float32, 2, 12, "x", 3)
    assert x.T.shape == (4, 3)
    assert [row.shape for row in x] == [(4,)] * 3


def test_methods(x: gc.Tensor, value: Any) -> None:
    array = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    given = {x: array}
    for name in ("sum", "mean", "max", "min", "prod"):
        for axis in (None, 0, -1, (0, 1), ()):
            for keepdims in (False, True):
                result = value(getattr(x, name)(axis=axis, keepdims=keepdims), given)
                wanted = getattr(array, name)(axis=axis, keepdims=keepdims)
                np.testing.assert_allclose(result, wanted, rtol=2e-6)
    for axis in (None, 0, 1):
        np.testing.assert_array_equal(value(x.argmax(axis), given), array.argmax(axis))
    np.testing.assert_array_equal(value(x.reshape(2, -1), given), array.reshape(2, -1))
    np.testing.assert_array_equal(value(x.reshape((4, 3)), given), array.reshape(4, 3))
    np.testing.assert_array_equal(value(x.transpose(1, 0), given), array.T)
    np.testing.assert_array_equal(value(x.astype("int8"), given), array.astype("int8"))
    assert x.astype(gc.float32).node is x.node


class TestUseAsValue:
    """A symbolic tensor has no value, and says what to do instead."""

    def test_truth(self, x: gc.Tensor) -> None:
        with pytest.raises(TypeError, match=r"gc\.where"):
            bool(x > 0)

    def test_membership_in_a_list(self, x: gc.Tensor) -> None:
        other = x + 1
        assert x in [x, other]
        with pytest.raises(TypeError, match="`is`"):
            assert other in [x]

    @pytest.mark.parametrize("convert", [float, int, operator.index])
    def test_numbers(self, convert: Any) -> None:
        with pytest.raises(TypeError, match="compile"):
            convert(gc.input("s"))

    def test_arrays(self, x: gc.Tensor) -> None:
        with pytest.raises(TypeError, match=r"gc\.compile"):
            np.asarray(x)

    def test_scalars_have_no_length_and_no_items(self) -> None:
        scalar = gc.input("s")
        with pytest.raises(TypeError, match="no length"):
            len(scalar)
        with pytest.raises(TypeError, match="cannot be iterated"):
            iter(scalar)


def test_hash_is_identity(x: gc.Tensor) -> None:
    same_node = gc.Tensor(x.node)
    table = {x: 1, x + 1: 2, same_node: 3}
    assert table[x] == 1
    assert table[same_node] == 3
    assert len({x, x, same_node}) == 2


def test_repr_spells_out_the_expression(x: gc.Tensor) -> None:
    assert repr(x) == "<Tensor x: f32[3,4]>"
    y = gc.tanh(x * 2)
    assert repr(y) == "<Tensor y: f32[3,4] = tanh(mul(x, 2.0))>"
    deep = x
    for _ in range(100):
        deep = -deep
    assert len(repr(deep)) < 100
