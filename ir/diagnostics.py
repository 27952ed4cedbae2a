"""The errors of the graph: one class per kind of mistake, each with a stable code.

Owns the classes and how they are rendered: code, title, the user's line with a caret under the
operand at fault, and what to do. Imports the standard library, `ir.location` and `ir.excerpt`.
Invariant: an error raised by a shape rule knows no source; `locate` adds it where the node is
built. Rendering never fails, whatever the source looks like.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from graphc.ir.excerpt import excerpt, pointed
from graphc.ir.location import Location

if TYPE_CHECKING:
    from graphc.ir.graph import Node


class GraphError(Exception):
    """A mistake in a graph. `str(error)` is the whole rendered message."""

    code: ClassVar[str] = "GC001"
    title: ClassVar[str] = "invalid graph"

    def __init__(
        self, summary: str, *, operand: int | None = None, detail: str = "", help: str = ""
    ) -> None:
        """`operand` is the position of the operand at fault; `detail` completes the sentence
        "w is f32[748,10] ..." that is put under it, where `{0}` stands for the name of the first
        operand, and so on; `help` says what to do."""
        super().__init__(summary)
        self.summary = summary
        self.operand = operand
        self.detail = detail
        self.help = help
        self.loc: Location | None = None
        self.culprit = ""
        self.names: tuple[str, ...] = ()
        self.declared: Location | None = None

    def locate(self, loc: Location | None, operands: Sequence[Node] = ()) -> None:
        """Attach the user's line, and describe the operand at fault from its node."""
        self.loc = self.loc or loc
        if self.names:
            return
        self.names = tuple(node.name or f"operand {i + 1}" for i, node in enumerate(operands))
        self.detail = re.sub(r"\{(\d+)\}", self._name, self.detail)
        if self.operand is not None and self.operand < len(operands):
            node = operands[self.operand]
            self.culprit = f"{self.names[self.operand]} is {node.type}"
            self.declared = node.loc if node.name else None

    def _name(self, reference: re.Match[str]) -> str:
        position = int(reference[1])
        return self.names[position] if position < len(self.names) else reference[0]

    @property
    def note(self) -> str:
        """What the operand at fault is, and what is wrong with that; "" if there is none."""
        joint = " " if self.detail.startswith("(") else ", "
        return joint.join(part for part in (self.culprit, self.detail) if part)

    def __str__(self) -> str:
        lines = [f"{self.code} {self.title}: {self.summary}"]
        if self.loc is not None:
            lines += excerpt(self.loc, self.operand, self.note, self.names)
        elif self.note:
            lines.append(f"   |  {self.note}")
        if self.help:
            lines.append(f"   = help: {self.help}")
        if self.declared is not None and self.declared != self.loc and self.operand is not None:
            name = self.names[self.operand]
            lines.append(f"   = help: {name} is declared at {self.declared}")
        return "\n".join(lines)


class ShapeError(GraphError, ValueError):
    """Shapes that an operation cannot combine, or an axis that a tensor does not have."""

    code = "GC012"
    title = "shape mismatch"


class DTypeError(GraphError, TypeError):
    """An element type that an operation cannot take, or two that do not match."""

    code = "GC013"
    title = "dtype mismatch"


class AttributeValueError(GraphError, ValueError):
    """An attribute (axis, permutation, slice step, ...) with a value that makes no sense."""

    code = "GC014"
    title = "invalid attribute"


class NameClashError(GraphError, ValueError):
    """Two inputs or parameters of one graph with the same name, or a name that cannot be one."""

    code = "GC015"
    title = "invalid name"


class BoundaryError(GraphError, ValueError):
    """Inputs, outputs and updates that do not fit the graph between them."""

    code = "GC016"
    title = "inputs and outputs do not fit"


class GradientError(GraphError, ValueError):
    """A derivative that does not exist or that needs a seed."""

    code = "GC020"
    title = "no gradient"


class ParseError(GraphError, ValueError):
    """Text that is not a graph. Names line and column (from 1) and what was expected and got."""

    code = "GC030"
    title = "malformed graph text"

    def __init__(
        self,
        summary: str,
        *,
        file: str = "<text>",
        line: int = 1,
        column: int = 1,
        source: str = "",
        help: str = "",
    ) -> None:
        """`source` is the whole offending line."""
        super().__init__(summary, help=help)
        self.file = file
        self.line = line
        self.column = column
        self.source = source

    def __str__(self) -> str:
        place = f"{os.path.basename(self.file)}:{self.line}"
        lines = [f"{self.code} {self.title}: {place}:{self.column}: {self.summary}"]
        lines += pointed(place, self.source, self.column - 1)
        if self.help:
            lines.append(f"   = help: {self.help}")
        return "\n".join(lines)


class VerificationError(GraphError):
    """A graph that breaks an invariant of its stage: a defect in a pass, not in a program."""

    code = "GC040"
    title = "verification failed"
