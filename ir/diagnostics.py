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
    """A mistake in a graph, and the class that all others of graphs derive from. `str(error)` is
    the whole rendered message.

    Example:
        x = gc.input("x", 3)
        y = gc.tanh([x, x])

    Fix:
        y = gc.tanh(gc.stack([x, x]))
    """

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
    """Shapes that an operation cannot combine, or an axis that a tensor does not have.

    Example:
        x = gc.input("x", (32, 784))
        w = gc.param("w", np.zeros((748, 10), "float32"))
        h = x @ w

    Fix:
        w = gc.param("w", np.zeros((784, 10), "float32"))
        h = x @ w
    """

    code = "GC012"
    title = "shape mismatch"


class DTypeError(GraphError, TypeError):
    """An element type that an operation cannot take, or two that do not match.

    Example:
        x = gc.input("x", (32, 784))
        labels = gc.input("labels", 32)
        targets = gc.one_hot(labels, 10)

    Fix:
        labels = gc.input("labels", 32, gc.int32)
        targets = gc.one_hot(labels, 10)
    """

    code = "GC013"
    title = "dtype mismatch"


class AttributeValueError(GraphError, ValueError):
    """An attribute (axis, permutation, slice step, ...) with a value that makes no sense.

    Example:
        x = gc.input("x", (32, 784))
        total = gc.sum(x, axis=2)

    Fix:
        total = gc.sum(x, axis=1)
    """

    code = "GC014"
    title = "invalid attribute"


class NameClashError(GraphError, ValueError):
    """Two inputs or parameters of one graph with the same name, or a name that cannot be one.

    Example:
        a, b = gc.input("x", 3), gc.input("x", 3)
        step = gc.compile([a, b], a * b)

    Fix:
        b = gc.input("y", 3)
        step = gc.compile([a, b], a * b)
    """

    code = "GC015"
    title = "invalid name"


class BoundaryError(GraphError, ValueError):
    """Inputs, outputs and updates that do not fit the graph between them.

    Example:
        x, y = gc.input("x", 3), gc.input("y", 3)
        step = gc.compile([x], x * y)

    Fix:
        step = gc.compile([x, y], x * y)
    """

    code = "GC016"
    title = "inputs and outputs do not fit"


class ControlError(GraphError, ValueError):
    """A body or branch that does not fit the values given to it, or another branch.

    Example:
        x = gc.input("x", (5, 3))


        def body(total, row):
            return total + row.sum(), None


        total, _ = gc.scan(body, 0, x)

    Fix:
        total, _ = gc.scan(body, 0.0, x)
    """

    code = "GC017"
    title = "control flow does not fit"


class MemoryLimitError(GraphError, ValueError):
    """A `memory_limit` that a step cannot keep to, even if it computes again all that it can.

    Example:
        x = gc.input("x", (64, 64))
        w = gc.param("w", np.ones((64, 64), "float32"))
        loss = gc.tanh(gc.tanh(x @ w) @ w).sum()
        step = gc.compile([x], gc.grad(loss, w), memory_limit="1 KB")

    Fix:
        step = gc.compile([x], gc.grad(loss, w), memory_limit="1 MB")
    """

    code = "GC018"
    title = "memory limit cannot be met"


class GradientError(GraphError, ValueError):
    """A derivative that does not exist or that needs a seed.

    Example:
        x = gc.input("x", (5, 3))
        dx = gc.grad(gc.square(x), x)

    Fix:
        dx = gc.grad(gc.square(x).sum(), x)
    """

    code = "GC020"
    title = "no gradient"


class DerivativeError(GraphError, AssertionError):
    """A derivative that is not what differences of the function say.

    Example:
        cube = gc.custom_gradient(lambda x: (x**3, lambda dy: 2 * x**2 * dy))
        gc.check_grad(cube, np.array([1.0, 2.0]), modes=["reverse"])

    Fix:
        cube = gc.custom_gradient(lambda x: (x**3, lambda dy: 3 * x**2 * dy))
        gc.check_grad(cube, np.array([1.0, 2.0]), modes=["reverse"])
    """

    code = "GC021"
    title = "wrong derivative"


class BatchError(GraphError, ValueError):
    """A function that cannot be vectorised as asked: axes that do not fit, an op without rule.

    Example:
        w, xs = gc.input("w", 3), gc.input("xs", (8, 3))
        ys = gc.vmap(gc.dot)(w, xs)

    Fix:
        ys = gc.vmap(gc.dot, in_axes=(None, 0))(w, xs)
    """

    code = "GC022"
    title = "cannot vectorise"


class ParseError(GraphError, ValueError):
    """Text that is not a graph. Names line and column (from 1) and what was expected and got.

    Example:
        from graphc.ir.parser import parse_graph

        text = '''
        graph @f(%x: f32[3]) -> (%y: f32[3]) {
          %y = tahn %x : f32[3]
        }'''
        parse_graph(text)

    Fix:
        parse_graph(text.replace("tahn", "tanh"))
    """

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
    """A graph that breaks an invariant of its stage: a defect in a pass, not in a program, unless
    the graph was written as text.

    Example:
        from graphc.ir.parser import parse_graph
        from graphc.ir.verifier import verify

        text = '''
        graph @f(%x: f32[3]) -> (%y: f32[3]) stage=fused {
          %y = tanh %x : f32[3]
        }'''
        verify(parse_graph(text))

    Fix:
        verify(parse_graph(text.replace("fused", "simplified")))
    """

    code = "GC040"
    title = "verification failed"
