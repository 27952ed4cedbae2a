"""The graph: immutable, typed nodes in topological order.

Owns `Node`, `Graph` and the walks over them. Imports NumPy, `ir.types`, `ir.location` and
`ir.diagnostics`. Invariant: a node is made only by calling an op record, which infers its type,
so an ill-typed node cannot exist; no function here recurses, so depth is bounded by memory alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from graphc.ir.diagnostics import VerificationError
from graphc.ir.location import Location, Origin
from graphc.ir.types import DType, Shape, TensorType

if TYPE_CHECKING:
    from graphc.ir.op import Op


@dataclass(frozen=True)
class Attrs:
    """Base of every op's attributes; this one is for ops that have none."""


SERIALS = itertools.count()
"""Numbers that nodes take as they are made; taking one marks a moment between them."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One operation applied to operands; the value it makes and the node are the same thing.

    Nodes compare by identity. `name` is the user's name for the value or "". `serial` grows from
    node to node in the order in which they are made.
    """

    op: Op
    operands: tuple[Node, ...]
    attrs: Attrs
    type: TensorType
    loc: Location | None = None
    origin: Origin | None = None
    name: str = ""
    serial: int = field(default_factory=SERIALS.__next__, init=False)

    @property
    def dtype(self) -> DType:
        return self.type.dtype

    @property
    def shape(self) -> Shape:
        return self.type.shape

    def renamed(self, name: str) -> Node:
        return replace(self, name=name)

    def __repr__(self) -> str:
        return f"<{self.name or 'node'}: {self.op.name} {self.type}>"


@dataclass(frozen=True, slots=True)
class Update:
    """At the end of a step, `param` takes `value`."""

    param: Node
    value: Node


@dataclass(frozen=True, slots=True)
class KernelGroup:
    """Nodes that the fuse pass put into one kernel.

    `shape` is the kernel shape (`map`, `reduce`, `row`, `contract`, `routine`); `reason` says why
    the group was begun, for readers of the dump.
    """

    name: str
    shape: str
    nodes: tuple[Node, ...]
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Graph:
    """A closed program: inputs and parameters in, outputs and updates out.

    `nodes` holds every node, sources included, operands before users. `output_names` names the
    outputs. `stage` says which passes have run. `kernels` is empty until the fuse pass; then it
    lists the groups in execution order, and nodes in no group take no work: they are sources, or
    views of what a kernel before has stored.
    """

    name: str
    inputs: tuple[Node, ...]
    params: tuple[Node, ...]
    outputs: tuple[Node, ...]
    output_names: tuple[str, ...]
    updates: tuple[Update, ...] = ()
    stage: str = "graph"
    kernels: tuple[KernelGroup, ...] = ()
    nodes: tuple[Node, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.nodes:
            object.__setattr__(self, "nodes", tuple(topological(self.roots, self.boundary)))

    @property
    def boundary(self) -> tuple[Node, ...]:
        """Inputs and parameters: where a walk over the graph ends."""
        return self.inputs + self.params

    @property
    def roots(self) -> tuple[Node, ...]:
        """Outputs, then updated values: where a walk over the graph begins."""
        return self.outputs + tuple(update.value for update in self.updates)

    def users(self) -> dict[Node, list[Node]]:
        """For each node the nodes that take it as an operand, once per use."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes:
            for operand in node.operands:
                users[operand].append(node)
        return users

    def sections(self) -> list[tuple[KernelGroup | None, tuple[Node, ...]]]:
        """The nodes as a reader meets them, inputs and parameters left out.

        A kernel's nodes stand together, in execution order; nodes of no kernel (group None) stand
        before the first kernel that needs them.
        """
        boundary = set(self.boundary)
        if not self.kernels:
            return [(None, tuple(node for node in self.nodes if node not in boundary))]
        index = {node: i for i, node in enumerate(self.nodes)}
        placed = boundary.union(*(kernel.nodes for kernel in self.kernels))
        listed: list[tuple[KernelGroup | None, tuple[Node, ...]]] = []
        for kernel in self.kernels:
            needed = _unplaced((o for node in kernel.nodes for o in node.operands), placed)
            listed.append((None, tuple(sorted(needed, key=index.__getitem__))))
            listed.append((kernel, kernel.nodes))
        listed.append((None, tuple(node for node in self.nodes if node not in placed)))
        return [section for section in listed if section[1] or section[0]]

    def with_roots(self, mapping: Mapping[Node, Node], **changes: object) -> Graph:
        """The same program with nodes replaced; `mapping` must map all outputs and updates.

        Kernels group the nodes that were, so they are dropped unless `changes` gives new ones.
        """
        return replace(
            self,
            outputs=tuple(mapping[node] for node in self.outputs),
            updates=tuple(Update(u.param, mapping[u.value]) for u in self.updates),
            **{"nodes": (), "kernels": (), **changes},  # type: ignore[arg-type]
        )

    def __eq__(self, other: object) -> bool:
        """Structural: the same program, node for node in reading order.

        Names (as printed, so made unique), attributes (floats by their bits), locations (as
        printed: file and line) and origins count; the identity of nodes does not, nor do the names
        of nested graphs.
        """
        if not isinstance(other, Graph):
            return NotImplemented
        return self is other or self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.name, len(self.nodes), self.output_names))

    def _key(self) -> tuple[object, ...]:
        names = unique_names(self)
        sections = self.sections()
        order = [*self.boundary, *(node for _, nodes in sections for node in nodes)]
        index = {node: i for i, node in enumerate(order)}
        return (
            self.name,
            (self.stage, self.output_names),
            [
                (
                    (node.op.name, [index[operand] for operand in node.operands], node.type),
                    (_comparable(node.attrs), names[node], str(node.loc or ""), node.origin),
                )
                for node in order
            ],
            [[index[n] for n in part] for part in (self.inputs, self.params, self.outputs)],
            [(index[update.param], index[update.value]) for update in self.updates],
            [(k.name, k.shape, k.reason, [index[n] for n in k.nodes]) for k in self.kernels],
        )


def unique_names(graph: Graph) -> dict[Node, str]:
    """The name of every node, "" for those without one, no two nodes alike.

    The first node that bears a name keeps it; later ones become `h_1`, `h_2`, ...
    """
    given = {node.name for node in graph.nodes}
    names: dict[Node, str] = {}
    held: set[str] = {""}
    suffixes: dict[str, int] = {}
    for node in (*graph.boundary, *graph.nodes):
        if node in names:
            continue
        name = node.name
        if name and name in held:
            suffix = suffixes.get(node.name, 0)
            while name in held or name in given:
                suffix += 1
                name = f"{node.name}_{suffix}"
            suffixes[node.name] = suffix
        names[node] = name
        held.add(name)
    return names


def fresh_name(name: str, taken: Container[str]) -> str:
    """`name`, or if that is taken the first free of `name_1`, `name_2`, ...

    >>> fresh_name("x", {"x", "x_1"})
    'x_2'
    """
    fresh, number = name, 0
    while fresh in taken:
        number += 1
        fresh = f"{name}_{number}"
    return fresh


def _unplaced(wanted: Iterable[Node], placed: set[Node]) -> list[Node]:
    """`wanted` and what they depend on, as far as not `placed`; marks them placed."""
    found = []
    pending = list(wanted)
    while pending:
        node = pending.pop()
        if node not in placed:
            placed.add(node)
            found.append(node)
            pending.extend(node.operands)
    return found


def _comparable(value: object) -> object:
    """A stand-in for an attribute that compares as its bits do: NaN equals NaN, 0.0 not -0.0."""
    if isinstance(value, Attrs):
        parts = [(f.name, _comparable(getattr(value, f.name))) for f in fields(value)]
        return (type(value).__name__, parts)
    if isinstance(value, Graph):
        return value._key()[1:]
    if isinstance(value, tuple):
        return tuple(map(_comparable, value))
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    return repr(value) if isinstance(value, float) else value


def topological(roots: Iterable[Node], boundary: Iterable[Node] = ()) -> Iterator[Node]:
    """Every node that `roots` need, operands first, then `roots` themselves, without recursion.

    `boundary` nodes come first, in their order, and are not walked through.
    """
    seen: set[Node] = set()
    for node in boundary:
        if node not in seen:
            seen.add(node)
            yield node
    for root in roots:
        stack = [(root, 0)]
        while stack:
            node, position = stack.pop()
            if node in seen:
                continue
            while position < len(node.operands) and node.operands[position] in seen:
                position += 1
            if position == len(node.operands):
                seen.add(node)
                yield node
            else:
                stack.append((node, position + 1))
                stack.append((node.operands[position], 0))


def rewrite(graph: Graph, visit: Callable[[Node, tuple[Node, ...]], Node]) -> Graph:
    """Rebuild a graph bottom-up: `visit(node, new_operands)` returns each node's replacement.

    Inputs and parameters stay themselves. Nodes nobody uses any more are dropped.
    """
    mapping: dict[Node, Node] = {node: node for node in graph.boundary}
    for node in graph.nodes:
        if node not in mapping:
            mapping[node] = visit(node, tuple(mapping[operand] for operand in node.operands))
    return graph.with_roots(mapping)


def substituted(roots: Iterable[Node], replaced: Mapping[Node, Node]) -> dict[Node, Node]:
    """What `roots` and all they need become when nodes are `replaced` by others of their types."""
    mapping = dict(replaced)
    for node in topological(roots, replaced):
        if node not in mapping:
            mapping[node] = with_operands(node, tuple(mapping[part] for part in node.operands))
    return mapping


def with_operands(node: Node, operands: tuple[Node, ...]) -> Node:
    """`node` on other operands of the same types; itself when they are the same."""
    if all(a is b for a, b in zip(node.operands, operands, strict=True)):
        return node
    for old, new in zip(node.operands, operands, strict=True):
        if old.type != new.type:
            raise VerificationError(
                f"{node.op.name} was given an operand of type {new.type} in place of {old.type}"
            )
    return replace(node, operands=operands)
