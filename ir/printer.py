"""The text form of a graph: deterministic to the byte, and read back by `ir.parser`.

Owns how names, types, attributes, numbers, locations and origins are spelled. Imports NumPy and
the core of `ir`, no op by name. Invariant: `parse_graph(print_graph(g), graph_constants(g)) == g`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any

import numpy as np

from graphc.ir.foreign import ForeignFunction
from graphc.ir.graph import Attrs, Graph, Node, fresh_name, unique_names
from graphc.ir.location import Location, Origin
from graphc.ir.nested import all_graphs
from graphc.ir.ops.value import ConstantValue
from graphc.ir.types import DType, TensorType

INLINE_ELEMENTS = 16
"""Constants of more elements are named by their content hash."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_PLAIN_FILE = re.compile(r"[A-Za-z0-9_.<>()+-]+\Z")
_PLAIN_RULE = re.compile(r"(?!\S+:-?\d+(?:\s|\Z))(?!.* for %)[A-Za-z0-9_(](?:[ -~]*[!-~])?\Z")
"""A rule printed without quotes: it does not look like a location, nor as if it had a primal."""

_HEADER_WIDTH = 120
_WIDEST_NAME, _WIDEST_BODY = 24, 64
"""Longer names and bodies are printed in full, but do not push out the columns of the others."""

EMPTY: Mapping[int, str] = MappingProxyType({})

_Row = tuple[str, str, str, str]
"""Name, operation, type and comment of a line."""


def print_graph(graph: Graph) -> str:
    """The graph as text.

    One line a node: name, operation, operands, attributes that differ from their defaults, type,
    and as comment the user's line and the rule that derived the node. User names stay, made
    unique where two nodes share one; other values are numbered in reading order. A fused graph's
    kernels are blocks, `kernel @k0 row { ... }  # why it was begun`. Nested graphs stand before
    the graph around them, which names them.
    """
    graphs = list(all_graphs(graph))
    named = _graph_names(graphs)
    return "\n".join(_printed(each, named) for each in graphs)


def _graph_names(graphs: Sequence[Graph]) -> dict[int, str]:
    """The name that each graph is printed by, by its identity; no two alike. The last, which is
    the whole program, keeps its own."""
    named: dict[int, str] = {}
    held: set[str] = set()
    for graph in reversed(graphs):
        name = fresh_name(graph.name, held)
        held.add(name)
        named[id(graph)] = name
    return named


def _printed(graph: Graph, graph_names: dict[int, str]) -> str:
    names = value_names(graph)
    lines = [_header(graph, names, graph_names)]
    for kernel, nodes in graph.sections():
        rows = [_row(node, names, graph_names) for node in nodes]
        if kernel is None:
            lines += _aligned(rows, "  ")
        else:
            lines.append(f"  kernel {graph_name(kernel.name)} {_word(kernel.shape)} {{")
            lines += _aligned(rows, "    ")
            lines.append(f"  }}  # {_text(kernel.reason)}" if kernel.reason else "  }")
    return "\n".join([*lines, "}"]) + "\n"


def value_names(graph: Graph) -> dict[Node, str]:
    """How each value is printed: `%h` by the user's name, `%0`, `%1`, ... without one."""
    unique = unique_names(graph)
    names: dict[Node, str] = {}
    number = 0
    for node in _reading_order(graph):
        if unique[node]:
            names[node] = value_name(unique[node])
        else:
            names[node] = f"%{number}"
            number += 1
    return names


def graph_constants(graph: Graph) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays that the text names by content hash, to be handed to `parse_graph`."""
    return {value.digest: value.array for value in named_constants(graph)}


def named_constants(graph: Graph) -> list[ConstantValue]:
    """The constants that the text names by content hash, in reading order."""
    values = [
        value
        for each in all_graphs(graph)
        for node in each.nodes
        for field in fields(node.attrs)
        if isinstance(value := getattr(node.attrs, field.name), ConstantValue)
    ]
    return [value for value in values if not _is_inline(value)]


def value_name(name: str) -> str:
    """
    >>> print(value_name("h"), value_name("my h"))
    %h %"my h"
    """
    return f"%{_word(name)}"


def graph_name(name: str) -> str:
    return f"@{_word(name)}"


def attributes(attrs: Attrs, graph_names: Mapping[int, str] = EMPTY) -> str:
    """` {axes = [0, 1]}`: the attributes that differ from their defaults; "" if none does.
    `graph_names` are those of nested graphs, by identity."""
    items = []
    for name, default in _fields(type(attrs)):
        value = getattr(attrs, name)
        known = graph_names.get(id(value)) if isinstance(value, Graph) else None
        text = attribute_value(value) if known is None else graph_name(known)
        if text != default:
            items.append(f"{name} = {text}")
    return f" {{{', '.join(items)}}}" if items else ""


def attribute_value(value: Any) -> str:
    """An attribute's value as the parser reads it.

    >>> print(attribute_value((1, -0.0, True, None, "edge")))
    [1, -0.0, true, none, "edge"]
    """
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(attribute_value, value))}]"
    if isinstance(value, Graph):
        return graph_name(value.name)
    if isinstance(value, ForeignFunction):
        return json.dumps(value.name)
    if isinstance(value, ConstantValue):
        return _nested(value.array) if _is_inline(value) else f"#{value.digest}"
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, float | np.floating):
        return _float(np.asarray(value))
    if isinstance(value, int | np.integer | DType | TensorType):
        return str(value)
    raise TypeError(f"an attribute cannot hold {value!r}: the text form has no spelling for it")


def comment(loc: Location | None, origin: Origin | None) -> str:
    """`mlp.py:14 d/d%h of tanh for %y`: location, rule and primal; "" if nothing is known."""
    parts = []
    if loc is not None:
        file = os.path.basename(loc.file)
        plain = _PLAIN_FILE.match(file) is not None
        parts.append(f"{file if plain else json.dumps(file)}:{loc.line}")
    if origin is not None:
        plain = _PLAIN_RULE.match(origin.rule) is not None
        parts.append(origin.rule if plain else json.dumps(origin.rule))
        if origin.primal:
            parts.append(f"for {value_name(origin.primal)}")
    return " ".join(parts)


def _reading_order(graph: Graph) -> Iterable[Node]:
    yield from graph.boundary
    for _, nodes in graph.sections():
        yield from nodes


def _header(graph: Graph, names: dict[Node, str], graph_names: dict[int, str]) -> str:
    boundary = [
        (f"{word}{names[node]}: {node.type}", comment(node.loc, node.origin))
        for word, part in (("", graph.inputs), ("param ", graph.params))
        for node in part
    ]
    tail = f"-> ({', '.join(_outputs(graph, names))})"
    if graph.updates:
        updates = [f"{names[u.param]} = {names[u.value]}" for u in graph.updates]
        tail += f" updates ({', '.join(updates)})"
    if graph.stage != "graph":
        tail += f" stage={_word(graph.stage)}"
    head = f"graph {graph_name(graph_names[id(graph)])}("
    line = f"{head}{', '.join(text for text, _ in boundary)}) {tail} {{"
    located = any(note for _, note in boundary)
    if not boundary or (len(line) <= _HEADER_WIDTH and not located):
        return line
    width = max(len(text) for text, _ in boundary) + 1
    lines = []
    for i, (text, note) in enumerate(boundary):
        text += "," if i < len(boundary) - 1 else ""
        lines.append(f"  {text:{width}}   # {note}" if note else f"  {text}")
    return "\n".join([head, *lines, f") {tail} {{"])


def _outputs(graph: Graph, names: dict[Node, str]) -> list[str]:
    """`%loss: f32[]`, or `loss = %3: f32[]` where the output's name is not the value's."""
    texts = []
    for name, node in zip(graph.output_names, graph.outputs, strict=True):
        prefix = "" if value_name(name) == names[node] else f"{_word(name)} = "
        texts.append(f"{prefix}{names[node]}: {node.type}")
    return texts


def _row(node: Node, names: dict[Node, str], graph_names: dict[int, str]) -> _Row:
    operands = ", ".join([names[operand] for operand in node.operands])
    body = f"{node.op.name} {operands}" if operands else node.op.name
    note = comment(node.loc, node.origin)
    return names[node], body + attributes(node.attrs, graph_names), str(node.type), note


def _aligned(rows: Sequence[_Row], indent: str) -> list[str]:
    name, body, type_ = (
        max((len(row[i]) for row in rows if len(row[i]) <= widest), default=0)
        for i, widest in enumerate((_WIDEST_NAME, _WIDEST_BODY, _WIDEST_BODY))
    )
    return [
        f"{indent}{row[0]:{name}} = {row[1]:{body}}  : "
        + (f"{row[2]:{type_}}   # {row[3]}" if row[3] else row[2])
        for row in rows
    ]


_FIELDS: dict[type[Attrs], list[tuple[str, str | None]]] = {}
"""Name and printed default of each attribute of the classes met so far."""


def _fields(attrs: type[Attrs]) -> list[tuple[str, str | None]]:
    known = _FIELDS.get(attrs)
    if known is None:
        known = _FIELDS[attrs] = [
            (item.name, None if item.default is MISSING else attribute_value(item.default))
            for item in fields(attrs)
        ]
    return known


def _is_inline(value: ConstantValue) -> bool:
    """Small, and without NaNs that have a payload (they have no spelling)."""
    array = value.array
    if array.size > INLINE_ELEMENTS:
        return False
    if not value.type.dtype.is_float:
        return True
    with np.errstate(invalid="ignore"):  # of signalling NaNs
        plain = np.copysign(array.dtype.type(np.nan), array)
        return bool((np.where(np.isnan(array), plain, array).tobytes()) == array.tobytes())


def _nested(array: np.ndarray[Any, Any]) -> str:
    if array.size == 0:
        return "[]"
    if array.ndim:
        return f"[{', '.join(_nested(part) for part in array)}]"
    if DType.of(array.dtype).is_float:
        return _float(array)
    return attribute_value(array.item())


def _float(number: np.ndarray[Any, Any]) -> str:
    """The shortest decimal that reads back, by way of a double, to the same bits."""
    value = float(number)
    if value != value:
        return "-nan" if np.signbit(value) else "nan"
    short = repr(float(str(number[()])))
    return short if number.dtype.type(float(short)) == number else repr(value)


def _word(text: str) -> str:
    return text if IDENTIFIER.match(text) else json.dumps(text)


def _text(text: str) -> str:
    """A comment as it stands, quoted if a line could not hold it."""
    plain = text.isprintable() and text == text.strip() and not text.startswith('"')
    return text if plain else json.dumps(text)
