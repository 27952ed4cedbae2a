"""Kernels that run side by side: who joins, who does not, and that no bit depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

import graphc as gc
from graphc.codegen import bundles, sharing
from graphc.codegen.pipeline import compile_graph
from graphc.codegen.plan import StepPlan
from graphc.ir.build import ops, scalar
from graphc.ir.graph import Graph, Node, Update
from graphc.ir.types import float32
from tests.codegen.running import Arrays, check, graph_of, parameter, run_compiled, tensor

rng = np.random.default_rng(0)
SIZES = [2000, 7, 1, 64, 65, 63, 4096, 333]


def separate(sizes: Sequence[int]) -> tuple[Graph, Arrays]:
    """A map for each size, which has nothing to do with the others."""
    inputs = [tensor(f"x{i}", (size,)) for i, size in enumerate(sizes)]
    graph = graph_of(*map(ops.exp, inputs), inputs=tuple(inputs))
    return graph, {x.name: rng.standard_normal(x.shape).astype("float32") for x in inputs}


def groups(plan: StepPlan) -> list[list[str]]:
    """Names of the kernels that run side by side."""
    several = [bundle for bundle in plan.bundles if bundle.tasks > 1]
    return [[plan.kernels[number].group.name for number in each.numbers] for each in several]


def check_covers(plan: StepPlan) -> None:
    """Every kernel is in one bundle, in order; owners are tasks of theirs."""
    numbers = [number for bundle in plan.bundles for number in bundle.numbers]
    assert numbers == list(range(len(plan.kernels)))
    for bundle in plan.bundles:
        assert set(bundle.owners) <= {bundles.EVERY_TASK, *range(bundle.tasks)}
        assert bundle.tasks > 1 or len(bundle.owners) == 1
        for one, other in permutations(bundle.numbers, 2):
            writes = bytes_of(plan, plan.kernels[one].writes)
            touched = (*plan.kernels[other].reads, *plan.kernels[other].writes)
            assert writes.isdisjoint(bytes_of(plan, touched))


def bytes_of(plan: StepPlan, nodes: Sequence[Node]) -> set[tuple[str, int]]:
    """Each byte of the workspace that values lie in, and each other buffer."""
    found = set()
    for node in nodes:
        where = plan.memory.storage[node]
        size = node.type.bytes if where.place == "workspace" else 1
        found |= {(where.place, where.position + byte) for byte in range(size)}
    return found


@pytest.fixture
def everything_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "SHARED_NANOSECONDS", 0)
    monkeypatch.setattr(sharing, "TASK_NANOSECONDS", 1)


def check_bits(graph: Graph, arrays: Arrays, threads: Sequence[int] = (2, 3, 7)) -> list[StepPlan]:
    """One thread against the interpreter, more of them against one; the plans of those."""
    check(graph, arrays)
    single = run_compiled(graph, arrays)
    plans = []
    for place, count in enumerate(threads):
        result = run_compiled(graph, arrays, threads=count, at_end=place % 2 == 0)
        for name, value in {**single.outputs, **single.params}.items():
            assert {**result.outputs, **result.params}[name].tobytes() == value.tobytes()
        check_covers(result.compilation.plan)
        plans.append(result.compilation.plan)
    return plans


@pytest.mark.usefixtures("everything_is_worth_it")
@pytest.mark.parametrize("sizes", [SIZES, [300] * 5, [1, 1], [0, 5, 0]])
def test_maps_that_have_nothing_to_do_with_each_other(sizes: list[int]) -> None:
    graph, arrays = separate(sizes)
    plans = check_bits(graph, arrays)
    if 0 not in sizes:
        assert groups(plans[0]) == [[f"k{i}" for i in range(len(sizes))]]


def test_short_kernels_are_dealt_out_as_a_whole() -> None:
    """None of these is worth sharing by itself; together they are."""
    graph, arrays = separate([5000] * 40)
    (plan,) = check_bits(graph, arrays, threads=[2])
    assert not any(kernel.sharing for kernel in plan.kernels)
    (bundle,) = plan.bundles
    assert sorted(bundle.owners) == [0] * 20 + [1] * 20
    assert plan.threads == bundle.tasks == 2


def test_long_kernels_are_shared_by_every_task() -> None:
    graph, arrays = separate([200_000, 100, 200_001])
    (plan,) = check_bits(graph, arrays, threads=[2])
    (bundle,) = plan.bundles
    assert bundle.owners == (bundles.EVERY_TASK, 0, bundles.EVERY_TASK)


def test_few_and_short_kernels_stay_on_one_thread() -> None:
    graph, _ = separate([10, 20, 30])
    plan = compile_graph(graph, threads=8).plan
    assert groups(plan) == []
    assert plan.threads == 1


def test_one_thread_bundles_nothing() -> None:
    graph, _ = separate([200_000] * 3)
    plan = compile_graph(graph, threads=1).plan
    check_covers(plan)
    assert groups(plan) == []


@pytest.mark.usefixtures("everything_is_worth_it")
def test_a_kernel_that_reads_another_waits_for_it() -> None:
    x, y = tensor("x", (50, 30)), tensor("y", (40,))
    total = ops.sum(ops.exp(x), axes=(0, 1))
    graph = graph_of(ops.exp(ops.add(y, total)), ops.exp(y), inputs=(x, y))
    arrays = {n.name: rng.standard_normal(n.shape).astype("float32") * 0.1 for n in (x, y)}
    for plan in check_bits(graph, arrays):
        (writer,) = (k for k in plan.kernels if total.shape in [n.shape for n in k.writes])
        readers = [k for k in plan.kernels if set(k.reads) & set(writer.writes)]
        assert readers
        for names in groups(plan):
            assert not {writer.group.name} | {k.group.name for k in readers} <= set(names)


@pytest.mark.usefixtures("everything_is_worth_it")
def test_memory_that_is_used_again_keeps_kernels_apart() -> None:
    """Chains that each need a workspace: a chain may have that of another."""
    inputs = tuple(tensor(f"x{i}", (20, 30)) for i in range(4))

    def chain(x: Node) -> Node:
        for _ in range(3):
            x = ops.reshape(ops.exp(ops.mul(x, scalar(0.1, float32))), shape=x.shape[::-1])
        return x

    graph = graph_of(*map(chain, inputs), inputs=inputs)
    arrays = {x.name: rng.standard_normal(x.shape).astype("float32") for x in inputs}
    check_bits(graph, arrays)


@pytest.mark.usefixtures("everything_is_worth_it")
def test_a_bundle_has_a_largest_size() -> None:
    graph, arrays = separate([50] * (bundles.MOST_KERNELS + 2))
    (plan,) = check_bits(graph, arrays, threads=[2])
    assert [len(names) for names in groups(plan)] == [bundles.MOST_KERNELS, 2]


def test_the_updates_of_an_optimizer_run_side_by_side() -> None:
    """Adam of given gradients, clipped by their norm, as `optim` declares it."""

    def trained(threads: int) -> tuple[gc.Step, list[bytes]]:
        generator = np.random.default_rng(1)
        sizes = [30_000, 100, 30_000, 5, 20_000]
        starts = [generator.standard_normal(size).astype("float32") for size in sizes]
        given = [generator.standard_normal(size).astype("float32") for size in sizes]
        params = [gc.param(f"w{i}", start) for i, start in enumerate(starts)]
        gradients = [gc.input(f"g{i}", size) for i, size in enumerate(sizes)]
        products = [(w * g).sum() for w, g in zip(params, gradients, strict=True)]
        loss = gc.stack(products).sum()
        updates = gc.optim.Adam(0.01).updates(loss, params)
        step = gc.compile(gradients, (), updates, threads=threads)
        for _ in range(5):
            step(*given)
        return step, [value.tobytes() for _, value in sorted(step.snapshot().items())]

    single = trained(1)[1]
    for threads in (2, 5):
        step, state = trained(threads)
        assert state == single
        assert max(map(len, groups(step.compilation.plan))) == 5
        assert "  together  all from here to" in step.ir("kernels")


def test_profiles_see_each_kernel_of_a_bundle() -> None:
    x, y = gc.input("x", 100_000), gc.input("y", 100_000)
    step = gc.compile([x, y], (gc.exp(x), gc.sin(y)), threads=2)
    assert groups(step.compilation.plan) == [["k0", "k1"]]
    assert [kernel.runs for kernel in step.profile(runs=2).kernels] == [1, 1]


@pytest.mark.usefixtures("everything_is_worth_it")
def test_a_kernel_of_one_task_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code has no parts; two tasks that both ran it would update parameters twice."""
    monkeypatch.setattr(sharing, "_tasks", lambda units, nanoseconds, threads: 1)
    params = [parameter(f"w{i}", (4000,)) for i in range(3)]
    updates = tuple(Update(w, ops.mul(w, scalar(1.5, float32))) for w in params)
    graph = Graph("f", (), tuple(params), (), (), updates)
    arrays = {w.name: rng.standard_normal(w.shape).astype("float32") for w in params}
    for plan in check_bits(graph, arrays):
        assert any(kernel.sharing for kernel in plan.kernels)
        assert all(bundles.EVERY_TASK not in bundle.owners for bundle in plan.bundles)
