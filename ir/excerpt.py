"""The user's source line with a caret under the operand at fault.

Owns how a location is shown in an error. Imports the standard library and `ir.location`.
Invariant: nothing here raises; source that is missing, odd or changed since only costs the caret.
"""

from __future__ import annotations

import ast
import linecache
import unicodedata
from collections.abc import Sequence

from graphc.ir.location import Location

_WIDTH = 100
"""Columns of source shown; of a longer line, a window around the caret."""


def excerpt(loc: Location, operand: int | None, note: str, names: Sequence[str] = ()) -> list[str]:
    """The line of `loc`, and `note` under its operand number `operand`.

    `names` are the operands' names: an argument that is spelled like one is that operand.
    """
    line, column = _operand_position(loc, operand, names)
    source = linecache.getline(loc.file, line).rstrip("\n")
    if not source.strip():
        return [f"   |  {loc}   {note}".rstrip()]
    place = str(Location(loc.file, line))
    return pointed(place, source, len(_decoded(source.encode()[:column])), note)


def pointed(place: str, source: str, column: int, note: str = "") -> list[str]:
    """A line of text, named `place`, with a caret and `note` under its character `column`.

    >>> print("\\n".join(pointed("mlp.py:14", "  h = x @ w", 10, "w is f32[748,10]")))
       |  mlp.py:14   h = x @ w
       |                      ^ w is f32[748,10]
    """
    text = source.strip()
    column = min(max(column - (len(source) - len(source.lstrip())), 0), len(text))
    if len(text) > _WIDTH:
        start = max(column - _WIDTH // 2, 0)
        text, column = text[start : start + _WIDTH], column - start
    text = "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    padding = " " * len(f"  {place}   ") + "".join(map(_blank, text[:column]))
    return [f"   |  {place}   {text}".rstrip(), f"   |{padding}^ {note}".rstrip()]


def _blank(character: str) -> str:
    """White space as wide as a character."""
    if character == "\t":
        return "\t"
    if unicodedata.combining(character):
        return ""
    return "  " if unicodedata.east_asian_width(character) in "WF" else " "


def _operand_position(loc: Location, operand: int | None, names: Sequence[str]) -> tuple[int, int]:
    """Line and UTF-8 column of an operand of the expression at `loc`, or of the expression."""
    if loc.column < 0 or loc.end_column < 0 or operand is None:
        return loc.line, max(loc.column, 0)
    last = min(max(loc.end_line, loc.line), loc.line + 200)
    lines = [linecache.getline(loc.file, i).encode() for i in range(loc.line, last + 1)]
    lines[-1] = lines[-1][: loc.end_column]
    lines[0] = lines[0][loc.column :]
    tree = _parsed(_decoded(b"".join(lines)))
    part = None if tree is None else _operand(tree, operand, names)
    if part is None:
        return loc.line, loc.column
    # The expression was parsed inside parentheses, so its first line is shifted by one.
    first = part.lineno == 1
    return loc.line + part.lineno - 1, part.col_offset + (loc.column - 1 if first else 0)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _parsed(text: str) -> ast.expr | None:
    """The expression that `text` is; of `x += y`, the sum; None if Python cannot read it."""
    try:
        return ast.parse(f"({text})", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    try:
        statement = ast.parse(f"{text}").body[0]
    except (SyntaxError, ValueError, RecursionError, MemoryError, IndexError):
        return None
    if not isinstance(statement, ast.AugAssign):
        return None
    for node in ast.walk(statement):
        if isinstance(node, ast.expr) and node.lineno == 1:
            node.col_offset += 1
    return ast.BinOp(statement.target, statement.op, statement.value)


def _operand(tree: ast.expr, operand: int, names: Sequence[str]) -> ast.expr | None:
    parts = _operands(tree, operand, len(names))
    name = names[operand] if operand < len(names) else ""
    spelled = [part for part in parts if isinstance(part, ast.Name) and part.id == name]
    if len(spelled) == 1:
        return spelled[0]
    return parts[operand] if operand < len(parts) else None


def _operands(tree: ast.expr, operand: int, count: int) -> list[ast.expr]:
    """The expressions that stand for the `count` operands of an operation, as far as one can
    tell from its spelling."""
    match tree:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Compare(left=left, comparators=comparators):
            return [left, *comparators]
        case ast.UnaryOp(operand=inner) | ast.Subscript(value=inner) | ast.Attribute(value=inner):
            return [inner]
        case ast.Call(func=function, args=args, keywords=keywords):
            parts = _flat([*args, *(keyword.value for keyword in keywords)])
            # In `x.matmul(w)` the receiver is an operand, in `gc.matmul(x, w)` it is not: it must
            # be one when the arguments are too few, or a plain number where a tensor is needed.
            lacking = len(parts) < count or operand >= len(parts) or _is_literal(parts[operand])
            if isinstance(function, ast.Attribute) and lacking:
                return [function.value, *parts]
            return parts
    return []


def _flat(arguments: Sequence[ast.expr]) -> list[ast.expr]:
    """Arguments, with the elements of a list of tensors in its place."""
    parts: list[ast.expr] = []
    for argument in arguments:
        if isinstance(argument, ast.List | ast.Tuple) and not _is_literal(argument):
            parts += argument.elts
        else:
            parts.append(argument)
    return parts


def _is_literal(tree: ast.expr) -> bool:
    if isinstance(tree, ast.UnaryOp):
        return _is_literal(tree.operand)
    if isinstance(tree, ast.List | ast.Tuple):
        return all(map(_is_literal, tree.elts))
    return isinstance(tree, ast.Constant)
