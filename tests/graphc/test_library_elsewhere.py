"""Libraries that were built for other machines, and what is said where one cannot run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import graphc as gc
from graphc.codegen.target import host_target
from graphc.runtime import host
from graphc.runtime.errors import TargetError
from tests.graphc.exporting import Model


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
