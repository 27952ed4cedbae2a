"""`graphc cache`: what it says of a cache, and that it empties it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graphc.caching import opened
from graphc.cli import main
from graphc.runtime.artifact import Artifact, Manifest, TargetRecord
from graphc.runtime.cache import Entry


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one entry."""
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    cache = opened()
    assert cache is not None
    artifact = Artifact(Manifest("step", "step", TargetRecord("", "", "")), b"", b"")
    cache.store(bytes(32), Entry(artifact))
    return cache.folder


def test_info_and_clear(folder: Path, capsys: Any) -> None:
    (entry,) = folder.iterdir()
    assert main(["cache", "info"]) == 0
    shown = capsys.readouterr().out
    assert str(folder) in shown
    assert "entries   1\n" in shown
    assert main(["cache", "info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "folder": str(folder),
        "entries": 1,
        "bytes": entry.stat().st_size,
        "limit": 1 << 30,
        "problem": "",
    }
    assert main(["cache", "clear"]) == 0
    assert "removed 1 entries" in capsys.readouterr().out
    assert not entry.exists()
    assert main(["cache", "clear"]) == 0


def test_entries_that_stay_are_reported(
    folder: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("os.unlink", refuse)
    assert main(["cache", "clear"]) == 2
    assert "1 of the entries" in capsys.readouterr().err


def test_info_says_why_a_folder_is_not_used(folder: Path, capsys: Any) -> None:
    folder.chmod(0o777)
    assert main(["cache", "info"]) == 0
    assert "not used  other users may write to it" in capsys.readouterr().out


def test_info_of_no_cache(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_DIR", "off")
    for action in ("info", "clear"):
        assert main(["cache", action]) == 0
        assert "there is no cache" in capsys.readouterr().out
    assert main(["cache", "info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"folder": None}


def test_a_limit_that_is_no_number_is_refused(
    capsys: Any, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHC_CACHE_LIMIT", "1 GiB")
    assert main(["cache", "info"]) == 2
    assert "GRAPHC_CACHE_LIMIT is '1 GiB'" in capsys.readouterr().err
