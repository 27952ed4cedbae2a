"""`graphc build`: what it writes and says, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.aot import export as export_module
from graphc.cli import main

PROGRAM = """
import numpy as np
import graphc as gc
x = gc.input("x", (4, 3))
w = gc.param(NAME, np.ones((3, 2), "float32"))
loss = gc.tanh(x @ w).sum()
train = gc.compile([x], loss, updates={w: w - 0.1 * gc.grad(loss, w)})
predict = gc.compile([x], x @ w)
graph = gc.build_graph([x], loss)
watched = gc.compile([x], loss, debug_nans=True)
@gc.jit
def traced(a):
    return a * 2
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.replace("NAME", "'w'"))
    return path


def test_the_command_builds_and_checks(program: Path, tmp_path: Path, capsys: Any) -> None:
    arguments = ["build", f"{program}:train", f"{program}:predict", "-o", str(tmp_path / "net")]
    assert main([*arguments, "--check", "--report"]) == 0
    shown = capsys.readouterr()
    assert "net.h" in shown.out
    assert "bytes of code" in shown.out
    assert "the same bytes" in shown.err
    assert main([*arguments, "--json", "--report"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["report"]["name"] == "net"
    assert gc.load(tmp_path / "net").predict(np.ones((4, 3), "float32")).shape == (4, 2)


def test_a_build_that_differs_is_found(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "program.py"
    random = 'np.random.default_rng().random((3, 2), "float32")'
    path.write_text(PROGRAM.replace("NAME", "'w'").replace('np.ones((3, 2), "float32")', random))
    arguments = ["build", f"{path}:train", "-o", str(tmp_path / "net"), "--check"]
    assert main(arguments) == 2
    assert "without a seed?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FILE:traced"], "'traced' in .* is no step but Jitted: declare the inputs"),
        (["FILE:w"], "'w' in .* is no step but Parameter"),
        (["FILE:graph"], "'graph' in .* is no step but Graph: compile it with gc.compile"),
        (["FILE:watched"], "watched was compiled with debug_nans=True"),
        (["FILE:nothing"], "has no step or graph 'nothing'. It has: train"),
        (["FILE:train", "OTHER:train"], "called 'train'; name one otherwise: train_2="),
        (["FILE:trian"], "did you mean 'train'"),
        (["a=FILE:trian"], "did you mean 'train'"),
        (["FILE"], "makes several: choose one"),
        (["none.py:x"], "there is no file"),
        (["FILE:train", "--cpu", "x86-64-v9"], "no processor 'x86-64-v9'"),
        (["FILE:train", "--target", "x86_46-linux"], "no target 'x86_46-linux'"),
        (["target=FILE:train"], "an entry cannot be named target"),
        (["3=FILE:train"], "there is no file 3="),
        (["FILE:train", "--features", "+avx3"], "no feature 'avx3'; did you mean avx"),
        (["FILE:train", "--cpu", "i386"], "is no target: "),
        (["FILE:train", "--target", "x86_64-unknown-linx-gnu"], "does not know 'linx'"),
    ],
)
def test_the_command_refuses(
    arguments: list[str],
    message: str,
    program: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "other.py"
    other.write_text(program.read_text())
    given = [each.replace("FILE", str(program)).replace("OTHER", str(other)) for each in arguments]
    options = ["--target", "x86_64-unknown-linux-gnu", "-o", str(tmp_path / "net")]
    assert main(["build", *options, *given]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert re.search(message, shown.err), shown.err
    assert not (tmp_path / "net").exists()


def test_steps_of_one_name_get_others(program: Path, tmp_path: Path, capsys: Any) -> None:
    other = tmp_path / "a=b.py"
    other.write_text(PROGRAM.replace("NAME", "'v'"))
    steps = [
        f"{program}:train",
        f"learn={other}:train",
        f"again={program}:train",
        f"{other}:predict",
    ]
    assert main(["build", *steps, "-o", str(tmp_path / "net"), "--check"]) == 0
    library = gc.load(tmp_path / "net")
    assert [entry._entry.name for entry in library] == ["train", "learn", "again", "predict"]
    assert set(library.state) == {"w", "v"}


def test_the_check_runs_where_the_build_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A program may read files of the folder that it is started in."""
    np.save(tmp_path / "weights.npy", np.ones((3, 2), "float32"))
    text = PROGRAM.replace("NAME", "'w'").replace(
        'np.ones((3, 2), "float32")', "np.load('weights.npy')"
    )
    (tmp_path / "program.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["build", "program.py:train", "-o", "net", "--check"]) == 0
    assert "the same bytes" in capsys.readouterr().err


def test_an_interrupt_ends_without_a_traceback(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export_module, "compiled_library", interrupted)
    assert main(["build", f"{program}:train", "-o", str(tmp_path / "net")]) == 130
    assert capsys.readouterr().err.strip().endswith("graphc build: interrupted")
    assert not (tmp_path / "net").exists()
