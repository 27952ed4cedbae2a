"""The command: what it prints where, and how it refuses."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.cli import main
from graphc.demo import program as demonstration
from graphc.demo.numpy_step import NumpyStep
from graphc.ir.op import Family
from graphc.ir.ops import OPS
from graphc.ir.parser import parse_graph
from graphc.ir.printer import print_graph
from graphc.stages import GRAPH_STAGES, STAGES

ROOT = Path(__file__).parents[2]

PROGRAM = """
import numpy as np
import graphc as gc
print("a line of the program")
x = gc.input("x", (3, 4))
w = gc.param("w", np.ones((4, 2), "float32"))
h = gc.tanh(x @ w)
loss = h.sum()
train = gc.compile([x], loss, {w: w - gc.grad(loss, w)})
if __name__ == "__main__":
    raise SystemExit("must not run")
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "mlp.py"
    path.write_text(PROGRAM)
    return path


def failure(capsys: Any, *arguments: str) -> str:
    """What a refused command says; it says nothing on stdout and shows no traceback."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "graphc/cli" not in captured.err
    return str(captured.err)


@pytest.mark.parametrize("stage", STAGES)
def test_dump_writes_the_stage_to_stdout_and_all_else_to_stderr(
    stage: str, program: Path, capsys: Any
) -> None:
    assert main(["dump", str(program), "--stage", stage]) == 0
    captured = capsys.readouterr()
    assert captured.out.strip()
    assert "a line of the program" not in captured.out
    assert "a line of the program" in captured.err
    assert str(program.parent) not in sys.path


def test_dumped_graph_shows_names_and_lines_and_parses_back(program: Path, capsys: Any) -> None:
    main(["dump", f"{program}:train", "--stage", "graph"])
    text = capsys.readouterr().out
    assert re.search(r"%h += tanh %0 +: f32\[3,2\] +# mlp\.py:7", text)
    assert print_graph(parse_graph(text)) == text


def test_dump_of_dumped_text(program: Path, tmp_path: Path, capsys: Any) -> None:
    main(["dump", str(program), "--stage", "adjoint"])
    file = tmp_path / "x.gir"
    file.write_text(capsys.readouterr().out)
    for stage in ("adjoint", "fused", "asm"):
        main(["dump", str(program), "--stage", stage])
        wanted = capsys.readouterr().out
        main(["dump", str(file), "--stage", stage])
        assert capsys.readouterr().out == wanted


def test_dump_all(program: Path, capsys: Any) -> None:
    main(["dump", str(program), "--stage", "all"])
    text = capsys.readouterr().out
    assert [f"# {stage}: " in text for stage in STAGES] == [True] * len(STAGES)
    main(["dump", str(program), "--stage", "all", "--format", "json"])
    assert list(json.loads(capsys.readouterr().out)) == list(STAGES)


def test_dump_formats(program: Path, capsys: Any) -> None:
    main(["dump", str(program), "--format", "dot"])
    assert capsys.readouterr().out.startswith('digraph "train"')
    main(["dump", str(program), "--format", "json"])
    assert json.loads(capsys.readouterr().out)["graph"]["stage"] == "fused"
    assert "--format text" in failure(capsys, "dump", str(program), "--stage", "asm", *DOT)
    assert "one graph" in failure(capsys, "dump", str(program), "--stage", "all", *DOT)


DOT = ("--format", "dot")


def test_large_constants_travel_beside_the_text(tmp_path: Path, capsys: Any) -> None:
    program, arrays, text = (tmp_path / name for name in ("p.py", "p.npz", "p.gir"))
    program.write_text(
        "import graphc as gc, numpy as np\n"
        "step = gc.build_graph([], gc.const(np.arange(100.0)) * 2)\n"
    )
    main(["dump", str(program), "--stage", "adjoint", "--constants", str(arrays)])
    written = capsys.readouterr().out
    text.write_text(written)
    main(["dump", str(text), "--stage", "adjoint", "--constants", str(arrays)])
    assert capsys.readouterr().out == written
    assert "constant" in failure(capsys, "dump", str(text))
    assert "cannot read" in failure(capsys, "dump", str(text), "--constants", "missing.npz")
    assert "cannot read" in failure(capsys, "dump", str(text), "--constants", str(text))
    nowhere = str(tmp_path / "missing" / "arrays.npz")
    assert "cannot write" in failure(capsys, "dump", str(program), "--constants", nowhere)


@pytest.mark.parametrize("stage", GRAPH_STAGES)
def test_constants_that_the_passes_made_travel_too(stage: str, tmp_path: Path, capsys: Any) -> None:
    program, text, arrays = (tmp_path / name for name in ("p.py", "p.gir", "arrays.npz"))
    program.write_text(
        "import numpy as np\nimport graphc as gc\nx = gc.input('x', (20, 3))\n"
        "table = gc.const(np.arange(60).reshape(3, 20))\n"
        "step = gc.compile([x], (x + table.T).sum())\n"
    )
    main(["dump", str(program), "--stage", stage, "--constants", str(arrays)])
    written = capsys.readouterr().out
    text.write_text(written)
    main(["dump", str(text), "--stage", stage, "--constants", str(arrays)])
    assert capsys.readouterr().out == written


class TestRefusals:
    """Mistakes end with code 2, a message and no traceback of graphc's."""

    def test_stage(self, program: Path, capsys: Any) -> None:
        message = failure(capsys, "dump", str(program), "--stage", "fussed")
        assert "there is no stage 'fussed'; did you mean 'fused'?" in message

    def test_name(self, program: Path, capsys: Any) -> None:
        message = failure(capsys, "dump", f"{program}:trian")
        assert "no step or graph 'trian'; did you mean 'train'? It has: train." in message

    def test_file(self, program: Path, capsys: Any) -> None:
        assert "there is no file" in failure(capsys, "dump", "nowhere.py")
        missing = program.with_name("mpl.py")
        assert "did you mean" in failure(capsys, "dump", str(missing))
        other = program.with_name("notes.txt")
        other.write_text("")
        assert "neither" in failure(capsys, "dump", str(other))
        assert "cannot read" in failure(capsys, "dump", "nowhere.gir")

    def test_nothing_to_dump(self, program: Path, capsys: Any) -> None:
        program.write_text("x = 1")
        assert "makes no step" in failure(capsys, "dump", str(program))

    def test_several_to_dump(self, program: Path, capsys: Any) -> None:
        program.write_text(PROGRAM + "other = gc.build_graph([x], x + 1)\n")
        assert "choose one of" in failure(capsys, "dump", str(program))
        assert main(["dump", f"{program}:other", "--stage", "graph"]) == 0

    def test_program_that_fails(self, program: Path, capsys: Any) -> None:
        program.write_text("def f():\n    return 1 / 0\nf()\n")
        message = failure(capsys, "dump", str(program))
        assert "ZeroDivisionError" in message
        assert "line 2, in f" in message
        assert "runpy" not in message
        program.write_text("raise SystemExit(3)")
        assert "ended itself with code 3" in failure(capsys, "dump", str(program))
        program.write_text("def f(:")
        assert "SyntaxError" in failure(capsys, "dump", str(program))

    def test_malformed_text(self, tmp_path: Path, capsys: Any) -> None:
        file = tmp_path / "bad.gir"
        file.write_text("graph @f(%x: f32[3]) -> (%y: f32[3]) {\n  %y = tahn %x : f32[3]\n}\n")
        message = failure(capsys, "dump", str(file))
        assert "bad.gir" in message
        assert "tanh" in message

    def test_no_command(self, capsys: Any) -> None:
        with pytest.raises(SystemExit) as caught:
            main([])
        assert caught.value.code == 2
        assert "Traceback" not in capsys.readouterr().err


def test_example_is_the_demo_and_can_be_dumped(capsys: Any) -> None:
    assert main(["dump", str(ROOT / "examples" / "digits.py"), "--stage", "graph"]) == 0
    text = capsys.readouterr().out
    assert "%logits" in text
    assert main(["dump", "demo", "--stage", "graph"]) == 0
    renamed = capsys.readouterr().out

    def without_lines(listing: str) -> str:
        return re.sub(r" +# \w+\.py:\d+", "", listing)

    assert without_lines(text) == without_lines(renamed)


def test_demo_reaches_its_accuracy(tmp_path: Path, capsys: Any) -> None:
    plot = tmp_path / "loss.png"
    assert main(["demo", "--plot", str(plot)]) == 0
    captured = capsys.readouterr()
    accuracy = re.search(r"test accuracy +([\d.]+)%", captured.out)
    assert accuracy is not None
    assert float(accuracy[1]) >= 96
    assert "kernels" in captured.out
    assert "graphc dump" in captured.out
    assert "validation=" in captured.err
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_demo_refusals(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "at least 1" in failure(capsys, "demo", "--epochs", "0")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert 'pip install "graphc[plot]"' in failure(capsys, "demo", "--plot", "x.png")


def test_numpy_step_makes_the_same_updates() -> None:
    network = demonstration.declare(1, 1)
    by_hand = NumpyStep([each.value for each in network.params], demonstration.RATE)
    split = gc.datasets.held_out(*gc.datasets.digits())
    size = demonstration.BATCH
    for images, labels in gc.training.batches(*split[:2], size=size, seed=0):
        assert network.train(images, labels) == pytest.approx(by_hand(images, labels), rel=1e-3)
    for mine, theirs in zip(network.params, by_hand.params, strict=True):
        np.testing.assert_allclose(mine.value, theirs, atol=2e-3)


def test_explain_prints_an_entry(capsys: Any) -> None:
    for name in ("GC012", "gc012", "ShapeError"):
        assert main(["explain", name]) == 0
        text = capsys.readouterr().out
        assert text.startswith("GC012 shape mismatch\n")
        assert "w is f32[748,10] (inner size 748)" in text
        assert "Instead:" in text
    assert main(["explain", "GC012", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["class"] == "ShapeError"
    assert all(document[key] for key in ("title", "meaning", "example", "message", "fix"))


def test_explain_lists_the_codes(capsys: Any) -> None:
    assert main(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines == sorted(lines)
    assert main(["explain", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(lines) > 30


def test_explain_refusals(capsys: Any) -> None:
    message = failure(capsys, "explain", "GC123")
    assert "did you mean" in message
    assert "GC130  unusable artifact" in message
    assert "ShapeError" in failure(capsys, "explain", "ShapeErr")
    assert "`graphc explain` lists them" in failure(capsys, "explain", "?")


def test_ops_lists_every_record(capsys: Any) -> None:
    assert main(["ops"]) == 0
    text = capsys.readouterr().out
    heads = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert [head.split("(")[0] for head in heads] == sorted(OPS)
    assert main(["ops", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {op["name"]: op["doc"] for op in listed} == {op.name: op.doc for op in OPS.values()}


@pytest.mark.parametrize("name", OPS)
def test_ops_shows_one_with_an_example(name: str, capsys: Any) -> None:
    assert main(["ops", name]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{name}(")
    has_example = bool(OPS[name].operands) and OPS[name].family is not Family.ITEM
    assert ("graph @example(" in text) == has_example


def test_ops_knows_the_names_of_numpy(capsys: Any) -> None:
    assert main(["ops", "np.arctan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "atan"
    assert found["derivative"] == ["vjp", "jvp"]
    assert "did you mean 'tanh'" in failure(capsys, "ops", "tahnh")


def test_a_graph_given_at_a_later_stage_goes_on_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dump", "demo", "--stage", "fused"]) == 0
    fused = capsys.readouterr().out
    file = tmp_path / "fused.gir"
    file.write_text(fused)
    assert main(["dump", str(file), "--stage", "fused"]) == 0
    assert capsys.readouterr().out == fused
    assert main(["dump", str(file), "--stage", "all"]) == 0
    assert capsys.readouterr().out.startswith("# fused")
    assert main(["dump", str(file), "--stage", "simplified"]) == 2
    assert "given at stage 'fused'" in capsys.readouterr().err
