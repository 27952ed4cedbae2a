"""The benchmark beside its rows: agreement, turns, targets, reports, processes, the command."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc import limits
from graphc.bench import measure, plot, report, run
from graphc.bench.frameworks import FRAMEWORKS, environment
from graphc.bench.result import Outcome, Result
from graphc.bench.target import (
    Figures,
    OfLimit,
    Speedup,
    Target,
    TimesPeer,
    Within,
    Workspace,
    of_torch,
)
from graphc.bench.timing import Effort, Times, in_turns
from graphc.bench.worker import Request
from graphc.cli import main

MLP = "784-512-512-10, batch 256"
NEURON = "sigmoid(w . x), 3 inputs"


def times(seconds: float) -> Times:
    return Times(seconds, 0.9 * seconds, 0.5 * seconds, 0.4 * seconds)


def result(**outcomes: Outcome) -> Result:
    sizes = {"batch": 256, "inputs": 784, "hidden": 512, "layers": 2, "classes": 10}
    return Result("mlp", MLP, sizes, 2, dict(outcomes), limit=2e11)


MEASURED = result(
    graphc=Outcome(times(8e-3), 4_225_792),
    jax=Outcome(times(10e-3), 3_177_832),
    torch=Outcome(failure="not installed: No module named 'torch'"),
)


@pytest.mark.parametrize(
    ("target", "value", "met", "shown"),
    [
        (TimesPeer(0.75, ("jax",)), 0.8, False, "0.80 (<= 0.75) x jax"),
        (TimesPeer(0.75, ("torch", "jax")), 0.8, False, "0.80 (<= 0.75) x torch"),
        (of_torch(0.4), None, None, "(<= 0.4) x torch"),
        (Speedup(1.2, "jax"), 1.25, True, "1.25 (>= 1.2) times as fast as jax"),
        (OfLimit(0.85), 0.9, True, "90% (>= 85%) of the limit"),
        (Within(4e-6), 4e-6, True, "4 (<= 4) us"),
        (Workspace(), 0.5, True, "0.50 (<= 1) x workspace of jax"),
    ],
)
def test_targets(target: Target, value: float | None, met: bool | None, shown: str) -> None:
    figures = Figures({"graphc": 8e-3, "jax": 10e-3}, {"graphc": 50, "jax": 100}, 2000, 0.9)
    found = target.value(figures)
    assert found == (None if value is None else pytest.approx(value))
    assert found is None or target.met(found) == met
    assert target.show(found) == shown


def test_text_and_markdown_show_the_same() -> None:
    text, table = report.text([MEASURED]), report.markdown([MEASURED], ["- a machine"])
    for part in ("8 ms", "0.80 (<= 0.75) x jax", "graphc 4.23 MB; jax 3.18 MB", "10 ms"):
        assert part in text
        assert part in table
    assert "0.80 (<= 0.75) x jax: missed" in text
    assert "(<= 0.4) x torch: not judged" in text
    assert "| no, -, no, no |" in table
    assert "- peak, 2 threads: 200 GFLOP/s" in table
    assert "- targets: 0 met, 3 missed, 1 not judged" in table
    assert f"- missed: mlp, {MLP}: 0.80 (<= 0.75) x jax" in table
    assert table.startswith("- a machine\n\n### Training step of an MLP")
    assert "did not run: torch: not installed: No module named 'torch'" in table
    assert "| jax 10 ms |" in table
    assert {line.count(" | ") for line in table.splitlines() if line.startswith("|")} == {7}


def test_changed_sizes_and_clock_are_seen() -> None:
    changed = Result(**{**vars(MEASURED), "threads": 1, "clock": "processor"})
    changed.sizes = {**MEASURED.sizes, "hidden": 100}
    assert f"{MLP} (hidden = 100, threads = 1)" in report.markdown([changed])
    assert "4 ms" in report.markdown([changed])


def test_json_gives_the_result_back() -> None:
    assert Result.from_json(json.loads(json.dumps(MEASURED.as_json()))) == MEASURED


def test_picture(tmp_path: Path) -> None:
    plot.draw([MEASURED], str(tmp_path / "ratios.png"))
    assert (tmp_path / "ratios.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"loss": np.array([1.0, 2.5])}, "off by 2.5e-01"),
        ({"loss": np.array([1.0, np.nan])}, "off by nan"),
        ({"loss": np.array([1.0])}, "has shape"),
        ({"loss": np.array([1.0, 2.0]), "w": np.zeros(1)}, "computes loss, w"),
    ],
)
def test_disagreement_is_named(found: dict[str, Any], message: str) -> None:
    expected = {"loss": np.array([1.0, 2.0])}
    measure.check({"loss": np.array([1.0, 2.0001])}, expected, 1e-3)
    with pytest.raises(ValueError, match=message):
        measure.check(found, expected, 1e-3)


def test_programs_take_turns() -> None:
    calls: list[str] = []
    programs = {name: lambda name=name: calls.append(name) for name in ("one", "two")}
    found = in_turns(programs, Effort(budget=10, run=1e-5, rounds=5))
    assert found.keys() == programs.keys()
    assert all(0 < each.best <= each.median for each in found.values())
    changes = [after for before, after in pairwise(calls) if before != after]
    assert len(changes) >= 2 * 5 - 1


@pytest.mark.parametrize("kind", ["peak", "peak of f64", "read bandwidth", "bandwidth"])
def test_limits_run(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MEMORY_BYTES", 1 << 14)
    for limit in limits.limits(kind, threads=2):
        assert limit.amount > 0
        limit.run()


def test_threads_are_set_before_libraries_load() -> None:
    assert environment(1)["OMP_NUM_THREADS"] == environment(1)["GRAPHC_THREADS"] == "1"
    assert environment(2)["NPROC"] == "2"
    assert not environment(2)["PYTHONDONTWRITEBYTECODE"]


def test_one_row_in_a_process_of_its_own() -> None:
    request = Request(
        "calls", ["sigmoid(w . x), 3 inputs"], quick=True, only=[], sizes={"inputs": 5}
    )
    (found,) = run.results(request)
    assert found.sizes == {"inputs": 5}
    assert found.outcomes["graphc"].times is not None
    assert found.outcomes.keys() == {"graphc"}


def test_a_process_that_dies_costs_one_case(monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(request: Request, threads: int) -> Any:
        line = json.dumps(result(graphc=Outcome(times(1))).as_json())
        program = f"print({line!r}); raise SystemExit(3)"
        return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)

    monkeypatch.setattr(run, "_start", dying)
    cases = ["784-128-10, batch 128", MLP, "4-16-3, batch 32"]
    first, second, third = run.results(Request("mlp", cases))
    assert first.outcomes["graphc"].times == third.outcomes["graphc"].times == times(1)
    assert second.case == MLP
    assert second.outcomes["graphc"].failure == "the process ended with 3"


def test_peers_are_left_out_where_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FRAMEWORKS["pytensor"], "MODULE", "no_such_module")
    (case,) = Request("calls", [NEURON]).chosen()
    names, failures = measure.installed(case, ["pytensor"])
    assert names == ["graphc"]
    assert failures["pytensor"].startswith("not installed")


def test_command_lists_rows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "mlp,calls", "--list"]) == 0
    listed = capsys.readouterr().out
    assert (
        f"  {MLP}  [batch=256 inputs=784 hidden=512 layers=2 classes=10]  (<= 0.75) x jax" in listed
    )
    assert "sigmoid" in listed
    assert "LeNet" not in listed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mpl"], "there is no row 'mpl'; did you mean 'mlp'?"),
        (["calls", "--only", "jaxx"], "there is no framework 'jaxx'; did you mean 'jax'?"),
        (["calls", "--set", "inputs=many"], "--set takes NAME=NUMBER, got 'inputs=many'"),
    ],
)
def test_command_refuses(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_command_writes_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {name: str(tmp_path / name) for name in ("x.json", "x.md", "x.png")}
    arguments = ["calls", "--quick", "--only", "numpy", "--set", "inputs=4"]
    written = ["--json", files["x.json"], "--markdown", files["x.md"], "--plot", files["x.png"]]
    assert main(["bench", *arguments, *written]) == 0
    found = json.loads(Path(files["x.json"]).read_text())
    assert [each["sizes"] for each in found["results"]] == [{"inputs": 4}]
    assert Path(files["x.md"]).read_text() == capsys.readouterr().out
    assert Path(files["x.png"]).stat().st_size > 0


def test_the_script_of_a_checkout_is_the_command(tmp_path: Path, capsys: Any) -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "run.py"
    command = [sys.executable, str(script), "mlp", "--list"]
    listed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert main(["bench", "mlp", "--list"]) == 0
    assert listed.stdout == capsys.readouterr().out
