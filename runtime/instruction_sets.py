"""The instruction sets that code may need beyond the least of its platform, by name.

Owns `instruction_sets`, `UNUSED_X86` and `lacking`. Imports the names of platforms. Invariant:
names are those of `--features`, which are LLVM's; where Linux may not list a set that a processor
has, its absence proves nothing.
"""

from __future__ import annotations

import re

from graphc.runtime.platforms import architecture

_X86 = {
    **{each: each for each in ("cx8", "cmov", "mmx", "sse", "sse2", "ssse3", "sse4a", "popcnt")},
    **{each: each for each in ("movbe", "avx", "f16c", "fma", "fma4", "xop", "avx2", "bmi2")},
    **{each: each for each in ("tbm", "gfni", "avx512f", "avx512dq", "avx512cd", "avx512bw")},
    **{each: each for each in ("avx512vl", "avx512ifma", "avx512vbmi")},
    "x87": "fpu",
    "sse3": "pni",
    "sse4.1": "sse4_1",
    "sse4.2": "sse4_2",
    "lzcnt": "abm",
    "prfchw": "3dnowprefetch",
    "bmi": "bmi1",
    "avx512vbmi2": "avx512_vbmi2",
    "avx512vnni": "avx512_vnni",
    "avx512bitalg": "avx512_bitalg",
    "avx512vpopcntdq": "avx512_vpopcntdq",
}
_RECENT_X86 = {
    "avx512bf16": "avx512_bf16",
    "avx512vp2intersect": "avx512_vp2intersect",
    "avx512fp16": "avx512_fp16",
    "avxvnni": "avx_vnni",
    **dict.fromkeys(("avxifma", "avxneconvert", "avxvnniint8", "avxvnniint16"), ""),
    **dict.fromkeys(("avx10.1", "avx10.2", "cmpccxadd", "raoint"), ""),
    **dict.fromkeys(("egpr", "push2pop2", "ppx", "ndd", "nf", "ccmp", "cf", "zu"), ""),
}
"""What Linux lists since 2019 or later, or not at all: a list without them proves nothing."""

_UNUSED_X86 = """
    adx aes amx-avx512 amx-bf16 amx-complex amx-fp16 amx-fp8 amx-int8 amx-movrs amx-tf32 amx-tile
    amx-transpose cldemote clflushopt clwb clzero crc32 enqcmd fsgsbase fxsr hreset invpcid kl lwp
    movdir64b movdiri movrs mwaitx pclmul pconfig pku prefetchi ptwrite rdpid rdpru rdrnd rdseed rtm
    serialize sgx sha sha512 shstk sm3 sm4 tsxldtrk uintr usermsr vaes vpclmulqdq waitpkg wbnoinvd
    widekl xsave xsavec xsaveopt xsaves cx16
"""
UNUSED_X86 = frozenset(_UNUSED_X86.split())
"""Instructions for systems, and for programs that name them: no code of ours becomes one."""

_AARCH64 = {
    "crc": "crc32",
    "lse": "atomics",
    "lse2": "uscat",
    "rdm": "asimdrdm",
    "fullfp16": "asimdhp",
    "fp16fml": "asimdfhm",
    "dotprod": "asimddp",
    "complxnum": "fcma",
    "jsconv": "jscvt",
    "rcpc": "lrcpc",
    "rcpc-immo": "ilrcpc",
    "fptoint": "frint",
    "altnzcv": "flagm2",
    **{each: each for each in ("flagm", "sha3", "bf16", "i8mm", "sve", "sve2", "sme")},
}
_RISCV = {each: each for each in "mafdcv"}

_LISTED: dict[str, dict[str, str]] = {
    "x86": _X86 | _RECENT_X86,
    "aarch64": _AARCH64,
    "riscv64": _RISCV,
}
"""By architecture, the names of instruction sets, and what /proc/cpuinfo calls each."""

_BASELINE = frozenset(["x87", "cx8", "cmov", "mmx", "sse", "sse2"])
"""What every 64-bit processor of x86 has."""

_CPUINFO = {"x86": r"^flags\s*:(.*)", "aarch64": r"^Features\s*:(.*)", "riscv64": r"^isa\s*:(.*)"}
"""The line that says what a processor has."""


def instruction_sets(triple: str) -> frozenset[str]:
    """All that code for a platform may be said to need; none where there are no names for them."""
    known = frozenset(_LISTED.get(architecture(triple), {}))
    return known - _BASELINE if triple.startswith(("x86_64", "amd64")) else known


def lacking(triple: str, needed: frozenset[str], cpuinfo: str) -> tuple[set[str], set[str]]:
    """Of the instruction sets `needed`, those that a processor lacks for sure, and those that it
    may lack. `cpuinfo` is what Linux says of it; the empty text says nothing.

    >>> lacking("x86_64", frozenset(["avx", "avx2", "avxvnni"]), "flags : fpu avx")
    ({'avx2'}, {'avxvnni'})
    """
    family = architecture(triple)
    found = re.search(_CPUINFO[family], cpuinfo, re.MULTILINE) if family in _CPUINFO else None
    if found is None:
        return set(), set(needed)
    words = found[1].split()
    if family == "riscv64":
        # rv64imafdcv_zicsr_...: one letter each, up to the first that has a longer name.
        words = list(words[0].removeprefix("rv64").split("_")[0]) if words else []
    absent = {each for each in needed if _LISTED[family][each] not in words}
    unclear = absent & _RECENT_X86.keys()
    return absent - unclear, unclear
