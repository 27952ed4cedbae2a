"""Whether a library comes out the same, byte by byte, from another process.

Owns `differences`. Runs Python. Invariant: the second build shares nothing with the first but the
program: another process, seed of hashes, and places of the output and of temporary files. It runs
in the same folder, for a program may read files there.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from graphc.aot.export import Export
from graphc.runtime.errors import ArtifactError


def differences(written: Export, programs: Sequence[str], options: argparse.Namespace) -> list[str]:
    """The files of a build that differ in a second build of the same programs."""
    arguments = ["--name", written.manifest.name, "--threads", str(options.threads)]
    arguments += [f"--{each}={getattr(options, each)}" for each in ("target", "cpu", "features")]
    with tempfile.TemporaryDirectory() as folder:
        second = Path(folder, "second")
        command = [sys.executable, "-m", "graphc", "build", *programs, *arguments]
        outcome = subprocess.run(
            [*command, "-o", str(second)],
            env={
                **os.environ,
                "PYTHONHASHSEED": "1",
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TMPDIR": folder,
            },
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
