"""`graphc ops`: the operations, straight from their records.

Owns the command. Imports `graphc.operations`. Invariant: only what was asked for reaches stdout.
"""

from __future__ import annotations

import argparse
import json
import sys

from graphc.cli.failure import CommandError, meant
from graphc.ir.op import Op
from graphc.ir.ops import OPS
from graphc.operations import document, entries, facts


def run(options: argparse.Namespace) -> None:
    """Write one operation, or all, to stdout."""
    chosen = [_named(options.name)] if options.name else sorted(OPS.values(), key=_name)
    if options.json:
        found = [facts(op) for op in chosen]
        sys.stdout.write(json.dumps(found[0] if options.name else found, indent=1) + "\n")
    else:
        sys.stdout.write(document(chosen[0]) if options.name else entries())


def _name(op: Op) -> str:
    return op.name


def _named(name: str) -> Op:
    """The op of a name, or the one that stands for the NumPy function of that name."""
    known = {numpy: op for op in OPS.values() for numpy in op.numpy} | OPS
    op = known.get(name.removeprefix("np."))
    if op is None:
        raise CommandError(f"there is no operation {name!r}{meant(name, known)}")
    return op
