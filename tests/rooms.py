"""The folders of the checkout, and the names that their modules are imported by."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[1]

ROOMS = {
    "graphc": "graphc",
    "ir": "graphc.ir",
    "codegen": "graphc.codegen",
    "runtime": "graphc.runtime",
}
"""The folders in the order in which a program goes through them, each with its package."""


def sources() -> list[Path]:
    """Every source file of the package, relative to the checkout."""
    return [
        path.relative_to(ROOT) for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))
    ]


def module_name(path: Path) -> str:
    """What a source file is imported as.

    >>> module_name(Path("ir/ops/__init__.py"))
    'graphc.ir.ops'
    """
    room, *parts = path.with_suffix("").parts
    return ".".join([ROOMS[room], *(part for part in parts if part != "__init__")])
