"""What memory a step needs, as text for people.

Owns `describe_memory`. Imports `ir` and `codegen`. Invariant: what is printed is read from the plan
that code is generated from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from graphc.codegen.plan import StepPlan
from graphc.ir.graph import Node
from graphc.ir.passes.inline import is_view
from graphc.ir.passes.lifetimes import Lifetimes
from graphc.ir.printer import value_names

if TYPE_CHECKING:
    from graphc.codegen.fit_memory import MemoryFit

HEADER = ("value", "type", "bytes", "place", "needed", "written over")

MOST_NAMED = 20
"""Values computed again that are listed."""

Row = tuple[str, ...]


def describe_memory(plan: StepPlan, fit: MemoryFit | None = None) -> str:
    """Every stored value with its place and while which kernels run it is needed, the largest
    first, and what that comes to; nested graphs come first."""
    inner = [f"graph @{step.graph.name}\n{describe_memory(step)}" for step in plan.nested]
    table = _aligned([HEADER, *_rows(plan)])
    return "\n".join([*inner, "\n".join([*table, "", *_totals(plan), *_fitting(fit), ""])])


def _rows(plan: StepPlan) -> list[Row]:
    graph, memory = plan.graph, plan.memory
    lifetimes, names = Lifetimes.of(graph).spans, value_names(graph)
    sized: list[tuple[int, Row]] = []
    for node, where in memory.storage.items():
        if is_view(node):
            continue
        needed = " - ".join(graph.kernels[number].name for number in lifetimes.get(node, ()))
        over = memory.reused.get(node)
        place = f"{where.place}[{where.position}]"
        row = (str(node.type), f"{node.type.bytes:,}", place, needed, names[over] if over else "")
        sized.append((node.type.bytes, (names[node], *row)))
    for kernel in plan.kernels:
        name, size = kernel.group.name, kernel.scratch_bytes
        if name in memory.scratch:
            place = f"workspace[{memory.scratch[name]}]"
            sized.append((size, (f"scratch of {name}", "", f"{size:,}", place, name, "")))
    return [row for _, row in sorted(sized, key=lambda each: -each[0])]


def _aligned(rows: Sequence[Row]) -> Iterator[str]:
    """Columns, numbers to the right; those without content are left out."""
    used = [i for i in range(len(HEADER)) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in used}
    for row in rows:
        cells = [row[i].rjust(widths[i]) if i == 2 else row[i].ljust(widths[i]) for i in used]
        yield "  ".join(cells).rstrip()


def _totals(plan: StepPlan) -> Iterator[str]:
    """Bytes of each kind of memory that there is."""
    graph, memory = plan.graph, plan.memory
    kinds: dict[str, Sequence[Node]] = {
        "inputs": graph.inputs,
        "outputs": graph.outputs,
        "parameters": graph.params,
        "constants": memory.constants,
    }
    for kind, nodes in kinds.items():
        if nodes:
            yield _total(kind, f"{sum(node.type.bytes for node in nodes):,} bytes")
    busiest, scratch = _busiest(plan)
    most = f", most of it in {busiest}" if busiest else ""
    if scratch:
        most += f", with {scratch:,} bytes of scratch"
    yield _total("workspace", f"{memory.workspace_bytes:,} bytes{most}")


def _total(kind: str, rest: str) -> str:
    return f"{kind:<10}  {rest}"


def _busiest(plan: StepPlan) -> tuple[str, int]:
    """The kernel while which most bytes are needed, and its scratch memory."""
    change = [0] * (len(plan.kernels) + 1)
    lifetimes = Lifetimes.of(plan.graph)
    dead = dict.fromkeys(plan.memory.reused.values())
    for node, (first, last) in lifetimes.of_workspace.items():
        change[first] += node.type.bytes if node not in plan.memory.reused else 0
        change[last + 1] -= node.type.bytes if node not in dead else 0
    most, needed, busiest = 0, 0, ("", 0)
    for kernel, more in zip(plan.kernels, change, strict=False):
        needed += more
        if needed + kernel.scratch_bytes > most:
            most = needed + kernel.scratch_bytes
            busiest = kernel.group.name, kernel.scratch_bytes
    return busiest


def _fitting(fit: MemoryFit | None) -> Iterator[str]:
    """What it took to keep to the limit."""
    if fit is None:
        return
    yield _total("limit", f"{fit.limit:,} bytes; without it the workspace is {fit.without:,}")
    if fit.recomputed:
        count, more = len(fit.recomputed), 100 * fit.extra
        yield _total("recomputed", f"{count} values, {more:.1f} % more operations")
        yield from (f"  {line}" for line in _by_line(fit.recomputed))


def _by_line(nodes: Sequence[Node]) -> Iterator[str]:
    """Ops computed again, with names, by the user's line."""
    lines: dict[str, list[str]] = {}
    for node in nodes:
        named = f"%{node.name} = {node.op.name}" if node.name else node.op.name
        lines.setdefault(str(node.loc or "no line"), []).append(named)
    for number, (line, ops) in enumerate(lines.items()):
        if number == MOST_NAMED:
            yield f"and on {len(lines) - MOST_NAMED} more lines"
            return
        counted: Mapping[str, int] = {op: ops.count(op) for op in dict.fromkeys(ops)}
        yield f"{line}: " + ", ".join(f"{op} x {n}" if n > 1 else op for op, n in counted.items())
