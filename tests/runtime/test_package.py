"""Saved artifacts: they come back as they were, and anything odd is refused by name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import graphc
from graphc.runtime.artifact import FORMAT, Manifest
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.errors import ArtifactError, PythonVersionError, StorageError, TargetError
from graphc.runtime.executable import Executable
from graphc.runtime.folder import MANIFEST, digest
from graphc.runtime.loading import load
from tests.runtime.programs import accumulate, add, host_record

X = np.array([1, 2, 3, 4], np.float32)
FILES = {"manifest.json", "kernels.o", "entry.o", "state.npz"}


@pytest.fixture
def step() -> Executable:
    storage = ParameterStorage(np.full(4, 10, np.float32))
    return accumulate(storage, np.full(4, 100, np.float32))


@pytest.fixture
def saved(step: Executable, tmp_path: Path) -> Path:
    folder = tmp_path / "step"
    step.save(folder)
    return folder


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest and make its digest right again, as a forger would."""
    path = folder / MANIFEST
    document = json.loads(path.read_text())
    change(document["manifest"])
    canonical = json.dumps(document["manifest"], sort_keys=True, separators=(",", ":"))
    document["sha256"] = digest(canonical.encode())
    path.write_text(json.dumps(document))


def test_a_step_goes_on_where_it_was_saved(step: Executable, tmp_path: Path) -> None:
    step(X)
    step.save(tmp_path / "new" / "step")
    assert {entry.name for entry in (tmp_path / "new" / "step").iterdir()} == FILES
    assert {entry.name for entry in (tmp_path / "new").iterdir()} == {"step"}
    loaded = load(tmp_path / "new" / "step")
    assert_array_equal(loaded.params["w"].value, X + 10)
    for mine, theirs in zip(step(X), loaded(X), strict=True):
        assert_array_equal(mine, theirs)
    assert loaded.manifest == step.manifest
    assert loaded.artifact == step.artifact


def test_saving_again_replaces_and_changes_nothing_else(saved: Path, step: Executable) -> None:
    first = {path.name: path.read_bytes() for path in saved.iterdir()}
    step.save(saved)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == first
    step(X)
    step.save(saved)
    assert_array_equal(load(saved).params["w"].value, X + 10)
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_an_empty_folder_is_filled(step: Executable, tmp_path: Path) -> None:
    step.save(tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == FILES


def test_a_folder_with_other_files_is_left_alone(step: Executable, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"thesis\.tex"):
        step.save(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(ArtifactError, match="is a file"):
        step.save(tmp_path / "thesis.tex")


def test_a_failed_save_leaves_the_old_artifact(
    saved: Path, step: Executable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        step.save(saved)
    monkeypatch.undo()
    assert_array_equal(load(saved).params["w"].value, np.full(4, 10))
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("name", sorted(FILES))
def test_missing_files(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} cannot be read"):
        load(saved)


@pytest.mark.parametrize("name", sorted(FILES))
def test_truncated_files(saved: Path, name: str) -> None:
    data = (saved / name).read_bytes()
    for size in (0, 1, len(data) // 2, len(data) - 1):
        (saved / name).write_bytes(data[:size])
        with pytest.raises(ArtifactError, match=name):
            load(saved)


@pytest.mark.parametrize("name", sorted(FILES))
def test_one_wrong_bit_anywhere(saved: Path, name: str) -> None:
    data = (saved / name).read_bytes()
    for position in np.linspace(0, len(data) - 1, 40).astype(int):
        broken = bytearray(data)
        broken[position] ^= 1
        (saved / name).write_bytes(broken)
        try:
            loaded = load(saved)
        except ArtifactError as error:
            assert name in str(error)  # noqa: PT017
        else:
            # White space of the manifest carries no meaning.
            assert bytes([data[position]]).isspace()
            assert loaded(X)[0].shape == (4,)


def test_files_of_another_artifact(saved: Path, tmp_path: Path) -> None:
    add().save(tmp_path / "other")
    (saved / "kernels.o").write_bytes((tmp_path / "other" / "kernels.o").read_bytes())
    with pytest.raises(ArtifactError, match=r"kernels\.o is damaged"):
        load(saved)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '{"manifest": 3}', "[" * 100_000, '{"a": 1', "\x00"]
)
def test_a_manifest_that_is_none(saved: Path, text: str) -> None:
    (saved / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        load(saved)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is no folder"):
        load(tmp_path / "nothing")
    with pytest.raises(ArtifactError, match=r"manifest\.json cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.update(format=FORMAT + 1), f"format {FORMAT + 1} is not {FORMAT}"),
        (lambda m: m.pop("format"), "format None"),
        (lambda m: m.pop("inputs"), "lacks the field 'inputs'"),
        (lambda m: m.update(surprise=1), "unknown field 'surprise'"),
        (lambda m: m.update(workspace_bytes="8"), "workspace_bytes must be int, not str"),
        (lambda m: m.update(workspace_bytes=True), "workspace_bytes must be int, not bool"),
        (lambda m: m.update(workspace_bytes=-1), "negative"),
        (lambda m: m.update(workspace_align=3), "power of two"),
        (lambda m: m["inputs"][0].update(shape=[4.0]), r"inputs\[0\]\.shape\[0\] must be int"),
        (lambda m: m["inputs"][0].update(shape=[-4]), "impossible shape"),
        (lambda m: m["inputs"][0].update(shape=[2**40, 2**40]), "impossible shape"),
        (lambda m: m["inputs"][0].update(shape=[1] * 65), "65 axes"),
        (lambda m: m["inputs"][0].update(dtype="f8"), "unknown dtype 'f8'"),
        (lambda m: m["inputs"].append(m["inputs"][0]), "occurs twice"),
        (lambda m: m.update(updates=["v"]), "updates"),
        (lambda m: m.update(symbol="graphc_entry"), "native function"),
        (lambda m: m.update(symbol="a b"), "native function"),
        (lambda m: m["structure"].update(items=[]), "does not use each"),
        (lambda m: m["structure"].update(kind="set"), "unknown kind"),
        (lambda m: m["structure"].update(keys=["a"]), "keys"),
        (
            lambda m: m["guards"].append({"input": "x", "size": 1, "location": "", "minimum": 0}),
            "no integer",
        ),
        (lambda m: m["files"].pop(), "does not list"),
        (lambda m: m["files"][0].update(name="../kernels.o"), "unknown file"),
        (lambda m: m["params"][0].update(shape=[2, 2]), r"holds 'param/w'"),
        (lambda m: m["params"][0].update(name="v") or m.update(updates=["v"]), "differ about"),
        (lambda m: m["constants"][0].update(dtype="i32"), r"holds 'constant/c'"),
    ],
)
def test_a_forged_manifest(
    saved: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    rewrite_manifest(saved, change)
    with pytest.raises(ArtifactError, match=reason) as caught:
        load(saved)
    assert str(saved) in str(caught.value) or "manifest of" in str(caught.value)


def test_a_pickle_in_the_state_is_never_opened(saved: Path) -> None:
    state = saved / "state.npz"
    np.savez(state, **{"param/w": np.array([print], object), "constant/c": X})  # type: ignore[arg-type]
    data = state.read_bytes()
    change = {"bytes": len(data), "sha256": digest(data)}
    rewrite_manifest(saved, lambda m: m["files"][2].update(change))
    with pytest.raises(ArtifactError, match=r"state\.npz cannot be read"):
        load(saved)


def replaced(step: Executable, **fields: Any) -> Executable:
    """The same executable with another manifest."""
    manifest: Manifest = replace(step.manifest, **fields)
    storages = dict(step.params)
    return Executable(replace(step.artifact, manifest=manifest), storages, step.constants)


def test_another_processor(step: Executable) -> None:
    host = host_record()
    other = replace(host, cpu="z16", features=host.features + ",+vector-of-tomorrow")
    with pytest.raises(TargetError, match=r"for z16, and this machine .* lacks vector-of-tomorrow"):
        replaced(step, target=other)
    with pytest.raises(TargetError, match="made for riscv64-unknown-linux-gnu"):
        replaced(step, target=replace(host, triple="riscv64-unknown-linux-gnu"))


def test_instructions_for_systems_need_not_be_there(step: Executable) -> None:
    """A processor, or what virtualises it, may hide those that no code of ours uses."""
    host = host_record()
    other = replace(host, features=host.features + ",+widekl,+uintr,+sgx")
    assert_array_equal(replaced(step, target=other)(X)[1], X + 100)


def test_an_older_processor_of_the_same_kind(step: Executable) -> None:
    plain = replace(host_record(), cpu="x86-64", features="-avx512f")
    assert_array_equal(replaced(step, target=plain)(X)[1], X + 100)


@pytest.mark.parametrize(
    "change",
    [{"version": "cpython 2.7"}, {"pointer_bytes": 4}, {"free_threaded": True}, {"numpy": 1}],
)
def test_another_python(step: Executable, change: dict[str, Any]) -> None:
    with pytest.raises(PythonVersionError, match="its entry was made for"):
        replaced(step, python=replace(step.manifest.python, **change))


def test_objects_that_are_none(step: Executable) -> None:
    for code in (b"", b"junk", step.artifact.kernels[:200]):
        with pytest.raises(ArtifactError, match="kernels object"):
            Executable(replace(step.artifact, kernels=code), step.params, step.constants)
        with pytest.raises(ArtifactError, match="entry object"):
            Executable(replace(step.artifact, entry=code), step.params, step.constants)


def test_a_kernel_that_calls_what_is_not_there(step: Executable) -> None:
    with pytest.raises(ArtifactError, match="kernels object cannot be linked"):
        replaced(step, symbol="another_name")


def test_state_that_does_not_fit(step: Executable) -> None:
    for wrong in ({}, {"w": ParameterStorage(np.zeros(3, "f4"))}, {"w": ParameterStorage(X > 1)}):
        with pytest.raises(StorageError, match="'w'"):
            Executable(step.artifact, wrong, step.constants)
    with pytest.raises(StorageError, match="1 constants, got 0"):
        Executable(step.artifact, step.params)
    with pytest.raises(StorageError, match="constant 'c'"):
        Executable(step.artifact, step.params, [X[:2]])


RUNTIME_ALONE = """
import sys, types

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.startswith(("graphc.ir", "graphc.codegen", "networkx")):
            raise ImportError(f"{name} must not be imported")

sys.meta_path.insert(0, Refuse())
graphc = types.ModuleType("graphc")
graphc.__path__ = sys.argv[1:-1]
sys.modules["graphc"] = graphc

import numpy as np
from graphc.runtime.loading import load

assert not any(name.startswith("llvmlite") for name in sys.modules)
step = load(sys.argv[-1])
updated, shifted = step(np.ones(4, np.float32))
print(updated.tolist(), shifted.tolist(), step.params["w"].value.tolist())
"""


def test_a_saved_artifact_runs_with_the_runtime_alone(saved: Path) -> None:
    command = [sys.executable, "-c", RUNTIME_ALONE, *graphc.__path__, str(saved)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stderr == ""
    assert result.stdout.split("]")[0] == "[11.0, 11.0, 11.0, 11.0"
    assert "101.0" in result.stdout
