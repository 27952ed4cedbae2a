"""What the parts of a manifest can contradict.

Owns the checks that manifests of steps and of libraries share. Imports `runtime.dtypes`. Invariant:
a check yields what is wrong in words, and nothing for what is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from graphc.runtime.dtypes import DTYPES

if TYPE_CHECKING:
    from graphc.runtime.artifact import Argument, Guard, Structure


def argument_problems(*groups: Sequence[Argument]) -> Iterator[str]:
    """What is wrong with single arguments."""
    for argument in (argument for group in groups for argument in group):
        if argument.dtype not in DTYPES:
            yield f"{argument.name!r} has the unknown dtype {argument.dtype!r}"
        elif any(size < 0 for size in argument.shape) or argument.bytes >= 1 << 62:
            yield f"{argument.name!r} has the impossible shape {argument.shape}"
        elif len(argument.shape) > 64:
            yield f"{argument.name!r} has {len(argument.shape)} axes; NumPy takes at most 64"


def name_problems(*groups: Sequence[Argument]) -> Iterator[str]:
    """Names that occur twice in a group."""
    for group in groups:
        names = [argument.name for argument in group]
        if len(set(names)) != len(names):
            yield f"a name occurs twice among {', '.join(names)}"


def structure_problems(structure: Structure, outputs: Sequence[Argument]) -> Iterator[str]:
    """Outputs that a structure leaves out or does not have."""
    used = [part.output for part in structure.walk() if part.kind == "one"]
    if set(used) != set(range(len(outputs))):
        yield "the output structure does not use each of the outputs"


def guard_problems(guards: Sequence[Guard], arguments: Sequence[Argument]) -> Iterator[str]:
    """Guards of what is no index."""
    integers = {argument.name for argument in arguments if argument.dtype[0] in "iu"}
    for guard in guards:
        if guard.input not in integers:
            yield f"a guard names {guard.input!r}, which is no integer input or param"
