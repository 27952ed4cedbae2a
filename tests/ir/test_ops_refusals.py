"""Every record carries operands and attributes that must be refused, of each kind that it can get.

Nothing here names an op: what a record can get wrong is read off its operands, dtypes, attributes
and accepted samples. `test_ops_records.py` holds that what is refused is refused with the promised
error. `item` takes the results of another op, which no sample can be: it is tested below. Records
that take graphs make theirs when they are asked for (`Deferred`), and refuse with `ControlError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from graphc.ir.build import constant, ops
from graphc.ir.diagnostics import (
    AttributeValueError,
    ControlError,
    DTypeError,
    GraphError,
    ShapeError,
)
from graphc.ir.graph import Graph
from graphc.ir.op import Array, Family, Op, Sample
from graphc.ir.ops import OPS
from graphc.ir.types import ALL_DTYPES, DType

RECORDS = [op for op in OPS.values() if op.operands and op.family is not Family.ITEM]

every_record = pytest.mark.parametrize("op", RECORDS, ids=[op.name for op in RECORDS])


def arrays_of(op: Op, sample: Sample) -> list[Array]:
    return list(sample.arrays(np.random.default_rng(0), op.tested_dtypes[-1]))


def refused(op: Op, *errors: type[GraphError]) -> Iterator[tuple[Sample, list[Array]]]:
    """The samples that one of these errors refuses, with their operands."""
    for sample in op.samples:
        if sample.refuse in errors:
            yield sample, arrays_of(op, sample)


def accepted(op: Op) -> Sample:
    return next(sample for sample in op.samples if sample.refuse is None)


def takes(op: Op, *arrays: Array) -> bool:
    """Whether an op takes these operands, with the attributes of its first sample."""
    try:
        op(*map(constant, arrays), **accepted(op).attrs)
    except GraphError:
        return False
    return True


@every_record
def test_another_number_of_operands(op: Op) -> None:
    with pytest.raises(GraphError, match=f"{op.name} takes .*, got 0"):
        op(**accepted(op).attrs)
    if not op.operands[-1].startswith("*"):
        operands = [constant(array) for array in arrays_of(op, accepted(op))]
        with pytest.raises(GraphError, match=f"{op.name} takes {len(operands)} operand"):
            op(*operands, operands[0], **accepted(op).attrs)


@every_record
def test_a_dtype_that_it_does_not_take(op: Op) -> None:
    if op.dtypes and set(ALL_DTYPES) - set(op.dtypes):
        found = [DType.of(arrays[0].dtype) for _, arrays in refused(op, DTypeError)]
        assert [dtype for dtype in found if dtype.arithmetic not in op.dtypes]


def takes_graphs(op: Op) -> bool:
    return any(isinstance(value, Graph) for value in accepted(op).attrs.values())


def relates_operands(op: Op, x: Array, y: Array) -> bool:
    """Whether it does not take any two operands, and has no graphs to say which it takes."""
    several = len(op.operands) > 1 or op.operands[0].startswith("*")
    return several and not takes_graphs(op) and not takes(op, x, y)


@every_record
def test_operands_of_two_dtypes(op: Op) -> None:
    shape = arrays_of(op, accepted(op))[0].shape
    if relates_operands(op, np.ones(shape, np.float32), np.ones(shape, np.int32)):
        pairs = [arrays for _, arrays in refused(op, DTypeError)]
        assert [arrays for arrays in pairs if len({array.dtype for array in arrays}) > 1]


@every_record
def test_operands_of_shapes_that_do_not_fit(op: Op) -> None:
    dtype = op.tested_dtypes[0].numpy
    if relates_operands(op, np.ones((2, 3), dtype), np.ones((5,), dtype)):
        pairs = [arrays for _, arrays in refused(op, ShapeError)]
        assert [arrays for arrays in pairs if len({array.shape for array in arrays}) > 1]


@every_record
def test_operands_that_its_graphs_do_not_take(op: Op) -> None:
    if takes_graphs(op):
        assert list(refused(op, ControlError))


def attributes(op: Op) -> set[str]:
    """Attributes that can have a wrong value: all but flags, dtypes and graphs."""
    values = accepted(op).attrs
    free = (bool, DType, Graph)
    return {
        field.name for field in fields(op.attrs)
        if not isinstance(values.get(field.name, False), free)
        and not callable(values.get(field.name))
    }  # fmt: skip


@every_record
def test_an_attribute_that_makes_no_sense(op: Op) -> None:
    if attributes(op):
        assert list(refused(op, AttributeValueError, ShapeError, ControlError))


@every_record
def test_an_axis_that_is_not_there(op: Op) -> None:
    if {name for name in attributes(op) if "ax" in name or name in ("perm", "along")}:
        assert list(refused(op, AttributeValueError))


@every_record
def test_a_size_that_is_negative(op: Op) -> None:
    for name in attributes(op) & {"shape", "size", "low", "high", "length"}:
        samples = refused(op, AttributeValueError, ShapeError, ControlError)
        given: list[Any] = [sample.attrs[name] for sample, _ in samples]
        assert any(np.min(value, initial=1) <= 0 for value in given), name


@every_record
def test_the_reduction_of_nothing(op: Op) -> None:
    """Has a value, or is refused."""
    if op.family is Family.REDUCTION:
        for sample in op.samples:
            shape = arrays_of(op, sample)[0].shape
            if any(shape[axis] == 0 for axis in sample.attrs["axes"]):
                return
        pytest.fail("no sample reduces nothing")


def test_an_item_that_is_not_there() -> None:
    x = constant(np.ones(3))
    packed = ops.pack(x, x)
    with pytest.raises(AttributeValueError, match="item 2 of 2 results"):
        ops.item(packed, index=2)
    with pytest.raises(DTypeError, match="takes the results of an op"):
        ops.item(x, index=0)
