"""`graphc dump`: a program at any stage of its compilation.

Owns the command. Imports the compiler. Invariant: only what was asked for reaches stdout.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np

from graphc.cli.failure import CommandError
from graphc.cli.program import find_graph
from graphc.codegen.pipeline import Compilation, compile_graph, run_passes
from graphc.ir.diagnostics import GraphError
from graphc.ir.dot import to_dot, to_json
from graphc.ir.graph import Graph
from graphc.ir.printer import graph_constants, print_graph
from graphc.stages import (
    GRAPH_STAGES,
    STAGES,
    StageError,
    check_stage,
    stage_graph,
    stage_text,
    stages_after,
)
from graphc.threads import chosen_threads


def run(options: argparse.Namespace) -> None:
    """Write the stage, or all of them, to stdout."""
    try:
        check_stage(options.stage, (*STAGES, "all"))
    except StageError as error:
        raise CommandError(str(error)) from None
    _check_format(options.stage, options.format)
    text_file = options.program.endswith(".gir")
    graph = find_graph(options.program, options.constants if text_file else None)
    if options.constants and not text_file:
        _write_constants(options.constants, graph)
    try:
        sys.stdout.write(_rendered(graph, options.stage, options.format))
    except (GraphError, StageError) as error:
        raise CommandError(str(error)) from None


def _write_constants(path: str, graph: Graph) -> None:
    """The arrays that the text of any stage names: the passes make new ones."""
    arrays: dict[str, Any] = {}
    for stage in run_passes(graph).values():
        arrays.update(graph_constants(stage))
    try:
        np.savez(path, **arrays)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error}") from None


def _check_format(stage: str, form: str) -> None:
    if form == "text" or stage in GRAPH_STAGES or (stage == "all" and form == "json"):
        return
    kinds = "one graph" if stage == "all" else "graphs"
    raise CommandError(
        f"--format {form} is for {kinds}, and stage {stage!r} is not; "
        f"choose one of {', '.join(GRAPH_STAGES)}, or --format text"
    )


def _rendered(graph: Graph, stage: str, form: str) -> str:
    if stage == "all":
        compilation = compile_graph(graph, threads=chosen_threads(None))
        stages = stages_after(graph)
        if form == "json":
            return json.dumps({each: _value(compilation, each) for each in stages}, indent=1) + "\n"
        return "\n".join(
            f"# {each}: {meaning}\n{_ended(stage_text(compilation, each))}"
            for each, meaning in stages.items()
        )
    if stage not in GRAPH_STAGES:
        return _ended(stage_text(compile_graph(graph, threads=chosen_threads(None)), stage))
    chosen = stage_graph(run_passes(graph), stage)
    if form == "text":
        return print_graph(chosen)
    return to_dot(chosen) if form == "dot" else to_json(chosen)


def _value(compilation: Compilation, stage: str) -> object:
    if stage in GRAPH_STAGES:
        return json.loads(to_json(stage_graph(compilation.graphs, stage)))
    return stage_text(compilation, stage)


def _ended(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"
