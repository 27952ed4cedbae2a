"""The files of the cache: whole or not there, checked before use, and no more than the limit."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import stat
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.runtime.artifact import Artifact
from graphc.runtime.cache import MAGIC, Cache, Entry, Usage
from tests.runtime.programs import make_manifest

KEY = hashlib.sha256(b"a program").digest()
LIMIT = 1 << 20


def entry(text: str = "kernels", size: int = 0, **fields: Any) -> Entry:
    manifest = make_manifest("x:f32[4]", "y:f32[4]", **fields)
    return Entry(Artifact(manifest, text.encode() + bytes(size), b"entry"))


def key(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "some" / "where", LIMIT)


def path_of(cache: Cache, of: bytes = KEY) -> Path:
    (path,) = cache.folder.glob(f"{of.hex()}*")
    return path


def test_what_is_stored_is_found(cache: Cache) -> None:
    assert cache.fetch(KEY) is None
    cache.store(KEY, entry())
    assert cache.fetch(KEY) == entry()
    assert cache.fetch(key(1)) is None
    assert [path.name for path in cache.folder.iterdir()] == [f"{KEY.hex()}.step"]


def test_constants_are_found_as_they_were(cache: Cache) -> None:
    values = [np.arange(6, dtype="f4").reshape(2, 3), np.array(-0.0), np.zeros((0, 2), "u1")]
    stored = entry(constants="c0:f32[2,3] c1:i8[5] c2:f64[] c3:u8[0,2]").artifact
    cache.store(KEY, Entry(stored, (values[0], 3, *values[1:])))
    found = cache.fetch(KEY)
    assert found is not None
    assert found.constants[1] == 3
    for value, wanted in zip((found.constants[0], *found.constants[2:]), values, strict=True):
        assert isinstance(value, np.ndarray)
        assert (value.dtype, value.shape) == (wanted.dtype, wanted.shape)
        assert value.tobytes() == wanted.tobytes()


def test_nobody_else_can_read_what_is_made(cache: Cache) -> None:
    cache.store(KEY, entry())
    assert stat.S_IMODE(cache.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(cache).stat().st_mode) == 0o600


def test_no_damaged_byte_is_ever_used(cache: Cache) -> None:
    cache.store(KEY, entry())
    path = path_of(cache)
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        assert cache.fetch(KEY) is None, position
        assert not path.exists()


def test_no_truncated_file_is_ever_used(cache: Cache) -> None:
    cache.store(KEY, entry())
    path = path_of(cache)
    whole = path.read_bytes()
    for length in (*range(120), len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert cache.fetch(KEY) is None, length
        assert not path.exists()
    path.write_bytes(whole + b"\0")
    assert cache.fetch(KEY) is None


@pytest.mark.parametrize(
    "body",
    [
        KEY,
        KEY + (4).to_bytes(8, "little") + b"{}",
        KEY + (2).to_bytes(8, "little") + b"{}",
        KEY + (2**63).to_bytes(8, "little"),
        KEY + (4).to_bytes(8, "little") + b"null",
        KEY + (2).to_bytes(8, "little") + b"[[" * 5000,
        KEY + b"\1",
    ],
)
def test_a_file_that_says_its_own_digest_is_still_checked(cache: Cache, body: bytes) -> None:
    cache.store(KEY, entry())
    path_of(cache).write_bytes(MAGIC + hashlib.sha256(body).digest() + body)
    assert cache.fetch(KEY) is None
    assert cache.usage().entries == 0


def test_an_entry_under_the_name_of_another_is_not_used(cache: Cache) -> None:
    cache.store(KEY, entry())
    path_of(cache).rename(cache.folder / f"{key(1).hex()}.step")
    assert cache.fetch(key(1)) is None
    assert cache.usage().entries == 0


def test_an_entry_that_others_may_write_is_not_used(cache: Cache) -> None:
    cache.store(KEY, entry())
    path_of(cache).chmod(0o666)
    assert cache.fetch(KEY) is None
    assert cache.usage().entries == 0


def test_a_link_in_place_of_an_entry_is_not_followed(cache: Cache, tmp_path: Path) -> None:
    cache.store(KEY, entry())
    path = path_of(cache)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert cache.fetch(KEY) is None
    cache.store(KEY, entry("new"))
    assert cache.fetch(KEY) == entry("new")
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("make", [os.mkdir, getattr(os, "mkfifo", os.mkdir)])
def test_what_is_no_file_is_not_read(cache: Cache, make: Any) -> None:
    cache.store(KEY, entry())
    path = path_of(cache)
    path.unlink()
    make(path)
    assert cache.fetch(KEY) is None
    cache.store(KEY, entry())


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
def test_a_folder_that_others_may_write_is_refused_once(cache: Cache, mode: int) -> None:
    cache.store(KEY, entry())
    cache.folder.chmod(mode)
    with pytest.warns(RuntimeWarning, match="other users may write to it"):
        assert cache.fetch(KEY) is None
    cache.store(key(1), entry())
    assert cache.fetch(KEY) is None
    assert cache.usage().entries == 1
    cache.folder.chmod(0o700)
    assert cache.fetch(KEY) == entry()


def test_a_folder_of_another_user_is_refused(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.store(KEY, entry())
    monkeypatch.setattr(os, "geteuid", lambda: cache.folder.stat().st_uid + 1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert cache.fetch(KEY) is None


def test_a_link_in_place_of_the_folder_is_refused(cache: Cache, tmp_path: Path) -> None:
    cache.store(KEY, entry())
    link = Cache(tmp_path / "link", LIMIT)
    link.folder.symlink_to(cache.folder)
    with pytest.warns(RuntimeWarning, match="symbolic link"):
        assert link.fetch(KEY) is None
    link.store(key(1), entry())
    assert cache.usage().entries == 1


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.warns(RuntimeWarning, match="no folder"):
        assert Cache(tmp_path / "file", LIMIT).fetch(KEY) is None
    with pytest.warns(RuntimeWarning, match="cannot be read"):
        Cache(tmp_path / "file" / "inner", LIMIT).fetch(KEY)
    Cache(tmp_path / "file" / "inner", LIMIT).store(KEY, entry())
    assert (tmp_path / "file").read_text() == "mine"


def test_failing_to_write_leaves_no_trace(cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    cache.store(KEY, entry())
    assert list(cache.folder.iterdir()) == []


def test_a_folder_that_can_only_be_read_serves(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    cache.store(KEY, entry())
    for name in ("utime", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, refuse)
    monkeypatch.setattr("tempfile.mkstemp", refuse)
    cache.store(key(1), entry())
    assert cache.fetch(KEY) == entry()
    assert cache.clear().entries == 1
    assert cache.usage().entries == 1


def test_the_limit_holds_and_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 60_000)
    begin = time.time() - 1000
    for number in range(5):
        cache.store(key(number), entry(size=10_000))
        os.utime(path_of(cache, key(number)), (begin + number, begin + number))
    assert cache.usage().entries == 5
    assert cache.fetch(key(0)) is not None
    cache.store(key(5), entry(size=10_000))
    assert cache.usage().bytes <= cache.limit
    assert cache.fetch(key(0)) is not None
    assert cache.fetch(key(1)) is None
    for number in range(6, 40):
        cache.store(key(number), entry(size=10_000))
        assert cache.usage().bytes <= cache.limit
        assert cache.fetch(key(number)) is not None


def test_small_entries_are_counted_now_and_then(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 60_000)
    for number in range(400):
        cache.store(key(number), entry())
    size = path_of(cache, key(399)).stat().st_size
    assert cache.usage().bytes <= cache.limit + 100 * size


def test_an_entry_beyond_the_limit_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache", 10_000)
    cache.store(KEY, entry(size=10_000))
    assert cache.usage() == Usage(0, 0)
    Cache(tmp_path / "cache", 0).store(KEY, entry())
    assert cache.usage() == Usage(0, 0)


def test_only_what_is_the_caches_is_removed(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 20_000)
    foreign = ["notes.txt", "a.step", ".hidden", f"{KEY.hex()}.step.bak"]
    for name in foreign:
        (tmp_path / name).write_bytes(bytes(50_000))
    (tmp_path / f"{key(1).hex()}.step").mkdir()
    abandoned, recent = tmp_path / ".abc.fresh", tmp_path / ".xyz.fresh"
    for path in (abandoned, recent):
        path.write_text("part of an entry")
    os.utime(abandoned, (1, 1))
    cache.store(KEY, entry(size=10_000))
    assert not abandoned.exists()
    assert recent.exists()
    assert cache.fetch(KEY) is not None
    assert cache.clear().entries == 1
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {*foreign, f"{key(1).hex()}.step"}


def test_there_is_no_use_in_what_is_not_there(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "none", LIMIT)
    assert cache.usage() == cache.clear() == Usage(0, 0)
    assert cache.problem() == ""
    assert not cache.folder.exists()


def hammer(folder: Path, seed: int) -> int:
    """Uses a cache at random; returns how often an entry was found, which is always right."""
    cache, random, found = Cache(folder, 120_000), np.random.default_rng(seed), 0
    for _ in range(150):
        number = int(random.integers(12))
        action = random.integers(20)
        if action == 0:
            cache.clear()
        elif action == 1:
            cache.discard(key(number))
        elif action < 8:
            cache.store(key(number), entry(f"kernels of {number} ", size=5000 * number))
        else:
            there = cache.fetch(key(number))
            if there is not None:
                assert there == entry(f"kernels of {number} ", size=5000 * number)
                found += 1
    return found


def test_many_processes_may_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        found = pool.starmap(hammer, [(tmp_path / "cache", seed) for seed in range(3)])
    assert min(found) > 0
    assert not list((tmp_path / "cache").glob("*.fresh"))
