"""The examples of programs that learn: built as their pages say, and run."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphc.cli import main
from tests.graphc.exporting import STRICT, c_compiler, cpp_compiler, run

EXAMPLES = Path(__file__).parents[2] / "examples"


def build(example: str, entries: tuple[str, ...], name: str, folder: Path, *options: str) -> None:
    model = EXAMPLES / example
    programs = [f"{model}:{entry}" for entry in entries]
    assert main(["build", *programs, "-o", str(folder), "--name", name, *options]) == 0


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def alike(printed: str, page: str) -> bool:
    """Whether the words are the same, and numbers nearly: processors differ in rounding."""
    number = r"\d+(?:\.\d+)?"
    values = [[float(each) for each in re.findall(number, text)] for text in (printed, page)]
    same_words = re.sub(number, "", printed) == re.sub(number, "", page)
    return same_words and values[0] == pytest.approx(values[1], rel=0.1)


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Runs commands in a folder, with graphc and Python as after an installation."""
    tools = tmp_path / "bin"
    tools.mkdir()
    python = f'exec "{sys.executable}"'
    for name, command in {
        "python": f'{python} "$@"',
        "graphc": f'{python} -m graphc "$@"',
        "pip": "",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{command}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tools), os.environ["PATH"]]))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return lambda commands: run(["sh", "-e", "-c", commands], tmp_path)


@pytest.fixture
def digits_in_c(tmp_path: Path) -> Path:
    """The page of the example, whose files are in the folder of the shell."""
    shutil.copytree(EXAMPLES / "embed_c", tmp_path, dirs_exist_ok=True)
    return EXAMPLES / "embed_c" / "README.md"


def test_a_c_program_learns_digits(
    digits_in_c: Path, shell: Callable[[str], str], tmp_path: Path
) -> None:
    """As its page says, which has what it prints."""
    (commands,) = blocks(digits_in_c, "sh")
    first, second = blocks(digits_in_c, "text")
    printed = shell(commands)
    assert alike(printed[printed.index("epoch") :], first)
    *_, program = commands.splitlines()
    assert alike(shell(program), second)
    assert not (tmp_path / "digits.state.new").exists()
    as_cpp = re.search(r"`(c\+\+ .*)`", digits_in_c.read_text())
    assert as_cpp
    assert alike(shell(f"rm digits; {as_cpp[1]}; ./digits digits.bin"), first)


def test_a_c_program_refuses_other_files(
    digits_in_c: Path, shell: Callable[[str], str], tmp_path: Path
) -> None:
    *commands, program = blocks(digits_in_c, "sh")[0].splitlines()
    shell("\n".join(commands))
    size = re.search(r"state_bytes \(\(size_t\)(\d+)", (tmp_path / "build/digits.h").read_text())
    assert size
    for content, reason in [
        (b"", "is not a state of this model"),
        (bytes(int(size[1]) - 1), "is not a state of this model"),
        (bytes(int(size[1]) + 1), "is not a state of this model"),
        (bytes(int(size[1])), "not initialized, or is that of another model"),
    ]:
        (tmp_path / "digits.state").write_bytes(content)
        assert reason in shell(f"{program} 2>&1 && exit 1 || exit 0")
        assert (tmp_path / "digits.state").read_bytes() == content
    digits = (tmp_path / "digits.bin").read_bytes()
    for content, reason in [
        (digits[: 1437 * 65], "too few digits"),
        (digits[:-1] + b"\x0a", "a label that is no digit"),
    ]:
        (tmp_path / "digits.bin").write_bytes(content)
        assert reason in shell(f"{program} 2>&1 && exit 1 || exit 0")


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_c_program_has_no_warnings(language: str, tmp_path: Path, capsys: Any) -> None:
    build("embed_c/digits_model.py", ("train", "recognise"), "digits", tmp_path / "build")
    compilers = {"c": [c_compiler(), "-std=c99"], "c++": [cpp_compiler(), "-std=c++11"]}
    source = str(EXAMPLES / "embed_c" / "digits.c")
    options = ["-Wconversion", "-Wshadow", "-Ibuild", "-fsyntax-only", "-x", language, source]
    run([*compilers[language], *STRICT[1:], *options], tmp_path)


def test_the_digits_step_is_small(tmp_path: Path, capsys: Any) -> None:
    """At most 64 KiB of code for the baseline of x86-64."""
    options = ["--target", "x86_64-unknown-linux-gnu", "--report"]
    build("embed_c/digits_model.py", ("train",), "digits", tmp_path / "build", *options)
    code = re.search(r"code +(\d+)", capsys.readouterr().out)
    assert code
    assert 0 < int(code[1]) <= 64 << 10


@pytest.mark.parametrize("cpu", ["cortex-m4", "cortex-m33", "cortex-m7"])
def test_a_microcontroller_has_enough_memory(cpu: str, tmp_path: Path, capsys: Any) -> None:
    options = ["--target", "thumbv7em-none-eabihf", "--cpu", cpu]
    build(
        "microcontroller/gestures.py", ("learn", "classify"), "gestures", tmp_path / "b", *options
    )
    sizes = {
        name: int(size)
        for name, size in re.findall(
            r"#define gestures_(\w+)_bytes \(\(size_t\)(\d+)\)",
            (tmp_path / "b" / "gestures.h").read_text(),
        )
    }
    assert sizes["state"] + sizes["workspace"] <= 64 << 10
    assert run(["nm", "-u", "gestures.o"], tmp_path / "b") == ""
