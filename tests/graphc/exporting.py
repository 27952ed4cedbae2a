"""Models that the tests of exported libraries share, and the tools that run them.

Owns the model, its data and a C program around it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import graphc as gc
from graphc.aot.export import Export

Array = np.ndarray[Any, Any]

STEPS = 200

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]

PROGRAM = """\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net.h"

static unsigned char memory[net_state_bytes + net_workspace_bytes + 2 * net_alignment];
static float x[16 * 8];
static int32_t y[16];

int main(int count, char **arguments) {
    uintptr_t last = net_alignment - 1;
    unsigned char *state = (unsigned char *)(((uintptr_t)memory + last) & ~last);
    unsigned char *workspace = state + net_state_bytes;
    float loss;
    int i, status = net_init(state);
    for (i = 0; i < 16 * 8; i++) x[i] = (float)((i * 37) % 101) / 50.0f - 1.0f;
    for (i = 0; i < 16; i++) y[i] = (i * 5) % 3;
    for (i = 0; i < STEPS && !status; i++) {
        status = net_train(state, workspace, x, y, &loss);
        printf("%.9g\\n", loss);
    }
    if (status) fprintf(stderr, "%s\\n", net_message(status));
    (void)count;
    (void)arguments;
    return status;
}
""".replace("STEPS", str(STEPS))


@dataclass
class Model:
    """A small network: its steps and the data that the C program makes as well."""

    train: gc.Step
    predict: gc.Step
    x: Array
    y: Array

    def losses(self) -> list[float]:
        return [float(self.train(self.x, self.y)) for _ in range(STEPS)]

    def export(self, folder: Path, **options: Any) -> Export:
        return gc.export(folder, name="net", train=self.train, predict=self.predict, **options)


def declare() -> Model:
    rng = np.random.default_rng(3)
    x = gc.input("x", (16, 8))
    y = gc.input("y", (16,), gc.int32)
    w = gc.param("w", (rng.standard_normal((8, 12)) / 3).astype("float32"))
    b = gc.param("b", np.zeros(12, "float32"))
    v = gc.param("v", (rng.standard_normal((12, 3)) / 3).astype("float32"))
    scores = gc.tanh(x @ w + b) @ v
    loss = gc.nn.softmax_cross_entropy(scores, y).mean()
    updates = {p: p - 0.2 * gc.grad(loss, p) for p in (w, b, v)}
    places = np.arange(16 * 8)
    return Model(
        train=gc.compile([x, y], loss, updates, name="train"),
        predict=gc.compile([x], scores, name="predict"),
        x=(((places * 37) % 101).astype("float32") / np.float32(50) - 1).reshape(16, 8),
        y=((np.arange(16) * 5) % 3).astype("int32"),
    )


def run(command: Sequence[str | Path], folder: Path) -> str:
    """What a command prints; it must succeed."""
    outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def tool(*names: str) -> str:
    """The path of a program, the first of several that is installed."""
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, f"this test needs {' or '.join(names)}"
    return found


def c_compiler() -> str:
    return tool("cc", "gcc", "clang")


def cpp_compiler() -> str:
    return tool("c++", "g++", "clang++")


def losses_of(printed: str) -> list[float]:
    return [float(np.float32(line)) for line in printed.split()]
