"""Where the memory of parameters lies."""

from __future__ import annotations

import numpy as np
import pytest

from graphc.runtime.buffers import ALIGNMENT, PAGE, ParameterStorage, address_range

SIZES = [0, 1, 3, PAGE // 4 - 1, PAGE // 4, PAGE // 4 + 1, 100_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "bool", ">f4"])
def test_a_storage_is_aligned_and_has_the_values(size: int, dtype: str) -> None:
    values = (np.arange(size) % 2).astype(dtype)
    held = ParameterStorage(values).value
    assert not size or address_range(held)[0] % ALIGNMENT == 0
    assert held.flags.c_contiguous
    assert held.flags.aligned
    assert held.dtype == values.dtype.newbyteorder("=")
    assert np.array_equal(held, values)


def test_arrays_of_a_page_or_more_start_at_places_of_their_own() -> None:
    storages = [ParameterStorage(np.zeros((32, 64), np.float32)) for _ in range(64)]
    places = {address_range(storage.value)[0] % PAGE for storage in storages}
    assert places == set(range(0, PAGE, ALIGNMENT))


def test_a_transposed_value_is_stored_row_by_row() -> None:
    values = np.arange(6000, dtype=np.float32).reshape(60, 100).T
    assert np.array_equal(ParameterStorage(values).value, values)
    assert ParameterStorage(np.float32(3)).value.shape == ()
