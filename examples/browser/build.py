"""Builds the page of a classifier that learns live in the browser.

`python build.py site` compiles a WebAssembly module for each choice of layers, units and
activation, and puts them into a folder with the page. `python -m http.server --directory site`
serves it.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import graphc as gc

BATCH, SIDE = 64, 40
"""Points of a training step, and of an edge of the decision surface."""

ACTIVATIONS: dict[str, Callable[[Any], gc.Tensor]] = {
    "tanh": gc.tanh,
    "relu": gc.nn.relu,
    "sigmoid": gc.sigmoid,
}
LAYERS, UNITS = (1, 2), (4, 8)
HERE = Path(__file__).parent


def grid() -> np.ndarray[Any, Any]:
    """The points of the surface: row by row from the top left, both coordinates from -1 to 1."""
    steps = (np.arange(SIDE, dtype="float32") + 0.5) / SIDE * 2 - 1
    x, y = np.meshgrid(steps, -steps)
    return np.stack([x.ravel(), y.ravel()], axis=1)


def declare(layers: int, units: int, activation: str) -> tuple[gc.Step, gc.Step]:
    """The steps of one network: one learns from a batch, one shows what has been learned."""
    function = ACTIVATIONS[activation]
    hidden = [gc.nn.Dense(units, function) for _ in range(layers)]
    network = gc.nn.Sequential(*hidden, gc.nn.Dense(2), seed=1)

    points = gc.input("points", (BATCH, 2))
    labels = gc.input("labels", (BATCH,), gc.int32)
    rate = gc.input("rate", ())
    scores = network(points)
    loss = gc.nn.softmax_cross_entropy(scores, labels).mean()
    updates = gc.optim.Adam(rate).updates(loss, network.params)
    train = gc.compile([points, labels, rate], loss, updates)

    features, seen = [], gc.const(grid())
    for layer in hidden:
        seen = layer(seen)
        features.append(seen.T)
    chance = gc.softmax(network(gc.const(grid())), axis=1)[:, 1]
    look = gc.compile([], {"surface": chance, "features": gc.concatenate(features)})
    return train, look


def build(layers: int, units: int, activation: str, site: Path) -> dict[str, Any]:
    """Write the module of one network; give back what the page must know of it."""
    name = f"{activation}_{layers}x{units}"
    train, look = declare(layers, units, activation)
    with TemporaryDirectory() as folder:
        written = gc.export(
            folder, name="net", target="wasm32-unknown-unknown", force=True, train=train, look=look
        )
        if written.notes:
            raise SystemExit("\n".join(written.notes))
        shutil.copy(Path(folder, "net.wasm"), site / f"{name}.wasm")
    manifest = written.manifest
    return {
        "file": f"{name}.wasm",
        "layers": layers,
        "units": units,
        "activation": activation,
        "interface": str(manifest.interface),
        "state": manifest.state_bytes,
        "workspace": manifest.workspace_bytes,
        "params": [
            {"name": field.name, "offset": field.offset, "shape": field.shape}
            for field in manifest.state
        ],
    }


def main(site: Path) -> None:
    site.mkdir(parents=True, exist_ok=True)
    networks = [
        build(layers, units, activation, site)
        for activation in ACTIVATIONS
        for layers in LAYERS
        for units in UNITS
    ]
    document = {"batch": BATCH, "side": SIDE, "networks": networks}
    (site / "networks.json").write_text(json.dumps(document, indent=1))
    for file in ("index.html", "app.js", "style.css"):
        shutil.copy(HERE / file, site / file)
    print(f"{len(networks)} networks in {site}; python -m http.server --directory {site}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "site"))
