"""From an object to libraries that a linker makes: static, shared, or a WebAssembly module.

Owns `link`, `shared_name` and `zig`. Runs the system's tools and, for other platforms, Zig's, which
the package ziglang brings. Invariant: what cannot be made here is left out and said, with what to
install for it; the object itself needs none of this.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from graphc.runtime.errors import ArtifactError
from graphc.runtime.host import is_this_platform
from graphc.runtime.library_manifest import LibraryManifest
from graphc.runtime.platforms import system

_ZIG_ARCHITECTURES = ((r"i[3-6]86", "x86"), (r"armv\w+", "arm"), ("arm64", "aarch64"))
"""What Zig has other names for than LLVM."""


@dataclass
class Linked:
    """The libraries by file name, and what could not be made, in sentences."""

    files: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def link(manifest: LibraryManifest, object_bytes: bytes) -> Linked:
    """Every library that the tools of this machine can make of an object."""
    triple = manifest.targets[0].triple
    linked = Linked()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / f"{manifest.name}.o").write_bytes(object_bytes)
        for make in _makers(triple):
            try:
                make(manifest, folder, linked)
            except (ArtifactError, OSError) as error:
                reason = error.summary if isinstance(error, ArtifactError) else error
                linked.notes.append(f"a library was not made: {reason}")
    return linked


def _makers(triple: str) -> list[Callable[[LibraryManifest, Path, Linked], None]]:
    if triple.startswith("wasm"):
        return [_link_wasm]
    if system(triple) == "none":
        return [_archive]
    return [_archive, _link_dll if system(triple) == "windows" else _link_shared]


def shared_name(manifest: LibraryManifest) -> str:
    """The file name of the shared library on its platform."""
    triple = manifest.targets[0].triple
    if system(triple) == "windows":
        return f"{manifest.name}.dll"
    return f"lib{manifest.name}.{'dylib' if system(triple) == 'darwin' else 'so'}"


def zig() -> list[str] | None:
    """The command of Zig's compiler, None where the package is not installed."""
    if importlib.util.find_spec("ziglang") is None:
        return None
    return [sys.executable, "-m", "ziglang"]


def _zig_platform(triple: str) -> str:
    """What Zig calls a platform, which has no vendor there; nothing where it cannot link for it
    without files of the system."""
    architecture, _, rest = triple.partition("-")
    for pattern, name in _ZIG_ARCHITECTURES:
        architecture = name if re.fullmatch(pattern, architecture) else architecture
    if system(triple) == "darwin":
        return f"{architecture}-macos"
    return f"{architecture}-{rest.partition('-')[2]}" if system(triple) == "linux" else ""


def _archive(manifest: LibraryManifest, folder: Path, linked: Linked) -> None:
    archiver = shutil.which("ar") or shutil.which("llvm-ar")
    command = [archiver] if archiver else [*(zig() or []), "ar"]
    if command == ["ar"]:
        linked.notes.append(_missing("the static library", "binutils"))
        return
    name = f"lib{manifest.name}.a"
    # D: no times and owners, so that equal objects give equal archives.
    _run([*command, "rcsD", name, f"{manifest.name}.o"], folder)
    linked.files[name] = (folder / name).read_bytes()


def _link_shared(manifest: LibraryManifest, folder: Path, linked: Linked) -> None:
    triple, name = manifest.targets[0].triple, shared_name(manifest)
    native = is_this_platform(triple)
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if native and compiler:
        command = [compiler]
    elif (found := zig()) and (platform := _zig_platform(triple)):
        command = [*found, "cc", "-target", platform]
    elif native:
        linked.notes.append(_missing("the shared library", "gcc or clang"))
        return
    elif _zig_platform(triple):
        linked.notes.append(_missing_zig(f"the shared library for {triple}"))
        return
    else:
        linked.notes.append(
            f"the shared library for {triple} was not made: link {manifest.name}.o with the tools "
            "of that platform"
        )
        return
    options = ["-pthread"] if manifest.threads > 1 else ["-nostdlib"]
    # How programs that are linked with it will ask for it, wherever it lay then.
    called = "-install_name,@rpath/" if system(triple) == "darwin" else "-soname,"
    options.append(f"-Wl,{called}{name}")
    _run([*command, "-shared", *options, "-o", name, f"{manifest.name}.o"], folder)
    linked.files[name] = (folder / name).read_bytes()


def _link_dll(manifest: LibraryManifest, folder: Path, linked: Linked) -> None:
    """A DLL, and the import library by which programs are linked with it."""
    found = zig()
    if found is None:
        linked.notes.append(_missing_zig("the DLL"))
        return
    name = shared_name(manifest)
    constants = [f"{manifest.name}_params", f"{manifest.name}_abi", manifest.build_symbol]
    exports = [f"/export:{symbol}" for symbol in _functions(manifest)]
    exports += [f"/export:{symbol},DATA" for symbol in constants]
    # The C library, which is not linked, has the mark that floats are used: anything does for it.
    mark = f"/alternatename:_fltused={manifest.name}_abi"
    options = ["/dll", "/noentry", "/nodefaultlib", "/Brepro", mark, f"/out:{name}"]
    _run([*found, "lld-link", *options, *exports, f"{manifest.name}.o"], folder)
    for file in (name, f"{manifest.name}.lib"):
        linked.files[file] = (folder / file).read_bytes()


def _link_wasm(manifest: LibraryManifest, folder: Path, linked: Linked) -> None:
    found = zig()
    if found is None:
        linked.notes.append(_missing_zig("the WebAssembly module"))
        return
    exports = [f"--export={symbol}" for symbol in _functions(manifest)]
    name = f"{manifest.name}.wasm"
    options = ["--no-entry", "--import-memory", "--export=__heap_base", *exports]
    _run([*found, "wasm-ld", *options, "-o", name, f"{manifest.name}.o"], folder)
    linked.files[name] = (folder / name).read_bytes()


def _functions(manifest: LibraryManifest) -> list[str]:
    """The functions of a library."""
    names = ["initialize", "validate", "message", *(entry.name for entry in manifest.entries)]
    return [f"{manifest.name}_{name}" for name in names]


def _missing(what: str, package: str) -> str:
    return f"{what} was not made: there is no tool for it; install {package}"


def _missing_zig(what: str) -> str:
    return f'{what} was not made: it takes Zig\'s linker; pip install "graphc[cross]"'


def _run(command: Sequence[str], folder: Path) -> None:
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if outcome.returncode:
        tool = " ".join(command[:3])
        raise ArtifactError(
            f"{tool} ended with {outcome.returncode}: {outcome.stderr.strip()[:500]}"
        )
