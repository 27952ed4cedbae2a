"""The contract between compiled code and whatever runs it.

Owns `Artifact`, its `Manifest`, and the layout of the control block through which the native entry
finds everything at call time. Imports NumPy and `runtime.records`. Invariant: a manifest that
exists is consistent; one read from JSON has been checked as strictly as one that was built.

The kernels object defines `i32 @symbol(ptr buffers, ptr workspace)`, where `buffers` points to the
addresses of inputs, params, constants and outputs, in that order. It returns 0, or k > 0 when
`guards[k - 1]` failed, in which case it has written nothing, or what an external returned. Where
the manifest has several threads, it calls `void POOL_SYMBOL(ptr task, ptr context, i64 tasks)`.
"""

from __future__ import annotations

import math
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.runtime.consistency import (
    argument_problems,
    guard_problems,
    name_problems,
    structure_problems,
)
from graphc.runtime.dtypes import DTYPES, numpy_dtype
from graphc.runtime.errors import ArtifactError
from graphc.runtime.records import canonical_json, from_json, to_json

FORMAT = 1
"""Version of the manifest and of the calling convention above."""

MOST_THREADS = 1024
"""The most threads that a step may be compiled for."""

ENTRY_SYMBOL = "graphc_entry"
"""The function of the entry object that CPython calls."""

POOL_SYMBOL = "graphc.parallel"
"""The thread pool's function, which kernels objects may call. No step has its name: those of steps
are C identifiers."""

PROFILE_SYMBOL = "graphc.profile"
"""A table of i64 in profiled code: the clock at the beginning and the end of the last call, then
for each kernel how often it ran and the ticks that this took."""

_SYMBOL = re.compile(r"[A-Za-z_.$][\w.$]*", re.ASCII)


@dataclass(frozen=True)
class Argument:
    """A named buffer: contiguous, row-major, of native byte order."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def numpy(self) -> np.dtype[Any]:
        return numpy_dtype(self.dtype)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * self.numpy.itemsize

    @property
    def type(self) -> str:
        """`f32[32,10]`, as the compiler prints it."""
        return f"{self.dtype}[{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class Structure:
    """How outputs are put together: one of them, or a tuple, list or dict of structures.

    For "one", `output` is the position among the outputs; otherwise `items` holds the parts and,
    for "dict", `keys` their names.

    >>> leaves, structure = Structure.of({"loss": 0.5, "parts": [1, 2]})
    >>> leaves
    [0.5, 1, 2]
    >>> structure.build(["a", "b", "c"])
    {'loss': 'a', 'parts': ['b', 'c']}
    """

    kind: str = "one"
    output: int = -1
    keys: tuple[str, ...] = ()
    items: tuple[Structure, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in ("one", "tuple", "list", "dict"):
            raise ArtifactError(f"unknown kind of output structure {self.kind!r}")
        if len(self.keys) != (len(self.items) if self.kind == "dict" else 0):
            raise ArtifactError(f"a {self.kind} of {len(self.items)} has {len(self.keys)} keys")

    @staticmethod
    def of(value: object) -> tuple[list[Any], Structure]:
        """The leaves of nested tuples, lists and dicts, and how they are nested."""
        leaves: list[Any] = []

        def describe(part: object) -> Structure:
            if isinstance(part, (tuple, list)):
                kind = "tuple" if isinstance(part, tuple) else "list"
                return Structure(kind, items=tuple(map(describe, part)))
            if isinstance(part, dict):
                return Structure("dict", -1, tuple(part), tuple(map(describe, part.values())))
            leaves.append(part)
            return Structure("one", len(leaves) - 1)

        structure = describe(value)
        return leaves, structure

    def build(self, outputs: list[Any] | tuple[Any, ...]) -> Any:
        """The outputs put together."""
        if self.kind == "one":
            return outputs[self.output]
        items = [item.build(outputs) for item in self.items]
        if self.kind == "dict":
            return dict(zip(self.keys, items, strict=True))
        return tuple(items) if self.kind == "tuple" else items

    def walk(self) -> Iterator[Structure]:
        """This structure and all inside it, outermost first."""
        yield self
        for item in self.items:
            yield from item.walk()


@dataclass(frozen=True)
class Guard:
    """An index input whose values must be in `range(minimum, size)`."""

    input: str
    size: int
    location: str = ""
    minimum: int = 0


@dataclass(frozen=True)
class TargetRecord:
    """The machine that the objects were made for; `features` are those it must have."""

    triple: str
    cpu: str
    features: str

    @property
    def required(self) -> frozenset[str]:
        """The instruction sets that the code may use."""
        flags = self.features.split(",")
        return frozenset(flag[1:] for flag in flags if flag.startswith("+"))


@dataclass(frozen=True)
class PythonRecord:
    """The interpreter that the entry object was made for."""

    version: str
    pointer_bytes: int
    header_bytes: int
    free_threaded: bool
    numpy: int

    @staticmethod
    def current() -> PythonRecord:
        return PythonRecord(
            version=f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}",
            pointer_bytes=np.dtype(np.uintp).itemsize,
            header_bytes=object.__basicsize__,
            # Older ones have no such build, and reading how they were built takes a millisecond.
            free_threaded=sys.version_info >= (3, 13)
            and bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
            numpy=int(np.__version__.split(".")[0]),
        )


@dataclass(frozen=True)
class FileRecord:
    """A file of a saved artifact, as it was written."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """All that must be known to call compiled code, except the values of its state.

    `updates` names the params that a call changes. `work_nanoseconds` estimates the time of one
    call: the interpreter lock is released for long ones. `threads` is how many work on a call at
    most; above 1, the code calls the pool. `kernels` is the source map, one record
    a kernel. `externals` names the functions of the compiling process that a call calls, whose
    addresses are among the constants: such code is for that process alone. `files` is filled in
    when the artifact is saved.
    """

    name: str
    symbol: str
    target: TargetRecord
    inputs: tuple[Argument, ...] = ()
    params: tuple[Argument, ...] = ()
    constants: tuple[Argument, ...] = ()
    outputs: tuple[Argument, ...] = ()
    structure: Structure = Structure("tuple")
    updates: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    workspace_bytes: int = 0
    workspace_align: int = 64
    work_nanoseconds: int = 0
    threads: int = 1
    kernels: tuple[dict[str, Any], ...] = ()
    externals: tuple[str, ...] = ()
    graphc_version: str = ""
    python: PythonRecord = field(default_factory=PythonRecord.current)
    files: tuple[FileRecord, ...] = ()
    format: int = FORMAT

    def __post_init__(self) -> None:
        if problem := next(_problems(self), None):
            raise ArtifactError(f"the manifest of {self.name!r} is inconsistent: {problem}")

    @property
    def updated(self) -> tuple[Argument, ...]:
        """The params that a call changes."""
        return tuple(param for param in self.params if param.name in self.updates)

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = to_json(self)
        return data

    @staticmethod
    def from_json(data: object) -> Manifest:
        """Read and check. Raises `ArtifactError` naming the first field that is wrong."""
        found = data.get("format") if isinstance(data, Mapping) else None
        if found != FORMAT:
            raise ArtifactError(
                f"format {found!r} is not {FORMAT}, the only one that this graphc reads",
                help="save the executable again with this version of graphc",
            )
        try:
            return from_json(Manifest, data)
        except ValueError as error:
            raise ArtifactError(str(error)) from None

    def canonical(self) -> bytes:
        """The same bytes for equal manifests: what a digest is taken of."""
        return canonical_json(self)


@dataclass(frozen=True)
class Artifact:
    """Compiled code and its manifest; the same whether it is run at once, cached or saved."""

    manifest: Manifest
    kernels: bytes
    entry: bytes


@dataclass(frozen=True)
class ControlLayout:
    """Where things are in the control block, counted in words of one pointer.

    The fixed words come first, then the addresses of params and constants; the bounds (first
    address, end) of the updated params and of all params and constants, both headed by the bounds
    of them together; NumPy's descriptor and scalar type of each element type; and the keys of
    output dicts.
    """

    FIXED = (
        "kernel",
        "workspace",
        "lock",
        "normalise",
        "fail",
        "array_type",
        "float_type",
        "new_array",
        "new_scalar",
        "equivalent_types",
        "out",
    )

    state: int
    updated: int
    held: int
    descriptors: int
    scalar_types: int
    keys: int
    words: int
    key_names: tuple[str, ...]

    @staticmethod
    def of(manifest: Manifest) -> ControlLayout:
        parts = manifest.structure.walk()
        names = tuple(dict.fromkeys(key for part in parts for key in part.keys))
        state = len(ControlLayout.FIXED)
        count = len(manifest.params) + len(manifest.constants)
        updated = state + count
        held = updated + 2 * (1 + len(manifest.updates))
        descriptors = held + 2 * (1 + count)
        scalar_types = descriptors + len(DTYPES)
        keys = scalar_types + len(DTYPES)
        return ControlLayout(
            state, updated, held, descriptors, scalar_types, keys, keys + len(names), names
        )

    def fixed(self, name: str) -> int:
        return self.FIXED.index(name)

    def descriptor(self, dtype: str) -> int:
        return self.descriptors + list(DTYPES).index(dtype)

    def scalar_type(self, dtype: str) -> int:
        return self.scalar_types + list(DTYPES).index(dtype)

    def key(self, name: str) -> int:
        return self.keys + self.key_names.index(name)


def _problems(manifest: Manifest) -> Iterator[str]:
    """What contradicts what, in words."""
    named = (manifest.inputs, manifest.params, manifest.constants)
    yield from argument_problems(*named, manifest.outputs)
    yield from name_problems(*named)
    if manifest.updates != tuple(argument.name for argument in manifest.updated):
        yield "updates are not params in the order of the params"
    yield from structure_problems(manifest.structure, manifest.outputs)
    yield from _memory_problems(manifest)
    yield from guard_problems(manifest.guards, manifest.inputs + manifest.params)


def _memory_problems(manifest: Manifest) -> Iterator[str]:
    if manifest.workspace_bytes < 0 or manifest.work_nanoseconds < 0:
        yield "a size or time is negative"
    if not 1 <= manifest.threads <= MOST_THREADS:
        yield f"{manifest.threads} is no number of threads"
    if manifest.workspace_align <= 0 or manifest.workspace_align & (manifest.workspace_align - 1):
        yield f"workspace alignment {manifest.workspace_align} is no power of two"
    if not _SYMBOL.fullmatch(manifest.symbol) or manifest.symbol == ENTRY_SYMBOL:
        yield f"{manifest.symbol!r} cannot be the name of a native function"
