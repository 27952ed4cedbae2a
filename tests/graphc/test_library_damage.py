"""Folders that were changed: no code of one is run unless it is what was written."""

from __future__ import annotations

import copy
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import graphc as gc
from graphc.runtime.errors import ArtifactError, CodedError
from graphc.runtime.folder import digest
from graphc.runtime.library import Library
from graphc.runtime.library_package import read
from tests.graphc.exporting import Model, declare

QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

NUMBERS = st.sampled_from([0, 1, -1, 5, 64, -(2**31), 2**40, 2**62, 2**64, 10**30])
TEXTS = st.sampled_from(
    ["", "x", "system", "net", "\0", "../../net.o", "ü", "f64", "i64", "a" * 999]
)
OTHERS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 1.5, float("nan"), [], {}, [[]], [None], {"a": 1}]
)


@pytest.fixture(scope="module")
def model() -> Model:
    return declare()


@pytest.fixture(scope="module")
def original(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original") / "net"
    model.export(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return shutil.copytree(original, tmp_path / "net")


def read_manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())["manifest"]
    return found


def forge(folder: Path, manifest: object) -> None:
    """Write a manifest with its digest made right."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    document = {"manifest": manifest, "sha256": digest(text.encode())}
    (folder / "manifest.json").write_text(json.dumps(document))


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something is in a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, part in parts:
        found.append((*path, key))
        if isinstance(part, dict | list):
            found += places(part, (*path, key))
    return found


@QUIET
@given(data=st.data())
def test_a_forged_manifest_is_refused_or_does_no_harm(
    data: st.DataObject, original: Path, model: Model
) -> None:
    """Whatever it says, there is an error of ours or a library that computes as before."""
    folder = original.parent / "forged"
    if not folder.exists():
        shutil.copytree(original, folder)
    manifest = copy.deepcopy(read_manifest(original))
    for _ in range(data.draw(st.integers(1, 2))):
        *path, last = data.draw(st.sampled_from(places(manifest)))
        holder: Any = manifest
        for key in path:
            holder = holder[key]
        old = holder[last]
        lists = (
            st.sampled_from([[], old + old, old[::-1], old[1:]])
            if isinstance(old, list)
            else OTHERS
        )
        same = NUMBERS if isinstance(old, int) else TEXTS if isinstance(old, str) else lists
        holder[last] = data.draw(st.one_of(same, same, OTHERS))
    forge(folder, manifest)
    wrong = model.y.copy()
    wrong[3] = 3
    try:
        library = gc.load(folder)
    except CodedError:
        return
    with suppress(CodedError):
        assert library.train(model.x, model.y) == gc.load(original).train(model.x, model.y)
    with pytest.raises(CodedError):
        library.train(model.x, wrong)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("state", 1, "offset"), 320, "the params do not lie one behind the other"),
        (("state", 1, "offset"), 64, "the params do not lie one behind the other"),
        (("state", 0, "dtype"), "f33", "'w' has the unknown dtype 'f33'"),
        (("state", 0, "shape", 0), -8, "'w' has the impossible shape"),
        (("state", 0, "shape", 0), 2**62, "'w' has the impossible shape"),
        (("requirements",), [["avx3"]], "has no instruction set 'avx3' to require"),
        (("requirements",), [], "for no processor"),
        (("requirements",), [[], []], "or does not say which"),
        (("requirements",), [[1]], r"\[0\]\[0\] must be str"),
        (("threads",), "two", "threads must be int"),
        (("threads",), 0, "0 is no number of threads"),
        (("threads",), 2**40, "is no number of threads"),
        (("entries", 0, "workspace_bytes"), -64, "-64 is no number of bytes"),
        (("entries", 0, "workspace_bytes"), 2**40, "its code and its manifest are of one build"),
        (("entries", 0, "workspace_bytes"), 2**70, "is no number of bytes"),
        (("entries", 0, "inputs", 0, "shape"), [16, 9], "code and its manifest are of one build"),
        (("entries", 0, "name"), "initialize", "code and its manifest are of one build"),
        (("entries", 0, "name"), "predict", "a name occurs twice"),
        (("entries", 0, "name"), "a;b", "'a;b' is no C identifier"),
        (("name",), "net/2", "'net/2' is no C identifier"),
        (("name",), "posix", "does not list posix.o|cannot be loaded"),
        (("files", 0, "name"), "../net.o", "lists '../net.o', which is no file of it"),
        (("files", 0, "name"), "a\0", "which is no file of it"),
        (("files", 0, "name"), "..", "which is no file of it"),
        (("abi",), 0, "version 0 of the library's interface is not 1"),
        (("abi",), 2, "version 2 of the library's interface is not 1"),
    ],
)
def test_a_forged_field(place: tuple[Any, ...], value: Any, message: str, folder: Path) -> None:
    manifest = read_manifest(folder)
    holder: Any = manifest
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    forge(folder, manifest)
    with pytest.raises(ArtifactError, match=message):
        gc.load(folder)


def test_every_part_of_every_file_counts(folder: Path) -> None:
    """A byte here and there, and an end that is missing."""
    for path in sorted(folder.iterdir()):
        original = path.read_bytes()
        damaged = [original[:-1], original[: len(original) // 2], b"", original + b"\0"]
        for part in range(8):
            at = part * len(original) // 8
            damaged.append(original[:at] + bytes([original[at] ^ 0x41]) + original[at + 1 :])
        for content in damaged:
            path.write_bytes(content)
            with pytest.raises(ArtifactError, match=r"is damaged|is not JSON|manifest|Version"):
                gc.load(folder)
        path.write_bytes(original)
    gc.load(folder)


def test_a_file_in_place_of_another(
    folder: Path, original: Path, model: Model, tmp_path: Path
) -> None:
    gc.export(tmp_path / "other", name="net", train=model.train)
    for name in ("libnet.so", "net.o", "net.h", "manifest.json"):
        content = (folder / name).read_bytes()
        shutil.copy(tmp_path / "other" / name, folder / name)
        with pytest.raises(ArtifactError, match="is damaged"):
            gc.load(folder)
        (folder / name).write_bytes(content)
    forged = read_manifest(folder)
    for file in ("net.o", "libnet.so"):
        content = (tmp_path / "other" / file).read_bytes()
        (folder / file).write_bytes(content)
        record = next(each for each in forged["files"] if each["name"] == file)
        record |= {"bytes": len(content), "sha256": digest(content)}
    forge(folder, forged)
    with pytest.raises(ArtifactError, match="code and its manifest are of one build"):
        gc.load(folder)
    with pytest.raises(ArtifactError, match="its object cannot be linked"):
        Library(read(original)[0], folder / "net.o")


def test_a_file_that_is_missing(folder: Path) -> None:
    (folder / "net.pc").unlink()
    with pytest.raises(ArtifactError, match=r"net\.pc cannot be read"):
        gc.load(folder)


def test_a_manifest_without_its_digest(folder: Path) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["manifest"]["threads"] = 3
    path.write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=r"manifest\.json is damaged"):
        gc.load(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 10**5, b'{"manifest"']
)
def test_a_manifest_that_is_none(content: bytes, folder: Path) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        gc.load(folder)


def test_states_that_are_none(folder: Path) -> None:
    library = gc.load(folder)
    kept = library.state_block.tobytes()
    for wrong in (b"", kept[:-1], kept + b"\0", b"x" + kept[1:], bytes(len(kept)), kept[64:]):
        with pytest.raises(ArtifactError, match="the state is not one of net"):
            library.restore(wrong)
    assert library.state_block.tobytes() == kept
    for right in (bytearray(kept), memoryview(kept), library.state_block.copy()):
        library.state["w"][...] = 0
        library.restore(right)
        assert library.state_block.tobytes() == kept
    with pytest.raises(TypeError):
        library.state["w"] = 0
    assert_array_equal(library.state["b"], 0)
