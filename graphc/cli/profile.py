"""`graphc profile`: where the time of a step goes.

Owns the command. Imports the compiler. Invariant: the program's own steps and parameters are left
as they are.
"""

from __future__ import annotations

import argparse
import sys

from graphc.cli.failure import CommandError
from graphc.cli.program import find_graph
from graphc.codegen.pipeline import compile_graph
from graphc.declare import ParameterNode
from graphc.ir.diagnostics import GraphError
from graphc.profiling import example_params, profile
from graphc.runtime.buffers import copies
from graphc.threads import chosen_threads


def run(options: argparse.Namespace) -> None:
    """Write the profile to stdout."""
    if options.runs is not None and options.runs < 1:
        raise CommandError(f"--runs takes a number above 0, got {options.runs}")
    graph = find_graph(options.program, options.constants)
    try:
        compilation = compile_graph(graph, threads=chosen_threads(options.threads))
    except GraphError as error:
        raise CommandError(str(error)) from None
    values = {
        node.name: node.storage.value
        for node in graph.params
        if isinstance(node, ParameterNode) and node.storage is not None
    }
    params = example_params(compilation.artifact.manifest) | copies(values)
    found = profile(compilation, params, ((), {}), options.runs)
    sys.stdout.write(f"{found.to_json() if options.json else found}\n")
