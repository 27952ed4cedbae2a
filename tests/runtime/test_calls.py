"""Calls that work: every dtype and rank, every way to pass and to return."""

from __future__ import annotations

import array
import inspect
import pickle
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.runtime.artifact import Structure
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.dtypes import DTYPES, numpy_dtype
from graphc.runtime.executable import Executable
from tests.runtime.programs import (
    LONG,
    accumulate,
    add,
    binary_body,
    gather,
    loop_kernel,
    make_artifact,
    make_manifest,
)

X = np.array([1, 2, 3, 4], np.float32)
Y = np.array([10, 20, 30, 40], np.float32)


@pytest.fixture(scope="module")
def adder() -> Executable:
    return add()


@pytest.mark.parametrize("dtype", sorted(DTYPES.keys() - {"f16", "bf16"}))
@pytest.mark.parametrize("shape", ["", "3", "2,3", "1,2,1,3", "0", "2,0"])
def test_every_dtype_and_shape(dtype: str, shape: str) -> None:
    sizes = tuple(int(size) for size in shape.split(",") if size)
    x = np.arange(np.prod(sizes, dtype=int)).reshape(sizes).astype(numpy_dtype(dtype))
    y = np.ones(sizes, numpy_dtype(dtype))
    result = add(dtype, shape)(x, y)
    assert_array_equal(result, x + y)
    assert result.dtype == numpy_dtype(dtype)
    assert result.shape == sizes
    assert isinstance(result, np.ndarray if sizes else np.generic)


@pytest.mark.parametrize("work", [0, LONG])
def test_both_ways_of_locking_give_the_same(work: int) -> None:
    assert_array_equal(add(work_nanoseconds=work)(X, Y), X + Y)


def test_outputs_are_new_arrays_each_time(adder: Executable) -> None:
    first = adder(X, Y)
    second = adder(Y, Y)
    assert first.flags.owndata
    assert first.flags.writeable
    assert_array_equal(first, X + Y)
    assert_array_equal(second, Y + Y)


def test_inputs_by_name_in_any_order(adder: Executable) -> None:
    assert_array_equal(adder(y=Y, x=X), X + Y)
    assert_array_equal(adder(X, y=Y), X + Y)


def test_one_array_for_both_inputs(adder: Executable) -> None:
    assert_array_equal(adder(X, X), X + X)


@pytest.mark.parametrize(
    "x",
    [
        pickle.loads(pickle.dumps(X)),
        X.data,
        array.array("f", X),
        X.view(np.memmap),
        np.frombuffer(X.tobytes(), np.float32),
    ],
    ids=["unpickled", "memoryview", "array.array", "subclass", "read-only"],
)
def test_anything_that_holds_the_right_elements(adder: Executable, x: Any) -> None:
    result = adder(x, Y)
    assert type(result) is np.ndarray
    assert_array_equal(result, X + Y)


def test_equivalent_dtypes_are_the_same_dtype() -> None:
    """C's `long` and `long long` are two NumPy types of one meaning on most machines."""
    step = add("i64", "2")
    x = np.array([1, 2], np.longlong)
    assert_array_equal(step(x, x), x + x)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("f32", 1.5),
        ("f64", 1.5),
        ("f32", 3),
        ("i32", -3),
        ("u8", 250),
        ("bool", True),
        ("f32", np.float32(1.5)),
        ("f64", np.float64(1.5)),
        ("i64", np.longlong(4)),
        ("i16", np.array(7, np.int16)),
        ("bool", np.True_),
        ("f32", 1e300),
        ("f32", float("nan")),
    ],
)
def test_scalars_for_inputs_without_axes(dtype: str, value: Any) -> None:
    step = add(dtype, "")
    zero = np.zeros((), numpy_dtype(dtype))
    with np.errstate(over="ignore"):
        expected = np.asarray(value).astype(numpy_dtype(dtype))[()]
    for result in (step(value, zero), step(zero, value), step(x=value, y=zero)):
        assert_array_equal(result, expected)
        assert result.dtype == numpy_dtype(dtype)


def test_parameters_are_updated_in_place() -> None:
    storage = ParameterStorage(np.zeros(4, np.float32))
    step = accumulate(storage, np.full(4, 100, np.float32))
    view = storage.value
    updated, shifted = step(X)
    assert_array_equal(view, X)
    assert_array_equal(updated, X)
    assert_array_equal(shifted, X + 100)
    storage.value = 5.0
    assert_array_equal(step(X)[0], X + 5)
    assert step.params["w"] is storage


def test_two_executables_share_a_parameter() -> None:
    storage = ParameterStorage(np.zeros(4, np.float32))
    first, second = accumulate(storage), accumulate(storage)
    first(X)
    second(Y)
    assert_array_equal(storage.value, X + Y)


@pytest.mark.parametrize("start", range(4))
def test_an_input_that_aliases_an_updated_parameter_is_copied(start: int) -> None:
    block = np.zeros(7, np.float32)
    block[start : start + 4] = X
    storage = ParameterStorage(np.zeros(4, np.float32))
    storage._array = block[:4]
    before = block.copy()
    _, shifted = accumulate(storage)(block[start : start + 4])
    assert_array_equal(shifted, before[start : start + 4])
    assert_array_equal(block[:4], before[:4] + before[start : start + 4])


def test_out_is_written_and_returned(adder: Executable) -> None:
    out = np.empty(4, np.float32)
    assert adder(X, Y, out=out) is out
    assert_array_equal(out, X + Y)
    assert adder(y=Y, x=X * 2, out=out) is out
    assert_array_equal(out, X * 2 + Y)
    mapped = np.empty(4, np.float32).view(np.memmap)
    assert adder(X, Y, out=mapped) is mapped
    assert_array_equal(mapped, X + Y)
    assert_array_equal(adder(X, Y, out=None), X + Y)


def test_out_without_axes_is_an_array() -> None:
    out = np.empty((), np.float64)
    assert add("f64", "")(1.0, 2.0, out=out) is out
    assert out == 3


def test_out_has_the_structure_of_the_outputs() -> None:
    storage = ParameterStorage(np.zeros(4, np.float32))
    out = (np.empty(4, np.float32), np.empty(4, np.float32))
    assert accumulate(storage)(X, out=out) is out
    assert_array_equal(out[0], X)
    assert_array_equal(out[1], X)


def test_empty_arrays_overlap_nothing() -> None:
    block = np.empty(0, np.float32)
    assert add(shape="0")(block, block, out=block) is block


STRUCTURES: list[Any] = [
    (),
    (0,),
    [0, 1],
    (0, [1, {"a": 0, "b": (1, 1)}]),
    {"loss": 0, "more": {"x": [1]}},
    ((((0,),),),),
    {},
]


@pytest.mark.parametrize("nested", STRUCTURES, ids=str)
def test_outputs_come_back_in_their_structure(nested: Any) -> None:
    leaves, structure = Structure.of(nested)
    numbered = _renumber(structure, leaves)
    outputs = " ".join(f"o{k}:f32[{'4' if k else ''}]" for k in range(len(set(leaves))))
    manifest = make_manifest("x:f32[4]", outputs, structure=numbered)
    body = "".join(
        binary_body("f32", "fadd", 0, 0, 1 + k).replace("%x", f"%x{k}").replace("%y", f"%y{k}")
        .replace("%z", f"%z{k}").replace("%i", "0" if k == 0 else "%i")
        for k in range(len(set(leaves)))
    )  # fmt: skip
    step = Executable(make_artifact(manifest, loop_kernel(manifest, 4, body)), {})
    expected = numbered.build([np.float32(2), X + X])
    assert repr(step(X)) == repr(expected)
    assert repr(step(x=X)) == repr(expected)


def _renumber(structure: Structure, leaves: list[int]) -> Structure:
    """`Structure.of` counts leaves; let equal leaves be one output."""
    if structure.kind == "one":
        return Structure("one", leaves[structure.output])
    items = tuple(_renumber(item, leaves) for item in structure.items)
    return Structure(structure.kind, -1, structure.keys, items)


def test_no_inputs_and_no_outputs() -> None:
    manifest = make_manifest()
    step = Executable(make_artifact(manifest, loop_kernel(manifest, 0, "")), {})
    assert step() == ()
    assert step(out=()) == ()


def test_many_inputs() -> None:
    inputs = " ".join(f"x{k}:f32[4]" for k in range(60))
    manifest = make_manifest(inputs, "y:f32[4]")
    body = binary_body("f32", "fadd", 0, 59, 60)
    step = Executable(make_artifact(manifest, loop_kernel(manifest, 4, body)), {})
    assert_array_equal(step(X, *[Y] * 59), X + Y)


def test_indices_in_range() -> None:
    storage = ParameterStorage(np.arange(5, dtype=np.float32))
    assert_array_equal(gather(storage)(np.array([4, 0, 2])), [4, 0, 2])
    assert_array_equal(gather(storage, minimum=-5)(np.array([-1, -5, 2])), [4, 0, 2])


def test_an_executable_describes_itself(adder: Executable) -> None:
    assert repr(adder) == "<Executable step(x: f32[4], y: f32[4]) -> (total: f32[4])>"
    assert str(inspect.signature(adder.__call__)) == "(x, y, *, out=None)"
    assert "x: f32[4]" in (adder.__call__.__doc__ or "")
    assert adder.name == adder.__call__.__name__ == "step"
    assert [argument.name for argument in adder.inputs] == ["x", "y"]
    assert [argument.type for argument in adder.outputs] == ["f32[4]"]
    assert callable(adder)


def test_it_can_be_extended() -> None:
    class Named(Executable):
        __slots__ = ("note",)
        note: str

    base = add()
    step = Named(base.artifact, {})
    step.note = "mine"
    assert_array_equal(step(X, Y), X + Y)
