"""What this machine can run, found without a compiler.

Owns `check_platform`, `unconfirmed` and `is_this_platform`. Imports the names of instruction sets
and platforms. Invariant: it only ever refuses what surely cannot run here; what it cannot tell,
code for x86 checks itself before it does anything else.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from graphc.runtime.artifact import TargetRecord
from graphc.runtime.errors import TargetError
from graphc.runtime.instruction_sets import lacking
from graphc.runtime.platforms import system

_CPU_INFO = Path("/proc/cpuinfo")

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_SYSTEMS = {"win32": "windows"}
"""What a platform's name calls another name than Python does."""


def check_platform(targets: Sequence[TargetRecord], needs: Sequence[Sequence[str]]) -> None:
    """Raise `TargetError` unless code for one of `targets`, processors of one platform of which
    each needs instruction sets, may run here."""
    triple = targets[0].triple
    if not is_this_platform(triple):
        machine = _machine(platform.machine().lower())
        raise TargetError(
            f"it was made for {triple}, and this process runs on {machine} with {_system()}",
            help="build the library for this machine",
        )
    missing = [lacking(triple, frozenset(needed), _cpu_info())[0] for needed in needs]
    if all(missing):
        raise TargetError(
            f"it was made for {targets[0].cpu}, and this machine lacks {_listed(missing[0])}",
            help="build the library for an older processor",
        )


def unconfirmed(triple: str, needed: Sequence[str]) -> str:
    """The instruction sets that this machine does not surely have, as a list in words."""
    missing, unknown = lacking(triple, frozenset(needed), _cpu_info())
    return _listed(missing | unknown)


def is_this_platform(triple: str) -> bool:
    """Whether processes such as this one run code of a platform."""
    same = _machine(triple.split("-")[0]) == _machine(platform.machine().lower())
    return same and _system() == system(triple)


def _machine(name: str) -> str:
    """An architecture's name, of which some have two."""
    return _MACHINES.get(name, name)


def _system() -> str:
    return _SYSTEMS.get(sys.platform, sys.platform)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _cpu_info() -> str:
    try:
        return _CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return ""
