"""The registry of op records.

Owns `OPS` and `register`. Imports `ir.op`. Invariant: one record a name. Records enter as they
are made, so no list of names exists beside the records themselves.
"""

from __future__ import annotations

from graphc.ir.op import Op

OPS: dict[str, Op] = {}
"""Every op by name, in the order of definition."""


def register(op: Op) -> Op:
    """Enter a record and return it; raises `ValueError` if its name is taken."""
    if op.name in OPS:
        raise ValueError(f"two op records are named {op.name}")
    OPS[op.name] = op
    return op
