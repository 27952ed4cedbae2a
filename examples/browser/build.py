"""Builds the page of a classifier that learns live in the browser.

`python build.py site` compiles the networks of networks.py to WebAssembly, each with and without
vector instructions, and puts them into a folder with the page. `python -m http.server --directory
site` serves it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from networks import ACTIVATIONS, BATCH, POINTS, SIDE, declare

import graphc as gc

HERE = Path(__file__).parent
FEATURES = {"simd": "+simd128", "plain": "-simd128"}
"""What a module is called in the page, and what LLVM calls the instructions it may use."""


def build(site: Path, layers: int, units: int, activation: str) -> dict[str, Any]:
    """Write the modules of one network; give back what the page must know of it."""
    place = site / f"{activation}_{layers}x{units}"
    place.mkdir(exist_ok=True)
    steps = declare(layers, units, activation)
    written = {kind: export(steps, kind, place) for kind in FEATURES}
    manifest = written["simd"].manifest
    fields = {
        field.name: {"offset": field.offset, "shape": field.shape} for field in manifest.state
    }
    return {
        "name": place.name,
        "layers": layers,
        "units": units,
        "activation": activation,
        "functions": list(steps),
        "state": manifest.state_bytes,  # its layout is that of the other module, too
        "params": fields,
        "modules": {kind: described(each, place, kind) for kind, each in written.items()},
    }


def export(steps: dict[str, gc.Step], kind: str, place: Path) -> gc.Export:
    """Compile a module, and keep it and the graphs."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        written = gc.export(
            folder,
            steps,
            name="net",
            target="wasm32-unknown-unknown",
            features=FEATURES[kind],
        )
        if written.notes:
            raise SystemExit("\n".join(written.notes))
        shutil.copy(folder / "net.wasm", place / f"{kind}.wasm")
        for step in steps:
            shutil.copy(folder / f"{step}.gir", place / f"{step}.gir")
    return written


def described(written: gc.Export, place: Path, kind: str) -> dict[str, Any]:
    """What the page must know of a module."""
    return {
        "file": f"{place.name}/{kind}.wasm",
        "interface": str(written.manifest.interface),  # of 64 bits, which no number of JSON keeps
        "bytes": (place / f"{kind}.wasm").stat().st_size,
        "code": written.report.code_bytes,
        "constants": written.report.constant_bytes,
        "workspace": written.manifest.workspace_bytes,
    }


def main(site: Path, layers: Sequence[int], units: Sequence[int]) -> None:
    """Write the page and all networks, as many at a time as there are processors."""
    site.mkdir(parents=True, exist_ok=True)
    choices = list(product(layers, units, ACTIVATIONS))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        networks = list(pool.map(partial(build, site), *zip(*choices, strict=True)))
    document = {"batch": BATCH, "points": POINTS, "side": SIDE, "networks": networks}
    (site / "networks.json").write_text(json.dumps(document, indent=1))
    shutil.copy(HERE / "networks.py", site / "networks.py")
    shutil.copytree(HERE / "page", site, dirs_exist_ok=True)
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    print(f"{len(networks)} networks in {site}, {size / 2**20:.1f} MiB; to serve it:")
    print(f"python -m http.server --directory {site}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Build the page that learns.")
    parser.add_argument("site", type=Path, help="the folder to write")
    parser.add_argument("--layers", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--units", type=int, nargs="+", default=[2, 4, 8])
    options = parser.parse_args()
    main(options.site, options.layers, options.units)
