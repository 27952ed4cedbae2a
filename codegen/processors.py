"""Processors by name, for code that is to run elsewhere.

Owns `named_target` and `named_targets`. Imports the rest of `codegen`. Invariant: what a processor
can do is found by letting LLVM write code for it, never looked up in a list of our own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import combinations

from graphc.codegen.backend import compile_text, known_names, target_machine
from graphc.codegen.errors import BackendError, UnknownTargetError
from graphc.codegen.instructions import missing_operations
from graphc.codegen.isolated import isolated
from graphc.codegen.requirements import requirements_of
from graphc.codegen.target import Target, host_target, joined_features
from graphc.codegen.triples import check_layout, check_triple, spelled_out, suggestion
from graphc.runtime.platforms import system

_SAMPLE = """
define void @scaled(ptr %a, ptr %b, ptr %c) {
  %x = load <16 x float>, ptr %a
  %y = load <16 x float>, ptr %b
  %z = fmul <16 x float> %x, %y
  store <16 x float> %z, ptr %c
  ret void
}
"""
_SAMPLE_LANES, _FLOAT_BITS = 16, 32

_DEFAULTS = {
    "i686": ("pentium4", ""),
    "riscv64": ("generic-rv64", "+m,+a,+f,+d,+c"),
    "wasm32": ("generic", "+simd128"),
}
"""The processor and its instruction sets, where none is named, by the head of the triple: what
Linux distributions and browsers take for granted."""

_ARM_32 = re.compile("arm(?!64)|thumb")
"""Triples of 32-bit ARM. Its vector unit takes subnormal floats for 0, so it is left out where
nobody asks for it."""

_SMALL_CACHES = {"l1_bytes": 16 << 10, "l2_bytes": 32 << 10, "l3_bytes": 32 << 10}
"""What is assumed of a processor without an operating system: its memory is small."""


@cache
def named_target(triple: str = "", cpu: str = "", features: str = "") -> Target:
    """The processor `cpu` of the platform `triple`, with instruction sets added or removed.

    Without a triple, the platform of this process; `cpu` "host" is the one it runs on, and without
    a name it is the oldest of the platform. `features` is a list as LLVM writes it: `+avx2,-fma`.
    Raises `UnknownTargetError`, which lists names that are near.

    >>> target = named_target("x86_64-unknown-linux-gnu", "x86-64-v3")
    >>> target.vector_bits, target.vector_registers, target.has("fma.f32")
    (256, 16, True)
    """
    host = host_target()
    features = joined_features(*re.split(r"[\s,]+", features))
    if cpu == "host":
        if spelled_out(triple) not in ("", host.triple):
            raise UnknownTargetError(f"this process does not run on {triple}: its cpu has a name")
        return _host_with(features) if features else host
    triple = triple or host.triple
    check_triple(triple)
    triple = spelled_out(triple)
    family = triple.split("-")[0]
    default_cpu, default_features = _DEFAULTS.get(family, ("", ""))
    if not cpu:
        cpu = default_cpu or ("x86-64" if family == "x86_64" else "generic")
        features = joined_features(default_features, features)
    if _ARM_32.match(triple):
        features = joined_features("-neon", features)
    _check_processor(triple, cpu)
    _check_features(triple, features)
    return _sampled(triple, cpu, features)


def _host_with(features: str) -> Target:
    """This machine, of which code is not to use all or may use more."""
    host = host_target()
    _check_features(host.triple, features)
    found = _sampled(host.triple, host.cpu, joined_features(host.features, features))
    return replace(
        host,
        features=found.features,
        vector_bits=found.vector_bits,
        vector_registers=found.vector_registers,
        missing=found.missing,
    )


def named_targets(triple: str = "", cpus: str = "", features: str = "") -> list[Target]:
    """The processors of a list separated by commas, for code that chooses among them: it takes
    the last that it can run on.

    Raises `UnknownTargetError` where one would never be chosen, or the platform has no way to ask.
    """
    targets = [named_target(triple, cpu.strip(), features) for cpu in cpus.split(",")]
    needs = [frozenset(requirements_of(target)) for target in targets]
    idle = any(later <= earlier for earlier, later in combinations(needs, 2))
    if idle or (len(targets) > 1 and not targets[0].is_x86):
        raise UnknownTargetError(
            f"code cannot choose among the processors {cpus!r}",
            help="a list has processors of x86, the least first, each with instruction sets that "
            "those before it lack: x86-64,x86-64-v3,x86-64-v4",
        )
    return targets


def _check_processor(triple: str, cpu: str) -> None:
    """LLVM warns of a name that it does not know, and goes on as if there were none."""
    cpus, _ = known_names(triple)
    if cpu not in cpus:
        ours = ["host"] if triple == host_target().triple else []
        near = suggestion(cpu, [*ours, *cpus])
        raise UnknownTargetError(f"{triple} has no processor {cpu!r}{near}")


def _check_features(triple: str, features: str) -> None:
    """As for processors, each feature must be one that LLVM has a name for."""
    _, known = known_names(triple)
    for feature in filter(None, features.split(",")):
        if feature[0] not in "+-":
            raise UnknownTargetError(
                f"feature {feature!r} must begin with + or -",
                help=f"write +{feature} for an instruction set that code may use",
            )
        if feature[1:] not in known:
            near = suggestion(feature[1:], known)
            raise UnknownTargetError(f"{triple} has no feature {feature[1:]!r}{near}")


def _sampled(triple: str, cpu: str, features: str) -> Target:
    """As `_described`, from a process that LLVM may end."""
    try:
        return isolated(_described, triple, cpu, features)
    except (BackendError, RuntimeError) as error:
        reason = error.message if isinstance(error, BackendError) else error
        raise UnknownTargetError(
            f"{f'{cpu} {features}'.strip()} under {triple} is no target: {reason}",
            help="choose another processor, or other features",
        ) from None


def _described(triple: str, cpu: str, features: str) -> Target:
    """What LLVM makes of a sample says what the processor has. It ends the process for some."""
    # As wide as vectors get, which is what LLVM is asked for where it could choose.
    widest = Target(triple, cpu, features, vector_bits=512, vector_registers=32)
    layout = str(target_machine(widest).target_data)
    check_layout(triple, layout)
    assembly = compile_text(_SAMPLE, widest).assembly_text
    bits, registers = _vector_unit(triple, assembly)
    bare = system(triple) == "none"
    return Target(
        triple=triple,
        cpu=cpu,
        features=features,
        vector_bits=bits,
        vector_registers=registers,
        pointer_bits=32 if "p:32:32" in layout else 64,
        missing=missing_operations(widest),
        **(_SMALL_CACHES if bare else {}),
    )


def _vector_unit(triple: str, assembly: str) -> tuple[int, int]:
    """Bits and number of the registers in which 16 products of floats are computed."""
    instructions = (line for line in assembly.splitlines() if not line.lstrip().startswith("."))
    products = sum("mul" in line for line in instructions)
    bits = _SAMPLE_LANES * _FLOAT_BITS // products
    if triple.startswith("x86_64"):
        return bits, 32 if bits == 512 else 16
    if triple.startswith("riscv"):
        # A group of registers counts as one there; the shortest that programs may have are meant.
        return min(bits, 128), 32
    if triple.startswith("wasm"):
        return bits, 16
    if triple.startswith(("aarch64", "arm64")) or bits == _FLOAT_BITS:
        return bits, 32
    return bits, 8 if "thumb" in triple else 16
