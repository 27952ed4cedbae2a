"""Programs of many kinds, exported: C computes what the compiled step does, bit by bit."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
import pytest

import graphc as gc
from graphc.aot import linking
from graphc.runtime.buffers import aligned_empty
from tests.graphc import c_driver
from tests.graphc.exported_programs import PROGRAMS, attention, mlp, normal

FEW = 3


@pytest.mark.parametrize("name", PROGRAMS)
def test_c_computes_what_the_step_does(name: str, tmp_path: Path) -> None:
    """Each output of each call, and the state at the end."""
    program = PROGRAMS[name]()
    written = gc.export(tmp_path / "net", program.steps, name="net", cpu="host")
    base = gc.export(tmp_path / "base", program.steps, name="net")
    manifest, rounds = written.manifest, program.rounds
    here = c_driver.of_steps(program.steps, program.arguments, rounds)
    in_c = c_driver.of_c(tmp_path / "net", manifest, program.arguments, rounds)
    here.assert_same_bytes(in_c, "in C")
    library = gc.load(tmp_path / "net")
    here.assert_same_bytes(c_driver.of_library(library, program.arguments, rounds), "loaded")
    library.reset()
    few = c_driver.of_library(library, program.arguments, FEW)
    other = c_driver.of_library(gc.load(base.folder), program.arguments, FEW)
    few.assert_close(other, "on the oldest processor", 2e-2 if "halves" in name else 1e-4)


def test_threads_change_no_bit(tmp_path: Path) -> None:
    """Of products that are worth several."""
    program = mlp([133, 377, 5], 400, gc.optim.SGD(0.01, 0.9))
    expected = None
    for threads in (1, 3):
        folder = tmp_path / f"{threads}" / "net"
        written = gc.export(folder, program.steps, name="net", cpu="host", threads=threads)
        here = c_driver.of_c(folder, written.manifest, program.arguments, FEW)
        (expected := expected or here).assert_same_bytes(here, f"{threads} threads")
    assert expected is not None
    expected.assert_same_bytes(c_driver.of_steps(program.steps, program.arguments, FEW), "here")


def test_c_refuses_an_index_and_changes_nothing(tmp_path: Path) -> None:
    program = attention()
    gc.export(tmp_path / "net", program.steps, name="net")
    library = gc.load(tmp_path / "net")
    tokens, following = map(np.array, program.arguments["train"])
    library.train(tokens, following)
    before = library.state_block.tobytes()
    code = ctypes.CDLL(str(tmp_path / "net" / linking.shared_name(library.manifest)))
    code.net_message.restype = ctypes.c_char_p
    workspace = aligned_empty((library.manifest.workspace_bytes,), "uint8")
    loss = np.array(77, "float32")
    arrays = (library.state_block, workspace, tokens, following, loss)
    for given, place in ((tokens, (1, 12)), (following, (0, 0))):
        kept = given[place]
        for wrong in (11, -12, 2**31 - 1, -(2**31)):
            given[place] = wrong
            status = code.net_train(*(ctypes.c_void_p(each.ctypes.data) for each in arrays))
            assert status > 0
            assert b"train: an element of" in code.net_message(status)
            assert library.state_block.tobytes() == before
            assert loss == 77
        given[place] = kept


def test_a_constant_of_many_entries_is_stored_once(tmp_path: Path) -> None:
    """Also by the code of several processors, and beside a parameter that begins with it."""
    table, x = normal(64, 33), gc.input("x", 64)
    w = gc.param("w", table)
    steps = {f"f{i}": gc.compile([x], ((x + i) @ gc.const(table)).sum()) for i in range(5)}
    steps["g"] = gc.compile([x], (x @ w).sum())
    cpu = "x86-64,x86-64-v3"
    report = gc.export(tmp_path / "net", steps, target="x86_64-unknown-linux-gnu", cpu=cpu).report
    assert table.nbytes < report.constant_bytes < 1.5 * table.nbytes


def test_c_refuses_arrays_that_are_not_there(tmp_path: Path) -> None:
    """Each of them alone; an array without elements may be missing."""
    x, none = gc.input("x", 3), gc.input("none", (0, 4))
    w = gc.param("w", np.ones(3, "float32"))
    step = gc.compile([x, none], (x + w, w.sum(), none * 2), {w: w + x})
    gc.export(tmp_path / "net", {"f": step}, name="net")
    library = gc.load(tmp_path / "net")
    code = ctypes.CDLL(str(tmp_path / "net" / linking.shared_name(library.manifest)))
    code.net_message.restype = ctypes.c_char_p
    workspace = aligned_empty((max(library.manifest.workspace_bytes, 64),), "uint8")
    memory = [library.state_block, workspace]
    arrays = [np.ones(3, "float32"), None, np.zeros(3, "float32"), np.zeros((), "float32"), None]
    places = [array if array is None else array.ctypes.data for array in (*memory, *arrays)]
    before = library.state_block.tobytes()
    for missing in (2, 4, 5):
        given = [None if i == missing else place for i, place in enumerate(places)]
        status = code.net_f(*map(ctypes.c_void_p, given))
        assert code.net_message(status) == b"an array that has elements is NULL"
        assert library.state_block.tobytes() == before
    assert code.net_f(*map(ctypes.c_void_p, places)) == 0
    np.testing.assert_array_equal(library.state["w"], 2)


def test_kernels_of_several_entries_are_stored_once(tmp_path: Path) -> None:
    """Of a scan's body as well; an entry that differs in nothing has calls alone."""
    x = gc.input("x", (6, 5))
    w = gc.param("w", normal(5, 5))
    last, _ = gc.scan(lambda h, row: (gc.tanh(h @ w + row), None), gc.zeros(5), x)
    loss = (gc.sin(last) ** 2).sum()
    train = gc.compile([x], loss, {w: w - 0.1 * gc.grad(loss, w)})
    value = gc.compile([x], loss)
    alone = gc.export(tmp_path / "alone", value=value).report
    both = gc.export(tmp_path / "both", train=train, value=value, again=value)
    again = [part.kernel for part in both.report.parts if part.entry == "again"]
    assert again == ["(calls)"]
    trained = gc.export(tmp_path / "train", train=train).report
    assert both.report.code_bytes < trained.code_bytes + alone.code_bytes
    library, data = gc.load(both.folder), normal(6, 5)
    first = library.value(data)
    assert library.again(data) == first
    assert library.train(data) == pytest.approx(first, rel=1e-5)
    assert library.again(data) == library.value(data) != first
