"""What linkers make of a library: shared libraries that export its own names alone, and say theirs.

Those of Linux are run by other tests; of Windows and macOS there is no emulator here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import graphc as gc
from tests.graphc.exporting import declare, run
from tests.platforms.machines import MACHINES

FUNCTIONS = {f"net_{name}" for name in ("initialize", "validate", "message", "train", "predict")}
DATA = {"net_abi", "net_params"}

LINUX = (
    *{machine.triple: None for machine in MACHINES.values() if not machine.is_web},
    *("aarch64-unknown-linux-musl", "i586-linux-gnu", "powerpc64le-unknown-linux-gnu"),
)
APPLE = ("arm64-apple-darwin", "aarch64-apple-darwin", "x86_64-apple-macosx11.0")
WINDOWS = ("x86_64-pc-windows-msvc", "x86_64-pc-windows-gnu", "aarch64-pc-windows-msvc")


@pytest.mark.parametrize(("triple", "threads"), [*((each, 1) for each in LINUX), (LINUX[0], 2)])
def test_a_shared_library_of_linux(triple: str, threads: int, tmp_path: Path) -> None:
    written = declare().export(tmp_path / "net", target=triple, threads=threads)
    assert not written.notes
    listed = run(["readelf", "--dynamic", "--dyn-syms", "--wide", "libnet.so"], tmp_path / "net")
    assert "Library soname: [libnet.so]" in listed
    defined = re.findall(r"(?:FUNC|OBJECT) +GLOBAL +DEFAULT +(?:\[.*\] +)?\d+ (\S+)", listed)
    assert set(defined) == {*FUNCTIONS, *DATA, written.manifest.build_symbol}
    needed = re.findall(r"Shared library: \[(\w+)", listed)
    assert not needed if threads == 1 else "libc" in needed


@pytest.mark.parametrize("triple", WINDOWS)
def test_a_dll_of_windows(triple: str, tmp_path: Path) -> None:
    first, second = (declare().export(tmp_path / name, target=triple) for name in "ab")
    assert not first.notes
    image = (first.folder / "net.dll").read_bytes()
    assert image == (second.folder / "net.dll").read_bytes()
    assert (first.folder / "net.lib").read_bytes()
    wanted = {*FUNCTIONS, *DATA, first.manifest.build_symbol}
    assert exports_of(image) == wanted


@pytest.mark.parametrize("triple", APPLE)
@pytest.mark.parametrize("threads", [1, 3])
def test_a_shared_library_of_macos(triple: str, threads: int, tmp_path: Path) -> None:
    """With threads, of a step that has work for them."""
    x = gc.input("x", 300_000)
    step = gc.compile([x], gc.exp(gc.sin(x)))
    written = gc.export(tmp_path / "net", name="net", target=triple, threads=threads, f=step)
    assert not written.notes
    assert b"@rpath/libnet.dylib" in (written.folder / "libnet.dylib").read_bytes()


def exports_of(image: bytes) -> set[str]:
    """The names that a DLL exports (Microsoft, "PE Format", the .edata section)."""

    def number(at: int, size: int = 4) -> int:
        return int.from_bytes(image[at : at + size], "little")

    header = number(0x3C)
    optional = header + 24
    sections = optional + number(header + 20, 2)

    def place(address: int) -> int:
        """Where in the file something is that is at an address in memory."""
        for at in range(sections, sections + 40 * number(header + 6, 2), 40):
            begin = number(at + 12)
            if begin <= address < begin + number(at + 8):
                return address - begin + number(at + 20)
        raise AssertionError(f"{address:#x} is in no section")

    table = place(number(optional + 112))
    names = place(number(table + 32))
    places = [place(number(names + 4 * i)) for i in range(number(table + 24))]
    return {image[at : image.index(b"\0", at)].decode() for at in places}
