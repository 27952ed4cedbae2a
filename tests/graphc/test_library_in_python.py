"""Libraries in Python: calls, states, several in one process, and without the compiler."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file, save_file

import graphc as gc
from graphc.runtime.errors import ArtifactError, IndexRangeError
from graphc.runtime.library import Library
from tests.graphc.exporting import Model, run

X = np.ones(3, "float32")


def adding(value: float) -> gc.Step:
    x, w = gc.input("x", 3), gc.param("w", np.full(3, value, "float32"))
    return gc.compile([x], x + w, {w: w + x}, name="f")


def test_a_library_runs_in_python(model: Model, folder: Path) -> None:
    library = gc.load(folder)
    expected = model.predict(model.x)
    assert_array_equal(library.predict(model.x).shape, expected.shape)
    np.testing.assert_allclose(library.predict(model.x), expected, rtol=1e-5, atol=1e-6)
    first = library.train(model.x, model.y)
    assert library.train(x=model.x, y=model.y) < first
    library.reset()
    assert library.train(model.x, model.y) == first
    out = np.empty((16, 3), "float32")
    assert library.predict(model.x, out=out) is out
    assert repr(library) == "<Library net: train, predict>"
    assert repr(library.train) == "<entry train(x: f32[16,8], y: i32[16]) -> (loss: f32[])>"
    with pytest.raises(AttributeError, match="entries are train, predict"):
        library.tran(model.x)


def test_the_object_alone_runs_as_well(model: Model, folder: Path) -> None:
    shared = gc.load(folder)
    alone = Library(shared.manifest, folder / "net.o")
    assert alone.train(model.x, model.y) == shared.train(model.x, model.y)
    assert_array_equal(alone.state["w"], shared.state["w"])


def test_python_checks_what_c_would_have_to(model: Model, folder: Path) -> None:
    library = gc.load(folder)
    before = library.state["w"].copy()
    model.y[3] = 3
    with pytest.raises(IndexRangeError, match=r"from -3 to 2.*got 3 at position"):
        library.train(model.x, model.y)
    with pytest.raises(gc.errors.ArgumentShapeError, match=r"x.*f32\[16,8\]"):
        library.train(model.x[:3], model.y)
    assert_array_equal(library.state["w"], before)


def test_a_state_is_kept_and_restored(model: Model, folder: Path, tmp_path: Path) -> None:
    library = gc.load(folder)
    library.train(model.x, model.y)
    kept, expected = library.state_block.tobytes(), library.predict(model.x)
    other = gc.load(folder)
    other.restore(kept)
    assert_array_equal(other.predict(model.x), expected)
    w = gc.param("w", np.ones(3, "float32"))
    gc.export(tmp_path / "other", name="other", sum=gc.compile([], w.sum()))
    stranger = gc.load(tmp_path / "other")
    with pytest.raises(ArtifactError, match="not one of other"):
        stranger.restore(kept)


def test_two_libraries_of_one_name(tmp_path: Path) -> None:
    for place, value in (("a", 1.0), ("b", 10.0)):
        gc.export(tmp_path / place, name="net", f=adding(value))
    first, second, again = (gc.load(tmp_path / place) for place in ("a", "b", "a"))
    assert_array_equal(first.f(X), 2 * X)
    assert_array_equal(second.f(X), 11 * X)
    assert_array_equal(first.f(X), 3 * X)
    assert_array_equal(again.f(X), 2 * X)


def test_a_library_that_was_built_again(tmp_path: Path) -> None:
    """The new code, with new initial values and then with another interface; the old goes on."""
    gc.export(tmp_path / "net", f=adding(1.0))
    old = gc.load(tmp_path / "net")
    gc.export(tmp_path / "net", f=adding(5.0))
    new = gc.load(tmp_path / "net")
    gc.export(tmp_path / "net", g=adding(7.0))
    newest = gc.load(tmp_path / "net")
    assert_array_equal(old.f(X), 2 * X)
    assert_array_equal(new.f(X), 6 * X)
    assert_array_equal(newest.g(X), 8 * X)


def test_a_folder_that_was_moved_and_cannot_be_written(tmp_path: Path) -> None:
    gc.export(tmp_path / "net", f=adding(1.0))
    moved = tmp_path / "an other" / "place"
    moved.parent.mkdir()
    os.rename(tmp_path / "net", moved)
    for path in (*moved.iterdir(), moved):
        path.chmod(path.stat().st_mode & ~0o222)
    assert_array_equal(gc.load(moved).f(X), 2 * X)
    moved.chmod(0o755)


@pytest.mark.parametrize("threads", [1, 2])
def test_nothing_of_the_compiler_is_imported(threads: int, model: Model, tmp_path: Path) -> None:
    """Where there is a shared library: not the graph, not the code generator, not LLVM."""
    model.export(tmp_path / "net", threads=threads)
    program = f"""
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("llvmlite", "networkx", "safetensors") or name.startswith(
            ("graphc.ir", "graphc.codegen", "graphc.aot")
        ):
            raise ImportError(f"{{name}} must not be needed")
sys.meta_path.insert(0, Refused())
import numpy as np
import graphc as gc
for load in (gc.load, __import__("graphc.runtime.loading", fromlist=["load"]).load):
    library = load({str(tmp_path / "net")!r})
    x, y = np.zeros((16, 8), "float32"), np.zeros(16, "int32")
    print(float(library.train(x, y)))
    print(float(library.predict(x).sum()))
"""
    printed = run([sys.executable, "-c", program], Path(gc.__path__[0]).parent).split()
    library = gc.load(tmp_path / "net")
    x, y = np.zeros((16, 8), "float32"), np.zeros(16, "int32")
    expected = [float(library.train(x, y)), float(library.predict(x).sum())]
    assert list(map(float, printed)) == 2 * expected


def test_calls_from_many_threads_take_turns(tmp_path: Path) -> None:
    gc.export(tmp_path / "net", f=adding(0.0))
    library = gc.load(tmp_path / "net")

    def work() -> None:
        for _ in range(200):
            library.f(X)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert_array_equal(library.state["w"], 800 * X)


@pytest.mark.parametrize(
    "call",
    [
        lambda f: f(),
        lambda f: f(X, X),
        lambda f: f(X[:2]),
        lambda f: f(X.astype("float64")),
        lambda f: f([1, 2, 3]),
        lambda f: f(y=X),
        lambda f: f(np.ones(6, "float32")[::2]),
        lambda f: f(np.ma.masked_array(X)),
        lambda f: f(X, out=np.ones(4, "float32")),
        lambda f: f(X, out=[X]),
    ],
)
def test_wrong_calls_say_what_a_step_says(call: Any, tmp_path: Path) -> None:
    step = adding(1.0)
    gc.export(tmp_path / "net", name="net", f=step)
    library = gc.load(tmp_path / "net")
    with pytest.raises(gc.errors.CallError) as expected:
        call(step)
    with pytest.raises(type(expected.value)) as found:
        call(library.f)
    assert str(found.value).replace("net.f", "f") == str(expected.value)
    assert_array_equal(library.state["w"], X)


def test_a_library_cannot_be_pickled(tmp_path: Path) -> None:
    gc.export(tmp_path / "net", f=adding(1.0))
    with pytest.raises(TypeError, match="cannot pickle"):
        pickle.dumps(gc.load(tmp_path / "net"))


def test_parameters_go_by_name_from_file_to_file(tmp_path: Path) -> None:
    """What was learned, to a model of another layout that has one parameter more."""
    gc.export(tmp_path / "net", name="net", f=adding(1.0))
    library = gc.load(tmp_path / "net")
    library.f(X)
    save_file(dict(library.state), tmp_path / "learned.safetensors")
    first, w = gc.param("a", np.zeros((2, 2), "float32")), gc.param("w", np.zeros(3, "float32"))
    gc.export(tmp_path / "more", name="net", sum=gc.compile([], first.sum() + w.sum()))
    more = gc.load(tmp_path / "more")
    for name, values in load_file(tmp_path / "learned.safetensors").items():
        more.state[name][...] = values
    assert more.sum() == 6
