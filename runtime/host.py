"""What this machine can run, found without a compiler.

Owns `check_platform` and `is_this_platform`. Imports the standard library. Invariant: it only ever
refuses what surely cannot run here; what it cannot tell, the code itself checks before it does
anything else.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

from graphc.runtime.artifact import TargetRecord
from graphc.runtime.errors import TargetError

_CPU_FLAGS = Path("/proc/cpuinfo")

_LEVELS = {
    2: "cx16 pni popcnt sse4_1 sse4_2 ssse3",
    3: "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    4: "avx512bw avx512cd avx512dq avx512f avx512vl",
}
"""What each level of x86-64 adds, as Linux calls it."""

_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_SYSTEMS = {"linux": "linux", "darwin": "darwin", "win32": "windows"}


def check_platform(target: TargetRecord, level: int) -> None:
    """Raise `TargetError` unless code for `target`, which needs a level of x86-64, runs here."""
    machine, system = _machine(platform.machine().lower()), _system()
    if not is_this_platform(target.triple):
        raise TargetError(
            f"it was made for {target.triple}, and this process runs on {machine} with {system}",
            help="build the library for this machine",
        )
    if machine == "x86_64" and level > 1 and (missing := _missing(level)):
        raise TargetError(
            f"it was made for {target.cpu}, and this machine lacks {', '.join(missing)}",
            help="build the library for an older processor",
        )


def is_this_platform(triple: str) -> bool:
    """Whether processes such as this one run code of a platform."""
    architecture, _, rest = triple.partition("-")
    same = _machine(architecture) == _machine(platform.machine().lower())
    return same and _system() in rest


def _machine(name: str) -> str:
    """An architecture's name, of which some have two."""
    return _MACHINES.get(name, name)


def _system() -> str:
    return _SYSTEMS.get(sys.platform, sys.platform)


def _missing(level: int) -> list[str]:
    """What a level needs and this processor lacks; nothing where the system does not say."""
    try:
        lines = _CPU_FLAGS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    needed = [name for each in range(2, level + 1) for name in _LEVELS[each].split()]
    return sorted(set(needed) - set(flags.split())) if flags else []
