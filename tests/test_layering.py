"""Who may import whom, and that no module but the op records keeps a list of ops.

The rules are those of docs/layout.md. They are read off the source, so a module that nothing
imports is held to them as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import get_args

import pytest

from graphc.ir.ops import OPS
from graphc.ir.scalar import Comparison
from tests.rooms import ROOMS, ROOT, module_name, sources

MAY_IMPORT = {
    "ir": ("numpy", "networkx", "graphc.ir"),
    "codegen": (
        "numpy",
        "llvmlite.binding",
        "graphc.ir",
        "graphc.runtime.artifact",
        "graphc.runtime.library_manifest",
        "graphc.runtime.instruction_sets",
        "graphc.runtime.platforms",
        "graphc.codegen",
    ),
    "runtime": ("numpy", "llvmlite.binding", "graphc.runtime"),
    "graphc": ("numpy", "tqdm", "graphc"),
}
"""What each room may import beside the standard library. graphc/ loads matplotlib on demand, and
graphc/bench/ the frameworks that it measures."""

MEASURES_THE_MACHINE = "graphc/limits.py"
"""The one module of graphc/ that loads native code of its own making."""

READS_NETWORKX = ("ir/dot.py", "ir/passes/minimum_cut.py")
"""The modules that import NetworkX; they are loaded when a graph is drawn or cut."""

READS_ML_DTYPES = "ir/types.py"
"""The one module of ir/ that resolves a name of another package, which it does not import."""

RULE_MODULES = (
    "ir/passes/simplify.py",
    "ir/passes/stabilize.py",
    "ir/passes/layout_rules.py",
)
"""Rewrite rules are patterns of ops: naming ops is what they are for."""

MOST_LINES, MOST_BODY_LINES = 400, 40
"""Lines of a file, and lines of a function without its signature and docstring."""

OP_NAMES = OPS.keys() - get_args(Comparison)
"""Names that say an op. Comparisons are words of the scalar language, too."""


@dataclass(frozen=True)
class Module:
    """A source file and what the rules ask about it."""

    path: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.path).read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def room(self) -> str:
        return self.path.split("/", maxsplit=1)[0]

    def imports(self) -> Iterator[tuple[str, int]]:
        """Each imported module with the line; of `from a import b` also `a.b`, if it is one."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = "." * node.level + (node.module or "")
                modules = [f"{origin}.{alias.name}" for alias in node.names]
                modules = [name for name in modules if name in KNOWN] or [origin]
                yield from ((name, node.lineno) for name in modules)


MODULES = [Module(path.as_posix()) for path in sources()]
KNOWN = {module_name(Path(module.path)) for module in MODULES}

every_module = pytest.mark.parametrize("module", MODULES, ids=[each.path for each in MODULES])


def is_within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_every_room_is_there() -> None:
    assert {module.room for module in MODULES} == set(ROOMS) == set(MAY_IMPORT)
    assert len(MODULES) > 100


@every_module
def test_imports_stay_within_what_the_room_may_know(module: Module) -> None:
    for name, line in module.imports():
        assert not name.startswith("."), f"{module.path}:{line} must import absolutely"
        if name.split(".")[0] not in sys.stdlib_module_names:
            allowed = MAY_IMPORT[module.room]
            if module.path == MEASURES_THE_MACHINE:
                allowed += ("llvmlite.binding",)
            assert is_within(name, allowed), (
                f"{module.path}:{line} imports {name}; {module.room}/ may import {allowed}"
            )


@every_module
def test_networkx_is_imported_where_graphs_are_drawn_or_cut_only(module: Module) -> None:
    imported = {name for name, _ in module.imports()}
    assert ("networkx" in imported) == (module.path in READS_NETWORKX)


@every_module
def test_packages_are_found_by_name_where_dtypes_are(module: Module) -> None:
    """`pkgutil.resolve_name` brings in ml_dtypes, when an array of bfloat16 is made."""
    if module.room == "ir":
        imported = {name for name, _ in module.imports()}
        assert ("pkgutil" in imported) == (module.path == READS_ML_DTYPES)


@every_module
def test_modules_of_ir_say_at_their_head_what_they_import(module: Module) -> None:
    if module.room == "ir":
        assert not is_within("importlib", tuple(name for name, _ in module.imports()))
        functions = [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef)]
        inner = [node for function in functions for node in ast.walk(function)]
        assert not [n.lineno for n in inner if isinstance(n, ast.Import | ast.ImportFrom)]


def op_names_in(nodes: list[ast.expr | None]) -> set[str]:
    values = {node.value for node in nodes if isinstance(node, ast.Constant)}
    return {value for value in values if isinstance(value, str) and value in OP_NAMES}


def lists_of_ops(tree: ast.Module) -> Iterator[tuple[int, set[str]]]:
    """Collections and `match` statements that name three ops or more, with their line.

    What a module exports (`__all__`) is no list of ops.
    """
    exported = {
        id(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    }
    for node in ast.walk(tree):
        names: set[str] = set()
        if isinstance(node, ast.Dict):
            names = op_names_in(node.keys)
        elif isinstance(node, ast.Set | ast.List | ast.Tuple):
            names = op_names_in([*node.elts])
        elif isinstance(node, ast.Match):
            values = [part for case in node.cases for part in ast.walk(case.pattern)]
            names = op_names_in([n.value for n in values if isinstance(n, ast.MatchValue)])
        if len(names) >= 3 and id(node) not in exported:
            yield getattr(node, "lineno", 0), names


def comparisons_with_ops(tree: ast.Module) -> Iterator[tuple[int, set[str]]]:
    """Comparisons of something's `op.name` with the name of an op, with their line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and "op.name" in ast.unparse(node):
            inner = [part for part in ast.walk(node) if isinstance(part, ast.Constant)]
            if names := op_names_in([*inner]):
                yield node.lineno, names


@every_module
def test_only_records_know_the_ops_by_name(module: Module) -> None:
    if module.path.startswith("ir/ops/") or module.path in RULE_MODULES:
        return
    found = [*lists_of_ops(module.tree), *comparisons_with_ops(module.tree)]
    assert not found, f"{module.path} must read this from the op records: {found}"


@pytest.mark.parametrize(
    "code",
    [
        "COST = {'exp': 10, 'log': 10, 'tanh': 12}",
        "LINEAR = {'add', 'sub', 'neg'}",
        "LINEAR = frozenset(['add', 'sub', 'neg'])",
        "match name:\n    case 'add' | 'sub':\n        pass\n    case 'exp':\n        pass",
        "if node.op.name == 'tanh':\n    pass",
        "if node.op.name in ('exp', 'log'):\n    pass",
    ],
)
def test_a_shadow_registry_is_found(code: str) -> None:
    tree = ast.parse(code)
    assert [*lists_of_ops(tree), *comparisons_with_ops(tree)]


@every_module
def test_files_and_functions_are_short(module: Module) -> None:
    lines = len(module.text.splitlines())
    assert lines <= MOST_LINES, f"{module.path} has {lines} lines"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= MOST_BODY_LINES, f"{module.path}:{node.lineno} {node.name}: {length}"
