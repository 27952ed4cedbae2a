"""Whether a library comes out the same, byte by byte, from another process.

Owns `differences`. Runs Python. Invariant: the second build shares nothing with the first but the
program: another process, folder and seed of hashes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from graphc.aot.export import Export
from graphc.runtime.errors import ArtifactError


def differences(written: Export, options: argparse.Namespace) -> list[str]:
    """The files of a build that differ in a second build of the same programs."""
    programs = [str(Path(each).absolute()) for each in options.programs]
    arguments = ["--name", written.manifest.name, "--threads", str(options.threads)]
    arguments += [f"--{each}={getattr(options, each)}" for each in ("target", "cpu", "features")]
    with tempfile.TemporaryDirectory() as folder:
        second = Path(folder, "second")
        command = [sys.executable, "-m", "graphc", "build", *programs, *arguments]
        outcome = subprocess.run(
            [*command, "-o", str(second)],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if outcome.returncode:
            raise ArtifactError(f"the second build failed: {outcome.stderr.strip()[-500:]}")
        names = sorted(entry.name for entry in written.folder.iterdir())
        return [name for name in names if _bytes(second / name) != _bytes(written.folder / name)]


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
