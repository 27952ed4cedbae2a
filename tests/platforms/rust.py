"""The example in Rust: cargo builds it with nothing from the network, tests it and runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.graphc.exporting import run, tool

EXAMPLE = Path(__file__).parents[2] / "examples" / "embed_rust"


@pytest.fixture
def crate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example, with what cargo must know of this process."""
    kept_out = shutil.ignore_patterns("target", "build", "Cargo.lock")
    shutil.copytree(EXAMPLE, tmp_path / "a crate", ignore=kept_out)
    monkeypatch.setenv("PYTHON", sys.executable)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("RUSTFLAGS", "-D warnings")
    return tmp_path / "a crate"


def test_the_program_learns(crate: Path) -> None:
    cargo = [tool("cargo"), "--offline", "--quiet"]
    assert "test result: ok. 4 passed" in run([*cargo, "test"], crate)
    printed = run([*cargo, "run"], crate)
    assert printed in (EXAMPLE / "README.md").read_text()
    assert "tells 64 of 64" in printed


def test_a_library_that_is_there_is_taken(crate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is checked for being there, too."""
    folder = crate / "build"
    programs = ["spirals.py:train", "spirals.py:predict"]
    command = [sys.executable, "-m", "graphc", "build", *programs, "--name", "spirals"]
    run([*command, "-o", folder], crate)
    monkeypatch.setenv("PYTHON", "/there/is/none")
    cargo = [tool("cargo"), "--offline", "--quiet", "build"]
    refused = subprocess.run(cargo, cwd=crate, capture_output=True, text=True, check=False)
    assert refused.returncode
    assert "/there/is/none cannot be run" in refused.stderr
    monkeypatch.setenv("SPIRALS_LIBRARY", str(folder))
    run(cargo, crate)
