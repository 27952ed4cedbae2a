"""What cannot be exported: it is said by name, at once, and nothing is written or changed."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import graphc as gc
from graphc.aot import export as export_module
from graphc.runtime.errors import ArtifactError
from tests.graphc.exporting import Model


@pytest.fixture
def step() -> gc.Step:
    x, w = gc.input("x", 3), gc.param("w", np.ones(3, "float32"))
    return gc.compile([x], x + w, {w: w + x})


@pytest.fixture
def never_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*_: object) -> None:
        pytest.fail("it was compiled before it was refused")

    monkeypatch.setattr(export_module, "compiled_library", compiled)


def test_a_python_function(tmp_path: Path, never_compiled: None) -> None:
    """Also in the body of a loop, and of a loop in a branch."""
    x = gc.input("x", 3)

    def outside(value: gc.Tensor) -> Any:
        return gc.call(np.sinh, value, shape=3)

    def loop(value: gc.Tensor) -> Any:
        last, _ = gc.scan(lambda carry, _: (outside(carry), None), value, length=2)
        return last

    plain = gc.compile([x], outside(x))
    in_scan = gc.compile([x], loop(x))
    in_cond = gc.compile([x], gc.cond(x.sum() > 0, loop, lambda value: value, x))
    for entry in (plain, in_scan, in_cond):
        with pytest.raises(gc.errors.BoundaryError, match="learn calls sinh, which is in this"):
            gc.export(tmp_path / "net", learn=entry)
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "there is no step to export"),
        ({"f": gc.jit(lambda a: a)}, "f is a function of gc.jit, .*\n.*with gc.compile"),
        ({"f": 3}, "f is no compiled step but int"),
        ({"f": None}, "f is no compiled step but NoneType"),
        ({"f": gc.input("x", 3)}, "f is no compiled step but Tensor"),
        ({"a b": 3}, "an entry cannot be named 'a b'"),
        ({"": 3}, "an entry cannot be named ''"),
        ({"ü": 3}, "an entry cannot be named 'ü'"),
        ({3: 3}, "an entry cannot be named 3"),
        ([1], "steps to export need names, and list has none"),
        (7, "steps to export need names, and int has none"),
    ],
)
def test_what_is_no_step(entries: Any, message: str, tmp_path: Path, never_compiled: None) -> None:
    with pytest.raises(gc.errors.GraphError, match=message):
        gc.export(tmp_path / "net", entries)
    assert not (tmp_path / "net").exists()


def test_a_step_alone_has_no_name(step: gc.Step, tmp_path: Path, never_compiled: None) -> None:
    with pytest.raises(gc.errors.BoundaryError, match=r"Step has none\n.*as in train=step"):
        gc.export(tmp_path / "net", step)  # type: ignore[arg-type]


def test_a_step_that_watches(tmp_path: Path, never_compiled: None) -> None:
    x = gc.input("x", 3)
    watched = gc.compile([x], gc.log(x), debug_nans=True)
    with pytest.raises(gc.errors.BoundaryError, match="f was compiled with debug_nans=True"):
        gc.export(tmp_path / "net", f=watched)


def test_a_step_from_a_folder(step: gc.Step, tmp_path: Path, never_compiled: None) -> None:
    step.save(tmp_path / "saved")
    with pytest.raises(gc.errors.BoundaryError, match="no compiled step but Executable"):
        gc.export(tmp_path / "net", f=gc.load(tmp_path / "saved"))


@pytest.mark.parametrize("option", ["name", "target", "cpu", "features"])
def test_a_step_called_as_an_option(
    option: str, step: gc.Step, tmp_path: Path, never_compiled: None
) -> None:
    with pytest.raises(gc.errors.NameClashError, match=f"named {option}, .*\n.*{option}_step"):
        gc.export(tmp_path / "net", **{option: step})  # type: ignore[arg-type]
    with pytest.raises(gc.errors.BoundaryError, match=f"{option} must be a text, got int"):
        gc.export(tmp_path / "net", f=step, **{option: 3})  # type: ignore[arg-type]


def test_a_step_given_twice(step: gc.Step, tmp_path: Path, never_compiled: None) -> None:
    with pytest.raises(gc.errors.NameClashError, match="f is given twice"):
        gc.export(tmp_path / "net", {"f": step}, f=step)


def test_one_step_as_two_entries(step: gc.Step, tmp_path: Path) -> None:
    gc.export(tmp_path / "net", first=step, second=step)
    library = gc.load(tmp_path / "net")
    x = np.ones(3, "float32")
    assert_array_equal(library.first(x), [2, 2, 2])
    assert_array_equal(library.second(x), [3, 3, 3])


def test_two_parameters_of_one_name(tmp_path: Path) -> None:
    first, second = (gc.param("w", np.ones(3, "float32")) for _ in range(2))
    one, two = gc.compile([], first.sum()), gc.compile([], second.sum())
    with pytest.raises(gc.errors.NameClashError, match="two different parameters are named w"):
        gc.export(tmp_path / "net", one=one, two=two)


# Where it is written.


def test_files_of_others_are_left_alone(model: Model, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"such as 'mine.txt'\n.*force=True"):
        model.export(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
    model.export(tmp_path, force=True)
    assert not (tmp_path / "mine.txt").exists()
    gc.export(tmp_path, name="net", predict=model.predict)
    assert not (tmp_path / "train.gir").exists()


def test_the_package_for_parameters_is_missed_at_once(
    step: gc.Step, tmp_path: Path, never_compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ArtifactError, match=r'pip install "graphc\[export\]"'):
        gc.export(tmp_path / "net", f=step)
    assert not (tmp_path / "net").exists()


def test_places_that_cannot_be(
    step: gc.Step, tmp_path: Path, never_compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "work" / "inner").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "inner")
    for place, message in [
        ("../../file", "file is a file"),
        ("../../file/net", "file is a file, and no folder can be in it"),
        (".", "inner is the folder that this process works in"),
        ("", "inner is the folder that this process works in"),
        ("..", "work is the folder that this process works in"),
        ("/", "/ is the folder that this process works in"),
    ]:
        for force in (False, True):
            with pytest.raises(ArtifactError, match=message):
                gc.export(place, f=step, force=force)
    assert (tmp_path / "file").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "inner", "work"]


def test_a_folder_that_may_not_be_written(
    step: gc.Step, tmp_path: Path, never_compiled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ArtifactError, match="cannot be written to"):
        gc.export(tmp_path / "a" / "net", f=step)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", ["net.h", "manifest.json"])
def test_a_full_disk(
    failing: str, step: gc.Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gc.export(tmp_path / "net", name="net", f=step)
    before = {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()}
    plain = Path.open

    def full(path: Path, mode: str = "r", *args: Any, **keywords: Any) -> Any:
        if path.name == failing and "w" in mode:
            raise OSError(28, "No space left on device")
        return plain(path, mode, *args, **keywords)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(ArtifactError, match="net cannot be written: No space left on device"):
            gc.export(tmp_path / "net", name="net", g=step)
    assert {path.name: path.read_bytes() for path in (tmp_path / "net").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


def test_a_link_is_followed(step: gc.Step, tmp_path: Path) -> None:
    """To a folder, and to where one will be: the link stays one."""
    (tmp_path / "far").mkdir()
    for name in ("there", "not_yet"):
        (tmp_path / name).symlink_to(tmp_path / "far" / name)
    (tmp_path / "far" / "there").mkdir()
    for name in ("there", "not_yet"):
        for _ in range(2):
            written = gc.export(tmp_path / name, f=step)
        assert (tmp_path / name).is_symlink()
        assert written.manifest.name == name
        assert_array_equal(gc.load(tmp_path / name).f(np.ones(3, "float32")), [2, 2, 2])
    (tmp_path / "far" / "there" / "mine").symlink_to("nowhere")
    with pytest.raises(ArtifactError, match="such as 'mine'"):
        gc.export(tmp_path / "there", f=step)


@pytest.mark.parametrize("name", ["a b", 'it\'s "mine"', "größe", "a;b $c", "-o", "x" * 200])
def test_odd_names_of_folders(name: str, step: gc.Step, tmp_path: Path) -> None:
    gc.export(tmp_path / name, f=step)
    gc.export(tmp_path / name, f=step)
    assert_array_equal(gc.load(tmp_path / name).f(np.ones(3, "float32")), [2, 2, 2])
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_tools_that_cannot_be_run(
    step: gc.Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cc").write_text("no program")
    monkeypatch.setattr("shutil.which", lambda _: str(tmp_path / "cc"))
    written = gc.export(tmp_path / "net", name="net", f=step)
    assert len(written.notes) == 2
    assert all("a library was not made: " in note for note in written.notes)
    assert_array_equal(gc.load(tmp_path / "net").f(np.ones(3, "float32")), [2, 2, 2])
