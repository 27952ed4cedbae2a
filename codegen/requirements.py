"""The instruction sets that code for a processor needs beyond the least of its platform.

Owns `requirements_of`. Imports the backend and the names that runtime has for instruction sets.
Invariant: what a processor has is LLVM's own knowledge, asked for, never a list of processors; and
on x86, where code asks before it runs, a set of which it could not ask is refused.

LLVM inlines a function into another where the caller has all the instruction sets of the callee.
So one of the two is made for the processor, and the other for one that differs by a single set.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from graphc.codegen.backend import can_inline, known_names
from graphc.codegen.errors import UnknownTargetError
from graphc.codegen.target import Target, joined_features
from graphc.runtime.instruction_sets import UNUSED_X86, instruction_sets

_HARMLESS = """
    sahf nopl branch-hint ermsb fsrm evex512 avx10.1-512 avx10.2-512 fast-7bytenop fast-imm16
    fast-movbe prefer-legacy-setcc prefer-movmsk-over-vtest prefer-no-gather prefer-no-scatter
    sbb-dep-breaking slow-pmullq harden-sls-ijmp harden-sls-ret lvi-cfi lvi-load-hardening retpoline
    retpoline-external-thunk retpoline-indirect-branches retpoline-indirect-calls seses
"""
"""Ways to write the same code, what runs everywhere, and other names of sets."""

_UNASKED = UNUSED_X86.union(_HARMLESS.split())
"""What LLVM knows of x86 beside the sets that code can be said to need."""


@cache
def requirements_of(target: Target) -> tuple[str, ...]:
    """The names of the instruction sets, sorted.

    Raises `UnknownTargetError` where code could be made for x86, and not ask whether it can run.

    >>> from graphc.codegen.processors import named_target
    >>> requirements_of(named_target("x86_64-unknown-linux-gnu", "nehalem"))
    ('popcnt', 'sse3', 'sse4.1', 'sse4.2', 'ssse3')
    """
    # LLVM complains on the standard error of the process about a name that it does not know.
    _, names = known_names(target.triple)
    known = sorted(instruction_sets(target.triple).intersection(names))
    processor = (target.cpu, target.features)
    without = [(target.cpu, joined_features(target.features, f"-{name}")) for name in known]
    unchanged = can_inline(target.triple, [(processor, lesser) for lesser in without])
    found = tuple(name for name, same in zip(known, unchanged, strict=True) if not same)
    if target.is_x86:
        _check_completeness(target, found, _UNASKED.intersection(names))
    return found


def _check_completeness(target: Target, found: Iterable[str], unasked: Iterable[str]) -> None:
    """Whether a processor with nothing but what was found runs the code."""
    least = "+64bit,+cx8,+cmov,+mmx,+sse2" if target.is_x86_64 else ""
    asked = joined_features(least, *(f"+{name}" for name in found))
    rest = joined_features(target.features, *(f"-{name}" for name in sorted(unasked)))
    if not can_inline(target.triple, [((target.cpu, rest), ("i386", asked))])[0]:
        raise UnknownTargetError(
            f"code for {target.cpu} would need instruction sets of which a program cannot ask",
            help="name another processor, or take those that are new away with --features -NAME",
        )
