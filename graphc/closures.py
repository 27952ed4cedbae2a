"""From a Python function of tensors to a nested graph.

Owns `Body`, a nested graph being made: placeholders, the function's results, and what it takes
from outside. Imports the tensor, `promotion` and `trees`. Invariant: the graph that leaves here is
closed; what the function found outside of it is captured as a further operand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.ir.build import ops
from graphc.ir.diagnostics import ControlError
from graphc.ir.graph import SERIALS, Graph, Node, Update, fresh_name, substituted, topological
from graphc.ir.location import provenance
from graphc.ir.op import Family
from graphc.ir.passes.inline import is_unstored
from graphc.ir.passes.stabilize import stabilize
from graphc.ir.types import TensorType
from graphc.promotion import as_result, as_tensor
from graphc.tensor import Tensor
from graphc.trees import Tree, flatten


def run(function: Callable[..., Any], *arguments: Any) -> tuple[list[Node], Tree]:
    """Call a function on tensors; the nodes it returns, and how they are nested.

    Raises `ControlError` for what it returns that is no tensor, array or number. What it builds
    has the lines of the function.
    """
    with provenance(None):
        leaves, tree = flatten(function(*arguments))
    return [result_node(leaf, function) for leaf in leaves], tree


def result_node(leaf: object, function: Callable[..., Any]) -> Node:
    """The node of what a function returned."""
    name = getattr(function, "__name__", "the function")
    return as_result(leaf, name, ControlError).node


def operand_nodes(value: object) -> tuple[list[Node], Tree]:
    """The nodes of nested tensors, arrays and numbers, and how they are nested."""
    leaves, tree = flatten(value)
    return [as_tensor(leaf).node for leaf in leaves], tree


@dataclass
class Body:
    """The boundary of a nested graph.

    `since` is the serial number from which on a node is the function's own; without it a node is,
    if it depends on a placeholder.
    """

    name: str
    since: int | None = None
    params: list[Node] = field(default_factory=list)
    inputs: list[Node] = field(default_factory=list)
    captured: dict[Node, Node] = field(default_factory=dict)
    _names: set[str] = field(default_factory=set)

    def param(self, name: str, type_: TensorType) -> Tensor:
        self.params.append(ops.param(type=type_, name=self._fresh(name)))
        return Tensor(self.params[-1])

    def input(self, name: str, type_: TensorType) -> Tensor:
        self.inputs.append(ops.input(type=type_, name=self._fresh(name)))
        return Tensor(self.inputs[-1])

    def begin(self) -> None:
        """What is built from now on is the function's own."""
        self.since = next(SERIALS)

    def _own(self, roots: Sequence[Node]) -> set[Node]:
        """The nodes that the nested graph computes, and its placeholders."""
        own = {*self.params, *self.inputs}
        for node in topological(roots, tuple(own)):
            if node.op.family is Family.SOURCE:
                continue
            if self.since is None:
                is_own = any(operand in own for operand in node.operands)
            else:
                is_own = node.serial > self.since
            if is_own:
                own.add(node)
        return own

    def capture(self, roots: Sequence[Node]) -> None:
        """Find what `roots` take from outside. Numbers and positions are written out again."""
        own, seen = self._own(roots), set(self.captured)
        pending = list(roots)
        while pending:
            node = pending.pop()
            if node in seen or is_unstored(node):
                continue
            seen.add(node)
            if node in own:
                pending += node.operands
            else:
                self._take(node)

    def _take(self, node: Node) -> None:
        name = self._fresh(node.name or "captured")
        self.captured[node] = ops.input(type=node.type, name=name)

    def graph(
        self,
        outputs: Sequence[Node],
        new_values: Sequence[Node] = (),
        capturing: Iterable[Node] = (),
    ) -> Graph:
        """The closed graph; `new_values` are those of the parameters. It captures what it needs,
        or exactly what `capturing` says, in that order."""
        roots = (*outputs, *new_values)
        self.capture(roots)
        wanted = tuple(capturing) or tuple(self.captured)
        for node in wanted:
            if node not in self.captured:
                self._take(node)
        self.captured = {node: self.captured[node] for node in wanted}
        mapping = substituted(roots, self.captured)
        changes = zip(self.params, new_values, strict=True) if new_values else ()
        graph = Graph(
            self.name,
            (*self.inputs, *self.captured.values()),
            tuple(self.params),
            tuple(mapping[node] for node in outputs),
            tuple(f"out{i}" for i in range(len(outputs))),
            tuple(Update(param, mapping[new]) for param, new in changes if new is not param),
        )
        return stabilize(graph)

    def _fresh(self, name: str) -> str:
        fresh = fresh_name(name, self._names)
        self._names.add(fresh)
        return fresh


def legal(path: str, otherwise: str) -> str:
    """A name for a placeholder from the path to a leaf.

    >>> legal("state.h", "carry"), legal("0", "carry")
    ('state.h', 'carry.0')
    """
    text = "".join(letter if letter.isalnum() or letter in "_." else "_" for letter in path)
    if not text:
        return otherwise
    return text if text[0].isalpha() or text[0] == "_" else f"{otherwise}.{text}"
