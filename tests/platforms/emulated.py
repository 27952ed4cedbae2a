"""The same 200 steps of training on every platform: the losses agree, and fall.

Linux programs are linked by Zig and run under qemu-user, WebAssembly runs in Node.js. Bits may
differ between platforms, whose vectors are of different widths, but not from build to build.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphc as gc
from graphc.runtime.buffers import ALIGNMENT
from graphc.runtime.library_manifest import WRONG_PROCESSOR
from tests.graphc.exporting import PROGRAM, STEPS, declare, losses_of, run, tool
from tests.platforms.machines import MACHINES, c_for

TOLERANCE = 2e-4

X86_64 = "x86_64-unknown-linux-gnu"

LINUX = [name for name, machine in MACHINES.items() if not machine.is_web]

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


def check(losses: list[float], expected: list[float]) -> None:
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, expected, rtol=TOLERANCE)
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("name", LINUX)
def test_linux(name: str, expected: list[float], tmp_path: Path) -> None:
    machine = MACHINES[name]
    declare().export(tmp_path / "net", target=machine.triple, cpu=machine.cpu)
    (tmp_path / "main.c").write_text(PROGRAM)
    options = ["-std=c99", "-Inet", "main.c", "net/net.o", "-o", "program"]
    run([*c_for(machine), *options], tmp_path)
    emulator, *flags = machine.emulator
    check(losses_of(run([tool(emulator), *flags, tmp_path / "program"], tmp_path)), expected)


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
    declare().export(tmp_path / "net", target=X86_64, cpu="x86-64,haswell,x86-64-v4")
    (tmp_path / "main.c").write_text(PROGRAM)
    built = [*c_for(MACHINES["x86-64"]), "-Inet", "main.c", "net/net.o"]
    run([*built, "-o", "program"], tmp_path)
    emulator = [tool("qemu-x86_64"), "-cpu", cpu]
    check(losses_of(run([*emulator, tmp_path / "program"], tmp_path)), expected)


PROCESSORS = {
    "64": (X86_64, ["x86-64", "nehalem", "sandybridge", "x86-64-v2,haswell,znver4", "x86-64-v4"]),
    "32": ("i686-unknown-linux-gnu", ["pentium4", "nehalem", "haswell,x86-64-v4"]),
}
"""By the bits of an address, a platform and the processors for which it gets a library each."""

CAN_RUN = {
    ("64", "core2duo"): [0],
    ("64", "Nehalem"): [0, 1, 3],
    ("64", "SandyBridge"): [0, 1, 2, 3],
    ("64", "Haswell"): [0, 1, 2, 3],
    ("32", "core2duo"): [0],
    ("32", "Nehalem"): [0, 1],
    ("32", "Haswell"): [0, 1, 2],
}
"""By an emulated machine, the libraries that it can run."""

ASKED = """
static void ask_N(void) {
    int init = lib_N_init(state), check = lib_N_check(kept);
    printf("%d %d %d\\n", init, check, lib_N_train(kept, workspace, x, y, &loss));
}
"""

ASKING = """\
#include <stdio.h>
#include <string.h>
INCLUDES
static _Alignas(64) unsigned char state[lib_0_state_bytes], kept[lib_0_state_bytes];
static _Alignas(64) unsigned char workspace[1 << 20];
static float x[16 * 8], loss;
static int32_t y[16];
FUNCTIONS
int main(void) {
    if (lib_0_init(state)) return 1;
    memcpy(kept, state, sizeof kept);
    CALLS
    return 0;
}
"""


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Programs that call libraries for many processors, and print what each function returns. The
    first library gives them a state, as a file may do that another machine wrote."""
    folder, programs = tmp_path_factory.mktemp("asking"), {}
    step = declare().train
    for bits, (triple, processors) in PROCESSORS.items():
        names = [f"lib_{number}" for number in range(len(processors))]
        for name, cpu in zip(names, processors, strict=True):
            gc.export(folder / bits / name, name=name, train=step, target=triple, cpu=cpu)
        numbers = [str(number) for number in range(len(processors))]
        text = ASKING.replace("INCLUDES", "\n".join(f'#include "{each}.h"' for each in names))
        text = text.replace("FUNCTIONS", "".join(ASKED.replace("N", each) for each in numbers))
        text = text.replace("CALLS", " ".join(f"ask_{each}();" for each in numbers))
        (folder / bits / "main.c").write_text(text)
        built = c_for(MACHINES[{"64": "x86-64", "32": "i686"}[bits]])
        for name in names:
            built += [f"-I{name}", f"{name}/{name}.o"]
        run([*built, "main.c", "-o", "program"], folder / bits)
        programs[bits] = folder / bits / "program"
    return programs


@pytest.mark.parametrize(("bits", "cpu"), CAN_RUN)
def test_a_processor_that_lacks_something(bits: str, cpu: str, asking: dict[str, Path]) -> None:
    """What cannot run says so, whichever function is called first."""
    emulator = tool({"64": "qemu-x86_64", "32": "qemu-i386"}[bits])
    printed = run([emulator, "-cpu", cpu, asking[bits]], asking[bits].parent)
    runs = CAN_RUN[bits, cpu]
    expected = [
        "0 0 0" if number in runs else " ".join([str(WRONG_PROCESSOR)] * 3)
        for number in range(len(PROCESSORS[bits][1]))
    ]
    assert printed.splitlines() == expected
