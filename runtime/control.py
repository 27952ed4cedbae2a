"""The control block: what the native entry needs at call time, as one array of words.

Owns `Control` and `make_builtin`. Imports NumPy, ctypes and the rest of `runtime`. Invariant: the
array owns everything that its words point to, and the function object owns the array; so code,
workspace and parameters live exactly as long as anything can still call them.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from graphc.runtime.artifact import ControlLayout, Manifest
from graphc.runtime.buffers import address_range, aligned_empty
from graphc.runtime.loader import LoadedCode

_METH_FASTCALL_KEYWORDS = 0x80 | 0x02
# Positions in NumPy's table of C functions, fixed for NumPy 2 (numpy/__multiarray_api.h).
_ARRAY_TYPE, _NEW_SCALAR, _NEW_ARRAY, _EQUIVALENT_TYPES = 2, 60, 94, 182

# Keywords of a call are interned, so that the entry compares addresses.
_OUT = sys.intern("out")

_python = ctypes.pythonapi


class _MethodDefinition(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("documentation", ctypes.c_char_p),
    )


class ThreadLock(int):
    """One of CPython's native locks, which code can take without holding the interpreter's.

    It is a number, its own address, for the reason that `LoadedCode` has no attributes.
    """

    __slots__ = ()

    def __new__(cls) -> Self:
        address = _native("PyThread_allocate_lock", ctypes.c_void_p)()
        if not address:
            raise MemoryError("no memory for a thread lock")
        return super().__new__(cls, address)

    def __enter__(self) -> None:
        _native("PyThread_acquire_lock", ctypes.c_int, ctypes.c_void_p, ctypes.c_int)(self, 1)

    def __exit__(self, *_: object) -> None:
        _native("PyThread_release_lock", None, ctypes.c_void_p)(self)

    def __del__(self) -> None:
        _native("PyThread_free_lock", None, ctypes.c_void_p)(self)


def _native(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function of CPython, called without the interpreter lock: waiting stops no other thread."""
    return ctypes.CFUNCTYPE(result, *arguments)((name, _python))


class Control(np.ndarray[tuple[int], np.dtype[np.uintp]]):
    """The words, and Python's references to what they point to.

    The entry reads the address of the words from the array itself, where NumPy's headers say.
    """

    code: LoadedCode
    lock: ThreadLock
    owned: list[object]


def make_control(
    manifest: Manifest,
    code: LoadedCode,
    state: Sequence[NDArray[Any]],
    normalise: Callable[..., Any],
    fail: Callable[..., Any],
) -> Control:
    """The control block of one executable. `state` holds params, then constants."""
    layout = ControlLayout.of(manifest)
    control = np.zeros(layout.words, np.uintp).view(Control)
    workspace = aligned_empty((manifest.workspace_bytes,), np.uint8, manifest.workspace_align)
    control.lock = ThreadLock()
    control.owned = [workspace, normalise, fail, *state]
    fixed = {
        "kernel": code.kernel,
        "workspace": address_range(workspace)[0],
        "lock": int(control.lock),
        "normalise": id(normalise),
        "fail": id(fail),
        "float_type": id(float),
        "out": id(_OUT),
        **_numpy_functions(),
    }
    for name, word in fixed.items():
        control[layout.fixed(name)] = word
    control[layout.state : layout.updated] = [address_range(array)[0] for array in state]
    updated = [
        array
        for array, param in zip(state, manifest.params, strict=False)
        if param.name in manifest.updates
    ]
    control[layout.updated : layout.held] = _bounds(updated)
    control[layout.held : layout.descriptors] = _bounds(state)
    arguments = (*manifest.inputs, *manifest.params, *manifest.constants, *manifest.outputs)
    dtypes = {argument.dtype: argument.numpy for argument in arguments}
    for name, dtype in dtypes.items():
        control[layout.descriptor(name)] = id(dtype)
        control[layout.scalar_type(name)] = id(dtype.type)
    for name in layout.key_names:
        control[layout.key(name)] = id(name)
    control.owned += [layout.key_names, dtypes]
    control.code = code
    control.flags.writeable = False
    return control


def _bounds(arrays: Sequence[NDArray[Any]]) -> list[int]:
    """First address and end of all the arrays together, then of each; equal where it is empty."""
    each = [address_range(array) for array in arrays]
    inhabited = [bound for bound in each if bound[0] < bound[1]] or [(0, 0)]
    together = (min(low for low, _ in inhabited), max(high for _, high in inhabited))
    return [address for bound in (together, *each) for address in bound]


def _numpy_functions() -> dict[str, int]:
    """Addresses from the table through which NumPy serves extension modules."""
    table_owner = importlib.import_module("numpy._core._multiarray_umath")
    pointer = _python.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    capsule = pointer(table_owner._ARRAY_API, None)
    table = ctypes.cast(capsule, ctypes.POINTER(ctypes.c_void_p))
    return {
        "array_type": table[_ARRAY_TYPE] or 0,
        "new_array": table[_NEW_ARRAY] or 0,
        "new_scalar": table[_NEW_SCALAR] or 0,
        "equivalent_types": table[_EQUIVALENT_TYPES] or 0,
    }


def make_builtin(control: Control, name: str, documentation: str) -> Callable[..., Any]:
    """The entry as a Python function bound to its control block, which it keeps alive."""
    definition = _MethodDefinition(
        name.encode(), control.code.entry, _METH_FASTCALL_KEYWORDS, documentation.encode()
    )
    control.owned.append(definition)
    new = _python.PyCFunction_NewEx
    new.restype = ctypes.py_object
    new.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.py_object)
    function: Callable[..., Any] = new(ctypes.addressof(definition), control, "graphc")
    return function
