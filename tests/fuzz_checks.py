"""What must hold of every graph, however it came about.

Owns `check`. The interpreter says what a graph means; its text reads back; every stage verifies;
compiled code agrees with it, optimised or not; adjoints agree with tangents and with differences.
Invariant: a failure is an `AssertionError` or what the compiler raised, nothing is caught.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from graphc.codegen.library import EntrySource, compile_library
from graphc.codegen.processors import named_target
from graphc.codegen.target import Target, host_target
from graphc.ir.diff import diff_graphs
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import evaluate
from graphc.ir.nested import everywhere, inside
from graphc.ir.op import Array
from graphc.ir.parser import parse_graph
from graphc.ir.passes.eliminate_common import eliminate_common
from graphc.ir.passes.inline_regions import inline_regions
from graphc.ir.passes.merge_scans import merge_scans
from graphc.ir.passes.widen import widen
from graphc.ir.printer import graph_constants, print_graph
from graphc.ir.types import float64
from graphc.runtime.artifact import Structure
from graphc.runtime.errors import IndexRangeError
from graphc.runtime.library import Library
from tests.codegen.running import Result, run_compiled
from tests.disturbance import assert_close, disturbed
from tests.random_graphs import Case, Derivatives

EVERY_PASS = 2
SAMPLES = 12
Values = dict[Node, Array]


def check(case: Case, *, export: bool = False) -> None:
    """Raise unless the compiler does right by this graph, and as a library for C if it shall."""
    graph, given = case.graph, values_of(case)
    text = print_graph(graph)
    read = parse_graph(text, graph_constants(graph))
    assert read == graph, diff_graphs(graph, read)
    rng = np.random.default_rng(0)
    samples = [disturbed(graph.roots, given, rng) for _ in range(SAMPLES)]
    agrees = partial(compare, evaluate(graph.roots, given), samples)
    result = run_compiled(graph, case.arrays, verify_level=EVERY_PASS)
    simplified = result.compilation.graphs["simplified"]
    agrees(evaluate(simplified.roots, values_of(case, simplified)), "simplified")
    agrees(values_in(result, case), "compiled")
    plain = run_compiled(unsimplified(graph), case.arrays, at_end=False, verify_level=EVERY_PASS)
    agrees(values_in(plain, case), "not simplified", exceptional=True)
    if export:
        check_same_bits(values_in_library(case, host_target()), values_in(result, case))
        oldest = named_target(host_target().triple)
        agrees(values_in_library(case, oldest), "on the oldest processor", exceptional=True)
    if case.derivatives is not None and in_doubles(graph):
        check_derivatives(case.derivatives, given)


def values_of(case: Case, graph: Graph | None = None) -> Values:
    nodes = (graph or case.graph).boundary
    return {node: case.arrays[node.name] for node in nodes}


def compare(
    wanted: Sequence[Array],
    samples: Sequence[Sequence[Array]],
    got: Sequence[Array] | None,
    label: str,
    *,
    exceptional: bool = False,
) -> None:
    for number, value in enumerate(got or ()):
        near = [sample[number] for sample in samples]
        what = f"{label}, value {number}"
        assert_close(value, wanted[number], near, what, exceptional=exceptional)


def unsimplified(graph: Graph) -> Graph:
    """A graph that is ready to be fused, by no more passes than it must go through."""
    passes: list[Callable[[Graph], Graph]] = [
        merge_scans,
        inside(inline_regions),
        inside(widen),
        inside(eliminate_common),
    ]
    for apply in passes:
        graph = apply(graph)
    return everywhere(partial(replace, stage="simplified"), graph)


def values_in(result: Result, case: Case) -> list[Array] | None:
    """The values of outputs and updates; None if an input is an index that is out of range."""
    if result.status:
        guards = result.compilation.artifact.manifest.guards
        given = [(case.arrays[guard.input], guard) for guard in guards]
        assert any(((x < g.minimum) | (x >= g.size)).any() for x, g in given), "a guard failed"
        return None
    updated = [result.params[update.param.name] for update in case.graph.updates]
    return [*(result.outputs[name] for name in case.graph.output_names), *updated]


def values_in_library(case: Case, target: Target) -> list[Array] | None:
    """The same of a library, called as C would call it."""
    graph = case.graph
    _, structure = Structure.of(tuple(graph.outputs))
    initial = {node.name: case.arrays[node.name] for node in graph.params}
    compiled = compile_library("net", {"f": EntrySource(graph, structure)}, initial, [target])
    with TemporaryDirectory() as folder:
        place = Path(folder, "net.o")
        place.write_bytes(compiled.object_bytes)
        library = Library(compiled.manifest, place)
    before = library.state_block.tobytes()
    try:
        outputs = library.f(*(case.arrays[node.name] for node in graph.inputs))
    except IndexRangeError:
        assert library.state_block.tobytes() == before, "a call that failed changed the state"
        return None
    return [*outputs, *(library.state[update.param.name] for update in graph.updates)]


def check_same_bits(library: Sequence[Array] | None, step: Sequence[Array] | None) -> None:
    assert (library is None) == (step is None), "one of library and step refuses an index"
    for number, (mine, theirs) in enumerate(zip(library or (), step or (), strict=True)):
        same = np.asarray(mine).tobytes() == theirs.tobytes()
        assert same, f"value {number}: {mine} in a library, {theirs} in a step"


def in_doubles(graph: Graph) -> bool:
    """Whether a difference shows the derivative, not the steps of a coarser dtype."""
    return all(node.dtype is float64 or not node.dtype.is_float for node in graph.nodes)


def check_derivatives(found: Derivatives, given: Values) -> None:
    """Reverse mode against forward mode, and both against differences."""
    inner = [node for node in found.wrt if node not in given]
    at = {**given, **dict(zip(inner, evaluate(inner, given), strict=True))}
    forward, *rest = evaluate([found.tangent, *found.gradients, *found.directions], given)
    count = len(found.wrt)
    with np.errstate(all="ignore"):
        products = [g * d for g, d in zip(rest[:count], rest[count:], strict=True)]
        reverse = float(sum(product.sum() for product in products))
        scale = float(sum(np.abs(product).sum() for product in products))
    if not np.isfinite([reverse, float(forward)]).all():
        return
    assert abs(reverse - forward) <= 1e-8 * (1 + scale), f"vjp gives {reverse}, jvp {forward}"
    if not inner:
        check_differences(found, at, rest[count:], reverse)


def check_differences(
    found: Derivatives, at: Values, directions: Sequence[Array], slope: float
) -> None:
    """Differences over several steps, where these agree among themselves."""

    def loss(step: float) -> float:
        pairs = zip(found.wrt, directions, strict=True)
        values = {**at, **{x: np.asarray(at[x] + step * d) for x, d in pairs}}
        return float(evaluate([found.loss], values)[0])

    here = loss(0)
    estimates = []
    # The loss is bounded: where it would change by more than that, a step is too long.
    steps = [step for step in (1e-5, 1e-6, 3e-7) if step * abs(slope) < 0.1]
    if not steps:
        return
    for step in steps:
        ahead, behind = loss(step), loss(-step)
        estimates += [(ahead - behind) / (2 * step), (ahead - here) / step, (here - behind) / step]
    tolerance = 1e-5 * (1 + abs(slope)) + 3 * (max(estimates) - min(estimates))
    apart = min(abs(estimate - slope) for estimate in estimates)
    assert apart <= tolerance or not np.isfinite(apart), f"slope {slope}, differences {estimates}"
