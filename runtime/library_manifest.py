"""The contract between a compiled library and whatever runs it: several entries over one state.

Owns `LibraryManifest`, and the layout of the state. Imports `runtime.artifact`. Invariant: the
layout depends on the params alone, so that a state goes from one processor's build to another's.

The library NAME defines these functions, whose results are 0 or a status:

    int NAME_initialize(void *state, uint64 interface)   initial values
    int NAME_validate(const void *state, uint64 interface)
    int NAME_ENTRY(void *state, void *workspace, const INPUT *..., OUTPUT *...)
    const char *NAME_message(int status)                 what a status means

and these constants: `NAME_params`, a table of the params, `NAME_abi`, the version of all this, and
`NAME_build_INTERFACE`, whose name keeps it from being linked with another's header. A state begins
with HEADER_BYTES: the bytes of MAGIC and of the model's digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.runtime.artifact import (
    MOST_THREADS,
    Argument,
    FileRecord,
    Guard,
    Manifest,
    Structure,
    TargetRecord,
)
from graphc.runtime.consistency import (
    argument_problems,
    guard_problems,
    name_problems,
    structure_problems,
)
from graphc.runtime.errors import ArtifactError
from graphc.runtime.instruction_sets import instruction_sets
from graphc.runtime.records import canonical_json, from_json, to_json

ABI = 1
"""Version of the functions, of the state's layout and of the manifest."""

ALIGNMENT = 64
"""Bytes to which a state and a workspace are aligned, and each param in a state."""

HEADER_BYTES = 64
MAGIC = b"graphc" + bytes([ABI, 0])
"""How a state begins; behind it are 16 bytes of the model's digest."""

UNKNOWN_STATE, UNALIGNED, WRONG_PROCESSOR, WRONG_INTERFACE, MISSING_ARRAY = -1, -2, -3, -4, -5
STATUSES = {
    "unknown_state": UNKNOWN_STATE,
    "unaligned": UNALIGNED,
    "wrong_processor": WRONG_PROCESSOR,
    "wrong_interface": WRONG_INTERFACE,
    "missing_array": MISSING_ARRAY,
}
"""Statuses by the names that C has for them; positive ones are the numbers, from 1, of guards that
failed."""

MESSAGES = {
    0: "no error",
    UNKNOWN_STATE: "the state was not initialized, or is that of another model",
    UNALIGNED: f"the state or the workspace is NULL or not aligned to {ALIGNMENT} bytes",
    WRONG_PROCESSOR: "this processor lacks instructions that the code was compiled for",
    WRONG_INTERFACE: "header and object are not of the same build",
    MISSING_ARRAY: "an array that has elements is NULL",
}

_IN_C = """
    abi abi_version alignment build check init initialize interface message param params state_bytes
    validate workspace_bytes
"""
_IN_PYTHON = "manifest reset restore state state_block"
RESERVED = frozenset([*_IN_C.split(), *STATUSES, *_IN_PYTHON.split()])
"""What no entry can be called: in C and from Python, a library has these names already."""


@dataclass(frozen=True)
class StateField(Argument):
    """A param and where it begins in the state, in bytes."""

    offset: int


def lay_out(params: Sequence[Argument]) -> tuple[StateField, ...]:
    """Params one behind the other, each aligned.

    >>> lay_out([Argument("w", "f32", (3, 5)), Argument("b", "f32", ())])[1].offset
    128
    """
    fields, end = [], HEADER_BYTES
    for param in params:
        fields.append(StateField(param.name, param.dtype, param.shape, end))
        end += padded(param.bytes)
    return tuple(fields)


def padded(size: int) -> int:
    """A number of bytes rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class LibraryEntry:
    """One function of a library. `updates` names the params that it changes; `guards` are checked
    in order before anything is written; `kernels` is the source map."""

    name: str
    inputs: tuple[Argument, ...]
    outputs: tuple[Argument, ...]
    structure: Structure
    updates: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    workspace_bytes: int = 0
    kernels: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class LibraryManifest:
    """All that must be known to call a library.

    `targets` are the processors it has code for, the best last, and `requirements` the instruction
    sets that each needs beyond the least of its platform; `threads` is how many work on a call at
    most. `files` is filled in when the library is written.
    """

    name: str
    targets: tuple[TargetRecord, ...]
    requirements: tuple[tuple[str, ...], ...]
    state: tuple[StateField, ...]
    entries: tuple[LibraryEntry, ...]
    threads: int = 1
    graphc_version: str = ""
    files: tuple[FileRecord, ...] = ()
    abi: int = ABI

    def __post_init__(self) -> None:
        if problem := next(_problems(self), None):
            raise ArtifactError(f"the manifest of {self.name!r} is inconsistent: {problem}")

    @property
    def state_bytes(self) -> int:
        if not self.state:
            return HEADER_BYTES
        last = self.state[-1]
        return last.offset + padded(last.bytes)

    @property
    def workspace_bytes(self) -> int:
        """What the most demanding entry needs; entries take turns in one workspace."""
        return max((entry.workspace_bytes for entry in self.entries), default=0)

    @property
    def model(self) -> bytes:
        """16 bytes that say whose state a state is: the names, types and places of its params."""
        fields = [to_json(field) for field in self.state]
        return hashlib.sha256(canonical_json(fields)).digest()[:16]

    @property
    def interface(self) -> int:
        """A number that differs where header and object would not fit, of 64 bits."""
        entries = [to_json((entry.name, entry.inputs, entry.outputs)) for entry in self.entries]
        memory = [self.model.hex(), self.workspace_bytes]
        described = [self.abi, self.name, memory, entries]
        return int.from_bytes(hashlib.sha256(canonical_json(described)).digest()[:8], "little")

    @property
    def build_symbol(self) -> str:
        """What the object defines and its header refers to: others do not link."""
        return f"{self.name}_build_{self.interface:016x}"

    @property
    def header(self) -> bytes:
        """The bytes that a state begins with."""
        return (MAGIC + self.model).ljust(HEADER_BYTES, b"\0")

    def first_guard(self, entry: LibraryEntry) -> int:
        """How many guards the entries before this one have."""
        before = self.entries[: self.entries.index(entry)]
        return sum(len(each.guards) for each in before)

    def message(self, status: int) -> str:
        """What a status means, as `NAME_message` says it."""
        if status <= 0:
            return MESSAGES.get(status, "unknown status")
        guards = [(entry, guard) for entry in self.entries for guard in entry.guards]
        if status > len(guards):
            return "unknown status"
        entry, guard = guards[status - 1]
        where = f" ({guard.location})" if guard.location else ""
        bounds = f"{guard.minimum} to {guard.size - 1}"
        return f"{entry.name}: an element of {guard.input} is not in {bounds}{where}"

    def of_entry(self, entry: LibraryEntry) -> Manifest:
        """An entry as a step of its own."""
        return Manifest(
            name=f"{self.name}.{entry.name}",
            symbol=f"{self.name}_{entry.name}",
            target=self.targets[0],
            inputs=entry.inputs,
            params=tuple(Argument(each.name, each.dtype, each.shape) for each in self.state),
            outputs=entry.outputs,
            structure=entry.structure,
            updates=entry.updates,
            guards=entry.guards,
            workspace_bytes=entry.workspace_bytes,
            threads=self.threads,
            kernels=entry.kernels,
        )

    def to_json(self) -> dict[str, Any]:
        data: dict[str, Any] = to_json(self)
        return data

    @staticmethod
    def from_json(data: object) -> LibraryManifest:
        """Read and check. Raises `ArtifactError` naming the first field that is wrong."""
        found = data.get("abi") if isinstance(data, Mapping) else None
        if found != ABI:
            raise ArtifactError(
                f"version {found!r} of the library's interface is not {ABI}, the one that this "
                f"graphc knows",
                help="build the library again with this version of graphc",
            )
        try:
            return from_json(LibraryManifest, data)
        except ValueError as error:
            raise ArtifactError(str(error)) from None

    def canonical(self) -> bytes:
        """The same bytes for equal manifests: what a digest is taken of."""
        return canonical_json(self)


def _problems(manifest: LibraryManifest) -> Iterator[str]:
    """What contradicts what, in words."""
    names = [manifest.name, *(entry.name for entry in manifest.entries)]
    for name in names:
        if not (name.isascii() and name.isidentifier()):
            yield f"{name!r} is no C identifier"
    if len({*names[1:]}) != len(names) - 1:
        yield f"a name occurs twice among {', '.join(names[1:])}"
    yield from _processor_problems(manifest)
    if not 1 <= manifest.threads <= MOST_THREADS:
        yield f"{manifest.threads} is no number of threads"
    yield from argument_problems(manifest.state)
    yield from name_problems(manifest.state)
    if lay_out(manifest.state) != manifest.state:
        yield "the params do not lie one behind the other"
    for entry in manifest.entries:
        if not 0 <= entry.workspace_bytes < 1 << 62:
            yield f"{entry.workspace_bytes} is no number of bytes"
        yield from argument_problems(entry.inputs, entry.outputs)
        yield from name_problems(entry.inputs, entry.outputs)
        yield from structure_problems(entry.structure, entry.outputs)
        yield from guard_problems(entry.guards, (*entry.inputs, *manifest.state))


def _processor_problems(manifest: LibraryManifest) -> Iterator[str]:
    if not manifest.targets or len(manifest.requirements) != len(manifest.targets):
        yield "it is for no processor, or does not say which"
    for target, needed in zip(manifest.targets, manifest.requirements, strict=False):
        if target.triple != manifest.targets[0].triple:
            yield f"it is for {target.triple} and for {manifest.targets[0].triple}"
        if unknown := sorted({*needed} - instruction_sets(target.triple)):
            yield f"{target.triple} has no instruction set {unknown[0]!r} to require"
