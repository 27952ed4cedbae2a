"""Steps as a library for C: what is written, what C gets to see, and what is refused."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file

import graphc as gc
from graphc.aot import linking
from graphc.aot.export import compiled_library
from graphc.aot.report import report_of
from graphc.cli import main
from graphc.codegen.target import host_target
from graphc.ir.parser import parse_graph
from graphc.runtime import host
from graphc.runtime.buffers import aligned_empty
from graphc.runtime.errors import ArtifactError, IndexRangeError, TargetError
from graphc.runtime.library import Library
from tests.graphc.exporting import PROGRAM, STRICT, Model, c_compiler, declare, losses_of, run


@pytest.fixture
def model() -> Model:
    return declare()


@pytest.fixture
def folder(model: Model, tmp_path: Path) -> Path:
    model.export(tmp_path / "net")
    return tmp_path / "net"


def test_all_files_are_there(folder: Path) -> None:
    assert {entry.name for entry in folder.iterdir()} == {
        *("net.o", "libnet.a", linking.shared_name(gc.load(folder).manifest)),
        *("net.h", "manifest.json", "net.safetensors", "example.c", "CMakeLists.txt", "net.pc"),
        *("train.gir", "predict.gir"),
    }
    values = load_file(folder / "net.safetensors")
    assert {name: array.shape for name, array in values.items()} == {
        "w": (8, 12),
        "b": (12,),
        "v": (12, 3),
    }
    graph = parse_graph((folder / "train.gir").read_text())
    assert [node.name for node in graph.inputs] == ["x", "y"]


@pytest.mark.parametrize("cpu", ["host", "", "x86-64,x86-64-v2,x86-64-v3"])
def test_c_computes_what_the_step_does(cpu: str, model: Model, tmp_path: Path) -> None:
    """The same bits, where the processor is the same."""
    model.export(tmp_path / "net", cpu=cpu)
    (tmp_path / "main.c").write_text(PROGRAM)
    compiler = c_compiler()
    run([compiler, *STRICT, "-Inet", "main.c", "net/net.o", "-o", "program"], tmp_path)
    losses = losses_of(run([tmp_path / "program"], tmp_path))
    expected = model.losses()
    if cpu == "host":
        assert losses == expected
    np.testing.assert_allclose(losses, expected, rtol=2e-4)
    assert losses[-1] < 0.6 * losses[0]


def test_the_header_is_cpp_too(folder: Path) -> None:
    compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    assert compiler
    flags = ["-Wall", "-Wextra", "-Werror"]
    run([compiler, *flags, "-x", "c++", "example.c", "-x", "none", "net.o", "-o", "e"], folder)
    assert "train:" in run([folder / "e"], folder)


def test_the_example_builds_and_runs(folder: Path) -> None:
    run([c_compiler(), *STRICT, "example.c", "net.o", "-o", "example"], folder)
    assert run([folder / "example"], folder).count("train:") == 5


def test_nothing_is_linked(folder: Path) -> None:
    assert run(["nm", "-u", "net.o"], folder) == ""
    exported = run(["nm", "-g", "--defined-only", "net.o"], folder).split()
    assert {name for name in exported if name.startswith("net_")} == {
        *("net_initialize", "net_validate", "net_message", "net_params", "net_train"),
        *("net_predict", "net_abi", gc.load(folder).manifest.build_symbol),
    }
    assert not [name for name in exported if name.startswith("graphc")]


def test_threads_need_pthreads_and_nothing_else(model: Model, tmp_path: Path) -> None:
    model.export(tmp_path / "net", threads=2)
    needed = run(["nm", "-u", "net.o"], tmp_path / "net").split()
    assert all("pthread" in name or name in "U w sigfillset sched_yield" or "atfork" in name
               for name in needed)  # fmt: skip


# From Python.


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


def test_c_refuses_a_state_that_is_not_its_own(model: Model, folder: Path) -> None:
    library = gc.load(folder)
    code = ctypes.CDLL(str(folder / linking.shared_name(library.manifest)))
    code.net_message.restype = ctypes.c_char_p
    interface = ctypes.c_uint64(library.manifest.interface)
    state = aligned_empty((library.manifest.state_bytes,), "uint8")
    state[:] = 0
    place = ctypes.c_void_p(state.ctypes.data)
    assert code.net_message(code.net_validate(place, interface)).startswith(b"the state was not")
    assert code.net_initialize(place, ctypes.c_uint64(library.manifest.interface + 1)) == -4
    assert not state.any()
    assert code.net_initialize(ctypes.c_void_p(state.ctypes.data + 8), interface) == -2
    assert code.net_initialize(None, interface) == -2
    assert code.net_train(place, None, None, None, None) == -2
    assert code.net_train(place, place, None, None, None) == -1
    assert code.net_initialize(place, interface) == 0
    assert code.net_validate(place, interface) == 0
    assert code.net_message(0) == b"no error"
    assert b"an element of y is not in -3 to 2" in code.net_message(1)
    assert code.net_message(77) == code.net_message(-9) == b"unknown status"


def test_an_object_that_needs_more_memory_does_not_fit_the_header(model: Model) -> None:
    """A build for another processor may: the program's workspace would be too small."""
    manifest = compiled_library(
        "net", {"f": model.predict}, [host_target()], 1, model.predict.snapshot()
    ).manifest
    entry = replace(manifest.entries[0], workspace_bytes=manifest.workspace_bytes + 64)
    other = replace(manifest, entries=(entry,))
    assert other.interface != manifest.interface
    assert other.model == manifest.model


def test_no_compiler_is_needed_to_run(folder: Path) -> None:
    """runtime/ alone: neither the graph nor the code generator nor LLVM can be imported."""
    program = f"""
import sys
for name in ("graphc.ir", "graphc.codegen", "llvmlite"):
    sys.modules[name] = None
import numpy as np
from graphc.runtime.loading import load
library = load({str(folder)!r})
x, y = np.zeros((16, 8), "float32"), np.zeros(16, "int32")
print(float(library.train(x, y)))
"""
    printed = run([sys.executable, "-c", program], Path(gc.__path__[0]).parent)
    library = gc.load(folder)
    assert float(printed) == library.train(np.zeros((16, 8), "float32"), np.zeros(16, "int32"))


# What is refused.


def change_manifest(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    document["manifest"] |= change
    path.write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "net.o").write_bytes((f / "net.o").read_bytes()[:-1]), "net.o is damaged"),
        (lambda f: (f / "net.h").write_text("nothing"), "net.h is damaged"),
        (lambda f: (f / "net.pc").unlink(), "net.pc cannot be read"),
        (lambda f: change_manifest(f, {"abi": 7}), "version 7 of the library's interface is not 1"),
        (lambda f: change_manifest(f, {"threads": "two"}), "threads must be int"),
        (lambda f: change_manifest(f, {"threads": 3}), "manifest.json is damaged"),
        (lambda f: change_manifest(f, {"name": "net/2"}), "'net/2' is no C identifier"),
        (lambda f: change_manifest(f, {"requirements": [["mmx9"]]}), "no instruction set 'mmx9'"),
        (lambda f: change_manifest(f, {"requirements": [[], []]}), "or does not say which"),
        (lambda f: change_manifest(f, {"requirements": [[1]]}), r"\[0\]\[0\] must be str"),
    ],
)
def test_a_damaged_folder(damage: Any, message: str, folder: Path) -> None:
    damage(folder)
    with pytest.raises(ArtifactError, match=message):
        gc.load(folder)


def test_another_platform(model: Model, tmp_path: Path) -> None:
    model.export(tmp_path / "net", target="riscv64-unknown-linux-gnu")
    with pytest.raises(TargetError, match="made for riscv64-unknown-linux-gnu, and this process"):
        gc.load(tmp_path / "net")


def test_an_older_processor(model: Model, tmp_path: Path, monkeypatch: Any) -> None:
    model.export(tmp_path / "net", target="x86_64-unknown-linux-gnu", cpu="x86-64-v4")
    flags = tmp_path / "cpuinfo"
    flags.write_text("flags : sse2 avx avx2 fma\n")
    monkeypatch.setattr(host, "_CPU_INFO", flags)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(TargetError, match="x86-64-v4, and this machine lacks avx512bw, avx512cd"):
        gc.load(tmp_path / "net")


def test_code_refuses_where_the_system_says_nothing(
    model: Model, tmp_path: Path, monkeypatch: Any
) -> None:
    """There is no processor yet with all that this code may use."""
    target = "x86_64-unknown-linux-gnu"
    model.export(tmp_path / "net", target=target, cpu="diamondrapids", features="+xop")
    monkeypatch.setattr(host, "_CPU_INFO", tmp_path / "nothing")
    if host_target().triple != target:
        return
    with pytest.raises(TargetError, match=r"lacks instructions that .* it may be .*xop"):
        gc.load(tmp_path / "net")


def test_files_of_others_are_left_alone(model: Model, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"such as 'mine.txt'\n.*force=True"):
        model.export(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine.txt"]
    model.export(tmp_path, force=True)
    assert not (tmp_path / "mine.txt").exists()
    gc.export(tmp_path, name="net", predict=model.predict)
    assert not (tmp_path / "train.gir").exists()


def test_python_functions_are_refused(tmp_path: Path) -> None:
    x = gc.input("x", 3)
    y = gc.call(np.tanh, x, shape=3)
    with pytest.raises(gc.errors.BoundaryError, match="f calls tanh, which is in this process"):
        gc.export(tmp_path / "net", f=gc.compile([x], y))
    assert not (tmp_path / "net").exists()


def test_two_parameters_of_one_name(tmp_path: Path) -> None:
    first, second = (gc.param("w", np.ones(3, "float32")) for _ in range(2))
    one, two = gc.compile([], first.sum()), gc.compile([], second.sum())
    with pytest.raises(gc.errors.NameClashError, match="two different parameters are named w"):
        gc.export(tmp_path / "net", one=one, two=two)


def test_a_missing_linker_is_named(model: Model, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(linking, "zig", lambda: None)
    written = model.export(tmp_path / "net")
    assert (tmp_path / "net" / "net.o").exists()
    assert [note.split(":")[0] for note in written.notes] == [
        "the static library was not made",
        "the shared library was not made",
    ]
    assert "install binutils" in written.notes[0]
    library = gc.load(tmp_path / "net")
    assert library.train(model.x, model.y) > 0


# Types, sizes and the command.


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float16", "bfloat16", "float64"])
def test_every_element_type(dtype: str, tmp_path: Path) -> None:
    kind = gc.bool_ if dtype == "bool" else getattr(gc, dtype)
    x = gc.input("x", (2, 3), kind)
    step = gc.compile([x], {"moved": x.T, "size": x.sum()})
    gc.export(tmp_path / "net", name="net", f=step)
    values = np.arange(6).reshape(2, 3).astype(kind.numpy)
    got, expected = gc.load(tmp_path / "net").f(values), step(values)
    assert_array_equal(got["moved"], expected["moved"])
    assert_array_equal(got["size"], expected["size"])
    run([c_compiler(), *STRICT, "example.c", "net.o", "-o", "example"], tmp_path / "net")


def test_constants_and_empty_arrays(tmp_path: Path) -> None:
    table = np.arange(1000, dtype="float32")
    x, empty = gc.input("x", 1000), gc.input("none", (0, 4))
    step = gc.compile([x, empty], (x + gc.const(table), gc.concatenate([empty, empty])))
    gc.export(tmp_path / "net", name="net", f=step)
    got = gc.load(tmp_path / "net").f(np.ones(1000, "float32"), np.ones((0, 4), "float32"))
    assert_array_equal(got[0], table + 1)
    assert got[1].shape == (0, 4)


def test_the_report_counts_the_object(model: Model, tmp_path: Path) -> None:
    written = model.export(tmp_path / "net", cpu="x86-64,x86-64-v3")
    report = written.report
    assert report.object_bytes == (tmp_path / "net" / "net.o").stat().st_size
    parts = sum(part.code_bytes for part in report.parts)
    assert 0 < parts < report.code_bytes < report.object_bytes
    assert {part.processor for part in report.parts} == {"x86-64", "x86-64-v3"}
    assert report.state_bytes == written.manifest.state_bytes
    assert "memory (state and workspace)" in str(report)
    assert "undefined symbols: none" in str(report)
    assert "Nothing needs to be linked" in (tmp_path / "net" / "net.h").read_text()
    assert callable(report_of)


TRAIN = """
import numpy as np
import graphc as gc
x = gc.input("x", (4, 3))
w = gc.param("w", SEED.standard_normal((3, 2)).astype("float32"))
loss = gc.tanh(x @ w).sum()
train = gc.compile([x], loss, updates={w: w - 0.1 * gc.grad(loss, w)})
predict = gc.compile([x], x @ w)
"""


def test_the_command_builds_and_checks(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAIN.replace("SEED", "np.random.default_rng(0)"))
    arguments = ["build", f"{path}:train", f"{path}:predict", "-o", str(tmp_path / "net")]
    assert main([*arguments, "--check", "--report"]) == 0
    shown = capsys.readouterr()
    assert "net.h" in shown.out
    assert "bytes of code" in shown.out
    assert "the same bytes" in shown.err
    assert main([*arguments, "--json", "--report"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["report"]["name"] == "net"
    assert gc.load(tmp_path / "net").predict(np.ones((4, 3), "float32")).shape == (4, 2)


def test_a_build_that_differs_is_found(tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAIN.replace("SEED", "np.random.default_rng()"))
    arguments = ["build", f"{path}:train", "-o", str(tmp_path / "net"), "--check"]
    assert main(arguments) == 2
    assert "without a seed?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["FILE:trian"], "did you mean 'train'"),
        (["FILE:train", "--cpu", "x86-64-v9"], "no processor 'x86-64-v9'"),
        (["FILE:train", "--target", "x86_46-linux"], "no target 'x86_46-linux'"),
        (["FILE"], "makes several: choose one"),
        (["none.py:x"], "there is no file"),
    ],
)
def test_the_command_refuses(
    arguments: list[str], message: str, tmp_path: Path, capsys: Any
) -> None:
    path = tmp_path / "train.py"
    path.write_text(TRAIN.replace("SEED", "np.random.default_rng(0)"))
    given = [each.replace("FILE", str(path)) for each in arguments]
    assert main(["build", *given, "-o", str(tmp_path / "net")]) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert shown.out == ""
    assert not (tmp_path / "net").exists()


def test_cmake_finds_it(folder: Path, tmp_path: Path) -> None:
    cmake = shutil.which("cmake")
    assert cmake, "this test needs cmake"
    subprocess.run([cmake, "-S", folder, "-B", tmp_path / "b"], check=True, capture_output=True)
    subprocess.run([cmake, "--build", tmp_path / "b"], check=True, capture_output=True)
    assert "train:" in run([tmp_path / "b" / "example"], tmp_path)
