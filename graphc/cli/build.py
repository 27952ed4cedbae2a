"""`graphc build`: steps as a library for C.

Owns the command. Imports `graphc.aot`. Invariant: what was written is listed on stdout; notes on
what could not be made go to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from graphc.aot.c_names import c_identifier
from graphc.aot.check import differences
from graphc.aot.export import Export, export
from graphc.cli.failure import CommandError
from graphc.cli.program import absolute, find_steps
from graphc.codegen.errors import BackendError
from graphc.compilation import Step
from graphc.ir.diagnostics import GraphError
from graphc.runtime.errors import CodedError


def run(options: argparse.Namespace) -> None:
    """Build the library, and check or weigh it if asked."""
    try:
        steps = _identified(find_steps(options.programs))
        written = export(
            options.output,
            steps,
            name=options.name or c_identifier(Path(options.output).absolute().name),
            target=options.target,
            cpu=options.cpu,
            features=options.features,
            threads=options.threads,
            force=options.force,
        )
    except (GraphError, CodedError, BackendError, OSError) as error:
        raise CommandError(str(error)) from None
    for note in written.notes:
        sys.stderr.write(f"note: {note}\n")
    _tell(written, options)
    if not options.check:
        return
    if found := differences(written, list(map(absolute, options.programs)), options):
        raise CommandError(
            "another process built other bytes: " + ", ".join(found) + "; the program itself "
            "must be the same in every run: does it draw random numbers without a seed?"
        )
    sys.stderr.write("another process built the same bytes\n")


def _identified(steps: Mapping[str, Step]) -> dict[str, Step]:
    """The steps by names that C takes."""
    named: dict[str, Step] = {}
    for name, step in steps.items():
        if named.setdefault(c_identifier(name), step) is not step:
            raise CommandError(f"two entries would be called {c_identifier(name)!r} in C")
    return named


def _tell(written: Export, options: argparse.Namespace) -> None:
    if options.json:
        files = {record.name: record.bytes for record in written.files}
        document = {"folder": str(written.folder), "files": files}
        if options.report:
            document["report"] = written.report.to_json()
        sys.stdout.write(json.dumps(document, indent=1) + "\n")
        return
    for record in written.files:
        sys.stdout.write(f"{record.bytes:>10}  {Path(options.output, record.name)}\n")
    if options.report:
        sys.stdout.write(f"{written.report}\n")
