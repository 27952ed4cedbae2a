"""How long graphc takes to be imported, to compile, to be called and to train.

Everything is a ratio within one run: what is compared is timed in turns, and medians are printed,
because other programs may be using the machine. Results are checked before anything is timed.

    python benchmarks/steps.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import graphc as gc
from graphc.demo.numpy_step import NumpyStep
from graphc.demo.program import BATCH, RATE, declare

ROUNDS = 31


def seconds(run: Callable[[], object], repeat: int) -> float:
    """Time of one call, over `repeat` calls."""
    start = time.perf_counter()
    for _ in range(repeat):
        run()
    return (time.perf_counter() - start) / repeat


def in_turns(runs: dict[str, Callable[[], object]], repeat: int) -> dict[str, float]:
    """Median time of one call of each, timed in turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            times[name].append(seconds(run, repeat))
    return {name: statistics.median(found) for name, found in times.items()}


def digits_step() -> dict[str, float]:
    """The demonstration's training step beside the same step in NumPy."""
    network = declare(100, 100)
    split = gc.datasets.held_out(*gc.datasets.digits())
    images, labels = split.train_images[:BATCH], split.train_labels[:BATCH]
    by_hand = NumpyStep([param.value for param in network.params], RATE)
    for _ in range(50):
        compiled, reference = float(network.train(images, labels)), by_hand(images, labels)
        np.testing.assert_allclose(compiled, reference, rtol=2e-3)
    times = in_turns(
        {
            "graphc": lambda: network.train(images, labels),
            "numpy": lambda: by_hand(images, labels),
        },
        repeat=50,
    )
    return {
        "digits step, us": times["graphc"] * 1e6,
        "digits step in NumPy, us": times["numpy"] * 1e6,
        "digits step, NumPy / graphc": times["numpy"] / times["graphc"],
    }


def call_overhead() -> dict[str, float]:
    """A neuron of two scalar inputs with its gradient, and a call that computes next to nothing."""
    w, x = gc.input("w", ()), gc.input("x", ())
    y = gc.sigmoid(w * x)
    neuron = gc.compile([w, x], (y, *gc.grad(y, [w, x])), name="neuron")
    identity = gc.compile([w], w + 0, name="identity")
    one, two = np.array(1, np.float32), np.array(2, np.float32)
    s = 1 / (1 + np.exp(-2.0))
    np.testing.assert_allclose(neuron(one, two), (s, s * (1 - s) * 2, s * (1 - s)), rtol=1e-6)
    times = in_turns(
        {
            "neuron": lambda: neuron(one, two),
            "identity": lambda: identity(one),
            "nothing": lambda: None,
        },
        repeat=10_000,
    )
    return {
        "neuron with gradient, us": (times["neuron"] - times["nothing"]) * 1e6,
        "call overhead, us": (times["identity"] - times["nothing"]) * 1e6,
    }


IMPORT = """
import sys, time
import numpy
start = time.perf_counter()
import graphc
print(time.perf_counter() - start)
assert "llvmlite" not in sys.modules
"""

COMPILE = """
import time
import graphc as gc
from graphc.demo.program import BATCH, HIDDEN, RATE
model = gc.nn.Sequential(gc.nn.Dense(HIDDEN, gc.nn.relu), gc.nn.Dense(10), seed=0)
images, labels = gc.input("images", (BATCH, 64)), gc.input("labels", (BATCH,), gc.int32)
loss = gc.nn.softmax_cross_entropy(model(images), labels).mean()
updates = gc.optim.Adam(RATE).updates(loss, model.params)
start = time.perf_counter()
gc.compile([images, labels], loss, updates)
print(time.perf_counter() - start)
"""


def in_fresh_process(program: str, runs: int = 7) -> float:
    """Median of the time that a program prints, each run in a process of its own."""
    found = []
    for _ in range(runs):
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        found.append(float(done.stdout))
    return statistics.median(found)


def measure() -> dict[str, float]:
    results = digits_step() | call_overhead()
    results["import beyond NumPy's, ms"] = in_fresh_process(IMPORT) * 1e3
    results["first compile of the digits step, ms"] = in_fresh_process(COMPILE) * 1e3
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures there")
    options: Any = parser.parse_args()
    results = measure()
    for name, value in results.items():
        sys.stdout.write(f"{name:40} {value:10.2f}\n")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
