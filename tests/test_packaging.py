"""The package as pyproject.toml describes it, and as a bare checkout and an installation find it.

That pip builds and installs it is checked where there are fresh environments, in `.ci/run`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import graphc
from tests.rooms import ROOMS, ROOT, sources

SETTINGS: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = SETTINGS["project"]
SETUPTOOLS: dict[str, Any] = SETTINGS["tool"]["setuptools"]

PROGRAM = """
import sys
import numpy as np
import graphc as gc
import graphc.ir.graph, graphc.codegen.pipeline, graphc.runtime.executable
x = gc.input("x", 3)
assert gc.compile([x], x.sum())(np.ones(3, "float32")) == 3
assert not {"ir", "codegen", "runtime"} & sys.modules.keys()
for room in ("", ".ir", ".codegen", ".runtime"):
    print(sys.modules[f"graphc{room}"].__file__)
"""


def homes(import_from: Path, working: Path) -> list[Path]:
    """The folders that graphc, ir, codegen and runtime come from, in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        cwd=working,
        env={**os.environ, "PYTHONPATH": str(import_from)},
    )
    return [Path(file).parent for file in result.stdout.splitlines()]


def test_a_bare_checkout_works_from_its_root_and_from_elsewhere(tmp_path: Path) -> None:
    expected = [ROOT / room for room in ROOMS]
    assert homes(Path(), ROOT) == expected
    assert homes(ROOT, tmp_path) == expected


def test_installed_folders_lie_inside_the_package(tmp_path: Path) -> None:
    """With the folders where pip puts them, each is found there; the user's own are not touched."""
    ignored = shutil.ignore_patterns("__pycache__")
    installed, user = tmp_path / "site-packages", tmp_path / "user"
    for room, package in ROOMS.items():
        shutil.copytree(ROOT / room, installed.joinpath(*package.split(".")), ignore=ignored)
    user.mkdir()
    for room in ("ir", "codegen", "runtime"):
        (user / f"{room}.py").write_text("raise AssertionError('a file of the user')\n")
    expected = [installed.joinpath(*package.split(".")) for package in ROOMS.values()]
    assert homes(installed, user) == expected


def test_the_mapping_names_the_rooms() -> None:
    assert SETUPTOOLS["package-dir"] == {package: room for room, package in ROOMS.items()}


def test_every_folder_of_modules_is_a_package() -> None:
    """Else setup.py would not find it."""
    for folder in {path.parent for path in sources()}:
        assert (ROOT / folder / "__init__.py").exists(), folder


def test_every_data_file_is_installed() -> None:
    patterns = {ROOMS["graphc"]: [], **SETUPTOOLS["package-data"]}
    for room, package in ROOMS.items():
        for path in (ROOT / room).rglob("*"):
            if path.is_dir() or path.suffix == ".py" or "__pycache__" in path.parts:
                continue
            parts = path.parent.relative_to(ROOT / room).parts
            owner = ".".join([package, *parts])
            assert any(fnmatch(path.name, each) for each in patterns.get(owner, [])), path


def test_one_version() -> None:
    assert graphc.__version__ == PROJECT["version"]


def test_the_command_is_there() -> None:
    for target in PROJECT["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))


def test_extras_refer_to_extras() -> None:
    extras = PROJECT["optional-dependencies"]
    for requirement in (each for extra in extras.values() for each in extra):
        match = re.fullmatch(r"graphc\[(.*)\]", requirement)
        assert set(match[1].split(",") if match else ()) <= extras.keys()


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"])
def test_what_a_newcomer_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


def test_changes_are_noted() -> None:
    assert "## Unreleased" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_checks_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
