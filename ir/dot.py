"""A graph for other tools: as a networkx graph, as DOT, as JSON.

Owns these three forms. Imports networkx, so it is loaded only on demand. Invariant: values carry
the names that the text form gives them, so the three can be read side by side.
"""

from __future__ import annotations

import json
from typing import Any

import networkx as nx  # type: ignore[import-untyped]

from graphc.ir.graph import Graph, Node
from graphc.ir.op import Family
from graphc.ir.printer import attributes, comment, value_names

_COLORS = {
    Family.SOURCE: "lightgray",
    Family.ELEMENTWISE: "lightblue",
    Family.REDUCTION: "gold",
    Family.CONTRACTION: "salmon",
    Family.LAYOUT: "white",
}


def to_networkx(graph: Graph) -> nx.MultiDiGraph[str]:
    """The data flow: values as nodes, uses as edges that carry the operand's position.

    Nodes have `op`, `type`, `attrs`, `family`, `loc` (as printed), `origin` and, if fused,
    `kernel`; the graph has `name`, `stage`, `inputs`, `params`, `outputs` and `updates`.
    """
    names = value_names(graph)
    flow: nx.MultiDiGraph[str] = nx.MultiDiGraph(
        name=graph.name,
        stage=graph.stage,
        inputs=[names[node] for node in graph.inputs],
        params=[names[node] for node in graph.params],
        outputs=dict(zip(graph.output_names, (names[node] for node in graph.outputs), strict=True)),
        updates={names[update.param]: names[update.value] for update in graph.updates},
        kernels=[
            {"name": kernel.name, "shape": kernel.shape, "reason": kernel.reason}
            for kernel in graph.kernels
        ],
    )
    homes = {node: kernel.name for kernel in graph.kernels for node in kernel.nodes}
    for node in graph.nodes:
        flow.add_node(names[node], **_described(node, homes.get(node)))
    for node in graph.nodes:
        for position, operand in enumerate(node.operands):
            flow.add_edge(names[operand], names[node], operand=position)
    return flow


def _described(node: Node, kernel: str | None) -> dict[str, Any]:
    return {
        "op": node.op.name,
        "type": str(node.type),
        "attrs": attributes(node.attrs).strip(),
        "family": node.op.family.value,
        "loc": "" if node.loc is None else str(node.loc),
        "origin": comment(None, node.origin),
        "kernel": kernel,
    }


def to_json(graph: Graph) -> str:
    """The data flow as JSON in networkx's node-link form, which `nx.node_link_graph` reads."""
    return json.dumps(nx.node_link_data(to_networkx(graph), edges="edges"), indent=1) + "\n"


def to_dot(graph: Graph) -> str:
    """The data flow in Graphviz' language; a fused graph's kernels are clusters."""
    names = value_names(graph)
    lines = [f"digraph {_quoted(graph.name)} {{", '  node [shape=box, style="rounded,filled"];']
    homes = {node for kernel in graph.kernels for node in kernel.nodes}
    lines += [f"  {_box(node, names)}" for node in graph.nodes if node not in homes]
    for i, kernel in enumerate(graph.kernels):
        lines.append(f"  subgraph cluster_{i} {{")
        lines.append(f"    label={_quoted(f'@{kernel.name} {kernel.shape}')};")
        lines.append(f"    tooltip={_quoted(kernel.reason)};")
        lines += [f"    {_box(node, names)}" for node in kernel.nodes]
        lines.append("  }")
    for node in graph.nodes:
        lines += [f"  {_quoted(names[o])} -> {_quoted(names[node])};" for o in node.operands]
    for i, (name, node) in enumerate(zip(graph.output_names, graph.outputs, strict=True)):
        lines.append(f"  output_{i} [label={_quoted(name)}, shape=plaintext, style=solid];")
        lines.append(f"  {_quoted(names[node])} -> output_{i};")
    for update in graph.updates:
        edge = f"{_quoted(names[update.value])} -> {_quoted(names[update.param])}"
        lines.append(f'  {edge} [style=dashed, label="update", constraint=false];')
    return "\n".join([*lines, "}"]) + "\n"


def _box(node: Node, names: dict[Node, str]) -> str:
    label = f"{names[node]}\n{node.op.name}{attributes(node.attrs)}\n{node.type}"
    tooltip = comment(node.loc, node.origin)
    return (
        f"{_quoted(names[node])} [label={_quoted(label)}, tooltip={_quoted(tooltip)}, "
        f"fillcolor={_COLORS[node.op.family]}];"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
