"""The first difference between two graphs, as a reader is told it."""

from __future__ import annotations

import numpy as np

from graphc.ir.build import constant
from graphc.ir.diff import diff_graphs
from graphc.ir.graph import Graph
from graphc.ir.parser import parse_graph

TEXT = """\
graph @g(%x: f32[4]) -> (%y: f32[4]) {
  %h = tanh %x : f32[4]
  %y = exp %h : f32[4]
}
"""


def test_equal_graphs_do_not_differ() -> None:
    assert diff_graphs(parse_graph(TEXT), parse_graph(TEXT)) == ""


def test_the_first_difference_is_underlined_in_its_context() -> None:
    other = parse_graph(TEXT.replace("exp", "sqrt"))
    assert diff_graphs(parse_graph(TEXT), other) == (
        "line 3 differs\n"
        "    graph @g(%x: f32[4]) -> (%y: f32[4]) {\n"
        "      %h = tanh %x  : f32[4]\n"
        "  -   %y = exp %h   : f32[4]\n"
        "  ?        ^^^   ^\n"
        "  +   %y = sqrt %h  : f32[4]\n"
        "  ?        ^^^^\n"
    )


def test_a_line_more_is_a_difference() -> None:
    text = TEXT.replace("}", "  %z = neg %y : f32[4]\n}")
    assert diff_graphs(parse_graph(TEXT), parse_graph(text), context=1) == (
        "line 4 differs\n"
        "      %y = exp %h   : f32[4]\n"
        "  - }\n"
        "  ? ^\n"
        "  +   %z = neg %y   : f32[4]\n"
        "  ? ^^^^^^^^^^^^^^^^^^^^^^^^\n"
    )


def test_large_constants_differ_by_their_hash() -> None:
    def graph(last: float) -> Graph:
        array = np.append(np.zeros(20, np.float32), np.float32(last))
        return Graph("g", (), (), (constant(array),), ("c",))

    assert "value = #" in diff_graphs(graph(0.0), graph(-0.0))
