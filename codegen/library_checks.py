"""The checks of what C hands over to a library, as LLVM text.

Owns `checks_text` and `checked_arrays`. Imports the contract of libraries. Invariant: a check reads
nothing but the head of a state, and that after the pointer to it was found good.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graphc.runtime.library_manifest import (
    ALIGNMENT,
    UNALIGNED,
    UNKNOWN_STATE,
    WRONG_INTERFACE,
    WRONG_PROCESSOR,
    LibraryEntry,
    LibraryManifest,
)

_HEADER_WORDS = 3
"""Words of 8 bytes at the head of a state that say whose it is."""

_CHECKS = """\
define internal i32 @graphc.check_call(ptr %header, i64 %interface) #0 {{
entry:
  %same = icmp eq i64 %interface, {interface}
  br i1 %same, label %machine, label %other
machine:
  {capable}
  br i1 %capable, label %fine, label %lacking
fine:
  %address = ptrtoint ptr %header to i64
  %rest = and i64 %address, {last}
  %aligned = icmp eq i64 %rest, 0
  %there = icmp ne ptr %header, null
  %usable = and i1 %aligned, %there
  %status = select i1 %usable, i32 0, i32 {unaligned}
  ret i32 %status
other:
  ret i32 {wrong_interface}
lacking:
  ret i32 {wrong_processor}
}}
define internal i32 @graphc.check_state(ptr %state) #0 {{
entry:
{words}
  %both = and i1 %same0, %same1
  %all = and i1 %both, %same2
  %status = select i1 %all, i32 0, i32 {unknown_state}
  ret i32 %status
}}
define internal i32 @graphc.check_memory(ptr %state, ptr %workspace) #0 {{
entry:
  %state.address = ptrtoint ptr %state to i64
  %workspace.address = ptrtoint ptr %workspace to i64
  %bits = or i64 %state.address, %workspace.address
  %rest = and i64 %bits, {last}
  %aligned = icmp eq i64 %rest, 0
  %state.there = icmp ne ptr %state, null
  %workspace.there = icmp ne ptr %workspace, null
  %there = and i1 %state.there, %workspace.there
  %usable = and i1 %aligned, %there
  br i1 %usable, label %known, label %refused
known:
  %status = call i32 @graphc.check_state(ptr %state)
  ret i32 %status
refused:
  ret i32 {unaligned}
}}
define i32 @{name}_validate(ptr %state, i64 %interface) #0 {{
entry:
  %status = call i32 @graphc.check_call(ptr %state, i64 %interface)
  %fine = icmp eq i32 %status, 0
  br i1 %fine, label %look, label %refused
look:
  %verdict = call i32 @graphc.check_state(ptr %state)
  ret i32 %verdict
refused:
  ret i32 %status
}}
"""


def checks_text(manifest: LibraryManifest, capable: str) -> str:
    """The functions that check a processor, a state, and a state with a workspace; `capable` are
    instructions that set %capable to whether the processor can run the code."""
    words = np.frombuffer(manifest.header[: 8 * _HEADER_WORDS], "<i8")
    equal = []
    for i, word in enumerate(words):
        equal += [
            f"  %place{i} = getelementptr i8, ptr %state, i64 {8 * i}",
            f"  %word{i} = load i64, ptr %place{i}, align 8",
            f"  %same{i} = icmp eq i64 %word{i}, {word}",
        ]
    return _CHECKS.format(
        name=manifest.name,
        interface=manifest.interface,
        capable=capable,
        words="\n".join(equal),
        last=ALIGNMENT - 1,
        unaligned=UNALIGNED,
        wrong_interface=WRONG_INTERFACE,
        wrong_processor=WRONG_PROCESSOR,
        unknown_state=UNKNOWN_STATE,
    )


def checked_arrays(entry: LibraryEntry, pointers: Sequence[str]) -> str:
    """The end of a block: to `choose`, or to `missing` where an array with elements is NULL."""
    lines, all_there = [], "true"
    for argument, pointer in zip((*entry.inputs, *entry.outputs), pointers, strict=True):
        if argument.bytes:
            here, before, all_there = f"{pointer}.there", all_there, f"{pointer}.through"
            lines.append(f"  {here} = icmp ne ptr {pointer}, null")
            lines.append(f"  {all_there} = and i1 {before}, {here}")
    lines.append(f"  br i1 {all_there}, label %choose, label %missing")
    return "\n".join(lines)
