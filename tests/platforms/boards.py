"""Boards without an operating system, emulated: they train, and the example's firmware runs.

Programs begin at the reset of a Cortex-M and have no C library; the startup code, the linker's
script and the way to link are those of examples/microcontroller.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.graphc.exporting import STEPS, declare, run, tool
from tests.platforms.emulated import check

EXAMPLE = Path(__file__).parents[2] / "examples" / "microcontroller"

PROGRAM = """\
#include "board.h"
#include "net.h"

static _Alignas(net_alignment) unsigned char state[net_state_bytes];
static _Alignas(net_alignment) unsigned char workspace[net_workspace_bytes];
static float x[16 * 8];
static int32_t y[16];

static void print_bits(float number) {
    union { float number; uint32_t bits; } both = {number};
    char text[] = "........\\n";
    for (int i = 7; i >= 0; i--, both.bits >>= 4) text[i] = "0123456789abcdef"[both.bits % 16];
    board_print(text);
}

int main(void) {
    float loss;
    int status = net_init(state);
    for (int i = 0; i < 16 * 8; i++) x[i] = (float)((i * 37) % 101) / 50.0f - 1.0f;
    for (int i = 0; i < 16; i++) y[i] = (i * 5) % 3;
    for (int i = 0; i < STEPS && !status; i++) {
        status = net_train(state, workspace, x, y, &loss);
        print_bits(loss);
    }
    if (status) board_print(net_message(status));
    return status;
}
""".replace("STEPS", str(STEPS))

FIRMWARE: dict[str, Any] = runpy.run_path(str(EXAMPLE / "firmware.py"))
BOARDS = {
    **FIRMWARE["BOARDS"],
    "mps2-an385": FIRMWARE["Board"](
        "thumbv7m-none-eabi", "cortex-m3", "thumb-freestanding-eabi", "cortex_m3"
    ),
    "mps2-an500": FIRMWARE["Board"](
        "thumbv7em-none-eabihf", "cortex-m7", "thumb-freestanding-eabihf", "cortex_m7+fp_armv8d16"
    ),
}


def boot(board: str, program: Path, folder: Path) -> str:
    """What a board prints until it stops; it must report success."""
    command = [tool("qemu-system-arm"), "-machine", board, "-display", "none"]
    console = ["-chardev", "stdio,id=console", "-semihosting-config", "enable=on,chardev=console"]
    return run([*command, *console, "-kernel", program], folder)


@pytest.mark.parametrize("name", BOARDS)
def test_the_losses_are_those_of_this_machine(name: str, tmp_path: Path) -> None:
    board, model = BOARDS[name], declare()
    written = model.export(tmp_path / "net", target=board.target, cpu=board.cpu)
    assert written.report.code_bytes < 32 << 10
    (tmp_path / "main.c").write_text(PROGRAM)
    sources = [tmp_path / "main.c", tmp_path / "net" / "net.o"]
    FIRMWARE["link"](board, sources, tmp_path / "net", tmp_path / "program.elf")
    bits = [int(line, 16) for line in boot(name, tmp_path / "program.elf", tmp_path).split()]
    check(list(map(float, np.array(bits, "uint32").view("float32"))), model.losses())


@pytest.mark.parametrize("name", FIRMWARE["BOARDS"])
def test_the_firmware_learns_gestures(name: str, tmp_path: Path, capsys: Any) -> None:
    program = FIRMWARE["main"](name, tmp_path)
    sizes = re.search(r": (\d+) bytes of flash, (\d+) of RAM", capsys.readouterr().out)
    assert sizes
    flash, ram = map(int, sizes.groups())
    assert flash <= 32 << 10
    assert ram <= 16 << 10
    page = (EXAMPLE / "README.md").read_text()
    stated = list(map(int, re.findall(r"(\d+) bytes of flash", page)))
    assert pytest.approx(flash, rel=0.1) in stated
    printed = boot(name, program, tmp_path)
    assert printed in page
    new, *learned, restarted = map(int, re.findall(r"recognises (\d+)%", printed))
    losses = [float(loss) for loss in re.findall(r"loss (\d+\.\d\d)", printed)]
    upright, turned, relearned = learned[2], learned[3], learned[6]
    assert max(new, turned) < 50
    assert min(upright, relearned, restarted) > 95
    assert losses[2] < 0.5 * losses[0]
    assert losses[5] < 0.5 * losses[3]
