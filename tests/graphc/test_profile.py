"""`profile`: every kernel is there, numbers make sense, and nothing is changed by it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import profiling
from graphc.cli import main
from graphc.codegen import profiled
from graphc.codegen.clocks import Clocks
from graphc.codegen.plan import StepPlan
from graphc.codegen.target import Target
from graphc.ir.diagnostics import AttributeValueError
from graphc.runtime.errors import ArtifactError, CallError
from graphc.runtime.profile import Limits, Profile, example_inputs

RUNS = 5


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "off")
    monkeypatch.setattr(profiling, "MEMORY_BYTES", 1 << 16)


def training_step(**options: Any) -> gc.Step:
    x, y = gc.input("x", (32, 50)), gc.input("y", (32,), gc.int32)
    w = gc.param("w", gc.init.glorot_uniform((50, 40), seed=0))
    v = gc.param("v", gc.init.glorot_uniform((40, 10), seed=1))
    hidden = gc.tanh(x @ w)
    loss = gc.nn.softmax_cross_entropy(hidden @ v, y).mean()
    return gc.compile([x, y], loss, gc.optim.Adam(1e-2).updates(loss, [w, v]), **options)


def kernels_of(fused: str) -> list[tuple[str, str]]:
    """Name and shape of each kernel in the text of a fused graph, nested graphs' too."""
    return re.findall(r"^ *kernel @(\w+) (\w+)", fused, re.MULTILINE)


def check(profile: Profile, step: gc.Step) -> None:
    """What holds for any profile of a step."""
    found = [(kernel.name, kernel.shape) for kernel in profile.kernels]
    assert sorted(found) == sorted(kernels_of(step.ir("fused")))
    limits = [each for limit in profile.limits.values() for each in (limit.singles, limit.moving)]
    assert min(limits) > 0
    assert 0 < profile.best <= profile.seconds
    outermost = [kernel for kernel in profile.kernels if kernel.within < 0]
    assert 0 < sum(kernel.best for kernel in outermost) <= profile.best
    assert all(kernel.share == kernel.seconds / profile.seconds for kernel in profile.kernels)
    for kernel in profile.kernels:
        assert 0 <= kernel.best <= kernel.seconds
        assert kernel.bytes_written > 0
        assert kernel.bound in ("", "compute", "memory")
        assert kernel.runs >= 1 or kernel.within >= 0


@pytest.mark.parametrize("threads", [1, 2])
def test_a_profile_lists_every_kernel_and_changes_no_parameter(threads: int) -> None:
    step = training_step(threads=threads)
    before, code = step.snapshot(), step.artifact
    profile = step.profile(*example_inputs(step.manifest), runs=RUNS)
    check(profile, step)
    assert (profile.name, profile.calls) == ("step", RUNS)
    after = step.snapshot()
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert step.artifact is code
    (product,) = (kernel for kernel in profile.kernels if "hidden" in kernel.values)
    assert product.operations >= 2 * 32 * 50 * 40
    assert product.bytes_read == 4 * (32 * 50 + 50 * 40)
    assert product.bytes_written >= 4 * 32 * 40
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    declared = next(n for n, line in enumerate(lines, start=1) if "gc.tanh(x @ w)" in line)
    assert product.lines == (f"test_profile.py:{declared}",)


def test_code_without_clocks_has_no_trace_of_them() -> None:
    step = training_step()
    step.profile(runs=1)
    assert "counter" not in step.llvm()
    assert "graphc.profile" not in step.llvm()


def test_updates_stay_where_they_are_asked_for() -> None:
    step, other = training_step(), training_step()
    inputs = example_inputs(step.manifest)
    step.profile(*inputs, runs=3, update=True)
    for _ in range(4):  # one call comes before those that count
        other(*inputs)
    for name, value in other.snapshot().items():
        assert step.params[name].value.tobytes() == value.tobytes()


def test_kernels_of_nested_graphs_are_listed_with_how_often_they_ran() -> None:
    xs = gc.input("xs", (7, 4, 30))
    u = gc.param("u", gc.init.glorot_uniform((30, 30), seed=0))

    def body(carry: gc.Tensor, x: gc.Tensor) -> tuple[gc.Tensor, gc.Tensor]:
        state = gc.tanh(carry @ u + x)
        return state, state

    loss = gc.sum(gc.scan(body, gc.zeros((4, 30)), xs)[1] ** 2)
    step = gc.compile([xs], loss, {u: u - 0.1 * gc.grad(loss, u)})
    profile = step.profile(runs=RUNS)
    check(profile, step)
    inner = [kernel for kernel in profile.kernels if kernel.within >= 0]
    assert inner
    for kernel in inner:
        outer = profile.kernels[kernel.within]
        assert outer.shape == "routine"
        assert kernel.best <= outer.best
        assert kernel.runs == 7
        assert kernel.graph
        assert f"  {kernel.name} {kernel.shape} in @{kernel.graph}" in str(profile)


def test_a_branch_that_is_not_taken_ran_never() -> None:
    x, flag = gc.input("x", 1000), gc.input("flag", (), gc.bool_)
    y = gc.cond(flag, lambda: gc.sum(gc.exp(x)) * x, lambda: gc.sum(gc.sin(x)) + x)
    step = gc.compile([x, flag], y)
    profile = step.profile(np.ones(1000, "float32"), np.bool_(True), runs=RUNS)
    check(profile, step)
    assert {kernel.runs for kernel in profile.kernels if kernel.within >= 0} <= {0, 1}


def test_kernels_that_tasks_share() -> None:
    x = gc.input("x", (2000, 300))
    step = gc.compile([x], gc.nn.softmax(gc.exp(gc.sin(x))), threads=2)
    profile = step.profile(runs=RUNS)
    check(profile, step)
    assert step.manifest.threads == 2
    assert [kernel.tasks for kernel in profile.kernels if kernel.shared] == [2]
    assert 2 in profile.limits
    assert "tasks" in str(profile)


def test_only_the_elements_that_an_index_chooses_count_as_read() -> None:
    table, rows = gc.input("table", (1000, 8)), gc.input("rows", (5,), gc.int32)
    profile = gc.compile([table, rows], gc.take(table, rows, axis=0) * 2).profile(runs=RUNS)
    (kernel,) = profile.kernels
    assert kernel.bytes_read <= 4 * 5 * (8 + 8)
    assert kernel.bytes_written == 4 * 5 * 8


def test_a_scatter_in_place_counts_what_it_changes() -> None:
    table = gc.param("table", np.zeros((1000, 8), "float32"))
    rows = gc.input("rows", (5,), gc.int32)
    loss = (gc.nn.embedding(table, rows) ** 2).sum()
    step = gc.compile([rows], loss, gc.optim.SGD(0.1).updates(loss, [table]))
    kernels = step.profile(runs=RUNS).kernels
    (scatter,) = (kernel for kernel in kernels if kernel.shape == "routine")
    assert scatter.bytes_written == 4 * 5 * 8
    assert 0 < scatter.operations < 1000


def test_processors_without_a_counter_ask_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_another(plan: StepPlan, target: Target) -> Clocks:
        return Clocks(plan, replace(target, triple="riscv64-unknown-linux-gnu"))

    monkeypatch.setattr(profiled, "Clocks", on_another)
    step = training_step()
    check(step.profile(runs=RUNS), step)


def test_doubles_are_measured_where_there_are_some() -> None:
    x = gc.input("x", (20, 20), gc.float64)
    step = gc.compile([x], x @ x)
    profile = step.profile(x=np.eye(20), runs=RUNS)
    check(profile, step)
    assert profile.limits[1].doubles > 0
    assert "of f64" in str(profile)


def test_empty_arrays() -> None:
    x = gc.input("x", (0, 3))
    profile = gc.compile([x], gc.sum(gc.exp(x))).profile(runs=RUNS)
    assert str(profile)
    assert all(kernel.operations >= 0 for kernel in profile.kernels)


def test_text_and_json_say_the_same() -> None:
    profile = training_step().profile(runs=RUNS)
    text, data = str(profile), json.loads(profile.to_json())
    head, *rows = text.partition("\n\n")[2].splitlines()
    assert head.split()[:6] == ["kernel", "time", "share", "GFLOP/s", "GB/s", "of"]
    slowest_first = sorted(profile.kernels, key=lambda kernel: -kernel.seconds)
    assert [row.split()[0] for row in rows] == [kernel.name for kernel in slowest_first]
    assert [row["name"] for row in data["kernels"]] == [k.name for k in profile.kernels]
    assert data["kernels"][0]["gflops"] == profile.kernels[0].gflops
    assert data["limits"].keys() == {"1"}


def test_what_a_call_refuses_a_profile_refuses() -> None:
    with pytest.raises(CallError, match="x"):
        training_step().profile(np.zeros(3, "float32"), np.zeros(32, "int32"))


def test_code_that_was_loaded_says_where_to_profile(tmp_path: Path) -> None:
    step = training_step()
    step.save(tmp_path / "saved")
    with pytest.raises(ArtifactError, match="the step that gc"):
        gc.load(tmp_path / "saved").profile()


def test_the_number_of_runs_is_a_number_above_0() -> None:
    for wrong in (0, -1, "many", 2.5):
        with pytest.raises(AttributeValueError, match="runs must be a whole number above 0"):
            training_step().profile(runs=wrong)  # type: ignore[arg-type]


def test_functions_from_outside_are_kernels_like_others() -> None:
    x = gc.input("x", (4, 5))
    step = gc.compile([x], gc.exp(gc.call(np.sin, x, like=x)))
    check(step.profile(runs=RUNS), step)


def test_a_loop_of_unknown_length() -> None:
    n, x = gc.input("n", (), gc.int32), gc.input("x", 1000)

    def halved(state: tuple[gc.Tensor, gc.Tensor]) -> tuple[gc.Tensor, gc.Tensor]:
        return state[0] + 1, gc.sin(state[1])

    results = gc.while_loop(lambda s: s[0] < n, halved, (gc.const(np.int32(0)), x))
    step = gc.compile([n, x], results)
    profile = step.profile(np.int32(6), np.ones(1000, "float32"), runs=RUNS)
    check(profile, step)
    assert {kernel.runs for kernel in profile.kernels if kernel.within >= 0} == {6, 7}


def test_a_step_with_debug_nans() -> None:
    x = gc.input("x", 40)
    watched = gc.compile([x], gc.sum(gc.exp(x)), debug_nans=True)
    check(watched.profile(runs=RUNS), watched)


def test_a_step_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    for _ in range(2):
        step = training_step()
        check(step.profile(runs=RUNS), step)


def test_jitted_functions() -> None:
    @gc.jit
    def scaled(x: gc.Tensor, factor: float) -> gc.Tensor:
        scaled: gc.Tensor = gc.exp(x) * factor
        return scaled

    x = np.ones((50, 20), "float32")
    profile = scaled.profile(x[:, ::2], 2.0)
    check(profile, scaled.trace(x[:, ::2], 2.0))
    assert profile.name == "scaled"


COST = {"multiply_adds": 50, "operations": 0, "bytes_read": 90, "bytes_written": 30}


@pytest.mark.parametrize(
    ("change", "seconds", "cached", "expected"),
    [
        ({}, 2.0, False, ("memory", 0.6)),
        ({}, 2.0, True, ("compute", 0.5)),
        ({"bytes_written": 1}, 2.0, False, ("compute", 0.5)),
        ({"bytes_written": 1, "doubles": True}, 4.0, False, ("compute", 0.5)),
        ({}, 0.5, False, ("compute", 2.0)),
        ({}, 0.0, False, ("", 0.0)),
    ],
)
def test_the_nearer_limit(
    change: dict[str, Any], seconds: float, cached: bool, expected: tuple[str, float]
) -> None:
    limits = Limits(singles=100, doubles=50, reading=200, moving=100)
    reached = limits.reached({"doubles": False} | COST | change, seconds, cached=cached)
    assert reached.bound == expected[0]
    assert reached.of_limit == pytest.approx(expected[1])


@pytest.mark.parametrize("program", ["demo", "FILE"])
def test_command(program: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "mlp.py"
    path.write_text(
        "import numpy as np\nimport graphc as gc\n"
        "x = gc.input('x', (3, 4))\nw = gc.param('w', np.ones((4, 2), 'float32'))\n"
        "loss = gc.tanh(x @ w).sum()\ntrain = gc.compile([x], loss, {w: w - gc.grad(loss, w)})\n"
    )
    name = str(path) if program == "FILE" else program
    assert main(["profile", name, "--runs", "3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["calls"] == 3
    assert main(["profile", name, "--runs", "3"]) == 0
    assert "the median of 3" in capsys.readouterr().out
    assert main(["profile", name, "--runs", "0"]) == 2


def test_command_of_the_text_of_a_graph(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "twice.gir"
    path.write_text(
        "graph @twice(%x: f32[3], param %w: f32[3]) -> (%y: f32[3]) {\n"
        "  %y = mul %x, %w : f32[3]\n}\n"
    )
    assert main(["profile", str(path), "--runs", "2"]) == 0
    assert capsys.readouterr().out.startswith("twice: ")
