"""Builds the firmware for a board, and says how much of its memory is taken.

`python firmware.py microbit` needs graphc and Zig. README.md says how to run what it makes.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
RAM = 0x20000000
LOADED = 1


@dataclass(frozen=True)
class Board:
    """A processor, as graphc calls it and as Zig does."""

    target: str
    cpu: str
    zig_target: str
    zig_cpu: str


BOARDS = {
    "microbit": Board("thumbv6m-none-eabi", "cortex-m0", "thumb-freestanding-eabi", "cortex_m0"),
    "mps2-an386": Board(
        "thumbv7em-none-eabihf", "cortex-m4", "thumb-freestanding-eabihf", "cortex_m4+vfp4d16sp"
    ),
}
"""By the names that QEMU has for them: one without a floating-point unit, and one with it."""

STRICT = ("-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pedantic")


def compile_library(board: Board, folder: Path) -> None:
    """The model's object and header."""
    model = HERE / "gestures.py"
    command = [sys.executable, "-m", "graphc", "build", f"{model}:learn", f"{model}:classify"]
    command += ["--name", "gestures", "--target", board.target, "--cpu", board.cpu]
    subprocess.run([*command, "-o", str(folder)], check=True, stdout=subprocess.DEVNULL)


def link(board: Board, sources: list[Path], include: Path, program: Path) -> None:
    """Sources and objects as a program that begins at the board's reset."""
    command = [sys.executable, "-m", "ziglang", "cc", "-target", board.zig_target, "-Os"]
    command += [f"-mcpu={board.zig_cpu}", *STRICT, "-ffreestanding", f"-I{HERE}", f"-I{include}"]
    command += [*map(str, sources), str(HERE / "board.c"), "-T", str(HERE / "firmware.ld")]
    command += ["-Wl,--entry=board_start", "-Wl,--gc-sections", "-o", str(program)]
    subprocess.run(command, check=True)


def memory(program: bytes) -> tuple[int, int]:
    """Bytes of flash and of RAM that an ELF file for 32 bits takes."""
    (begin,) = struct.unpack_from("<I", program, 28)
    size, count = struct.unpack_from("<HH", program, 42)
    flash = ram = 0
    for i in range(count):
        kind, _, address, _, stored, taken, *_ = struct.unpack_from(
            "<8I", program, begin + i * size
        )
        if kind == LOADED:
            flash += stored
            ram += taken if address >= RAM else 0
    return flash, ram


def main(name: str, build: Path) -> Path:
    """Build the firmware for a board in a folder; give back the program."""
    board, library, program = BOARDS[name], build / name, build / f"{name}.elf"
    compile_library(board, library)
    link(board, [HERE / "firmware.c", library / "gestures.o"], library, program)
    flash, ram = memory(program.read_bytes())
    print(f"{program}: {flash} bytes of flash, {ram} of RAM")
    return program


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in BOARDS:
        raise SystemExit(f"usage: python firmware.py {' | '.join(BOARDS)}")
    main(sys.argv[1], Path("build"))
