"""Graphs for other tools."""

from __future__ import annotations

import json

import networkx as nx  # type: ignore[import-untyped]
import pytest

from graphc.ir.dot import to_dot, to_json, to_networkx
from graphc.ir.parser import parse_graph

GRAPH = parse_graph(
    """\
graph @"my step"(
  %x: f32[2,3],
  param %w: f32[3]
) -> (loss = %y: f32[3]) updates (%w = %0) stage=fused {
  kernel @k0 reduce {
    %h = mul %x, %x : f32[2,3]   # mlp.py:3
    %y = sum %h {axes = [0]} : f32[3]   # mlp.py:4 d/d%h of "tanh"
  }  # a "sum"
  kernel @k1 map {
    %0 = sub %w, %y : f32[3]
  }
}
"""
)


def test_values_are_nodes_and_uses_are_edges() -> None:
    flow = to_networkx(GRAPH)
    assert list(flow) == ["%x", "%w", "%h", "%y", "%0"]
    assert list(flow.edges(data="operand")) == [
        ("%x", "%h", 0),
        ("%x", "%h", 1),
        ("%w", "%0", 0),
        ("%h", "%y", 0),
        ("%y", "%0", 1),
    ]
    assert flow.nodes["%y"] == {
        "op": "sum",
        "type": "f32[3]",
        "attrs": "{axes = [0]}",
        "family": "reduction",
        "loc": "mlp.py:4",
        "origin": 'd/d%h of "tanh"',
        "kernel": "k0",
    }
    assert flow.graph["outputs"] == {"loss": "%y"}
    assert flow.graph["updates"] == {"%w": "%0"}
    assert nx.is_directed_acyclic_graph(flow)


def test_json_reads_back_as_the_same_flow() -> None:
    flow = nx.node_link_graph(json.loads(to_json(GRAPH)), edges="edges")
    assert nx.utils.graphs_equal(flow, to_networkx(GRAPH))


def test_kernels_are_clusters() -> None:
    lines = [line.strip() for line in to_dot(GRAPH).splitlines()]
    assert lines[0] == 'digraph "my step" {'
    assert lines[-1] == "}"
    cluster = lines[lines.index("subgraph cluster_0 {") :]
    assert cluster[1:3] == ['label="@k0 reduce";', 'tooltip="a \\"sum\\"";']
    assert cluster[3].startswith('"%h" [label="%h\\nmul\\nf32[2,3]", tooltip="mlp.py:3"')
    assert cluster[5] == "}"
    assert '"%x" -> "%h";' in lines
    assert '"%y" -> output_0;' in lines
    assert '"%0" -> "%w" [style=dashed, label="update", constraint=false];' in lines


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb"])
def test_odd_names_stay_inside_their_quotes(name: str) -> None:
    text = f"graph @{json.dumps(name)}(%x: f32[]) -> ({json.dumps(name)} = %x: f32[]) {{\n}}"
    for line in to_dot(parse_graph(text)).splitlines():
        assert line.replace("\\\\", "").replace('\\"', "").count('"') % 2 == 0
