"""Golden files: a graph, what is done to it, and all of what comes out, in one `.gir` file.

The first line names the passes, `# RUN: simplify | fuse`; `round-trip` does nothing, `error`
expects a message. What follows the line `# OUTPUT:` is compared whole. `pytest --bless` rewrites
it.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

import pytest

from graphc.ir.diagnostics import GraphError
from graphc.ir.graph import Graph
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.ir.verifier import verify

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.rglob("*.gir"))
RUN, OUTPUT = "# RUN: ", "# OUTPUT:\n"


def apply(name: str, graph: Graph) -> Graph:
    """The pass of a name, which is the name of its module and its function."""
    result = getattr(importlib.import_module(f"graphc.ir.passes.{name}"), name)(graph)
    assert isinstance(result, Graph)
    return result


def output(steps: list[str], text: str, file: str) -> str:
    if steps == ["error"]:
        with pytest.raises(GraphError) as caught:
            verify(parse_graph(text, file=file))
        return f"{caught.value}\n"
    graph = parse_graph(text, file=file)
    verify(graph)
    for step in steps:
        if step != "round-trip":
            graph = apply(step, graph)
            verify(graph)
    return print_graph(graph)


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(GOLDEN)) for path in FILES])
def test_golden(path: Path, bless: bool) -> None:
    content = path.read_text(encoding="utf-8")
    assert content.startswith(RUN), f"the first line of {path} must begin with `{RUN}`"
    text, _, expected = content.partition(OUTPUT)
    steps = [step.strip() for step in text.splitlines()[0][len(RUN) :].split("|")]
    actual = output(steps, text, path.name)
    if bless:
        path.write_text(text + OUTPUT + actual, encoding="utf-8")
    elif actual != expected:
        old, new = expected.splitlines(keepends=True), actual.splitlines(keepends=True)
        difference = "".join(difflib.unified_diff(old, new, "expected", "actual"))
        name = path.relative_to(GOLDEN)
        pytest.fail(
            f"{difference}\nif this is right: pytest tests/test_golden.py -k '{name}' --bless",
            pytrace=False,
        )


def test_every_folder_has_golden_files() -> None:
    assert {path.parent.name for path in FILES} >= {"round_trip", "errors", "passes"}
