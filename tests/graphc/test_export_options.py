"""Processors, threads and tools that a build is given, and those that it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.aot import linking
from tests.graphc.exporting import Model

X86_64 = "x86_64-unknown-linux-gnu"


def step() -> gc.Step:
    x = gc.input("x", 3)
    return gc.compile([x], 2 * x)


@pytest.mark.parametrize(
    "cpus",
    [",", "x86-64,", "x86-64-v3,x86-64", "x86-64,x86-64", "x86-64-v3,haswell"],
)
def test_processors_that_cannot_be_told_apart(cpus: str, tmp_path: Path) -> None:
    with pytest.raises(gc.errors.GraphError, match=r"cannot choose among .*\n.*the least first"):
        gc.export(tmp_path / "net", target=X86_64, cpu=cpus, f=step())
    assert not (tmp_path / "net").exists()


def test_two_processors_of_another_platform(tmp_path: Path) -> None:
    cpus, arm = "cortex-a53,cortex-a72", "aarch64-unknown-linux-gnu"
    with pytest.raises(gc.errors.GraphError, match="cannot choose among"):
        gc.export(tmp_path / "net", target=arm, cpu=cpus, f=step())


@pytest.mark.parametrize("threads", [0, -1, 10**6, 1.5, True])
def test_numbers_of_threads_that_cannot_be(threads: Any, tmp_path: Path) -> None:
    with pytest.raises(gc.errors.AttributeValueError, match="threads must be a whole number"):
        gc.export(tmp_path / "net", threads=threads, f=step())


@pytest.mark.parametrize("target", ["wasm32-unknown-unknown", "thumbv7em-none-eabi"])
def test_threads_where_there_are_none(target: str, tmp_path: Path) -> None:
    with pytest.raises(gc.errors.BoundaryError, match=f"{target} has no threads"):
        gc.export(tmp_path / "net", target=target, threads=2, f=step())


def test_a_limit_of_memory_holds_in_the_library(tmp_path: Path) -> None:
    """On each of its processors, and with the results of the step."""
    x, w = gc.input("x", (16, 24)), gc.param("w", np.full((24, 24), 0.05, "float32"))
    h = x
    for _ in range(12):
        h = gc.tanh(h @ w)
    loss = (h**2).sum()
    update = {w: w - 0.01 * gc.grad(loss, w)}
    plain = gc.compile([x], loss, update, threads=1)
    limit = int(0.8 * gc.export(tmp_path / "plain", f=plain).report.workspace_bytes)
    limited = gc.compile([x], loss, update, threads=1, memory_limit=limit)
    for number, cpu in enumerate(["", "host"]):
        written = gc.export(tmp_path / f"net{number}", cpu=cpu, f=limited, threads=1)
        assert written.report.workspace_bytes <= limit
    library, data = gc.load(tmp_path / "net1"), np.ones((16, 24), "float32")
    assert [library.f(data) for _ in range(5)] == [limited(data) for _ in range(5)]


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


def test_a_linker_that_fails_leaves_the_object(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "false")
    written = gc.export(tmp_path / "net", name="net", f=step())
    assert (tmp_path / "net" / "net.o").exists()
    assert not (tmp_path / "net" / "libnet.a").exists()
    assert len(written.notes) == 2
    assert "a library was not made: " in written.notes[0]
    assert "false" in written.notes[0]
    assert gc.load(tmp_path / "net").f(np.ones(3, "float32")).tolist() == [2, 2, 2]


@pytest.mark.parametrize("target", ["wasm32-unknown-unknown", "thumbv7em-none-eabihf"])
def test_memory_beyond_all_addresses(target: str, tmp_path: Path) -> None:
    """A size that C would cut off is refused; the same program is fine where addresses are wide."""
    x = gc.input("x", (40000, 3))
    sorted_products = gc.compile([x], gc.sort(gc.exp(x @ gc.transpose(x)), axis=0)[0])
    with pytest.raises(gc.errors.MemoryLimitError, match=r"for state and .* reach 4,294,967,296"):
        gc.export(tmp_path / "net", target=target, f=sorted_products)
    wide = gc.input("wide", (70000, 70000), gc.uint8)
    first = gc.compile([wide], wide[0] + wide[1])
    with pytest.raises(gc.errors.MemoryLimitError, match=r"4,900,000,000 bytes for wide of f"):
        gc.export(tmp_path / "net", target=target, f=first)
    assert not (tmp_path / "net").exists()
    written = gc.export(tmp_path / "net", target=X86_64, f=sorted_products)
    assert written.report.workspace_bytes > 2**32
