"""The catalogue of errors: complete, and true of what the programs in it do."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import graphc as gc
from graphc.catalogue import ENTRIES, Entry, page, raised
from tests.rooms import ROOT, sources

PAGE = ROOT / "docs" / "errors.md"

INTERNAL = ("GC050", "GC119")
"""Defects of graphc: what they mean says so."""

every_entry = pytest.mark.parametrize("entry", ENTRIES.values(), ids=list(ENTRIES))


def classes_with_a_code(path: Path) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = set()
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.ClassDef)):
        values = [each.value for each in node.body if isinstance(each, ast.Assign | ast.AnnAssign)]
        constants = [each.value for each in values if isinstance(each, ast.Constant)]
        if any(isinstance(value, str) and value.startswith("GC") for value in constants):
            found.add(node.name)
    return found


def test_every_class_with_a_code_has_an_entry() -> None:
    found = set().union(*(classes_with_a_code(path) for path in sources()))
    assert found == {entry.error.__name__ for entry in ENTRIES.values()}


def test_codes_and_titles_are_unique() -> None:
    coded = [name for name in gc.errors.__all__ if hasattr(getattr(gc.errors, name), "code")]
    assert len(ENTRIES) == len(coded) == len({entry.title for entry in ENTRIES.values()})


@every_entry
def test_an_entry_says_what_it_means_and_how_to_get_it(entry: Entry) -> None:
    assert entry.meaning.endswith(".")
    assert bool(entry.example) == bool(entry.fix)
    if entry.code in INTERNAL:
        assert "a defect in" in entry.meaning
        assert "please report" in entry.meaning
    elif not entry.example:
        assert "never raised itself" in entry.meaning or "To see it takes two" in entry.meaning


@every_entry
def test_an_example_raises_its_class_and_nothing_else(entry: Entry) -> None:
    if entry.example:
        name = f"{entry.error.__module__}.{entry.error.__name__}: {entry.code} {entry.title}: "
        assert raised(entry).startswith(name)


def test_the_page_is_printed_from_the_classes(bless: bool) -> None:
    """`tests/test_docs.py` runs it, and its fixes with it."""
    printed = page()
    if bless:
        PAGE.write_text(printed, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == printed, (
        "if the classes are right: pytest tests/graphc/test_catalogue.py --bless"
    )
