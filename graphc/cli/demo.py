"""`graphc demo`: train a network on handwritten digits and say how fast.

Owns the command. Imports the demonstration, tqdm and, for `--plot`, matplotlib. Invariant: the
split, the initial weights and the order of the batches are fixed, so every run prints the same
losses and accuracies.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm  # type: ignore[import-untyped]

from graphc.cli.failure import CommandError
from graphc.compilation import Step
from graphc.datasets import Split, digits, held_out
from graphc.demo import program
from graphc.demo.numpy_step import NumpyStep
from graphc.training import batches

Array = NDArray[Any]


def run(options: argparse.Namespace) -> None:
    """Train, then print accuracy, times and where to look next."""
    if options.epochs < 1:
        raise CommandError(f"--epochs must be at least 1, got {options.epochs}")
    pyplot = _pyplot() if options.plot else None
    test = held_out(*digits())
    validation = held_out(test.train_images, test.train_labels, seed=1, fraction=0.1)

    begin = time.perf_counter()
    network = program.declare(len(validation.test_images), len(test.test_images))
    compiled = time.perf_counter() - begin
    by_hand = NumpyStep([each.value for each in network.params], program.RATE)

    losses = _train(network, validation, options.epochs)
    accuracy = float(network.test(test.test_images, test.test_labels))
    if pyplot is not None:
        _plot(pyplot, losses, options.plot)
    images, labels = next(iter(batches(*validation[:2], size=program.BATCH)))
    native = _time(lambda: network.train(images, labels))
    numpy = _time(lambda: by_hand(images, labels))
    sys.stdout.write(_report(network.train, accuracy, compiled, native, numpy))


def _train(network: program.Digits, split: Split, epochs: int) -> list[float]:
    """Train on the split's first part, show progress on its second; the mean loss an epoch."""
    means = []
    per_epoch = len(batches(*split[:2], size=program.BATCH))
    with tqdm(total=epochs * per_epoch, unit="step", file=sys.stderr) as bar:
        for epoch in range(epochs):
            losses = []
            for images, labels in batches(*split[:2], size=program.BATCH, seed=epoch):
                losses.append(network.train(images, labels))
                bar.update()
            means.append(float(np.mean(losses)))
            accuracy = network.validate(split.test_images, split.test_labels)
            bar.set_postfix(loss=f"{means[-1]:.4f}", validation=f"{accuracy:.1%}")
    return means


def _time(step: Callable[[], object], repeats: int = 5, calls: int = 200) -> float:
    """Seconds a call: the best of several runs, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        for _ in range(calls):
            step()
        times.append((time.perf_counter() - begin) / calls)
    return min(times[1:])


def _report(step: Step, accuracy: float, compiled: float, native: float, numpy: float) -> str:
    kernels = len(step.manifest.kernels)
    return f"""
test accuracy   {accuracy:.1%} of 359 images that were never trained on
compiling       {compiled * 1e3:.0f} ms, for the training step and two that test
training step   {native * 1e6:.1f} us: forward, backward and Adam in {kernels} kernels
NumPy           {numpy * 1e6:.1f} us for the same step by hand, {numpy / native:.1f} times as long

Where to look next:
  graphc dump demo --stage graph      what was declared
  graphc dump demo --stage adjoint    with its derivatives, and where each comes from
  graphc dump demo --stage fused      the kernels it became
  graphc dump demo --stage asm        the machine code
  examples/digits.py                  the program, in one page
"""


def _pyplot() -> Any:
    try:
        matplotlib = importlib.import_module("matplotlib")
        matplotlib.use("agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise CommandError(
            'drawing needs matplotlib, in the extra "plot": pip install "graphc[plot]"'
        ) from None


def _plot(pyplot: Any, losses: list[float], path: str) -> None:
    figure, axes = pyplot.subplots(figsize=(6, 4))
    axes.plot(range(1, len(losses) + 1), losses)
    axes.set(xlabel="epoch", ylabel="mean training loss", yscale="log", title="graphc demo")
    axes.grid(alpha=0.3)
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except (OSError, ValueError) as error:
        raise CommandError(f"cannot draw to {path}: {error}") from None
    sys.stderr.write(f"loss curve: {path}\n")
