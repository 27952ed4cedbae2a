"""Calls that cannot be carried out: one clear error each, and nothing is changed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.runtime.artifact import Structure
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.errors import (
    AlignmentError,
    ArgumentCountError,
    ArgumentDTypeError,
    ArgumentShapeError,
    ByteOrderError,
    CallError,
    ContiguityError,
    IndexRangeError,
    InternalCallError,
    MissingInputError,
    NotAnArrayError,
    OutputStructureError,
    OverlapError,
    ReadOnlyError,
    ScalarValueError,
    UnexpectedArgumentError,
)
from graphc.runtime.executable import Executable
from tests.runtime.programs import (
    accumulate,
    add,
    gather,
    loop_kernel,
    make_artifact,
    make_manifest,
)

X = np.array([1, 2, 3, 4], np.float32)
SHIFTED = np.frombuffer(bytes(17), np.uint8)[1:].view(np.float32)
FROZEN = X.copy()
FROZEN.flags.writeable = False


class Model:
    """step(x) -> (w + x, x + c), and what must stay as it is when a call fails."""

    def __init__(self) -> None:
        self.storage = ParameterStorage(np.full(4, 9, np.float32))
        self.step = accumulate(self.storage, np.full(4, 7, np.float32))
        self.out = (np.full(4, 5, np.float32), np.full(4, 5, np.float32))

    def refuses(self, expected: type[CallError], *args: Any, **keywords: Any) -> str:
        with pytest.raises(expected) as caught:
            self.step(*args, **keywords)
        assert type(caught.value) is expected
        assert_array_equal(self.storage.value, np.full(4, 9))
        assert_array_equal(self.out, np.full((2, 4), 5))
        message = str(caught.value)
        assert message.startswith(f"{expected.code} {expected.title}: step() ")
        assert "= help: " in message
        return message


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


@pytest.mark.parametrize(
    ("value", "error", "parts"),
    [
        (X.astype("f8"), ArgumentDTypeError, ["'x'", "f32[4]", "float64", ".astype('float32')"]),
        (X.astype("i4"), ArgumentDTypeError, ["'x'", "int32"]),
        (X.astype("f2"), ArgumentDTypeError, ["float16"]),
        (X.astype("c8"), ArgumentDTypeError, ["complex64"]),
        (np.array(["a"] * 4), ArgumentDTypeError, ["<U1"]),
        (np.array([None] * 4), ArgumentDTypeError, ["object"]),
        (X.view([("a", "f4")]), ArgumentDTypeError, ["[('a', '<f4')]"]),
        (X.astype(">f4"), ByteOrderError, ["native byte order", "'>f4'", "newbyteorder"]),
        (X[:3], ArgumentShapeError, ["f32[4]", "shape [3]"]),
        (X.reshape(2, 2), ArgumentShapeError, ["shape [2,2]"]),
        (X.reshape(4, 1), ArgumentShapeError, ["shape [4,1]"]),
        (np.float32(1), ArgumentShapeError, ["shape []"]),
        (np.empty(0, "f4"), ArgumentShapeError, ["shape [0]"]),
        (np.tile(X, 2)[::2], ContiguityError, ["strides [8]", "ascontiguousarray(x)"]),
        (X[::-1], ContiguityError, ["strides [-4]"]),
        (np.broadcast_to(np.float32(1), 4), ContiguityError, ["strides [0]"]),
        (SHIFTED, AlignmentError, ["multiple of 4 bytes", "x.copy()"]),
        ([1.0, 2.0, 3.0, 4.0], NotAnArrayError, ["f32[4]", "of type list", "np.asarray"]),
        (None, NotAnArrayError, ["None"]),
        (1.0, NotAnArrayError, ["of type float"]),
        ("abcd", NotAnArrayError, ["of type str"]),
        (object(), NotAnArrayError, ["of type object"]),
        (np.ma.masked_equal(X, 2), NotAnArrayError, ["masked array"]),
        (bytes(16), ArgumentDTypeError, ["uint8"]),
    ],
)
def test_arrays_that_do_not_fit(
    model: Model, value: Any, error: type[CallError], parts: list[str]
) -> None:
    for message in (
        model.refuses(error, value),
        model.refuses(error, x=value),
        model.refuses(error, value, out=model.out),
    ):
        assert "'x'" in message
        assert all(part in message for part in parts), message


def test_the_class_tells_python_what_kind_of_mistake_it_is(model: Model) -> None:
    with pytest.raises(TypeError):
        model.step(X.astype("f8"))
    with pytest.raises(ValueError, match="GC106"):
        model.step(X[:3])
    with pytest.raises(TypeError):
        model.step()


def test_binding(model: Model) -> None:
    assert "needs 'x', got 0 of 1" in model.refuses(MissingInputError)
    assert "takes 1 inputs (x), got 3" in model.refuses(ArgumentCountError, X, X, X)
    assert "'x' twice" in model.refuses(UnexpectedArgumentError, X, x=X)
    assert "no input 'z'" in model.refuses(UnexpectedArgumentError, z=X)
    assert "no input 'w'" in model.refuses(UnexpectedArgumentError, X, w=X)


def test_a_misspelt_input_is_recognised() -> None:
    manifest = make_manifest("images:f32[4] labels:f32[4]", "y:f32[4]")
    step = Executable(make_artifact(manifest, loop_kernel(manifest, 0, "")), {})
    with pytest.raises(UnexpectedArgumentError, match="did you mean 'labels'"):
        step(X, label=X)
    with pytest.raises(MissingInputError, match="needs 'images', got 1 of 2"):
        step(labels=X)


@pytest.mark.parametrize(
    ("dtype", "value", "error"),
    [
        ("f32", True, ArgumentDTypeError),
        ("i32", 1.0, ArgumentDTypeError),
        ("i32", True, ArgumentDTypeError),
        ("bool", 1, ArgumentDTypeError),
        ("u8", 256, ScalarValueError),
        ("u8", -1, ScalarValueError),
        ("i64", 2**63, ScalarValueError),
        ("f32", 10**400, ScalarValueError),
        ("f32", np.float64(1), ArgumentDTypeError),
        ("f32", 1j, NotAnArrayError),
    ],
)
def test_scalars_that_do_not_fit(dtype: str, value: Any, error: type[CallError]) -> None:
    step = add(dtype, "")
    with pytest.raises(error, match="'x' to be"):
        step(value, value)


@pytest.mark.parametrize(
    ("wrong", "error", "part"),
    [
        (
            lambda m: X.copy(),
            OutputStructureError,
            "out to be a tuple of 2, got an object of type ndarray",
        ),
        (lambda m: [*m.out], OutputStructureError, "got an object of type list"),
        (lambda m: m.out[:1], OutputStructureError, "got tuple of 1"),
        (lambda m: (m.out[0], None), NotAnArrayError, "out[1]"),
        (lambda m: (m.out[0], [0.0] * 4), NotAnArrayError, "out[1]"),
        (lambda m: (m.out[0], np.empty(4)), ArgumentDTypeError, "out[1]"),
        (lambda m: (np.empty(3, "f4"), m.out[1]), ArgumentShapeError, "out[0]"),
        (lambda m: (np.empty(8, "f4")[::2], m.out[1]), ContiguityError, "out[0]"),
        (lambda m: (m.out[0], np.empty(4, ">f4")), ByteOrderError, "out[1]"),
        (lambda m: (SHIFTED.copy(), FROZEN), ReadOnlyError, "out[1]"),
        (lambda m: (m.out[0], m.out[0]), OverlapError, "with out[0]"),
        (lambda m: (m.storage.value, m.out[1]), OverlapError, "with parameter 'w'"),
        (lambda m: (m.out[0], m.storage.value), OverlapError, "with parameter 'w'"),
    ],
)
def test_out_that_does_not_fit(
    model: Model, wrong: Callable[[Model], Any], error: type[CallError], part: str
) -> None:
    assert part in model.refuses(error, X, out=wrong(model))


def test_out_unaligned(model: Model) -> None:
    block = bytearray(17)
    unaligned = np.frombuffer(block, np.uint8)[1:].view(np.float32)
    model.refuses(AlignmentError, X, out=(model.out[0], unaligned))
    assert block == bytearray(17)


@pytest.mark.parametrize("offset", [0, 1, 3])
def test_out_overlapping_an_input(offset: int) -> None:
    block = np.arange(8, dtype=np.float32)
    step = add()
    with pytest.raises(OverlapError, match="out, which shares memory with input 'y'"):
        step(X, block[offset : offset + 4], out=block[:4])
    assert_array_equal(block, np.arange(8))
    assert step(X, block[4:], out=block[:4]) is not None
    assert_array_equal(block[:4], X + np.arange(4, 8))


def test_single_out_of_another_kind() -> None:
    step = add()
    for wrong, error in (
        (np.empty(4), ArgumentDTypeError),
        (np.empty(5, "f4"), ArgumentShapeError),
        (FROZEN, ReadOnlyError),
        ((np.empty(4, "f4"),), NotAnArrayError),
    ):
        with pytest.raises(error, match="out"):
            step(X, X, out=wrong)


def test_out_overlapping_a_constant() -> None:
    model = Model()
    constant = model.step.constants[0]
    model.refuses(ReadOnlyError, X, out=(model.out[0], constant))
    # A writeable view of the same memory, which only a determined caller can make.
    writeable = np.frombuffer(
        memoryview((ctypes.c_char * 16).from_address(constant.ctypes.data)), np.float32
    )
    message = model.refuses(OverlapError, X, out=(model.out[0], writeable))
    assert "with constant 'c'" in message


def test_one_output_in_two_places() -> None:
    one = Structure("one", 0)
    manifest = make_manifest("x:f32[4]", "y:f32[4]", structure=Structure("tuple", items=(one, one)))
    step = Executable(make_artifact(manifest, loop_kernel(manifest, 0, "")), {})
    first, second = step(X)
    assert first is second
    same = np.empty(4, np.float32)
    out = (same, same)
    assert step(X, out=out) is out
    with pytest.raises(OutputStructureError, match="same array in both places"):
        step(X, out=(same, same.copy()))


def test_dict_keys_of_out() -> None:
    _, structure = Structure.of({"loss": 0})
    manifest = make_manifest("x:f32[4]", "y:f32[4]", structure=structure)
    step = Executable(make_artifact(manifest, loop_kernel(manifest, 0, "")), {})
    with pytest.raises(OutputStructureError, match="key 'loss', got 'lost'"):
        step(X, out={"lost": X.copy()})


@pytest.mark.parametrize("wrong", [5, -1, 2**62])
def test_an_index_out_of_range_is_found(wrong: int) -> None:
    storage = ParameterStorage(np.arange(5, dtype=np.float32))
    step = gather(storage)
    labels = np.array([0, 4, wrong])
    out = np.full(3, 8, np.float32)
    for keywords in ({}, {"out": out}):
        with pytest.raises(IndexRangeError) as caught:
            step(labels, **keywords)
        message = str(caught.value)
        assert isinstance(caught.value, IndexError)
        assert f"got {wrong} at position [2]" in message
        assert "'labels' to be from 0 to 4 (used at train.py:7)" in message
    assert_array_equal(out, np.full(3, 8))
    with pytest.raises(IndexRangeError):
        step(labels=labels)


def test_a_status_that_nobody_declared_is_a_defect() -> None:
    manifest = make_manifest("x:f32[4]", "y:f32[4]")
    kernel = "define i32 @step(ptr %buffers, ptr %workspace) { ret i32 3 }"
    step = Executable(make_artifact(manifest, kernel), {})
    with pytest.raises(InternalCallError, match="status 3"):
        step(X)
