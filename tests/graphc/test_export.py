"""Steps as a library for C: what is written, and what C gets to see."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from safetensors.numpy import load_file

import graphc as gc
from graphc.aot import linking
from graphc.aot.export import compiled_library
from graphc.codegen.target import host_target
from graphc.ir.parser import parse_graph
from graphc.runtime.buffers import aligned_empty
from tests.graphc.exporting import (
    PROGRAM,
    STRICT,
    Model,
    c_compiler,
    cpp_compiler,
    losses_of,
    run,
)


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
    flags = ["-Wall", "-Wextra", "-Werror"]
    run(
        [cpp_compiler(), *flags, "-x", "c++", "example.c", "-x", "none", "net.o", "-o", "e"], folder
    )
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


def test_the_version_of_the_interface_can_be_read(folder: Path) -> None:
    library = gc.load(folder)
    code = ctypes.CDLL(str(folder / linking.shared_name(library.manifest)))
    assert ctypes.c_uint32.in_dll(code, "net_abi").value == 1
    assert "#define net_abi_version 1\n" in (folder / "net.h").read_text()


@pytest.mark.parametrize("form", ["object", "shared"])
@pytest.mark.parametrize("language", ["c", "c++"])
def test_header_and_object_of_two_builds_do_not_link(
    form: str,
    language: str,
    model: Model,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the program never calls init: it goes on with a state that it kept."""
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    other = gc.export(tmp_path / "other", name="net", train=model.train)
    (tmp_path / "main.c").write_text(
        '#include "net.h"\nint main(void) { return net_train(0, 0, 0, 0, 0) != net_unaligned; }\n'
    )
    compiler = c_compiler() if language == "c" else cpp_compiler()
    for code in (folder, tmp_path / "other"):
        linked = code / ("net.o" if form == "object" else linking.shared_name(other.manifest))
        command = [compiler, "-Wall", "-Wextra", "-Werror", f"-I{folder}", "-x", language, "main.c"]
        command += ["-x", "none", str(linked), "-o", "program"]
        outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        if code == folder:
            assert outcome.returncode == 0, outcome.stderr
            run([tmp_path / "program"], tmp_path)
        else:
            assert outcome.returncode
            assert gc.load(folder).manifest.build_symbol in outcome.stderr


def test_an_object_that_needs_more_memory_does_not_fit_the_header(model: Model) -> None:
    """A build for another processor may: the program's workspace would be too small."""
    manifest = compiled_library(
        "net", {"f": model.predict}, [host_target()], 1, model.predict.snapshot()
    ).manifest
    entry = replace(manifest.entries[0], workspace_bytes=manifest.workspace_bytes + 64)
    other = replace(manifest, entries=(entry,))
    assert other.interface != manifest.interface
    assert other.model == manifest.model


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
