"""The machine that code is made for: its instructions, vector unit, registers and caches.

Owns `Target`, lists of features and the description of the host. Imports llvmlite.binding and the
names of platforms. Invariant: a target is a value; equal targets and equal text give equal object
bytes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import llvmlite.binding as llvm

from graphc.runtime.platforms import architecture, system

_CACHE_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
_DEFAULT_CACHES = {1: 32 << 10, 2: 512 << 10, 3: 8 << 20}
_ROUNDINGS = "floor.f32 ceil.f32 trunc.f32 roundeven.f32 floor.f64 ceil.f64 trunc.f64 roundeven.f64"
_SIZE_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


@dataclass(frozen=True)
class Target:
    """A processor as the code generator sees it.

    `features` lists the instruction sets in LLVM's spelling, comma separated: `+avx2` for one that
    code may use, `-avx2` for one that it may not. Cache sizes are those seen by one core (the last
    level is shared). `cores` are those this process may run on.

    `missing` are operations without an instruction, for which LLVM would call a library: `fma`,
    `sqrt`, `floor`, `ceil`, `trunc`, `roundeven`, `maximum` and `minimum` of f32 or f64, as in
    `fma.f64`; `convert.f16`, between float16 and f32; `convert.i64.f32` and others of i32, i64, f32
    and f64, between integers with and without sign and floats; `divide.i32` and `divide.i64`, which
    give remainders as well.
    """

    triple: str
    cpu: str
    features: str
    vector_bits: int
    vector_registers: int
    l1_bytes: int = _DEFAULT_CACHES[1]
    l2_bytes: int = _DEFAULT_CACHES[2]
    l3_bytes: int = _DEFAULT_CACHES[3]
    cores: int = 1
    pointer_bits: int = 64
    missing: tuple[str, ...] = ("convert.f16",)

    @property
    def is_x86(self) -> bool:
        return architecture(self.triple) == "x86"

    @property
    def is_elf(self) -> bool:
        """Whether its objects are ELF files."""
        other = self.triple.startswith("wasm") or system(self.triple) in ("darwin", "windows")
        return not other

    @property
    def is_x86_64(self) -> bool:
        return self.triple.startswith("x86_64")

    @property
    def has_avx512(self) -> bool:
        """Whether it has the instructions of AVX-512 (F and VL)."""
        return self.is_x86 and self.vector_bits == 512

    def has(self, operation: str) -> bool:
        """Whether there are instructions for an operation, as `missing` writes it."""
        return operation not in self.missing

    def lanes(self, element_bytes: int) -> int:
        """How many elements of this size one vector register holds; 1 where none fits."""
        return max(self.vector_bits // (8 * element_bytes), 1)


@cache
def host_target() -> Target:
    """The machine this process runs on. Found once."""
    triple = str(llvm.get_process_triple())
    features = str(llvm.get_host_cpu_features().flatten())
    bits, registers = vector_unit(triple, features)
    sizes = _DEFAULT_CACHES | _cache_sizes(_CACHE_FOLDER)
    return Target(
        triple=triple,
        cpu=str(llvm.get_host_cpu_name()),
        features=features,
        vector_bits=bits,
        vector_registers=registers,
        l1_bytes=sizes[1],
        l2_bytes=sizes[2],
        l3_bytes=sizes[3],
        cores=_usable_cores(),
        missing=_missing(triple, features),
    )


@cache
def compiler() -> tuple[object, ...]:
    """Which LLVM makes the code: its version, and the size and time of the library it is in."""
    version: tuple[object, ...] = llvm.llvm_version_info
    library = Path(llvm.__file__).with_name(llvm.ffi.get_library_name())
    try:
        found = library.stat()
    except OSError:  # the program was packed into one file, with llvmlite
        return version
    return *version, found.st_size, found.st_mtime_ns


def joined_features(*features: str) -> str:
    """Lists of features as one; a later one says the last word.

    >>> joined_features("+avx2", "", "-fma")
    '+avx2,-fma'
    """
    return ",".join(filter(None, features))


def vector_unit(triple: str, features: str) -> tuple[int, int]:
    """Width in bits and number of the vector registers that a feature list gives.

    >>> vector_unit("x86_64-unknown-linux-gnu", "+avx,+avx2,-avx512f")
    (256, 16)
    """
    enabled = {flag[1:] for flag in features.split(",") if flag.startswith("+")}
    if architecture(triple) != "x86":
        return 128, 32
    if {"avx512f", "avx512vl"} <= enabled:
        return 512, 32
    return (256, 16) if "avx" in enabled else (128, 16)


def _missing(triple: str, features: str) -> tuple[str, ...]:
    """What only old processors lack, of those that this process may run on."""
    if architecture(triple) != "x86":
        return () if triple.startswith(("aarch64", "arm64")) else ("convert.f16",)
    enabled, lacking = features.split(","), ["divide.i64"]
    if triple.startswith("x86_64"):
        lacking = []
    if "+fma" not in enabled:
        lacking += ["fma.f32", "fma.f64"]
    if "+sse4.1" not in enabled:
        lacking += _ROUNDINGS.split()
    if "+f16c" not in enabled:
        lacking.append("convert.f16")
    return tuple(lacking)


def _usable_cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _cache_sizes(folder: Path) -> dict[int, int]:
    """Sizes in bytes of the data caches by level, as far as the kernel tells."""
    sizes: dict[int, int] = {}
    for entry in sorted(folder.glob("index*")):
        try:
            kind = (entry / "type").read_text().strip()
            level = int((entry / "level").read_text())
            size = _parse_size((entry / "size").read_text().strip())
        except (OSError, ValueError):
            continue
        if kind != "Instruction" and size > 0:
            sizes[level] = size
    return sizes


def _parse_size(text: str) -> int:
    """`32K` in bytes; plain numbers are bytes already."""
    unit = _SIZE_UNITS.get(text[-1:])
    return int(text[:-1]) * unit if unit else int(text)
