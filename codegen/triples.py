"""Names of platforms, processors and instruction sets: which are known, and which are near.

Owns `check_triple`, `spelled_out`, `check_layout` and `suggestion`. Imports llvmlite.binding.
Invariant: a name that LLVM would read as another, or as none, is refused: it warns of few, and goes
on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

import llvmlite.binding as llvm

from graphc.codegen.errors import UnknownTargetError

_TRIPLES = (
    "x86_64-unknown-linux-gnu",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "aarch64-unknown-linux-gnu",
    "arm64-apple-darwin",
    "riscv64-unknown-linux-gnu",
    "wasm32-unknown-unknown",
    "thumbv7em-none-eabihf",
    "thumbv7em-none-eabi",
    "thumbv6m-none-eabi",
    "armv7-unknown-linux-gnueabihf",
    "i686-unknown-linux-gnu",
)
"""Triples to suggest for one that LLVM does not know."""

_NO_SYSTEM = {"unknown", "none", "elf", "pc"}
"""What a triple may say in place of a vendor or a system that it has not."""

_VENDOR_AND_SYSTEM = 4
"""Parts of a triple that names all; its vendor may be anybody."""


def check_triple(triple: str) -> None:
    """Raise `UnknownTargetError` unless LLVM knows each part of a triple.

    >>> check_triple("aarch64-unknown-linux-gnu")
    """
    llvm.initialize_all_targets()
    try:
        llvm.Target.from_triple(triple)
    except RuntimeError:
        raise _unknown(triple, f"LLVM has no target {triple!r}") from None
    parts = triple.split("-")
    if len(parts) == _VENDOR_AND_SYSTEM:
        del parts[1]
    understood = llvm.get_triple_parts(triple)
    names = [understood.Vendor, understood.OS, understood.Env]
    for part in parts[1:]:
        plain = re.sub(r"[\d.]+$", "", part)
        if part not in _NO_SYSTEM and not any(plain and name.startswith(plain) for name in names):
            raise _unknown(triple, f"LLVM does not know {part!r} in the target {triple!r}")


def spelled_out(triple: str) -> str:
    """A triple of four parts where the vendor was left out, with the first name of an architecture
    that has two. LLVM, given three parts, takes the second for the vendor and the third for the
    system: the code would call other libraries in other ways.

    >>> spelled_out("thumbv6m-none-eabi"), spelled_out("amd64-linux-gnu")
    ('thumbv6m-unknown-none-eabi', 'x86_64-unknown-linux-gnu')
    """
    triple = re.sub("^amd64(?=-|$)", "x86_64", triple)
    architecture, _, rest = triple.partition("-")
    second = rest.partition("-")[0]
    system = llvm.get_triple_parts(triple).OS
    is_system = second == "none" or (system != "unknown" and second.startswith(system))
    if is_system and rest.count("-") <= 1:
        return f"{architecture}-unknown-{rest}"
    return triple


def check_layout(triple: str, layout: str) -> None:
    """Raise `UnknownTargetError` for processors whose memory is not as our code takes it to be:
    `layout` is LLVM's text."""
    pointers = re.search(r"(?:^|-)p:(\d+)", layout)
    if layout.startswith("E") or (pointers and pointers[1] not in ("32", "64")):
        raise _unknown(
            triple, f"{triple} is no target: processors must be little-endian, of 32 or 64 bits"
        )


def suggestion(name: str, known: Collection[str]) -> str:
    """`; did you mean ...?` with names that are near, or else with some of those there are.

    >>> suggestion("Cortx-A53", ["cortex-a53", "m4"]), suggestion("?", ["cortex-a53", "m4"])
    ('; did you mean cortex-a53?', '; there are cortex-a53, m4')
    """
    small = {each.lower(): each for each in known}
    within = [each for each in small if name and name.lower() in each][:4]
    near = within or difflib.get_close_matches(name.lower(), small, n=4, cutoff=0.5)
    if near:
        return f"; did you mean {', '.join(small[each] for each in near)}?"
    some = list(known)[:6]
    return f"; there are {', '.join(some)}{' and others' if len(known) > len(some) else ''}"


def _unknown(triple: str, message: str) -> UnknownTargetError:
    return UnknownTargetError(
        f"{message}{suggestion(triple, _TRIPLES)}",
        help="a triple is architecture-vendor-system, such as aarch64-unknown-linux-gnu",
    )
