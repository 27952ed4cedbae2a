"""Constants by content, and the builders that derivative rules are written in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graphc.ir.build import ConstantValue, Expression, constant, full, ops, scalar, sum_to
from graphc.ir.diagnostics import ShapeError
from graphc.ir.interpreter import evaluate
from graphc.ir.types import Shape, TensorType, float32, int32


def test_constants_are_compared_by_content() -> None:
    nan = ConstantValue(np.array([np.nan, 1.0]))
    assert nan == ConstantValue(np.array([np.nan, 1.0]))
    assert hash(nan) == hash(ConstantValue(np.array([np.nan, 1.0])))
    assert nan.digest == ConstantValue(np.array([np.nan, 1.0])).digest
    others = [np.array([np.nan, 2.0]), np.array([[np.nan, 1.0]]), np.array([0, 1], np.int64)]
    for other in others:
        assert nan != ConstantValue(other)
        assert nan.digest != ConstantValue(other).digest
    assert ConstantValue(np.array(0.0)) != ConstantValue(np.array(-0.0))


def test_constants_are_copies_that_cannot_change() -> None:
    array = np.arange(4.0)
    value = ConstantValue(array)
    array[0] = 7
    assert value.array[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        value.array[0] = 7


def test_constants_are_contiguous_and_of_native_byte_order() -> None:
    value = ConstantValue(np.arange(6, dtype=">f4").reshape(2, 3).T)
    assert value.array.flags.c_contiguous
    assert value.array.dtype.isnative
    np.testing.assert_array_equal(value.array, [[0, 3], [1, 4], [2, 5]])


def test_dtypes_without_a_type_are_refused() -> None:
    with pytest.raises(KeyError):
        ConstantValue(np.zeros(2, np.complex64))


def test_expressions_read_like_formulas() -> None:
    x = Expression(constant(np.array([0.5, -2.0])))
    y = 3 - 2 * x + x / 4 - -x * (1 / x)
    (found,) = evaluate([x.gt(0).where(y, 0).node], {})
    np.testing.assert_array_equal(found, [3.125, 0.0])


def test_numbers_in_expressions_take_the_dtype_of_the_operand() -> None:
    x = Expression(ops.input(type=TensorType(int32, (2,)), name="x"))
    assert (x * 2).node.type == TensorType(int32, (2,))
    with pytest.raises(AttributeError, match="there is no op frobnicate"):
        x.frobnicate()


@pytest.mark.parametrize(
    ("shape", "target"),
    [((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 3), ()), ((4, 2, 3), (2, 1)), ((0, 3), (1, 3))],
)
def test_sum_to_undoes_broadcasting(shape: Shape, target: Shape) -> None:
    (found,) = evaluate([sum_to(full(1, float32, shape), target)], {})
    assert found.shape == target
    repeated = math.prod(shape) // math.prod(target)
    np.testing.assert_array_equal(found, np.full(target, repeated))


def test_scalars_have_exactly_the_dtype() -> None:
    assert scalar(0.1, float32).type == TensorType(float32, ())


def test_matmul_names_the_operand_and_both_sizes() -> None:
    x = ops.input(type=TensorType(float32, (32, 784)), name="x")
    w = ops.input(type=TensorType(float32, (748, 10)), name="w")
    with pytest.raises(ShapeError) as caught:
        ops.matmul(x, w)
    assert str(caught.value).splitlines() == [
        "GC012 shape mismatch: matmul needs equal inner sizes",
        "   |  w is f32[748,10] (inner size 748), but x is f32[32,784] (inner size 784)",
    ]


def test_attributes_with_nan_equal_themselves() -> None:
    x = constant(np.zeros(2))
    fills = [np.nan, np.nan, 0.0, -0.0]
    attrs = [ops.pad(x, low=(1,), high=(0,), value=fill).attrs for fill in fills]
    assert attrs[0] == attrs[1]
    assert attrs[2] != attrs[3]
