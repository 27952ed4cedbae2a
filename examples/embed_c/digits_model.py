"""A network for handwritten digits, to be built into a C program. README.md says how.

`python digits_model.py digits.bin` writes the digits as bytes: for each 64 pixels, row by row, from
0 (white) to 16 (black), and its label.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import graphc as gc

BATCH = 32

network = gc.nn.Sequential(gc.nn.Dense(64, gc.nn.relu), gc.nn.Dense(10), seed=0)

# The pixels come as the bytes of the file; what they mean to the network is part of the graph.
pixels = gc.input("pixels", (BATCH, 64), gc.uint8)
labels = gc.input("labels", (BATCH,), gc.uint8)
scores = network(pixels.astype(gc.float32) / 16)
loss = gc.nn.softmax_cross_entropy(scores, labels).mean()
train = gc.compile([pixels, labels], loss, gc.optim.Adam(0.003).updates(loss, network.params))

digit = gc.input("pixels", (1, 64), gc.uint8)
recognise = gc.compile([digit], network(digit.astype(gc.float32) / 16).argmax(axis=1))


def write_digits(path: Path) -> None:
    """All digits, 65 bytes each."""
    images, answers = gc.datasets.digits()
    rows = np.concatenate([np.rint(images * 16), answers[:, None]], axis=1)
    path.write_bytes(rows.astype(np.uint8).tobytes())


if __name__ == "__main__":
    write_digits(Path(sys.argv[1]))
