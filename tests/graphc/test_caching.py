"""Compiling from the cache: the same step, in any process, and never one for something else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc import caching
from graphc.codegen import pipeline, target
from graphc.compilation import Step
from graphc.ir.diagnostics import BoundaryError
from graphc.resources import Resources
from graphc.runtime.artifact import Structure
from graphc.runtime.cache import Cache
from graphc.runtime.errors import NonFiniteError
from tests.rooms import sources

ROOT = Path(gc.__file__).parents[1]

PROGRAM = """
import sys
import graphc as gc
from graphc import caching
caching._source_files = lambda: [("graphc/__init__.py", 1, 1)]  # as if nobody worked on it
x = gc.input("x", (8, 6))
w = gc.param("w", gc.init.glorot_uniform((6, 4), seed=0))
loss = gc.softmax(x @ w).max()
train = gc.compile([x], loss, {w: w - 0.5 * gc.grad(loss, w)})
import numpy as np
values = np.random.default_rng(0).normal(size=(8, 6)).astype("float32")
losses = [train(values).tobytes().hex() for _ in range(3)]
print(*losses, w.value.tobytes().hex(), "graphc.codegen.pipeline" in sys.modules)
"""


@pytest.fixture(autouse=True)
def files_of_graphc(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, int, int]]]:
    """The files of graphc, as if nobody worked on them while the tests run."""
    files = [("graphc/__init__.py", 1, 1), ("graphc/ir/graph.py", 2, 2)]
    monkeypatch.setattr(caching, "_source_files", lambda: iter(files))
    caching.source_digest.cache_clear()
    yield files
    caching.source_digest.cache_clear()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache that this test compiles with."""
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the graphs that went through the compiler."""
    names: list[str] = []
    compile_graph = pipeline.compile_graph

    def recording(graph: Any, **options: Any) -> Any:
        names.append(graph.name)
        return compile_graph(graph, **options)

    monkeypatch.setattr(pipeline, "compile_graph", recording)
    return names


def entries(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.step"))


def training() -> tuple[Step, gc.Parameter]:
    """A step that has inputs, parameters, constants, guards and a dict of outputs."""
    x = gc.input("x", (5, 40))
    labels = gc.input("labels", (5,), gc.int64)
    w = gc.param("w", np.linspace(-1, 1, 120, dtype="float32").reshape(40, 3))
    scale = gc.const(np.geomspace(0.1, 1, 40).astype("float32"))
    loss = gc.nn.softmax_cross_entropy((x * scale) @ w, labels).mean()
    outputs = {"loss": loss, "more": [gc.exp(loss)]}
    return gc.compile([x, labels], outputs, {w: w - gc.grad(loss, w)}), w


def run(step: Step, w: gc.Parameter) -> list[bytes]:
    random = np.random.default_rng(0)
    x = random.normal(size=(5, 40)).astype("float32")
    labels = random.integers(0, 3, 5)
    results: list[bytes] = []
    for _ in range(4):
        outputs = step(x, labels)
        results += [outputs["loss"].tobytes(), outputs["more"][0].tobytes(), w.value.tobytes()]
    return results


def test_a_step_from_the_cache_is_the_same(folder: Path, compiled: list[str]) -> None:
    first, second = training(), training()
    assert compiled == ["step"]
    assert first[0].manifest == second[0].manifest
    assert first[0].artifact == second[0].artifact
    assert run(*first) == run(*second)
    assert len(entries(folder)) == 1


@pytest.mark.parametrize("stage", ["graph", "adjoint", "fused", "memory", "llvm", "asm"])
def test_a_step_from_the_cache_shows_every_stage(
    stage: str, folder: Path, compiled: list[str]
) -> None:
    (made, _), (found, _) = training(), training()
    assert len(compiled) == 1
    assert found.ir(stage) == made.ir(stage)
    assert found.llvm() == made.llvm()
    assert found.asm() == made.asm()
    assert len(compiled) == 2
    assert str(found.cost()) == str(made.cost())


def test_a_step_from_the_cache_is_saved_as_any_other(
    folder: Path, compiled: list[str], tmp_path: Path
) -> None:
    (made, _), (found, _) = training(), training()
    made.save(tmp_path / "made")
    found.save(tmp_path / "found")
    for name in ("manifest.json", "kernels.o", "entry.o"):
        assert (tmp_path / "made" / name).read_bytes() == (tmp_path / "found" / name).read_bytes()
    gc.load(tmp_path / "found")
    assert len(compiled) == 1


def in_new_process(folder: Path, program: str = PROGRAM, **variables: str) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "GRAPHC_CACHE_DIR": str(folder), **variables},
    )
    return result.stdout


def test_another_process_finds_it_and_does_not_load_the_compiler(folder: Path) -> None:
    first, second = in_new_process(folder), in_new_process(folder)
    assert first.split()[:-1] == second.split()[:-1]
    assert (first.split()[-1], second.split()[-1]) == ("True", "False")
    assert len(entries(folder)) == 1


@pytest.mark.parametrize("value", ["", "off"])
def test_without_a_folder_nothing_is_kept(
    value: str, compiled: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHC_CACHE_DIR", value)
    training(), training()
    assert len(compiled) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_the_platforms_place_for_caches(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GRAPHC_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    places = {
        "linux": tmp_path / ".cache" / "graphc",
        "darwin": tmp_path / "Library" / "Caches" / "graphc",
        "win32": tmp_path / "local" / "graphc",
    }
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    for platform, place in places.items():
        monkeypatch.setattr(sys, "platform", platform)
        cache = caching.opened()
        assert cache is not None
        assert cache.folder == place
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert caching.opened() == Cache(places["linux"], 1 << 30)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert caching.opened() == Cache(tmp_path / "x" / "graphc", 1 << 30)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_is_no_number_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_LIMIT", "1 GiB")
    with pytest.raises(ValueError, match="GRAPHC_CACHE_LIMIT is '1 GiB', expected 0 to"):
        training()


# What the key covers.


def table(values: Any, name: str = "step", **options: Any) -> Step:
    x = gc.input("x", np.shape(values))
    return gc.compile([x], x * gc.const(np.asarray(values, "float32")), name=name, **options)


VARIANTS: dict[str, Callable[[], Step]] = {
    "shape": lambda: table(np.ones(41)),
    "value": lambda: table([*np.ones(39), 2.0]),
    "sign of zero": lambda: table(-np.zeros(40)),
    "small value": lambda: table(np.ones(3)),
    "another small value": lambda: table([1.0, 1.0, -0.0]),
    "name": lambda: table(np.ones(40), "other"),
    "structure": lambda: gc.compile([], (gc.const(np.ones(40)),), name="step"),
    "other structure": lambda: gc.compile([], [gc.const(np.ones(40))], name="step"),
}


def test_programs_that_differ_have_keys_that_differ(folder: Path, compiled: list[str]) -> None:
    table(np.ones(40))
    for count, (what, variant) in enumerate(VARIANTS.items(), start=2):
        variant()
        assert len(compiled) == len(entries(folder)) == count, what
    table(np.ones(40))
    assert len(compiled) == len(VARIANTS) + 1


def test_names_and_lines_are_part_of_the_key(folder: Path, compiled: list[str]) -> None:
    manifests = []
    for name, line in ("x", 1), ("x", 1), ("z", 1), ("x", 2):
        names: dict[str, Any] = {"f": gc.exp, "x": gc.input(name, 3)}
        exec(compile("\n" * (line - 1) + "h = f(x)", "user.py", "exec"), names)
        manifests.append(gc.compile([names["x"]], names["h"], name="step").manifest)
    assert len(compiled) == 3
    assert manifests[0] == manifests[1]
    assert [each.inputs[0].name for each in manifests[1:]] == ["x", "z", "x"]
    assert [each.kernels[0]["lines"] for each in manifests[2:]] == [["user.py:1"], ["user.py:2"]]


@pytest.mark.parametrize("change", [{"cpu": "generic"}, {"l2_bytes": 12345}, {"cores": 77}])
def test_another_target_has_another_key(
    change: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(np.ones(40))
    other = replace(target.host_target(), **change)
    monkeypatch.setattr(caching, "host_target", lambda: other)
    table(np.ones(40))
    assert len(entries(folder)) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source_digest", lambda: "another graphc"),
        ("compiler", lambda: (99, 0, 0)),
        ("PythonRecord.current", lambda: "another Python"),
    ],
)
def test_another_version_has_another_key(
    name: str, value: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = gc.build_graph([], gc.const(1.0))

    def key() -> bytes:
        caching._surroundings.cache_clear()
        slot = caching.Slot.of(graph, Structure(), Resources(1))
        assert slot is not None
        return slot.key

    before = key()
    assert key() == before
    with monkeypatch.context() as patch:
        patch.setattr(f"graphc.caching.{name}", value)
        assert key() != before
    assert key() == before


def test_all_files_of_graphc_are_part_of_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found = {Path(path).relative_to(ROOT): size for path, size, _ in caching._source_files()}
    assert found == {path: (ROOT / path).stat().st_size for path in sources()}


def test_sources_that_changed_since_they_were_loaded_are_not_trusted(
    folder: Path, compiled: list[str], files_of_graphc: list[tuple[str, int, int]]
) -> None:
    before = caching.source_digest()
    files_of_graphc.append(("graphc/new.py", 3, time.time_ns()))
    training()
    assert entries(folder) == []
    caching.source_digest.cache_clear()
    assert caching.source_digest() is None
    training()
    assert entries(folder) == []
    files_of_graphc[-1] = ("graphc/new.py", 3, 3)
    caching.source_digest.cache_clear()
    assert caching.source_digest() not in (None, before)
    training()
    assert len(compiled) == 3
    assert len(entries(folder)) == 1


def test_a_graphc_without_files_is_not_told_apart(
    files_of_graphc: list[tuple[str, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    files_of_graphc.clear()
    assert caching.source_digest() is None
    monkeypatch.undo()
    monkeypatch.setattr(gc, "__path__", ["/no/such/folder"])
    caching.source_digest.cache_clear()
    assert caching.source_digest() is None


# What is not kept, and what goes wrong.


def test_steps_that_check_for_nans_are_not_kept(folder: Path) -> None:
    step = table(np.ones(40), debug_nans=True)
    assert entries(folder) == []
    with pytest.raises(NonFiniteError):
        step(np.full(40, np.nan, "float32"))


def test_steps_that_call_functions_of_this_process_are_not_kept(
    folder: Path, compiled: list[str]
) -> None:
    x = gc.input("x", 3)
    for factor in (2, 3):

        def scaled(array: Any, factor: int = factor) -> Any:
            return array * np.float32(factor)

        step = gc.compile([x], gc.call(scaled, x, shape=3))
        np.testing.assert_array_equal(step(np.ones(3, "float32")), np.full(3, factor))
    assert len(compiled) == 2
    assert entries(folder) == []


def test_refusals_are_the_same_with_an_entry(folder: Path) -> None:
    x = gc.input("x", 3)
    gc.compile([x], gc.exp(x))
    with pytest.raises(BoundaryError):
        gc.compile([x, gc.input("y", 3)], gc.exp(x))


def test_a_damaged_entry_is_compiled_again(folder: Path, compiled: list[str]) -> None:
    expected = run(*training())
    (path,) = entries(folder)
    whole = path.read_bytes()
    for damaged in (b"", whole[:100], whole[:-1], whole.replace(b"f32", b"f64"), b"x" * 99):
        path.write_bytes(damaged)
        assert run(*training()) == expected
        assert path.read_bytes() == whole
    assert len(compiled) == 6


def test_code_that_does_not_link_is_compiled_again(folder: Path, compiled: list[str]) -> None:
    expected = run(*training())
    (path,) = entries(folder)
    cache = caching.opened()
    assert cache is not None
    key = bytes.fromhex(path.stem)
    entry = cache.fetch(key)
    assert entry is not None
    cache.store(key, replace(entry, artifact=replace(entry.artifact, kernels=b"no object")))
    assert run(*training()) == expected
    assert len(compiled) == 2
    assert cache.fetch(key) is not None


def test_a_folder_that_cannot_be_made_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "/proc/graphc/cache")
    table(np.ones(40))
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / ("long" * 100)))
    with pytest.warns(RuntimeWarning, match="graphc compiles without its cache"):
        table(np.ones(40))


def test_jitted_functions_are_found(folder: Path, compiled: list[str]) -> None:
    def squares(x: Any) -> Any:
        return x * x

    for _ in range(2):
        np.testing.assert_array_equal(gc.jit(squares)(np.arange(3.0)), [0, 1, 4])
    assert compiled == ["squares"]


def test_processes_that_compile_the_same_at_once_all_succeed(folder: Path) -> None:
    environment = {**os.environ, "GRAPHC_CACHE_DIR": str(folder)}
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment)
        for _ in range(3)
    ]
    outputs = {process.communicate()[0].rsplit(maxsplit=1)[0] for process in started}
    assert len(outputs) == 1
    assert all(process.returncode == 0 for process in started)
    assert [path.suffix for path in folder.iterdir()] == [".step"]


POOLED = """
import sys
from pathlib import Path
import numpy as np
import graphc as gc
from graphc import caching
caching._source_files = lambda: [("graphc/__init__.py", 1, 1)]  # as if nobody worked on it
compiled, compile_pool = [], caching.compiled_pool
caching.compiled_pool = lambda: compiled.append(1) or (b"no object" if {damage} else compile_pool())
x = gc.input("x", (400, 900))
step = gc.compile([x], gc.exp(gc.sin(x)).sum(), threads=2)
assert step.manifest.threads == 2
print(step(np.ones((400, 900), "float32")).tobytes().hex(), len(compiled))
"""


def test_the_pool_of_threads_is_compiled_once(folder: Path) -> None:
    program = POOLED.format(damage=False)
    (first, fresh), (second, kept) = (in_new_process(folder, program).split() for _ in range(2))
    assert first == second
    assert (fresh, kept) == ("1", "0")


def test_a_pool_that_cannot_be_linked_is_compiled_again(folder: Path) -> None:
    damaged, whole = POOLED.format(damage=True), POOLED.format(damage=False)
    found = [in_new_process(folder, each).split() for each in (damaged, whole, whole)]
    assert len({result for result, _ in found}) == 1
    assert [count for _, count in found] == ["1", "1", "0"]
