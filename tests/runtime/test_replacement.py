"""Folders that are replaced: by a process that is killed, by two at once, and where systems cannot
swap."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import graphc
from graphc.runtime import replacement
from graphc.runtime.replacement import fresh_folder, put_in_place

FILES = 8

WRITER = """
import signal, sys
from pathlib import Path
from graphc.runtime import replacement
# A shell that runs the tests in the background leaves them with interrupts ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
if sys.argv[3] == "apart":
    replacement._swapped = lambda fresh, target: False
target = Path(sys.argv[1])
for turn in range(int(sys.argv[2]), 10**9):
    with replacement.fresh_folder(target) as fresh:
        for number in range(8):
            (fresh / str(number)).write_text(f"{turn}")
        replacement.put_in_place(fresh, target)
    if turn == int(sys.argv[2]):
        print("written", flush=True)
"""


def start(target: Path, first: int, how: str = "swap") -> subprocess.Popen[str]:
    """A process that writes a folder over and over, from the moment when it has done so once."""
    command = [sys.executable, "-c", WRITER, str(target), str(first), how]
    root = Path(graphc.__path__[0]).parent
    process = subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "written\n"
    return process


def end(process: subprocess.Popen[str], how: signal.Signals) -> None:
    process.send_signal(how)
    process.wait()
    assert process.stdout
    process.stdout.close()


def write(target: Path, text: str) -> None:
    with fresh_folder(target) as fresh:
        for number in range(FILES):
            (fresh / str(number)).write_text(text)
        put_in_place(fresh, target)


def turn_of(target: Path) -> str:
    """What a folder says, which is the same in all its files."""
    texts = {(target / str(number)).read_text() for number in range(FILES)}
    assert len(texts) == 1, texts
    assert len([*target.iterdir()]) == FILES
    return texts.pop()


@pytest.mark.parametrize("round_", range(6))
def test_a_killed_writer_leaves_one_whole_folder(round_: int, tmp_path: Path) -> None:
    target = tmp_path / "net"
    process = start(target, 0)
    time.sleep(0.003 * round_)
    end(process, signal.SIGKILL)
    assert int(turn_of(target)) >= 0
    (tmp_path / ".net.mine").mkdir()
    (tmp_path / ".net.graphc-mine").write_text("a file")
    write(target, "new")
    assert turn_of(target) == "new"
    assert sorted(os.listdir(tmp_path)) == [".net.graphc-mine", ".net.mine", "net"]


@pytest.mark.parametrize("how", ["swap", "apart"])
def test_an_interrupted_writer(how: str, tmp_path: Path) -> None:
    target = tmp_path / "net"
    for _ in range(3):
        end(start(target, 0, how), signal.SIGINT)
        turn_of(target)
        visible = [name for name in os.listdir(tmp_path) if not name.startswith(".net.graphc-")]
        assert visible == ["net"]


@pytest.mark.parametrize("how", ["swap", "apart"])
def test_two_writers_at_once(how: str, tmp_path: Path) -> None:
    """Each finds the other's folder, and does not take it for abandoned."""
    target = tmp_path / "net"
    processes = [start(target, first, how) for first in (0, 1_000_000)]
    for _ in range(60):
        write(target, "mine")
    for process in processes:
        assert process.poll() is None
        end(process, signal.SIGKILL if how == "swap" else signal.SIGINT)
    write(target, "last")
    assert turn_of(target) == "last"
    assert os.listdir(tmp_path) == ["net"]


def test_readers_see_a_folder_at_any_time(tmp_path: Path) -> None:
    target = tmp_path / "net"
    write(target, "first")
    missing, done = [], threading.Event()

    def look() -> None:
        while not done.is_set():
            missing.append(not target.is_dir())

    reader = threading.Thread(target=look)
    reader.start()
    for turn in range(60):
        write(target, str(turn))
    done.set()
    reader.join()
    assert sys.platform != "linux" or not any(missing)


def test_where_folders_cannot_be_swapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replacement, "_swapped", lambda fresh, target: False)
    for text in ("first", "second"):
        write(tmp_path / "net", text)
        assert turn_of(tmp_path / "net") == text
    assert os.listdir(tmp_path) == ["net"]


def test_a_folder_that_cannot_be_put_there_leaves_the_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, plain = tmp_path / "net", os.rename
    write(target, "old")

    def refused(source: Path, place: Path) -> None:
        if Path(place) == target and not Path(source).name == "old":
            raise OSError(13, "Permission denied")
        plain(source, place)

    monkeypatch.setattr(replacement, "_swapped", lambda fresh, target: False)
    monkeypatch.setattr(os, "rename", refused)
    with pytest.raises(OSError, match="Permission denied"):
        write(target, "new")
    assert turn_of(target) == "old"
    assert os.listdir(tmp_path) == ["net"]
