"""The same 200 steps of training on every platform: the losses agree, and fall.

Linux programs are linked by Zig and run under qemu-user, WebAssembly runs in Node.js. Bits may
differ between platforms, whose vectors are of different widths, but not from build to build.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphc.aot.linking import zig
from graphc.runtime.buffers import ALIGNMENT
from tests.graphc.exporting import PROGRAM, STEPS, declare, losses_of, run

TOLERANCE = 2e-4

LINUX = {
    "x86_64-unknown-linux-gnu": ("x86_64-linux-musl", "qemu-x86_64"),
    "aarch64-unknown-linux-gnu": ("aarch64-linux-musl", "qemu-aarch64"),
    "riscv64-unknown-linux-gnu": ("riscv64-linux-musl", "qemu-riscv64"),
    "armv7-unknown-linux-gnueabihf": ("arm-linux-musleabihf", "qemu-arm"),
    "i686-unknown-linux-gnu": ("x86-linux-musl", "qemu-i386"),
}

WASM = """
import fs from "fs";
const [module, train, initialize, interface_, state, workspace, steps] = process.argv.slice(2);
const memory = new WebAssembly.Memory({ initial: 64 });
const bytes = fs.readFileSync(module);
const { instance } = await WebAssembly.instantiate(bytes, { env: { memory } });
const run = instance.exports;
let top = run.__heap_base.value;
const place = (size) => {
  const address = Math.ceil(top / 64) * 64;
  top = address + size;
  return address;
};
const at = { state: place(+state), workspace: place(+workspace) };
const x = place(16 * 8 * 4), y = place(16 * 4), loss = place(4);
const images = new Float32Array(memory.buffer, x, 16 * 8);
const labels = new Int32Array(memory.buffer, y, 16);
images.forEach((_, i) => { images[i] = Math.fround(Math.fround((i * 37) % 101 / 50) - 1); });
labels.forEach((_, i) => { labels[i] = (i * 5) % 3; });
let status = run[initialize](at.state, BigInt(interface_));
for (let i = 0; i < +steps && !status; i++) {
  status = run[train](at.state, at.workspace, x, y, loss);
  console.log(new Float32Array(memory.buffer, loss, 1)[0]);
}
process.exit(status);
"""


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return declare().losses()


def tool(name: str) -> str:
    found = shutil.which(name)
    assert found, f"this test needs {name}"
    return found


def check(losses: list[float], expected: list[float]) -> None:
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, expected, rtol=TOLERANCE)
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("triple", LINUX)
def test_linux(triple: str, expected: list[float], tmp_path: Path) -> None:
    platform, emulator = LINUX[triple]
    declare().export(tmp_path / "net", target=triple)
    (tmp_path / "main.c").write_text(PROGRAM)
    compiler = zig()
    assert compiler, "this test needs the package ziglang"
    options = ["-target", platform, "-static", "-O1", "-std=c99", "-Inet"]
    run([*compiler, "cc", *options, "main.c", "net/net.o", "-o", "program"], tmp_path)
    check(losses_of(run([tool(emulator), tmp_path / "program"], tmp_path)), expected)


@pytest.mark.parametrize("features", ["", "-simd128"])
def test_web_assembly(features: str, expected: list[float], tmp_path: Path) -> None:
    written = declare().export(tmp_path / "net", target="wasm32-unknown-unknown", features=features)
    assert not written.notes
    (tmp_path / "run.mjs").write_text(WASM)
    manifest = written.manifest
    arguments: list[Any] = ["net/net.wasm", "net_train", "net_initialize", manifest.interface]
    arguments += [manifest.state_bytes, manifest.workspace_bytes + ALIGNMENT, STEPS]
    printed = run([tool("node"), "run.mjs", *map(str, arguments)], tmp_path)
    check(losses_of(printed), expected)


@pytest.mark.parametrize("cpu", ["Nehalem", "Haswell"])
def test_the_best_version_is_chosen(cpu: str, expected: list[float], tmp_path: Path) -> None:
    """Emulated processors of levels 2 and 3 run a build for several levels, and refuse one for a
    level above theirs."""
    several = declare().export(
        tmp_path / "net", target="x86_64-unknown-linux-gnu", cpu="x86-64,x86-64-v3,x86-64-v4"
    )
    (tmp_path / "main.c").write_text(PROGRAM)
    compiler = zig()
    assert compiler, "this test needs the package ziglang"
    build = [*compiler, "cc", "-target", "x86_64-linux-musl", "-static", "-O1", "-mcpu=x86_64"]
    run([*build, "-Inet", "main.c", "net/net.o", "-o", "program"], tmp_path)
    emulator = [tool("qemu-x86_64"), "-cpu", cpu]
    check(losses_of(run([*emulator, tmp_path / "program"], tmp_path)), expected)
    assert several.manifest.levels == (1, 3, 4)
    declare().export(tmp_path / "high", target="x86_64-unknown-linux-gnu", cpu="x86-64-v4")
    run([*build, "-Ihigh", "main.c", "high/net.o", "-o", "high/program"], tmp_path)
    refused = f"{tool('qemu-x86_64')} -cpu {cpu} high/program 2>&1; test $? -ne 0"
    assert "lacks instructions" in run(["sh", "-c", refused], tmp_path)
