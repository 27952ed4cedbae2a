"""Derivatives of `scan`, which are scans.

Owns its VJP and JVP. Imports the differentiation pass: the adjoint of a body is the body of the
adjoint. Invariant: what the adjoint needs of the forward sweep is stacked up by the forward sweep,
except what is cheap to compute again.

The forward scan of the adjoint holds all that the declared one does, so that merging scans
leaves one of them (`ir.passes.merge_scans`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphc.ir.graph import Graph, Node, Update, fresh_name, substituted
from graphc.ir.nested import body_of
from graphc.ir.op import Family
from graphc.ir.ops.algebra import ops, zeros_like
from graphc.ir.passes.differentiate import adjoints, tangents

MAX_COST = 2
"""Most arithmetic an element that is worth doing again rather than stacking its result."""


@dataclass(frozen=True)
class _Scan:
    """A scan node taken apart."""

    node: Node

    @property
    def attrs(self) -> Any:
        return self.node.attrs

    @property
    def body(self) -> Graph:
        return body_of(self.node)

    @property
    def carries(self) -> tuple[Node, ...]:
        return self.node.operands[: len(self.body.params)]

    @property
    def given(self) -> tuple[Node, ...]:
        """The operands of the body's inputs: sliced, then captured."""
        return self.node.operands[len(self.body.params) :]

    def is_sliced(self, position: int) -> bool:
        return bool(position < self.attrs.slices)

    @property
    def new_values(self) -> list[Node]:
        updated = {update.param: update.value for update in self.body.updates}
        return [updated.get(param, param) for param in self.body.params]


class _Body:
    """A body being put together: its boundary, and the operand of each part of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.params: list[tuple[Node, Node]] = []
        self.sliced: list[tuple[Node, Node]] = []
        self.captured: list[tuple[Node, Node]] = []
        self.updates: list[Update] = []
        self.outputs: list[Node] = []
        self._names: set[str] = set()

    def param(self, name: str, first: Node) -> Node:
        """A parameter that begins with `first`."""
        node = ops.param(type=first.type, name=self._fresh(name))
        self.params.append((node, first))
        return node

    def slice(self, name: str, stack: Node) -> Node:
        """An input that gets the slices of `stack`."""
        node = ops.input(type=stack.type.with_shape(stack.shape[1:]), name=self._fresh(name))
        self.sliced.append((node, stack))
        return node

    def capture(self, name: str, operand: Node) -> Node:
        node = ops.input(type=operand.type, name=self._fresh(name))
        self.captured.append((node, operand))
        return node

    def update(self, param: Node, value: Node) -> None:
        self.updates.append(Update(param, value))

    def scan(self, length: int, reverse: bool, replaced: dict[Node, Node]) -> Node:
        """The scan node, with nodes of the body `replaced` by parts of the boundary."""
        roots = [*self.outputs, *(update.value for update in self.updates)]
        mapping = substituted(roots, replaced)
        graph = Graph(
            self.name,
            tuple(node for node, _ in (*self.sliced, *self.captured)),
            tuple(node for node, _ in self.params),
            tuple(mapping[node] for node in self.outputs),
            tuple(f"out{i}" for i in range(len(self.outputs))),
            tuple(Update(u.param, mapping[u.value]) for u in self.updates),
        )
        operands = [operand for _, operand in (*self.params, *self.sliced, *self.captured)]
        slices = len(self.sliced)
        return ops.scan(*operands, body=graph, length=length, slices=slices, reverse=reverse)

    def _fresh(self, name: str) -> str:
        fresh = fresh_name(name, self._names)
        self._names.add(fresh)
        return fresh


def scan_vjp(
    node: Node, results: Sequence[Node | None], wanted: Sequence[bool]
) -> list[Node | None]:
    """A scan the other way, which carries the adjoints of what was carried, and adds up those of
    what was captured."""
    scan = _Scan(node)
    body, count = scan.body, len(scan.body.params)
    adjoint = _Body(f"{body.name}_adjoint")
    roots, seeds = _seeded(scan, results, adjoint)
    floats = [i for i, param in enumerate(body.params) if param.dtype.is_float]
    asked = [i for i, is_wanted in enumerate(wanted[count:]) if is_wanted]
    wrt = [*(body.params[i] for i in floats), *(body.inputs[i] for i in asked)]
    found = adjoints(roots, seeds, wrt)
    of_carries, of_given = found[: len(floats)], found[len(floats) :]
    for i, value in zip(range(len(floats)), of_carries, strict=True):
        param = adjoint.params[i][0]
        adjoint.update(param, zeros_like(param) if value is None else value)
    places: dict[int, int] = {}
    for i, value in zip(asked, of_given, strict=True):
        if value is None:
            continue
        if scan.is_sliced(i):
            places[i] = len(adjoint.outputs)
            adjoint.outputs.append(value)
        else:
            places[i] = len(adjoint.params)
            total = adjoint.param(f"d_{body.inputs[i].name}", zeros_like(scan.given[i]))
            adjoint.update(total, ops.add(total, value))
    replaced = _with_residuals(scan, adjoint)
    backward = adjoint.scan(scan.attrs.length, not scan.attrs.reverse, replaced)
    contributions: list[Node | None] = [None] * len(node.operands)
    for place, i in enumerate(floats):
        contributions[i] = ops.item(backward, index=place)
    for i, place in places.items():
        offset = len(adjoint.params) if scan.is_sliced(i) else 0
        contributions[count + i] = ops.item(backward, index=offset + place)
    return contributions


def _seeded(
    scan: _Scan, results: Sequence[Node | None], adjoint: _Body
) -> tuple[list[Node], list[Node]]:
    """What the body makes that has an adjoint, and those adjoints, as parts of the adjoint body."""
    body, count = scan.body, len(scan.body.params)
    roots, seeds = [], []
    for param, first, new, g in zip(
        body.params, scan.carries, scan.new_values, results[:count], strict=True
    ):
        if param.dtype.is_float:
            roots.append(new)
            seeds.append(adjoint.param(f"d_{param.name}", zeros_like(first) if g is None else g))
    for name, output, g in zip(body.output_names, body.outputs, results[count:], strict=True):
        if g is not None:
            roots.append(output)
            seeds.append(adjoint.slice(f"d_{name}", g))
    return roots, seeds


def _with_residuals(scan: _Scan, adjoint: _Body) -> dict[Node, Node]:
    """Give the adjoint body what it needs of the forward body; the part of its boundary that each
    such node becomes."""
    body = scan.body
    position = {node: i for i, node in enumerate(body.inputs)}
    replaced: dict[Node, Node] = {}
    saved: list[Node] = []
    roots = [*adjoint.outputs, *(update.value for update in adjoint.updates)]
    for node in _needed(roots, body):
        i = position.get(node)
        if i is None:
            saved.append(node)
        elif scan.is_sliced(i):
            replaced[node] = adjoint.slice(node.name, scan.given[i])
        else:
            replaced[node] = adjoint.capture(node.name, scan.given[i])
    for node, stack in zip(saved, _stacked(scan, saved), strict=True):
        replaced[node] = adjoint.slice(node.name or "saved", stack)
    return replaced


def _needed(roots: Iterable[Node], body: Graph) -> list[Node]:
    """Values of the forward body from which `roots` can be computed cheaply, in the body's order;
    items that a derivative rule takes of a node of the body come last."""
    forward = set(body.nodes)
    boundary = set(body.boundary)
    needed: dict[Node, None] = {}
    parts: dict[Node, list[Node]] = {}
    seen: set[Node] = set()
    pending = list(roots)
    while pending:
        node = pending.pop()
        if node in seen:
            continue
        seen.add(node)
        is_item = node.op.family is Family.ITEM and node.operands[0] in forward
        if node in boundary or is_item or (node in forward and not _is_cheap(node)):
            needed[node] = None
        elif node in forward and (whole := _whole(node)) and whole not in boundary:
            parts.setdefault(whole, []).append(node)
        else:
            pending += node.operands
    for whole, taken in parts.items():
        is_less = sum(node.type.size for node in taken) < whole.type.size
        needed.update(dict.fromkeys(taken if is_less and whole not in needed else [whole]))
    own = [node for node in body.nodes if node in needed]
    return [*own, *(node for node in needed if node not in forward)]


def _whole(node: Node) -> Node | None:
    """The computed value of which a node moves a part, which is less to stack than the whole."""
    size = node.type.size
    while node.op.family is Family.LAYOUT and len(node.operands) == 1:
        (node,) = node.operands
    return node if size < node.type.size and not _is_cheap(node) else None


def _is_cheap(node: Node) -> bool:
    if node.op.family is Family.ELEMENTWISE:
        return node.op.cost <= MAX_COST
    return node.op.family in (Family.SOURCE, Family.LAYOUT)


def _stacked(scan: _Scan, saved: Sequence[Node]) -> list[Node]:
    """The values that nodes of the body had at each step, stacked by the forward scan."""
    body, count = scan.body, len(scan.body.params)
    outputs = list(dict.fromkeys((*body.outputs, *saved)))
    node = scan.node
    extra = len(outputs) - len(dict.fromkeys(body.outputs))
    if extra:
        more = outputs[-extra:]
        names = [f"saved{i}" for i in range(len(body.outputs), len(body.outputs) + extra)]
        wider = replace(
            body,
            outputs=(*body.outputs, *more),
            output_names=(*body.output_names, *names),
            nodes=(),
        )
        node = ops.scan(*node.operands, **{**vars(scan.attrs), "body": wider})
        body = wider
    return [ops.item(node, index=count + body.outputs.index(each)) for each in saved]


def scan_jvp(node: Node, moving: Sequence[Node | None]) -> list[Node | None]:
    """A scan that carries values and their tangents side by side."""
    scan = _Scan(node)
    body, count = scan.body, len(scan.body.params)
    tangent = _Body(f"{body.name}_tangent")
    replaced = {
        param: tangent.param(param.name, first)
        for param, first in zip(body.params, scan.carries, strict=True)
    }
    for i, (x, operand) in enumerate(zip(body.inputs, scan.given, strict=True)):
        part = tangent.slice if scan.is_sliced(i) else tangent.capture
        replaced[x] = part(x.name, operand)
    wrt, directions, carried = _moving(scan, moving, tangent)
    found = tangents([*scan.new_values, *body.outputs], wrt, directions)
    for i, new in enumerate(scan.new_values):
        tangent.update(tangent.params[i][0], new)
        if i in carried:
            param, value = tangent.params[carried[i]][0], found[i]
            tangent.update(param, zeros_like(param) if value is None else value)
    places = dict(carried)
    for i, value in enumerate(found[count:], start=count):
        if value is not None:
            places[i] = len(tangent.params) + len(tangent.outputs)
            tangent.outputs.append(value)
    forward = tangent.scan(scan.attrs.length, scan.attrs.reverse, replaced)
    results = range(count + len(body.outputs))
    return [ops.item(forward, index=places[i]) if i in places else None for i in results]


def _moving(
    scan: _Scan, moving: Sequence[Node | None], tangent: _Body
) -> tuple[list[Node], list[Node], dict[int, int]]:
    """What moves in the body and its directions, as parts of the tangent body; and which of its
    parameters carries the tangent of each."""
    body, count = scan.body, len(scan.body.params)
    wrt, directions = [], []
    carried: dict[int, int] = {}
    for i, (param, first) in enumerate(zip(body.params, scan.carries, strict=True)):
        if param.dtype.is_float:
            carried[i] = len(tangent.params)
            start = moving[i]
            first = zeros_like(first) if start is None else start
            wrt.append(param)
            directions.append(tangent.param(f"t_{param.name}", first))
    for i, (x, direction) in enumerate(zip(body.inputs, moving[count:], strict=True)):
        if direction is not None:
            part = tangent.slice if scan.is_sliced(i) else tangent.capture
            wrt.append(x)
            directions.append(part(f"t_{x.name}", direction))
    return wrt, directions, carried
