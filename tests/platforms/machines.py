"""Other processors: how libraries for them are built, and called in an emulator.

Owns `MACHINES` and `program`. Needs qemu-user, Node.js and the package ziglang. Invariant: what
runs is a whole library, behind the functions that C gets to see.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from graphc.aot.header import header_text
from graphc.aot.linking import link, zig
from graphc.codegen.library import CompiledLibrary
from graphc.codegen.processors import named_target
from graphc.codegen.requirements import requirements_of
from graphc.codegen.target import host_target
from graphc.runtime.library_manifest import LibraryEntry, LibraryManifest, padded
from tests.graphc.exporting import tool

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Machine:
    """A processor: how graphc is told of it, what Zig calls its platform, and what runs programs
    for it here. Zig is told the processor too where its own code would need a better one."""

    triple: str
    platform: str
    emulator: tuple[str, ...]
    cpu: str = ""
    features: str = ""
    zig_cpu: str = "baseline"

    @property
    def is_web(self) -> bool:
        return self.triple.startswith("wasm")


MACHINES = {
    "x86-64": Machine(
        "x86_64-unknown-linux-gnu", "x86_64-linux-musl", ("qemu-x86_64", "-cpu", "qemu64"),
        zig_cpu="x86_64",
    ),
    "x86-64-v3": Machine(
        "x86_64-unknown-linux-gnu", "x86_64-linux-musl", ("qemu-x86_64", "-cpu", "Haswell"),
        "x86-64-v3", zig_cpu="x86_64",
    ),
    "aarch64": Machine("aarch64-unknown-linux-gnu", "aarch64-linux-musl", ("qemu-aarch64",)),
    "riscv64": Machine("riscv64-unknown-linux-gnu", "riscv64-linux-musl", ("qemu-riscv64",)),
    "armv7": Machine("armv7-unknown-linux-gnueabihf", "arm-linux-musleabihf", ("qemu-arm",)),
    "i686": Machine("i686-unknown-linux-gnu", "x86-linux-musl", ("qemu-i386",)),
    "wasm": Machine("wasm32-unknown-unknown", "", ("node",)),
    "wasm-scalar": Machine("wasm32-unknown-unknown", "", ("node",), features="-simd128"),
}  # fmt: skip


def c_for(machine: Machine) -> list[str]:
    """A command that compiles and links C for a machine."""
    compiler = zig()
    assert compiler, "this test needs the package ziglang"
    command = [*compiler, "cc", "-target", machine.platform, "-static", "-O1"]
    return [*command, f"-mcpu={machine.zig_cpu}"]


def program(compiled: CompiledLibrary, machine: Machine, folder: Path) -> list[str]:
    """The command of a program, made in `folder`, that calls every entry of a library: from there,
    with the files of inputs and outputs, as `calls.c` says."""
    if machine.is_web:
        return _web_program(compiled, folder)
    return _linux_program(compiled, machine, folder)


def _linux_program(compiled: CompiledLibrary, machine: Machine, folder: Path) -> list[str]:
    manifest = compiled.manifest
    (folder / "library.o").write_bytes(compiled.object_bytes)
    (folder / "library.h").write_text(header_text(manifest, compiled.undefined))
    (folder / "table.h").write_text(_table_text(manifest))
    # Zig takes files of one name for the same, whatever folder "." is.
    options = ["-std=c99", "-I", str(folder), *(["-pthread"] if manifest.threads > 1 else [])]
    sources = [str(HERE / "calls.c"), str(folder / "library.o")]
    subprocess.run(
        [*c_for(machine), *options, *sources, "-o", "program"],
        cwd=folder, check=True, capture_output=True, text=True,
        env={**os.environ, "ZIG_LOCAL_CACHE_DIR": str(folder / "cache")},
    )  # fmt: skip
    if _runs_here(machine):
        return ["./program"]
    name, *flags = machine.emulator
    return [tool(name), *flags, "./program"]


def _runs_here(machine: Machine) -> bool:
    """Whether no emulator is needed. That of x86 reads beyond the operands of some instructions,
    which guarded memory does not let pass."""
    host, target = host_target(), named_target(machine.triple, machine.cpu, machine.features)
    same = host.is_x86_64 and target.is_x86
    return same and {*requirements_of(target)} <= {*requirements_of(host)}


def _web_program(compiled: CompiledLibrary, folder: Path) -> list[str]:
    manifest = compiled.manifest
    linked = link(manifest, compiled.object_bytes)
    assert not linked.notes, linked.notes
    (folder / "library.wasm").write_bytes(linked.files["library.wasm"])
    entries = [
        {
            "name": entry.name,
            "inputs": len(entry.inputs),
            "bytes": [each.bytes for each in (*entry.inputs, *entry.outputs)],
            "workspace_bytes": padded(entry.workspace_bytes),
        }
        for entry in manifest.entries
    ]
    table = {
        "interface": str(manifest.interface),
        "state_bytes": manifest.state_bytes,
        "entries": entries,
    }
    (folder / "table.json").write_text(json.dumps(table))
    return [tool("node"), str(HERE / "calls.mjs"), "library.wasm", "table.json"]


def _table_text(manifest: LibraryManifest) -> str:
    """What calls.c must know of a library."""
    arrays = [(*entry.inputs, *entry.outputs) for entry in manifest.entries]
    functions = [
        _caller(entry, len(each)) for entry, each in zip(manifest.entries, arrays, strict=True)
    ]
    sizes = [
        f"static const size_t {entry.name}_bytes[] = "
        f"{{{', '.join(str(size) for size in (*(each.bytes for each in many), 0))}}};"
        for entry, many in zip(manifest.entries, arrays, strict=True)
    ]
    rows = [
        f'    {{"{entry.name}", call_{entry.name}, {len(entry.inputs)}, {len(entry.outputs)}, '
        f"{entry.name}_bytes, {padded(entry.workspace_bytes)}}},"
        for entry in manifest.entries
    ]
    most = max([1, *map(len, arrays)])
    return "\n".join(
        [
            '#include "library.h"',
            f"#define MOST_ARRAYS {most}",
            "typedef struct {",
            "    const char *name;",
            "    int (*call)(void *state, void *workspace, void **arrays);",
            "    int inputs, outputs;",
            "    const size_t *bytes;",
            "    size_t workspace_bytes;",
            "} Entry;",
            *functions,
            *sizes,
            "static const Entry entries[] = {",
            *rows,
            "};\n",
        ]
    )


def _caller(entry: LibraryEntry, count: int) -> str:
    arrays = ", ".join(["state", "workspace", *(f"arrays[{i}]" for i in range(count))])
    return (
        f"static int call_{entry.name}(void *state, void *workspace, void **arrays) {{\n"
        f"    return library_{entry.name}({arrays});\n}}"
    )
