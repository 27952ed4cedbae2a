"""What importing graphc loads, and what it offers."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import graphc as gc

ROOT = Path(gc.__file__).parents[1]


def loaded_after(statements: str) -> set[str]:
    """The modules loaded in a fresh interpreter after some statements."""
    code = f"{statements}\nimport sys\nprint(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(result.stdout.split())


def test_import_loads_neither_llvm_nor_networkx() -> None:
    assert not {"llvmlite", "networkx", "matplotlib", "tqdm"} & loaded_after("import graphc")


def test_declaring_and_differentiating_load_neither() -> None:
    loaded = loaded_after(
        "import graphc as gc\n"
        "x = gc.input('x', 3)\n"
        "g = gc.grad(gc.nn.softmax_cross_entropy(x, gc.const(1)), x)\n"
        "gc.build_graph([x], g)"
    )
    assert not {"llvmlite", "networkx"} & loaded


def test_every_public_name_is_there() -> None:
    for name in gc.__all__:
        assert getattr(gc, name) is not None


def test_every_module_can_be_imported_alone() -> None:
    names = [
        module.name
        for module in pkgutil.walk_packages([str(Path(gc.__file__).parent)], "graphc.")
        if not module.name.endswith("__main__")
    ]
    assert len(names) > 30
    for name in names:
        importlib.import_module(name)


def test_module_imported_first_works() -> None:
    loaded_after("from graphc.tensor import Tensor\nimport graphc as gc\ngc.input('x', 3) + 1")
    loaded_after("import graphc.compilation\nimport graphc as gc\ngc.compile([], gc.const(1.0))()")


def test_every_error_class_is_in_errors() -> None:
    def family(kind: type[Any]) -> set[type[Any]]:
        return {kind}.union(*(family(child) for child in kind.__subclasses__()))

    for kind in family(gc.errors.GraphError) | family(gc.errors.CodedError):
        if kind.__module__.startswith("graphc."):
            assert getattr(gc.errors, kind.__name__, None) is kind
