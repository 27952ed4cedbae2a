"""Errors that name the operand at fault.

Owns `refused`. Imports `ir.diagnostics`. Invariant: the operand is described as the user has it,
before any conversion.
"""

from __future__ import annotations

from typing import TypeVar

from graphc.ir.diagnostics import GraphError
from graphc.ir.graph import Node

Error = TypeVar("Error", bound=GraphError)


def refused(error: Error, *operands: Node) -> Error:
    """`error`, with the operand that it is about described from its node."""
    error.locate(None, operands)
    return error
