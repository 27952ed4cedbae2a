"""Tokens of the text form, read one at a time, and the errors that point at them.

Owns `Lexer`. Imports the standard library and `ir.diagnostics`. Invariant: every text splits into
tokens (what is none becomes `junk`), in linear time; only `fail` raises, and only `ParseError`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import NoReturn

from graphc.ir.diagnostics import ParseError

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_WORD = r"[A-Za-z_][A-Za-z0-9_.]*"
_NUMBER = r"-?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|(?:inf|nan)\b)"

# A comment on a line of its own is white space; behind something it belongs to that.
_BLANK_LINES = re.compile(r"(?:[ \t\r]*(?:#[^\n]*)?(?:\n|\Z))*")
_SPACE = re.compile(r"[ \t\r]*")
_TOKEN = re.compile(
    rf"""(?P<value>%(?:{_WORD}|\d{{1,18}}(?!\d)|{_STRING}))
    | (?P<type>{_WORD}\[[-0-9,\ ]*\])
    | (?P<arrow>->)
    | (?P<number>{_NUMBER})
    | (?P<word>{_WORD})
    | (?P<mark>[(){{}}\[\],:=])
    | (?P<hash>\#[0-9a-f]{{16}}\b)
    | (?P<comment>\#[^\n]*)
    | (?P<newline>\n)
    | (?P<graph>@(?:{_WORD}|{_STRING}))
    | (?P<string>{_STRING})
    | (?P<end>\Z)
    | (?P<junk>.)""",
    re.VERBOSE | re.ASCII | re.DOTALL,
)


class Lexer:
    """A position in a text. `kind`, `text` and `start` describe the token there."""

    def __init__(self, source: str, file: str) -> None:
        self.source = source
        self.file = file
        self.kind = ""
        self.text = ""
        self.start = 0
        self._end = 0
        self._after_newline()
        self.advance()

    def advance(self) -> str:
        """Move to the next token; returns the text of the one left behind."""
        left = self.text
        match = _SPACE.match(self.source, self._end)
        self.start = match.end() if match else self._end
        token = _TOKEN.match(self.source, self.start)
        # Always a match: `end` and `junk` take whatever the others leave.
        self.kind = (token and token.lastgroup) or "end"
        self.text = token[0] if token else ""
        self._end = self.start + len(self.text)
        if self.kind == "newline":
            self._after_newline()
        return left

    def _after_newline(self) -> None:
        blank = _BLANK_LINES.match(self.source, self._end)
        self._end = blank.end() if blank else self._end

    def accept(self, text: str) -> bool:
        """Step over `text` if it stands here."""
        if self.text != text:
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        """Step over `text`, or fail."""
        if self.text != text:
            self.fail(f"expected `{text}`")
        self.advance()

    def take(self, kind: str, what: str) -> str:
        """Step over a token of a kind and return its text, or fail; `what` says what it is."""
        if self.kind != kind:
            self.fail(f"expected {what}")
        return self.advance()

    def skip_newlines(self) -> None:
        while self.kind == "newline":
            self.advance()

    def take_comment(self) -> str:
        """The comment that stands here, without its mark; "" if there is none."""
        return self.advance()[1:].strip() if self.kind == "comment" else ""

    def got(self) -> str:
        """The token here, in words."""
        if self.kind in ("newline", "comment"):
            return "end of line"
        if self.kind == "end":
            return "end of text"
        return f"`{shortened(self.text)}`"

    def fail(self, expected: str) -> NoReturn:
        """Raise at the token here, saying what it is instead of what was `expected`."""
        self.fail_at(self.start, f"{expected}, got {self.got()}")

    def fail_at(self, position: int, summary: str, help: str = "") -> NoReturn:
        """Raise a `ParseError` that points at a position of the text."""
        begin = self.source.rfind("\n", 0, position) + 1
        end = self.source.find("\n", position)
        raise ParseError(
            summary,
            file=self.file,
            line=self.source.count("\n", 0, position) + 1,
            column=position - begin + 1,
            source=self.source[begin : end if end >= 0 else None],
            help=help,
        )


def shortened(text: str, width: int = 40) -> str:
    """`text`, cut if it is longer than an error message should repeat."""
    return text if len(text) <= width else text[: width - 3] + "..."


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A help line that names the closest known words; "" if none is close."""
    names = {name.casefold(): name for name in list(known)[-1000:]}
    close = difflib.get_close_matches(shortened(word).casefold(), names, n=3)
    return f"did you mean {' or '.join(f'`{names[name]}`' for name in close)}?" if close else ""
