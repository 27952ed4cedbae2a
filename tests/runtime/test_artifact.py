"""The contract: manifests, their JSON, structures, and the memory that code is given."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from graphc.runtime.artifact import (
    Argument,
    ControlLayout,
    Guard,
    Manifest,
    Structure,
)
from graphc.runtime.buffers import ParameterStorage, aligned_copy, aligned_empty
from graphc.runtime.dtypes import DTYPES, numpy_dtype
from graphc.runtime.errors import ArtifactError, StorageError
from tests.runtime.programs import make_manifest

FULL = make_manifest(
    "x:f32[2,3] labels:i64[3] scale:f64[]",
    "loss:f32[] picked:bool[0]",
    "w:f32[3] b:u8[]",
    "table:i16[5]",
    updates=("w",),
    guards=(Guard("labels", 5, "train.py:7", -5),),
    structure=Structure.of({"loss": 0, "more": [(1,)]})[1],
    kernels=({"name": "k0", "lines": ["train.py:7"], "loops": 2},),
    workspace_bytes=640,
    graphc_version="0.1.0",
)


def test_dtypes_are_numpys() -> None:
    expected = "bool i8 i16 i32 i64 u8 u16 u32 u64 f16 bf16 f32 f64"
    assert set(DTYPES) == set(expected.split())
    assert numpy_dtype("f32") is np.dtype("float32")
    assert numpy_dtype("u16") is np.dtype("uint16")
    assert numpy_dtype("bool") is np.dtype("bool")
    assert numpy_dtype("bf16") is np.dtype(ml_dtypes.bfloat16)


def test_json_round_trip() -> None:
    text = json.dumps(FULL.to_json())
    assert Manifest.from_json(json.loads(text)) == FULL
    assert Manifest.from_json(json.loads(FULL.canonical())).canonical() == FULL.canonical()


def test_an_argument_knows_its_size() -> None:
    x = Argument("x", "i16", (2, 3))
    assert (x.size, x.bytes, x.type) == (6, 12, "i16[2,3]")
    assert Argument("s", "f64", ()).bytes == 8
    assert Argument("e", "f64", (4, 0)).bytes == 0


@pytest.mark.parametrize(
    "nested", ["a", ("a",), ["a", "b"], {"x": "a", "y": ("b", [])}, (("a", {}), ["b"]), ()]
)
def test_structures_take_apart_and_put_together(nested: Any) -> None:
    leaves, structure = Structure.of(nested)
    assert structure.build(leaves) == nested
    assert all(isinstance(leaf, str) for leaf in leaves)


def test_inconsistent_manifests_cannot_be_built() -> None:
    with pytest.raises(ArtifactError, match="occurs twice"):
        make_manifest("x:f32[2] x:f32[2]")
    with pytest.raises(ArtifactError, match="unknown dtype"):
        make_manifest("x:f8[2]")
    with pytest.raises(ArtifactError, match="updates"):
        make_manifest(params="w:f32[2] v:f32[2]", updates=("v", "w"))
    with pytest.raises(ArtifactError, match="does not use each"):
        make_manifest("x:f32[2]", "y:f32[2]", structure=Structure("tuple"))


def test_the_control_block_has_a_place_for_everything() -> None:
    layout = ControlLayout.of(FULL)
    places = [layout.fixed(name) for name in ControlLayout.FIXED]
    places += range(layout.state, layout.state + 3)
    places += range(layout.updated, layout.updated + 2 * 2)
    places += range(layout.held, layout.held + 2 * 4)
    places += [layout.descriptor(dtype) for dtype in DTYPES]
    places += [layout.scalar_type(dtype) for dtype in DTYPES]
    places += [layout.key(name) for name in ("loss", "more")]
    assert places == list(range(layout.words))


def test_target_features() -> None:
    record = replace(FULL.target, features="+avx2,-sse4a,+fma")
    assert record.required == {"avx2", "fma"}
    assert replace(FULL.target, features="").required == frozenset()


@pytest.mark.parametrize("align", [1, 16, 64, 4096])
@pytest.mark.parametrize("shape", [(), (0,), (3, 5)])
def test_aligned_memory(shape: tuple[int, ...], align: int) -> None:
    array = aligned_empty(shape, np.float64, align)
    assert array.shape == shape
    assert array.dtype == np.float64
    assert array.flags.c_contiguous
    assert array.flags.writeable
    if array.size:
        assert array.ctypes.data % align == 0


def test_aligned_copies_are_plain() -> None:
    source = np.arange(6, dtype=">i4").reshape(2, 3).T
    copy = aligned_copy(source)
    assert_array_equal(copy, source)
    assert copy.dtype.isnative
    assert copy.flags.c_contiguous
    assert aligned_copy(3.0).shape == ()


def test_parameter_storage_stays_where_it_is() -> None:
    initial = np.ones(3, np.float32)
    storage = ParameterStorage(initial)
    address = storage.value.ctypes.data
    initial[0] = 9
    assert_array_equal(storage.value, np.ones(3))
    storage.value[1] = 5
    storage.value += 1
    assert_array_equal(storage.value, [2, 6, 2])
    storage.value = [1, 2, 3]
    assert_array_equal(storage.value, [1, 2, 3])
    assert storage.value.dtype == np.float32
    assert storage.value.ctypes.data == address
    with pytest.raises(StorageError, match=r"GC120 .*shape \(4,\) does not fit .*\(3,\)"):
        storage.value = np.zeros(4)
    with pytest.raises(TypeError):
        storage.value = np.zeros(3, complex)
    assert_array_equal(storage.value, [1, 2, 3])
