"""How many bytes a library takes: code, constants, state and workspace, in all and by kernel.

Owns `Report` and `report_of`. Imports the contract of libraries. Invariant: bytes of code are those
of the object, found by its symbols, never estimated.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphc.codegen.library import CompiledLibrary


@dataclass(frozen=True)
class Part:
    """A kernel of an entry, or what runs an entry's kernels, for one processor."""

    entry: str
    processor: str
    kernel: str
    code_bytes: int


@dataclass(frozen=True)
class Report:
    """Bytes of a library. `workspaces` are those of each entry; they lie in one another's place.
    A kernel that several entries have is stored once, and is part of the first. `undefined` are
    functions of other libraries that the object calls."""

    name: str
    object_bytes: int
    code_bytes: int
    constant_bytes: int
    state_bytes: int
    workspace_bytes: int
    workspaces: dict[str, int]
    parts: tuple[Part, ...]
    undefined: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON takes them."""
        return asdict(self)

    def __str__(self) -> str:
        totals = [
            ("code", self.code_bytes),
            ("constants", self.constant_bytes),
            ("state", self.state_bytes),
            ("workspace", self.workspace_bytes),
            ("memory (state and workspace)", self.state_bytes + self.workspace_bytes),
        ]
        lines = [f"{self.name}: {self.object_bytes} bytes of object file"]
        lines += [f"  {what:<30} {count:>10}" for what, count in totals]
        for entry, workspace in self.workspaces.items():
            parts = [part for part in self.parts if part.entry == entry]
            code = sum(part.code_bytes for part in parts)
            lines.append(f"{entry}: {code} bytes of code, {workspace} of workspace")
            lines += [
                f"  {part.kernel:<16} {part.processor:<20} {part.code_bytes:>10}" for part in parts
            ]
        lines.append(f"undefined symbols: {', '.join(self.undefined) or 'none'}")
        return "\n".join(lines)


def report_of(compiled: CompiledLibrary) -> Report:
    """Count the bytes of a library. Parts are known where each function has a section: in ELF."""
    from graphc.codegen.object_sizes import section_sizes

    manifest = compiled.manifest
    code, constants = section_sizes(compiled.object_bytes)
    return Report(
        name=manifest.name,
        object_bytes=len(compiled.object_bytes),
        code_bytes=sum(code.values()),
        constant_bytes=constants,
        state_bytes=manifest.state_bytes,
        workspace_bytes=manifest.workspace_bytes,
        workspaces={entry.name: entry.workspace_bytes for entry in manifest.entries},
        parts=tuple(_parts(compiled, code)),
        undefined=compiled.undefined,
    )


def _parts(compiled: CompiledLibrary, code: dict[str, int]) -> Iterator[Part]:
    name = re.escape(compiled.manifest.name)
    pattern = re.compile(rf"\.text\.graphc\.{name}\.(\w+)\.(\d+)(?:\.(.*))?")
    for section, size in code.items():
        if found := pattern.fullmatch(section):
            entry, number, kernel = found.groups()
            processor = compiled.manifest.targets[int(number) - 1].cpu
            yield Part(entry, processor, kernel or "(calls)", size)
