"""What the name of a platform says: a triple, of its architecture, vendor and system.

Owns `architecture`, `system` and `has_pthreads`. Imports the standard library. Invariant: triples
that mean the same platform get the same answers.
"""

from __future__ import annotations

import re

_ARCHITECTURES = {"amd64": "x86", "x86_64": "x86", "arm64": "aarch64"}
_SYSTEMS = {
    "linux": "linux",
    "darwin": "darwin",
    "macos": "darwin",
    "windows": "windows",
    "none": "none",
}


def architecture(triple: str) -> str:
    """The family of processors that a platform's name, or its first part, is about.

    >>> architecture("i686-unknown-linux-gnu"), architecture("arm64-apple-darwin")
    ('x86', 'aarch64')
    """
    name = triple.split("-")[0]
    return "x86" if re.fullmatch("i[3-6]86", name) else _ARCHITECTURES.get(name, name)


def system(triple: str) -> str:
    """The system of a platform: linux, darwin, windows, none where there is none, or the empty
    text for another.

    >>> system("x86_64-apple-macosx11.0"), system("thumbv6m-unknown-none-eabi")
    ('darwin', 'none')
    """
    rest = triple.partition("-")[2]
    return next((_SYSTEMS[name] for name in _SYSTEMS if name in rest), "")


def has_pthreads(triple: str) -> bool:
    """Whether programs of a platform have threads as POSIX defines them."""
    return system(triple) not in ("none", "windows") and not triple.startswith("wasm")
