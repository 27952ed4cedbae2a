"""Measure graphc beside other frameworks: `python benchmarks/run.py` is `graphc bench`.

Owns nothing. Invariant: it runs from a checkout as it stands, in any folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parents[1])
sys.path[0] = ROOT
# The processes that measure import what this one does.
os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, *filter(None, [os.environ.get("PYTHONPATH")])])

from graphc.cli import main  # noqa: E402  found by what is above

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
