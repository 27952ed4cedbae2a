"""Kernels as text for people: loops, schedule, accesses, body.

Owns `describe_kernels`. Imports `ir` and `codegen`. Invariant: what is
printed is read from the plans that code is generated from; nothing is worked out again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields

from graphc.codegen.bundles import Bundle
from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.loop_schedule import Access
from graphc.codegen.operand import Contraction
from graphc.codegen.plan import KernelPlan, StepPlan
from graphc.codegen.sharing import Sharing
from graphc.ir.graph import Node
from graphc.ir.printer import value_names

Names = Mapping[Node, str]
"""The name of every value, as the fused graph prints it."""


def describe_kernels(plan: StepPlan) -> str:
    """The loops of every kernel, in the order in which they run; nested graphs come first."""

    def kernels(step: StepPlan) -> str:
        names = value_names(step.graph)
        together = {b.first: _together(step, b) for b in step.bundles if b.tasks > 1}
        return "\n".join(
            "\n".join(_describe(kernel, names, together.get(number, ""))) + "\n"
            for number, kernel in enumerate(step.kernels)
        )

    return _every_step(plan, kernels)


def _every_step(plan: StepPlan, describe: Callable[[StepPlan], str]) -> str:
    """The descriptions of nested graphs, each under its name, and then that of the program."""
    inner = [f"graph @{step.graph.name}\n{_every_step(step, describe)}" for step in plan.nested]
    return "\n".join([*inner, describe(plan)])


def _together(step: StepPlan, bundle: Bundle) -> str:
    """Up to which kernel they run side by side."""
    last = step.kernels[bundle.numbers[-1]].group.name
    return f"all from here to {last}, {bundle.tasks} tasks"


def _describe(kernel: KernelPlan, names: Names, together: str) -> Iterator[str]:
    group = kernel.group
    yield f"kernel {group.name} {group.shape}  # {group.reason}"
    if kernel.same_as:
        yield f"  code      that of {kernel.same_as}"
    elif isinstance(kernel.loops, LoopNest):
        yield from _describe_nest(kernel.loops, names)
    elif isinstance(kernel.loops, Contraction):
        product = kernel.loops
        axes = (*product.batch, product.rows, product.columns, product.depth)
        loops = ", ".join(f"{axis.name} {axis.extent}" for axis in axes)
        yield f"  loops     {loops}"
        schedule = kernel.schedule
        assert schedule is not None
        settings = (f"{f.name} {getattr(schedule, f.name)}" for f in fields(schedule))
        yield f"  schedule  {', '.join(settings)}"
    if kernel.sharing and not kernel.same_as:
        yield f"  shared    {_shared(kernel.sharing)}"
    if together:
        yield f"  together  {together}"
    yield f"  reads     {_typed(kernel.reads, names)}"
    yield f"  writes    {_typed(kernel.writes, names)}"
    if kernel.scratch_bytes:
        yield f"  scratch   {kernel.scratch_bytes} bytes"
    for node in group.nodes:
        operands = ", ".join(names[operand] for operand in node.operands)
        where = f"   # {node.loc}" if node.loc else ""
        yield f"    {names[node]} = {node.op.name} {operands} : {node.type}{where}"


def _describe_nest(nest: LoopNest, names: Names) -> Iterator[str]:
    schedule = nest.schedule
    loops = [
        f"{nest.axes[number].name} {rounds}" + _vectors(nest, number)
        for reduced in (False, True)
        for number, rounds in nest.loops(reduced=reduced)
    ]
    yield f"  loops     {', '.join(loops) or 'none'}"
    calls = ", calls" if schedule.calls else ""
    yield f"  schedule  lanes {schedule.lanes}, sweeps {len(nest.sweeps)}{calls}"
    for access in nest.accesses:
        yield f"  access    {_access(nest, access, names)}"


def _shared(sharing: Sharing) -> str:
    """Along what the work is cut, and for how many tasks."""
    units = f"{sharing.units} {'blocks' if sharing.blocks else 'units'}"
    tasks = f"{sharing.tasks} task{'s' if sharing.tasks > 1 else ''}"
    return f"{sharing.axis} in {units}, {tasks}"


def _vectors(nest: LoopNest, number: int) -> str:
    if number == nest.row_loop:
        return f" by {nest.schedule.rows} rows"
    return f" by {nest.schedule.lanes} lanes" if number == nest.schedule.lane_axis else ""


def _access(nest: LoopNest, access: Access, names: Names) -> str:
    terms = [
        axis.name if factor == 1 else f"{factor}*{axis.name}"
        for axis, factor in zip(nest.axes, access.factors, strict=True)
        if factor
    ]
    if access.indirect:
        terms.append("index")
    verb = "store" if access.write else "load"
    return f"{verb} {names[access.node]}[{' + '.join(terms) or '0'}]"


def _typed(nodes: Sequence[Node], names: Names) -> str:
    return ", ".join(f"{names[node]}: {node.type}" for node in nodes) or "nothing"
