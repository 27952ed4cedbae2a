"""The functions of a library that C calls, as LLVM text.

Owns `library_text`. Imports the contract of libraries. Invariants: what C hands over is looked at
before it is used; no function of a C library is called, not even to copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.codegen.cpuid import questions
from graphc.codegen.library_checks import checked_arrays, checks_text
from graphc.codegen.target import Target
from graphc.codegen.x86_version import version_text
from graphc.runtime.library_manifest import (
    ALIGNMENT,
    HEADER_BYTES,
    MESSAGES,
    MISSING_ARRAY,
    WRONG_PROCESSOR,
    LibraryEntry,
    LibraryManifest,
    StateField,
    padded,
)

Array = np.ndarray[Any, Any]

_HELPERS = """\
; `count` is a multiple of 8. A loop, where memcpy and memset would be calls of the C library.
define internal void @graphc.copy(ptr %to, ptr %from, i64 %count) #0 {
entry:
  br label %word
word:
  %i = phi i64 [ 0, %entry ], [ %next, %word ]
  %source = getelementptr i8, ptr %from, i64 %i
  %value = load volatile i64, ptr %source, align 8
  %target = getelementptr i8, ptr %to, i64 %i
  store i64 %value, ptr %target, align 8
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %count
  br i1 %more, label %word, label %done
done:
  ret void
}
define internal void @graphc.clear(ptr %to, i64 %count) #0 {
entry:
  br label %word
word:
  %i = phi i64 [ 0, %entry ], [ %next, %word ]
  %target = getelementptr i8, ptr %to, i64 %i
  store volatile i64 0, ptr %target, align 8
  %next = add i64 %i, 8
  %more = icmp ult i64 %next, %count
  br i1 %more, label %word, label %done
done:
  ret void
}
"""


@dataclass(frozen=True)
class StepVersion:
    """The function of an entry for one processor: its name, the number of the processor, from 1,
    the params that it takes, and the values of its constants, both in order."""

    symbol: str
    number: int
    params: tuple[str, ...]
    constants: tuple[Array, ...]


def library_text(
    manifest: LibraryManifest,
    steps: Mapping[str, Sequence[StepVersion]],
    initial: Mapping[str, Array],
    target: Target,
) -> str:
    """All that `manifest` promises, but the steps themselves, which are declared only.

    `steps` has the versions of each entry, the last of which is the best, and `initial` the initial
    values of the params.
    """
    writer = _LibraryWriter(manifest, initial, target)
    for entry in manifest.entries:
        writer.entry(entry, steps[entry.name])
    return writer.text()


class _LibraryWriter:
    def __init__(
        self, manifest: LibraryManifest, initial: Mapping[str, Array], target: Target
    ) -> None:
        self.manifest = manifest
        self.initial = initial
        self.target = target
        self._globals: dict[str, str] = {}
        self._data: dict[tuple[bytes, int], str] = {}
        self._functions: list[str] = []
        # Whether the code finds out which version can run: on x86, where each asks for something.
        self._asks = target.is_x86 and any(manifest.requirements)

    def text(self) -> str:
        checks = checks_text(self.manifest, self._capable())
        functions = [checks, self._initialize(), self._message()]
        if self._asks:
            asked = [questions(each, self.target.triple) for each in self.manifest.requirements]
            functions.append(version_text(asked, is_64_bit=self.target.is_x86_64))
        self._params_table()
        self._versions()
        parts = [*self._globals.values(), _HELPERS, *functions, *self._functions]
        return "\n".join(parts) + "\nattributes #0 = { nounwind }\n"

    # Data

    def _constant(self, data: bytes, align: int) -> str:
        """The name of a constant of these bytes."""
        key = data, align
        if key not in self._data:
            name = self._data[key] = f"@graphc.data.{len(self._data)}"
            text = data.hex("\\")
            self._globals[name] = (
                f'{name} = private unnamed_addr constant [{len(data)} x i8] c"\\{text}", '
                f"align {align}"
            )
        return self._data[key]

    def _string(self, text: str) -> str:
        return self._constant(text.encode() + b"\0", 1)

    def _array(self, values: Array) -> str:
        data = np.ascontiguousarray(values).tobytes()
        return self._constant(data.ljust(padded(max(len(data), 1)), b"\0"), ALIGNMENT)

    # Functions

    def _capable(self) -> str:
        """Instructions that set %version, and %capable to whether there is one that can run."""
        if not self._asks:
            return "%version = add i32 0, 1\n  %capable = icmp eq i1 true, true"
        return "%version = call i32 @graphc.version()\n  %capable = icmp sgt i32 %version, 0"

    def _initialize(self) -> str:
        lines = []
        for field in self.manifest.state:
            lines += self._initial(field)
        header = self._constant(self.manifest.header, ALIGNMENT)
        body = "\n".join(f"  {line}" for line in lines)
        return f"""\
define i32 @{self.manifest.name}_initialize(ptr %state, i64 %interface) #0 {{
entry:
  %status = call i32 @graphc.check_call(ptr %state, i64 %interface)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %write, label %refused
write:
{body}
  call void @graphc.copy(ptr %state, ptr {header}, i64 {HEADER_BYTES})
  ret i32 0
refused:
  ret i32 %status
}}
"""

    def _initial(self, field: StateField) -> list[str]:
        """Instructions that give a param its initial value."""
        if not field.bytes:
            return []
        place = f"%at{field.offset}"
        lines = [f"{place} = getelementptr i8, ptr %state, i64 {field.offset}"]
        values, size = self.initial[field.name], padded(field.bytes)
        if not np.ascontiguousarray(values).view(np.uint8).any():
            return [*lines, f"call void @graphc.clear(ptr {place}, i64 {size})"]
        source = self._array(values)
        return [*lines, f"call void @graphc.copy(ptr {place}, ptr {source}, i64 {size})"]

    def _message(self) -> str:
        guards = sum(len(entry.guards) for entry in self.manifest.entries)
        statuses = [*MESSAGES, *range(1, guards + 1)]
        unknown = self._string(self.manifest.message(guards + 1))
        cases = "\n".join(f"    i32 {status}, label %s{status + 128}" for status in statuses)
        blocks = "\n".join(
            f"s{status + 128}:\n  ret ptr {self._string(self.manifest.message(status))}"
            for status in statuses
        )
        return f"""\
define ptr @{self.manifest.name}_message(i32 %status) #0 {{
entry:
  switch i32 %status, label %unknown [
{cases}
  ]
{blocks}
unknown:
  ret ptr {unknown}
}}
"""

    def _versions(self) -> None:
        """The version of the interface, to be read, and a name that no other build has."""
        abi, build = f"@{self.manifest.name}_abi", f"@{self.manifest.build_symbol}"
        self._globals[abi] = f"{abi} = constant i32 {self.manifest.abi}, align 4"
        self._globals[build] = f"{build} = constant i8 0"

    def _params_table(self) -> None:
        """Name, type, rank, shape, offset and bytes of each param: `NAME_param` in the header."""
        size = f"i{self.target.pointer_bits}"
        record = f"{{ ptr, ptr, ptr, {size}, {size}, {size} }}"
        rows = []
        for i, field in enumerate(self.manifest.state):
            shape = f"@graphc.shape.{i}"
            extents = ", ".join(f"{size} {extent}" for extent in (*field.shape, 0))
            self._globals[shape] = (
                f"{shape} = private unnamed_addr constant [{len(field.shape) + 1} x {size}] "
                f"[{extents}]"
            )
            name, dtype = self._string(field.name), self._string(field.dtype)
            rows.append(
                f"{record} {{ ptr {name}, ptr {dtype}, ptr {shape}, {size} {len(field.shape)}, "
                f"{size} {field.offset}, {size} {field.bytes} }}"
            )
        rows.append(f"{record} zeroinitializer")
        table = f"@{self.manifest.name}_params"
        self._globals[table] = f"{table} = constant [{len(rows)} x {record}] [{', '.join(rows)}]"

    # Entries

    def entry(self, entry: LibraryEntry, versions: Sequence[StepVersion]) -> None:
        """The function of an entry: it checks, and calls the best version that can run."""
        given = [f"%input{i}" for i in range(len(entry.inputs))]
        results = [f"%output{i}" for i in range(len(entry.outputs))]
        parameters = ", ".join(f"ptr {each}" for each in ("%state", "%workspace", *given, *results))
        first, blocks = self.manifest.first_guard(entry), []
        for version in versions:
            self._globals[version.symbol] = f"declare i32 @{version.symbol}(ptr, ptr)"
            blocks.append(self._call(version, given, results))
        numbers = [version.number for version in versions]
        own = max(len(version.params) + len(version.constants) for version in versions)
        table = _table_text(len(given) + own + len(results))
        cases = " ".join(f"i32 {each}, label %version{each}" for each in numbers[1:])
        self._functions.append(f"""\
define i32 @{self.manifest.name}_{entry.name}({parameters}) #0 {{
entry:
  {table}
  {self._capable()}
  br i1 %capable, label %check, label %lacking
check:
  %checked = call i32 @graphc.check_memory(ptr %state, ptr %workspace)
  %fine = icmp eq i32 %checked, 0
  br i1 %fine, label %arrays, label %refused
arrays:
{checked_arrays(entry, [*given, *results])}
choose:
  switch i32 %version, label %version1 [ {cases} ]
{"".join(blocks)}
lacking:
  ret i32 {WRONG_PROCESSOR}
refused:
  ret i32 %checked
missing:
  ret i32 {MISSING_ARRAY}
ran:
  %status = phi i32 {", ".join(f"[ %status{each}, %version{each} ]" for each in numbers)}
  %failed = icmp ne i32 %status, 0
  %number = add i32 %status, {first}
  %result = select i1 %failed, i32 %number, i32 0
  ret i32 %result
}}
""")

    def _call(self, version: StepVersion, given: Sequence[str], results: Sequence[str]) -> str:
        """The block that fills the table of buffers and calls a version."""
        offsets = {field.name: field.offset for field in self.manifest.state}
        number, lines, buffers = version.number, [], list(given)
        for name in version.params:
            place = f"%param{number}.{len(buffers)}"
            lines.append(f"  {place} = getelementptr i8, ptr %state, i64 {offsets[name]}")
            buffers.append(place)
        buffers += [self._array(values) for values in version.constants]
        buffers += results
        for i, buffer in enumerate(buffers):
            lines += [
                f"  %buffer{number}.{i} = getelementptr ptr, ptr %table, i64 {i}",
                f"  store ptr {buffer}, ptr %buffer{number}.{i}",
            ]
        body = "\n".join(lines)
        return f"""\
version{number}:
{body}
  %status{number} = call i32 @{version.symbol}(ptr %table, ptr %workspace)
  br label %ran
"""


def _table_text(buffers: int) -> str:
    """The table of buffers, one for all versions. It must be in the first block: for one elsewhere,
    code for Windows calls a function that makes the stack longer."""
    return f"%table = alloca [{max(buffers, 1)} x ptr], align 16"
