"""What a program asks an x86 processor and its system before it uses instruction sets.

Owns `Question`, `questions` and `known`. Imports the names of platforms. Invariant: every set that
code can be said to need has a question, and questions come in an order in which each may be asked
once those before it had the right answer.

Sources: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID; AMD64
Architecture Programmer's Manual, volume 3, appendix E; Intel APX and AVX10 Architecture
Specifications.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass

from graphc.runtime.platforms import system

EAX, EBX, ECX, EDX = range(4)
SYSTEM = -1
"""In the place of a leaf: what the system keeps of registers, in XCR0."""


@dataclass(frozen=True)
class Question:
    """Whether a register, as CPUID leaves it for a leaf and a subleaf, has at least the value
    `least` in the bits of `mask`; both are the same where each bit is a set of its own."""

    leaf: int
    subleaf: int
    register: int
    mask: int
    least: int

    @property
    def words(self) -> tuple[int, ...]:
        """The fields as signed numbers of 32 bits."""
        return tuple((word & 0xFFFFFFFF ^ 1 << 31) - (1 << 31) for word in astuple(self))


_APX = ("egpr", "push2pop2", "ppx", "ndd", "nf", "ccmp", "cf", "zu")
_APX_LATER = ("ndd", "nf", "ccmp", "cf", "zu")

_BITS: dict[tuple[int, int, int], dict[str, int]] = {
    (1, 0, EDX): {"x87": 0, "cx8": 8, "cmov": 15, "mmx": 23, "sse": 25, "sse2": 26},
    (1, 0, ECX): {
        "sse3": 0,
        "ssse3": 9,
        "fma": 12,
        "sse4.1": 19,
        "sse4.2": 20,
        "movbe": 22,
        "popcnt": 23,
        "avx": 28,
        "f16c": 29,
    },
    (7, 0, EBX): {
        "bmi": 3,
        "avx2": 5,
        "bmi2": 8,
        "avx512f": 16,
        "avx512dq": 17,
        "avx512ifma": 21,
        "avx512cd": 28,
        "avx512bw": 30,
        "avx512vl": 31,
    },
    (7, 0, ECX): {
        "avx512vbmi": 1,
        "avx512vbmi2": 6,
        "gfni": 8,
        "avx512vnni": 11,
        "avx512bitalg": 12,
        "avx512vpopcntdq": 14,
    },
    (7, 0, EDX): {"avx512vp2intersect": 8, "avx512fp16": 23},
    (7, 1, EAX): {"raoint": 3, "avxvnni": 4, "avx512bf16": 5, "cmpccxadd": 7, "avxifma": 23},
    (7, 1, EDX): {
        "avxvnniint8": 4,
        "avxneconvert": 5,
        "avxvnniint16": 10,
        "avx10.1": 19,
        "avx10.2": 19,
        **dict.fromkeys(_APX, 21),
    },
    (0x29, 0, EBX): dict.fromkeys(_APX_LATER, 0),
    (0x80000001, 0, ECX): {"lzcnt": 5, "sse4a": 6, "prfchw": 8, "xop": 11, "fma4": 16, "tbm": 21},
}
"""By leaf, subleaf and register, the bit of each instruction set; some have more than one."""

_ASKING = 1 << 27
"""In ECX of leaf 1: the system uses XCR0, and programs may read it."""

_SAVED = {"avx": 0b110, "avx512f": 0b11100110, "egpr": 1 << 19}
"""The bits of XCR0, by the instruction set that brought the registers."""

_VERSIONS = {"avx10.1": 1, "avx10.2": 2}
"""In the low byte of EBX of leaf 0x24."""


def questions(needed: Collection[str], triple: str) -> list[Question]:
    """What to ask so that code which needs these instruction sets can run on a platform.

    >>> questions(["sse3", "popcnt"], "i686-unknown-linux-gnu")
    [Question(leaf=1, subleaf=0, register=2, mask=8388609, least=8388609)]
    """
    masks = {place: _mask(needed, bits) for place, bits in _BITS.items()}
    saved = _system_mask(needed, triple)
    if saved:
        masks[1, 0, ECX] |= _ASKING
    asked = [Question(*place, mask, mask) for place, mask in masks.items() if mask]
    if saved:
        first = sum(question.leaf == 1 for question in asked)
        asked.insert(first, Question(SYSTEM, 0, 0, saved, saved))
    if versions := [version for name, version in _VERSIONS.items() if name in needed]:
        asked.append(Question(0x24, 0, EBX, 0xFF, max(versions)))
    return asked


def known() -> Iterator[str]:
    """The instruction sets that there are questions for."""
    for bits in _BITS.values():
        yield from bits


def _mask(needed: Collection[str], bits: dict[str, int]) -> int:
    mask = 0
    for name in needed:
        mask |= 1 << bits[name] if name in bits else 0
    return mask


def _system_mask(needed: Collection[str], triple: str) -> int:
    mask = 0
    for name, bits in _SAVED.items():
        if name in needed:
            # macOS begins to keep the registers of AVX-512 when a program first uses them.
            mask |= _SAVED["avx"] if name == "avx512f" and system(triple) == "darwin" else bits
    return mask
