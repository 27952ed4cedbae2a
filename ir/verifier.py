"""Checks that a graph is what its stage promises.

Owns `verify` and the stages, as data. Imports `ir` only. Invariant: a graph that passes has
types that inference confirms, operands before users, outputs and updates that belong to it, and
kernels that can run one after the other. A failure is a defect in a pass, and names the node.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from graphc.ir.diagnostics import GraphError, VerificationError
from graphc.ir.graph import Graph, KernelGroup, Node
from graphc.ir.lexer import did_you_mean
from graphc.ir.nested import all_graphs
from graphc.ir.op import Family
from graphc.ir.ops import source
from graphc.ir.printer import comment, value_name

T = TypeVar("T")

KERNEL_SHAPES = ("map", "reduce", "row", "contract", "routine")


@dataclass(frozen=True)
class Stage:
    """What the graphs of a stage admit.

    `has_kernels`: nodes are grouped into kernels, and every node that takes work is in one.
    """

    name: str
    doc: str
    has_kernels: bool = False


STAGES = {
    stage.name: stage
    for stage in (
        Stage("graph", "the program as declared"),
        Stage("adjoint", "with the nodes that differentiation derived"),
        Stage("simplified", "rewritten into fewer and stabler operations"),
        Stage("fused", "grouped into kernels, in the order in which they run", has_kernels=True),
    )
}


def verify(graph: Graph) -> None:
    """Raise a `VerificationError` unless the graph keeps every invariant of its stage.

    It names the invariant and the node at fault. Linear in the size of the graph.
    """
    for each in all_graphs(graph):
        for check in _CHECKS:
            check(each)


def _check_order(graph: Graph) -> None:
    """Every node is there once, after its operands."""
    seen: set[Node] = set()
    nodes = set(graph.nodes)
    for node in graph.nodes:
        if node in seen:
            raise _fault(graph, node, "is listed twice")
        for operand in node.operands:
            if operand not in nodes:
                raise _fault(graph, node, f"takes {_shown(operand)}, which is not in the graph")
            if operand not in seen:
                raise _fault(graph, node, f"stands before its operand {_shown(operand)}")
        seen.add(node)


def _check_types(graph: Graph) -> None:
    """Inference, run again, gives every node the type it has."""
    for node in graph.nodes:
        types = [operand.type for operand in node.operands]
        try:
            expected = node.op.infer(types, node.attrs)
        except GraphError as error:
            raise _fault(graph, node, f"is ill-typed: {error.summary}") from error
        if type(node.attrs) is not node.op.attrs:
            summary = f"has {type(node.attrs).__name__}, expected {node.op.attrs.__name__}"
            raise _fault(graph, node, summary)
        if expected != node.type:
            raise _fault(graph, node, f"has type {node.type}, expected {expected}")


def _check_boundary(graph: Graph) -> None:
    """Inputs and parameters are distinct, are named, and are all that come from outside."""
    nodes = set(graph.nodes)
    for part, op in ((graph.inputs, source.input), (graph.params, source.param)):
        for node in part:
            if node.op is not op:
                raise _fault(graph, node, f"is among the {op.name}s, but its op is {node.op.name}")
            if node not in nodes:
                raise _fault(graph, node, "is declared, but not among the nodes")
            if not node.name:
                raise _fault(graph, node, "is declared without a name")
    boundary = set(graph.boundary)
    for node in graph.nodes:
        if node.op in (source.input, source.param) and node not in boundary:
            raise _fault(graph, node, "is used, but not declared")
    for name in _repeated(node.name for node in graph.boundary):
        raise _fault(graph, None, f"two inputs or parameters are named {value_name(name)}")


def _check_results(graph: Graph) -> None:
    """Outputs and updated values are nodes; a parameter is updated once, by its own type."""
    nodes, params = set(graph.nodes), set(graph.params)
    if len(graph.outputs) != len(graph.output_names):
        count = f"{len(graph.outputs)} outputs but {len(graph.output_names)} names of outputs"
        raise _fault(graph, None, f"has {count}")
    for node in graph.roots:
        if node not in nodes:
            raise _fault(graph, node, "is an output or update, but not among the nodes")
    for name in _repeated(graph.output_names):
        raise _fault(graph, None, f"two outputs are named `{name}`")
    for update in graph.updates:
        if update.param not in params:
            raise _fault(graph, update.param, "is updated, but no parameter of the graph")
        if update.param.type != update.value.type:
            summary = f"of type {update.param.type} is updated by a {update.value.type}"
            raise _fault(graph, update.param, summary)
    for param in _repeated(update.param for update in graph.updates):
        raise _fault(graph, param, "is updated twice")


def _check_stage(graph: Graph) -> None:
    """The stage is known, and has kernels if and only if it promises them."""
    stage = STAGES.get(graph.stage)
    if stage is None:
        help = did_you_mean(graph.stage, STAGES) or f"the stages are {', '.join(STAGES)}"
        raise _fault(graph, None, f"has the unknown stage `{graph.stage}`", help)
    if graph.kernels and not stage.has_kernels:
        raise _fault(graph, None, f"has kernels at stage `{stage.name}`, which has none")
    for name in _repeated(kernel.name for kernel in graph.kernels):
        raise _fault(graph, None, f"two kernels are named @{name}")
    for kernel in graph.kernels:
        if kernel.shape not in KERNEL_SHAPES:
            expected = f"expected one of {', '.join(KERNEL_SHAPES)}"
            raise _fault(graph, None, f"kernel @{kernel.name} is a `{kernel.shape}`, {expected}")
        if not kernel.nodes:
            raise _fault(graph, None, f"kernel @{kernel.name} is empty")


def _check_kernels(graph: Graph) -> None:
    """Kernels are disjoint, hold all work, and read only what they or kernels before them make.

    A view of a kernel's value is there once that kernel is done.
    """
    if not STAGES[graph.stage].has_kernels:
        return
    home: dict[Node, KernelGroup] = {}
    nodes = set(graph.nodes)
    for kernel in graph.kernels:
        for node in kernel.nodes:
            if node in home:
                both = f"@{home[node].name} and in kernel @{kernel.name}"
                raise _fault(graph, node, f"is in kernel {both}")
            if node not in nodes:
                raise _fault(graph, node, f"of kernel @{kernel.name} is not in the graph")
            home[node] = kernel
    for node in graph.nodes:
        if node not in home and node.op.family not in (Family.SOURCE, Family.LAYOUT):
            raise _fault(graph, node, "takes work, but is in no kernel")
    done: set[Node] = set()
    for group, section in graph.sections():
        own = set() if group is None else set(group.nodes)
        for node in section:
            for operand in node.operands:
                if operand.operands and operand not in done:
                    reader = f"of kernel @{group.name} " if group else ""
                    when = "later in it" if operand in own else "by no kernel before"
                    raise _fault(graph, node, f"{reader}reads {_shown(operand)}, made {when}")
            done.add(node)


_CHECKS: tuple[Callable[[Graph], None], ...] = (
    _check_order,
    _check_types,
    _check_boundary,
    _check_results,
    _check_stage,
    _check_kernels,
)
"""In an order in which each may rely on those before it."""


def _repeated(values: Iterable[T]) -> list[T]:
    return [value for value, count in Counter(values).items() if count > 1]


def _fault(graph: Graph, node: Node | None, summary: str, help: str = "") -> VerificationError:
    if node is None:
        return VerificationError(f"graph @{graph.name} ({graph.stage}) {summary}", help=help)
    place = comment(node.loc, node.origin)
    return VerificationError(
        f"{_shown(node)} {summary}",
        detail=f"{node.op.name} in @{graph.name} ({graph.stage})" + (f", {place}" if place else ""),
        help=help,
    )


def _shown(node: Node) -> str:
    return value_name(node.name) if node.name else f"an unnamed {node.op.name} {node.type}"
