"""The errors of generating code, with stable codes.

Owns `BackendError` and `UnknownTargetError`. Imports `ir.diagnostics`, so that their names load no
LLVM. Invariant: they are raised before LLVM generates code, while the process can still go on.
"""

from __future__ import annotations

from typing import ClassVar

from graphc.ir.diagnostics import GraphError


class BackendError(Exception):
    """LLVM text that LLVM refuses: a defect in the code generator, not in a program. No program
    should get to see it; please report one that does.
    """

    code: ClassVar[str] = "GC050"
    title: ClassVar[str] = "LLVM refused generated code"

    def __init__(self, message: str, llvm_ir: str, line: int) -> None:
        """`line` is the number of the offending line of `llvm_ir` (from 1; 0 where LLVM names
        none)."""
        self.message = message
        self.llvm_ir = llvm_ir
        self.line = line
        super().__init__(message, llvm_ir, line)

    def __str__(self) -> str:
        lines = [f"{self.code} {self.title}: {self.message}"]
        if self.line:
            text = self.llvm_ir.splitlines()
            first = max(self.line - 3, 0)
            for number, content in enumerate(text[first : self.line + 2], start=first + 1):
                marker = ">" if number == self.line else " "
                lines.append(f" {marker} {number:5} | {content}")
        lines.append("   = help: this is a defect in graphc; please report it with the graph")
        return "\n".join(lines)


class UnknownTargetError(GraphError, ValueError):
    """A triple, processor or instruction set that LLVM does not know.

    Example:
        x = gc.input("x", 3)
        gc.export("doubled", name="doubled", double=gc.compile([x], 2 * x), cpu="x86-64-v9")

    Fix:
        gc.export("doubled", name="doubled", double=gc.compile([x], 2 * x), cpu="x86-64-v3")
    """

    code = "GC051"
    title = "unknown target"
