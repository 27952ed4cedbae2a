"""What every test runs under: the law of the text form, no disk cache, and `--bless` for golden
files."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from graphc.ir.diagnostics import VerificationError
from graphc.ir.diff import diff_graphs
from graphc.ir.graph import Graph
from graphc.ir.ops import OPS
from graphc.ir.parser import parse_graph
from graphc.ir.printer import graph_constants, print_graph
from graphc.ir.verifier import verify

# What is tested is what this compiler makes, here and in processes that tests start, and nothing is
# left in the user's folders. Tests of the cache name one of their own.
os.environ["GRAPHC_CACHE_DIR"] = "off"

LARGEST, MOST = 300, 30
"""Nodes of the largest graph, and number of graphs in one test, that the law is checked on."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--bless", action="store_true", help="rewrite golden files as they come out")


@pytest.fixture
def bless(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--bless"))


def is_sound(graph: Graph) -> bool:
    try:
        verify(graph)
    except VerificationError:
        return False
    return all(OPS.get(node.op.name) is node.op for node in graph.nodes)


@pytest.fixture(autouse=True)
def every_graph_reads_back() -> Iterator[None]:
    """`parse(print(g)) == g` for every graph that any test builds, and prints the same again.

    A graph that breaks an invariant on purpose, or is of ops made for a test, needs no text form.
    """
    built: list[Graph] = []
    initialize = Graph.__post_init__

    def recording(graph: Graph) -> None:
        initialize(graph)
        if len(built) < MOST and len(graph.nodes) <= LARGEST:
            built.append(graph)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Graph, "__post_init__", recording)
        yield
    for graph in built:
        if is_sound(graph):
            text = print_graph(graph)
            read = parse_graph(text, graph_constants(graph))
            assert read == graph, diff_graphs(graph, read)
            assert print_graph(read) == text
