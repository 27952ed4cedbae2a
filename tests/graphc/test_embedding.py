"""The examples of programs that learn: built as their pages say, and run."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

from graphc.cli import main
from tests.graphc.exporting import c_compiler, run

EXAMPLES = Path(__file__).parents[2] / "examples"


def build(example: str, entries: tuple[str, ...], name: str, folder: Path, *options: str) -> None:
    model = EXAMPLES / example
    programs = [f"{model}:{entry}" for entry in entries]
    assert main(["build", *programs, "-o", str(folder), "--name", name, *options]) == 0


@pytest.mark.parametrize("language", ["c", "c++"])
def test_a_c_program_learns_digits(language: str, tmp_path: Path, capsys: Any) -> None:
    build("embed_c/digits_model.py", ("train", "recognise"), "digits", tmp_path / "build")
    source = EXAMPLES / "embed_c"
    runpy.run_path(str(source / "digits_model.py"))["write_digits"](tmp_path / "digits.bin")
    compiler = [c_compiler(), "-std=c99", "-pedantic"]
    if language == "c++":
        found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
        assert found, "this test needs a C++ compiler"
        compiler = [found]
    inputs: list[str | Path] = ["-x", language, source / "digits.c", "-x", "none", "build/digits.o"]
    flags = ["-O1", "-Wall", "-Wextra", "-Werror", "-Ibuild"]
    run([*compiler, *flags, *inputs, "-o", "digits"], tmp_path)
    printed = run([tmp_path / "digits", "digits.bin"], tmp_path)
    found_right = re.search(r"reads ([\d.]+)% of 360 unseen digits", printed)
    assert found_right
    assert float(found_right[1]) > 88


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
