"""The stages of a compilation by name.

Owns `STAGES`, `stage_text` and `primal`. Imports the printer. Invariant: the text of a graph
stage parses back to the same graph.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import TYPE_CHECKING

from graphc.ir.graph import Graph, Node
from graphc.ir.printer import print_graph

if TYPE_CHECKING:
    from graphc.codegen.pipeline import Compilation

GRAPH_STAGES = {
    "graph": "the primal, as declared",
    "adjoint": "the whole, with derived nodes and why each exists",
    "simplified": "after the rewriting passes",
    "fused": "grouped into kernels",
}
"""What the stages that are graphs show, in the order of the compilation."""

TEXT_STAGES = {
    "kernels": "loops, with schedule and access maps",
    "memory": "where each buffer lies, and for how long",
    "llvm": "LLVM's text as emitted",
    "llvm-opt": "LLVM's text after its optimizer",
    "asm": "machine code",
}
"""What the stages after the graphs show."""

STAGES = GRAPH_STAGES | TEXT_STAGES


class StageError(ValueError):
    """A stage that does not exist, or that a program was not taken through."""


def check_stage(stage: str, known: Collection[str] = tuple(STAGES)) -> str:
    """`stage` if there is one of that name; else raises `StageError` with what may be meant."""
    if stage in known:
        return stage
    close = difflib.get_close_matches(stage, known, 1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    raise StageError(f"there is no stage {stage!r}{hint} The stages are {', '.join(known)}.")


def stage_text(compilation: Compilation, stage: str) -> str:
    """A stage of a compilation as text."""
    if check_stage(stage) in TEXT_STAGES:
        return compilation.texts[stage]()
    return print_graph(stage_graph(compilation.graphs, stage))


def stages_after(graph: Graph) -> dict[str, str]:
    """The stages that a program read at the stage of `graph` goes through, with their meaning."""
    names = list(STAGES)
    begun_at = 0 if graph.stage == "adjoint" else names.index(graph.stage)
    return {name: STAGES[name] for name in names[begun_at:]}


def stage_graph(graphs: dict[str, Graph], stage: str) -> Graph:
    """A graph stage; the primal is made from the whole.

    Raises `StageError` for a stage before the one that the program was read at.
    """
    source = "adjoint" if stage == "graph" else stage
    if source not in graphs:
        first = next(iter(graphs))
        raise StageError(f"the graph was given at stage {first!r}; what it was before is not known")
    return primal(graphs[source]) if stage == "graph" else graphs[source]


def primal(graph: Graph) -> Graph:
    """What was declared: the part of a graph that depends on no derived node.

    Where every output is derived, the outputs are the declared values that nothing else declared
    uses.
    """
    declared: set[Node] = set()
    for node in graph.nodes:
        if node.origin is None and all(operand in declared for operand in node.operands):
            declared.add(node)
    named = zip(graph.outputs, graph.output_names, strict=True)
    outputs = [(node, name) for node, name in named if node in declared] or _ends(graph, declared)
    updates = tuple(update for update in graph.updates if update.value in declared)
    values = (*(node for node, _ in outputs), *(update.value for update in updates))
    reached = {*Graph("", (), (), values, ()).nodes, *(update.param for update in updates)}
    return Graph(
        graph.name,
        tuple(node for node in graph.inputs if node in reached),
        tuple(node for node in graph.params if node in reached),
        tuple(node for node, _ in outputs),
        tuple(name for _, name in outputs),
        updates,
    )


def _ends(graph: Graph, declared: set[Node]) -> list[tuple[Node, str]]:
    """The computed values among `declared` that none of the others uses, with distinct names."""
    used = {operand for node in declared for operand in node.operands}
    ends = [node for node in graph.nodes if node in declared and node not in used]
    return [(node, f"out{i}") for i, node in enumerate(node for node in ends if node.operands)]
