"""Graphs inside graphs: the bodies of control ops.

Owns how nested graphs are found, replaced and given to passes. Imports `ir.graph`. Invariant: a
nested graph is an attribute of its node; its inputs and parameters are all it knows of the graph
around it, and the last of its inputs are the node's last operands, which it captures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial

from graphc.ir.graph import Attrs, Graph, Node, rewrite, substituted, with_operands


def nested_graphs(attrs: Attrs) -> dict[str, Graph]:
    """The graphs that attributes hold, by the attribute's name."""
    held = ((name, getattr(attrs, name)) for name in _names(type(attrs)))
    return {name: value for name, value in held if isinstance(value, Graph)}


_NAMES: dict[type[Attrs], tuple[str, ...]] = {}
"""The fields of each class of attributes that has been asked for: they do not change."""


def _names(attrs: type[Attrs]) -> tuple[str, ...]:
    if attrs not in _NAMES:
        _NAMES[attrs] = tuple(item.name for item in fields(attrs))
    return _NAMES[attrs]


def all_graphs(graph: Graph) -> Iterator[Graph]:
    """Every graph nested in `graph`, inner ones first, each once; `graph` itself is the last."""
    seen: set[int] = set()
    stack = [(graph, False)]
    while stack:
        current, is_expanded = stack.pop()
        if is_expanded:
            yield current
        elif id(current) not in seen:
            seen.add(id(current))
            stack.append((current, True))
            inner = [g for node in current.nodes for g in nested_graphs(node.attrs).values()]
            stack += [(each, False) for each in reversed(inner)]


def everywhere(apply: Callable[[Graph], Graph], graph: Graph) -> Graph:
    """`apply` on every nested graph, inner ones first, and then on the graph around them."""
    done: dict[int, Graph] = {}
    for current in all_graphs(graph):
        done[id(current)] = apply(_with_inner(current, done))
    return done[id(graph)]


def inside(apply: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """A pass that does `apply` to nested graphs as well."""
    return partial(everywhere, apply)


def outside_in(apply: Callable[[Graph], Graph]) -> Callable[[Graph], Graph]:
    """A pass that does `apply` to a graph and then to the graphs nested in what it has become."""

    def applied(graph: Graph) -> Graph:
        graph = apply(graph)
        inner = [g for node in graph.nodes for g in nested_graphs(node.attrs).values()]
        return _with_inner(graph, {id(g): applied(g) for g in inner}) if inner else graph

    return applied


def _with_inner(graph: Graph, done: dict[int, Graph]) -> Graph:
    changed = {
        node: replace(node.attrs, **{n: done[id(g)] for n, g in inner.items()})
        for node in graph.nodes
        if (inner := nested_graphs(node.attrs))
        and any(done[id(g)] is not g for g in inner.values())
    }
    if not changed:
        return graph

    def visit(node: Node, operands: tuple[Node, ...]) -> Node:
        moved = with_operands(node, operands)
        return replace(moved, attrs=changed[node]) if node in changed else moved

    return rewrite(graph, visit)


def body_of(node: Node) -> Graph:
    """The graph that a node runs: its attribute `body`."""
    body: Graph = vars(node.attrs)["body"]
    return body


def taken_by(graph: Graph) -> tuple[Node, ...]:
    """What a nested graph takes, in the order of its node's operands."""
    return graph.params + graph.inputs


def splice(graph: Graph, operands: Sequence[Node]) -> list[Node]:
    """The nodes of a nested graph written out around `operands`, which take the place of its
    inputs: its outputs. A graph with updates cannot be written out."""
    mapping = substituted(graph.outputs, dict(zip(graph.inputs, operands, strict=True)))
    return [mapping[output] for output in graph.outputs]
