"""From tensors to a closed graph.

Owns `build_graph` and `Program`. Imports `ir`, the tensor and the outputs' structure. Invariant:
a graph that leaves here uses every input it lists and lists every input it uses; its names are
distinct and its updates fit their parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphc.declare import Parameter, ParameterNode
from graphc.ir.diagnostics import BoundaryError, DTypeError, GraphError, NameClashError, ShapeError
from graphc.ir.graph import Graph, Node, Update, fresh_name
from graphc.ir.ops import source
from graphc.promotion import as_node
from graphc.public import at_user_line
from graphc.runtime.artifact import Structure
from graphc.runtime.buffers import ParameterStorage
from graphc.source import caller
from graphc.tensor import Tensor

if TYPE_CHECKING:
    from graphc.tensor import TensorLike

    Inputs = Tensor | Sequence[Tensor]
    Updates = Mapping[Parameter, TensorLike]


@dataclass(frozen=True)
class Program:
    """A graph, the structure its outputs come back in, and the memory of its parameters."""

    graph: Graph
    structure: Structure
    storages: dict[str, ParameterStorage]


@at_user_line
def build_graph(
    inputs: Inputs, outputs: Any, updates: Updates | None = None, *, name: str | None = None
) -> Graph:
    """The graph that `gc.compile` compiles, for printing, interpreting and tests.

    Arguments and errors are those of `gc.compile`.
    """
    return build_program(inputs, outputs, updates, name or caller().target).graph


def build_program(
    inputs: Inputs, outputs: Any, updates: Updates | None, name: str | None
) -> Program:
    """Collect and check everything that `outputs` and `updates` need."""
    leaves, structure = Structure.of(() if outputs is None else outputs)
    paths = _paths(outputs)
    output_nodes = tuple(_output(leaf, path) for leaf, path in zip(leaves, paths, strict=True))
    input_nodes = _inputs(inputs)
    update_list = tuple(_updates(updates or {}))
    values = (*output_nodes, *(update.value for update in update_list))
    nodes = Graph("", (), (), values, ()).nodes
    _check_inputs(input_nodes, nodes)
    used = [node for node in nodes if node.op is source.param]
    updated = [update.param for update in update_list if update.param not in used]
    params = (*used, *updated)
    _check_names((*input_nodes, *params))
    graph = Graph(
        name or "step",
        input_nodes,
        params,
        output_nodes,
        _output_names(output_nodes, paths),
        tuple(sorted(update_list, key=lambda update: params.index(update.param))),
    )
    return Program(graph, structure, _storages(params))


def _output(leaf: object, path: str) -> Node:
    if not isinstance(leaf, Tensor):
        raise BoundaryError(
            f"output{path and ' ' + path} must be a tensor, got {type(leaf).__name__}",
            help="outputs are a tensor or a tuple, list or dict of tensors; "
            "wrap a constant with gc.const",
        )
    return leaf.node


def _paths(outputs: object) -> list[str]:
    """A dotted name for each output, from the keys and positions that lead to it."""

    def walk(part: object, path: tuple[str, ...]) -> Iterator[str]:
        if isinstance(part, dict):
            for key, value in part.items():
                if not isinstance(key, str):
                    raise BoundaryError(f"keys of an output dict must be strings, got {key!r}")
                yield from walk(value, (*path, key))
        elif isinstance(part, (tuple, list)):
            for position, value in enumerate(part):
                yield from walk(value, (*path, str(position)))
        else:
            yield ".".join(path)

    return list(walk(() if outputs is None else outputs, ()))


def _output_names(nodes: Sequence[Node], paths: Sequence[str]) -> tuple[str, ...]:
    """A dict's key, else the name of the value, else its position; made distinct."""
    names: list[str] = []
    for node, path in zip(nodes, paths, strict=True):
        keyed = any(not part.isdigit() for part in path.split(".") if part)
        wanted = path if keyed or not node.name else node.name
        wanted = re.sub(r"[^A-Za-z0-9_.]", "_", wanted) or "out"
        if not re.match(r"[A-Za-z_]", wanted):
            wanted = f"out{wanted}"
        names.append(fresh_name(wanted, names))
    return tuple(names)


def _inputs(inputs: object) -> tuple[Node, ...]:
    tensors = [inputs] if isinstance(inputs, Tensor) else inputs
    if not isinstance(tensors, (list, tuple)):
        raise BoundaryError(
            f"inputs must be a list of tensors, got {type(inputs).__name__}",
            help="write gc.compile([x, y], outputs)",
        )
    nodes: list[Node] = []
    for position, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor):
            raise BoundaryError(
                f"input {position} must be a tensor made by gc.input, got {type(tensor).__name__}"
            )
        if tensor.node.op is not source.input:
            raise BoundaryError(
                f"input {position} is {_described(tensor.node)}, which is no input",
                help="parameters are found by themselves; list only what gc.input made",
            )
        if tensor.node in nodes:
            raise BoundaryError(f"input {tensor.name} is listed twice")
        nodes.append(tensor.node)
    return tuple(nodes)


def _updates(updates: object) -> Iterator[Update]:
    if not isinstance(updates, Mapping):
        raise BoundaryError(
            f"updates must be a dict from parameters to their new values, "
            f"got {type(updates).__name__}"
        )
    for param, value in updates.items():
        if not isinstance(param, Parameter):
            got = _described(param.node) if isinstance(param, Tensor) else type(param).__name__
            raise BoundaryError(
                f"only parameters can be updated, got {got}",
                help="declare what changes between calls with gc.param",
            )
        node = _new_value(param, value)
        if node.shape != param.shape:
            raise ShapeError(
                f"the update of {param.name} has shape {list(node.shape)}, but {param.name} is "
                f"{param.node.type}",
                help="a gradient has the shape of its parameter; something broadcast on the way",
            )
        if node.dtype != param.dtype:
            raise DTypeError(
                f"the update of {param.name} is {node.type}, but {param.name} is {param.node.type}",
                help=f"convert it with .astype({param.name}.dtype)",
            )
        yield Update(param.node, node)


def _new_value(param: Parameter, value: TensorLike) -> Node:
    try:
        return as_node(value)
    except GraphError as error:
        raise BoundaryError(f"the update of {param.name}: {error.summary}") from None


def _check_inputs(listed: Sequence[Node], nodes: Sequence[Node]) -> None:
    used = set(nodes)
    for node in nodes:
        if node.op is source.input and node not in listed:
            raise BoundaryError(
                f"the graph needs input {node.name} ({node.type}), which is not among the inputs",
                help=f"{node.name} is declared at {node.loc}; add it to the list of inputs",
            )
    for node in listed:
        if node not in used:
            raise BoundaryError(
                f"input {node.name} ({node.type}) is used by no output and no update",
                help=f"{node.name} is declared at {node.loc}; leave it out, or use it",
            )


def _check_names(nodes: Sequence[Node]) -> None:
    holders: dict[str, Node] = {}
    for node in nodes:
        other = holders.setdefault(node.name, node)
        if other is not node:
            raise NameClashError(
                f"two different {_kinds(node, other)} are named {node.name}: "
                f"{other.type} and {node.type}",
                help=f"they are declared at {other.loc} and {node.loc}; rename one of them",
            )


def _kinds(node: Node, other: Node) -> str:
    kinds = {node.op, other.op}
    if kinds == {source.input}:
        return "inputs"
    return "parameters" if kinds == {source.param} else "inputs or parameters"


def _storages(params: Sequence[Node]) -> dict[str, ParameterStorage]:
    return {
        node.name: node.storage
        for node in params
        if isinstance(node, ParameterNode) and node.storage is not None
    }


def _described(node: Node) -> str:
    if not node.name:
        return f"a value made by {node.op.name} ({node.type})"
    kind = {source.param: "parameter", source.input: "input"}.get(node.op, "the value")
    return f"{kind} {node.name} ({node.type})"
