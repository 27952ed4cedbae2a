"""How long a kernel may take, roughly, before anything is measured.

Owns `nanoseconds`. Imports `codegen`. Invariant: an estimate depends on shapes and the target; it
serves to decide whether a step is worth releasing the interpreter lock for, and whether a kernel is
worth sharing among threads.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from graphc.codegen.loop_nest import LoopNest
from graphc.codegen.operand import Contraction
from graphc.codegen.target import Target
from graphc.ir.domain import Domain
from graphc.ir.graph import Node

CYCLES_PER_NANOSECOND = 3.0


def nanoseconds(nodes: Sequence[Node], loops: object, target: Target) -> float:
    """Estimated time of the kernel of these nodes on one core; `loops` are those of its plan."""
    domain = Domain.of(nodes)
    lanes = target.lanes(max(node.dtype.bytes for node in nodes))
    cost = float(sum(node.op.cost for node in nodes) + 1)
    if isinstance(loops, Contraction):
        cost += loops.depth.extent
    elif not isinstance(loops, LoopNest) or loops.schedule.lanes == 1:
        lanes = 1
    return math.prod(domain.shape) * cost / lanes / CYCLES_PER_NANOSECOND
