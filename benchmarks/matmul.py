"""Matrix products: speed against the core's own peak, and beside NumPy's.

Every result is checked before it is timed. The peak is that of independent fused multiply-adds on
registers, measured by the same script. Times are those of the calling thread on its processor, so
that other programs on the machine do not count, and each is the median of many runs.

    python benchmarks/matmul.py [--json FILE] [--quick] [M,N,K[:FORM] ...]

FORM is two letters, one an operand: N as it is, T stored transposed.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

for variable in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"
sys.path.insert(0, str(Path(__file__).parents[1]))

import llvmlite.binding as llvm  # noqa: E402
import numpy as np  # noqa: E402

from graphc.codegen.backend import compile_text, target_machine  # noqa: E402
from graphc.codegen.contraction import emit_contraction, scratch_bytes  # noqa: E402
from graphc.codegen.emit import POINTER, Module, Value, constant, index  # noqa: E402
from graphc.codegen.evaluate import Buffer  # noqa: E402
from graphc.codegen.operand import matmul_contraction  # noqa: E402
from graphc.codegen.target import Target, host_target  # noqa: E402
from graphc.codegen.tiling import schedule_contraction  # noqa: E402
from graphc.ir.build import ops  # noqa: E402
from graphc.ir.graph import Node  # noqa: E402
from graphc.ir.types import (  # noqa: E402
    DType,
    TensorType,
    float32,
    float64,
    int64,
    row_major_strides,
)
