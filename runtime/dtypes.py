"""The element types of buffers.

Owns `DTYPES` and `numpy_dtype`. Imports NumPy, and ml_dtypes where there is bfloat16. Invariant: a
name that is here is one that a manifest may have.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import numpy as np

from graphc.runtime.errors import ArtifactError

DTYPES = {"bool": "bool", "bf16": "bfloat16"} | {
    f"{kind[0]}{bits}": f"{kind}{bits}"
    for kind in ("int", "uint", "float")
    for bits in (8, 16, 32, 64)
    if (kind, bits) != ("float", 8)
}
"""Every element type by its name in a manifest, with NumPy's name of it."""


@cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """NumPy's one descriptor of an element type.

    bfloat16 is that of ml_dtypes, which is imported for it. Raises `ArtifactError` without it.
    """
    if name == "bf16":
        try:
            importlib.import_module("ml_dtypes")
        except ModuleNotFoundError:
            raise ArtifactError(
                "arrays of bf16 need the package ml_dtypes",
                help='it is in an extra: pip install "graphc[bfloat16]"',
            ) from None
    return np.dtype(DTYPES[name])
