"""How long a kernel may take, roughly, before anything is measured.

Owns `nanoseconds`. Imports `codegen`. Invariant: an estimate serves to decide whether a step is
worth releasing the interpreter lock for, and nothing that changes results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.operand import Contraction
from graphc.codegen.plan import KernelPlan
from graphc.codegen.target import Target
from graphc.ir.domain import Domain

CYCLES_PER_NANOSECOND = 3.0


def nanoseconds(kernels: Sequence[KernelPlan], target: Target) -> int:
    """Estimated time of all kernels run one after the other on one core."""
    return round(sum(_cycles(kernel, target) for kernel in kernels) / CYCLES_PER_NANOSECOND)


def _cycles(kernel: KernelPlan, target: Target) -> float:
    domain = Domain.of(kernel.group.nodes)
    element_bytes = max(node.dtype.bytes for node in kernel.group.nodes)
    lanes = target.lanes(element_bytes)
    cost = float(sum(node.op.cost for node in kernel.group.nodes) + 1)
    if isinstance(kernel.loops, Contraction):
        cost += kernel.loops.depth.extent
    elif not isinstance(kernel.loops, LoopNest) or kernel.loops.schedule.lanes == 1:
        lanes = 1
    return math.prod(domain.shape) * cost / lanes
