"""The user's side of a call: its source range, and the variable that its value is assigned to.

Owns `Site` and `caller`. Imports `ir.location` and the standard library. Invariant: finding a
site never fails; what cannot be known is left out. Both answers are cached per instruction, so
that building a node costs microseconds.
"""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import CodeType

import numpy as np

from graphc.ir import location
from graphc.ir.location import Location

Span = tuple[int, int, int, int]
"""First line, first column, last line, end column, as `ast` and code objects count them."""

_HERE = os.path.dirname(os.path.abspath(__file__))
_INTERNAL = tuple(
    os.path.join(folder, "")
    for folder in (_HERE, os.path.dirname(os.path.abspath(location.__file__)), np.__path__[0])
)
_DEMO = os.path.join(_HERE, "demo", "")
"""Code of the package that is written, and shown, as a user's program."""


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the user's program that builds tensors."""

    location: Location
    target: str
    """The variable that the statement assigns this value to, or ""."""


_sites: dict[tuple[int, int], tuple[CodeType, Site]] = {}


def caller() -> Site:
    """The innermost line outside graphc and NumPy that is running now."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_internal(frame.f_code.co_filename):
        frame = frame.f_back
    code, instruction = frame.f_code, frame.f_lasti
    key = (id(code), instruction)
    known = _sites.get(key)
    if known is None:
        known = _sites[key] = (code, _site(code, instruction, frame.f_lineno))
    return known[1]


def _is_internal(filename: str) -> bool:
    return filename.startswith(_INTERNAL) and not filename.startswith(_DEMO)


def _site(code: CodeType, instruction: int, line: int) -> Site:
    positions = next(islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    first, last, column, end = positions
    if first is None or last is None or column is None or end is None:
        return Site(Location(code.co_filename, line), "")
    source = "".join(linecache.getlines(code.co_filename))
    target = _targets(source).get((first, column, last, end), "")
    return Site(Location(code.co_filename, first, column, last, end), target)


@lru_cache(maxsize=64)
def _targets(source: str) -> dict[Span, str]:
    """For the range of each assigned expression in a module, the name it is assigned to."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return {}
    targets: dict[Span, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                targets.update(_pairs(target, node.value))
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets.update(_pairs(node.target, node.value))
        elif isinstance(node, ast.AugAssign):
            targets.update(_pairs(node.target, node))
    return targets


def _pairs(target: ast.expr, value: ast.AST) -> Iterator[tuple[Span, str]]:
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts):
            for part, element in zip(target.elts, value.elts, strict=True):
                yield from _pairs(part, element)
    elif isinstance(target, ast.Name):
        yield from ((span, target.id) for span in _spans(value))
    elif isinstance(target, ast.Attribute):
        yield from ((span, target.attr) for span in _spans(value))


def _spans(value: ast.AST) -> Iterator[Span]:
    """The ranges under which code objects know the instruction that computes `value`."""
    line, column = getattr(value, "lineno", 0), getattr(value, "col_offset", 0)
    last, end = getattr(value, "end_lineno", 0), getattr(value, "end_col_offset", 0)
    yield line, column, last, end
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        # A method call after a line break begins, for the code object, at the method's name.
        method = value.func
        first, stop = method.end_lineno or 0, method.end_col_offset or 0
        yield first, stop - len(method.attr), last, end
