"""Make a step fit a limit of memory.

Owns `fit_memory`, the search for the cheapest degree of recomputation that is enough, and
`MemoryFit`, what it came to. Imports `ir` and the plan. Invariant: what is said to fit was planned
in full, scratch memory included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from graphc.codegen.plan import StepPlan
from graphc.ir.cost import costs_of_node
from graphc.ir.diagnostics import MemoryLimitError
from graphc.ir.graph import Graph, Node
from graphc.ir.passes.choose_clusters import Segments, cheap_clusters
from graphc.ir.passes.halves import Halves
from graphc.ir.passes.rematerialize import Clusters, Recomputed, rematerialize

SEGMENTS = (2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128)
"""Numbers of segments that are tried."""

Planner = Callable[[Graph], StepPlan]
"""Fuses a graph and plans its kernels and memory."""


@dataclass(frozen=True)
class MemoryFit:
    """A plan that keeps to a limit of bytes; what it would need `without` one, the nodes that are
    computed again to save the rest, and their share of all `operations`."""

    limit: int
    without: int
    plan: StepPlan
    recomputed: tuple[Node, ...] = ()
    extra: float = 0.0


def fit_memory(graph: Graph, limit: int, planned: Planner) -> MemoryFit:
    """A plan of a graph that is not fused, of at most `limit` bytes of workspace.

    Raises `MemoryLimitError` where none is found, with the least that was.
    """
    without = planned(graph)
    if _bytes(without) <= limit:
        return MemoryFit(limit, _bytes(without), without)
    search = _Search(graph, limit, planned, _bytes(without))
    found = search.run()
    if found is None:
        raise MemoryLimitError(
            f"{graph.name} needs {search.least:,} bytes of workspace at least, and the limit is "
            f"{limit:,}",
            help=f"without a limit it needs {_bytes(without):,}; raise memory_limit to "
            f"{search.least:,} or more, or make the batch smaller",
        )
    return found


class _Search:
    """Tries degrees of recomputation from the cheapest on."""

    def __init__(self, graph: Graph, limit: int, planned: Planner, without: int) -> None:
        self.least = without
        self._graph, self._limit, self._planned = graph, limit, planned
        self._without = without
        self._halves = Halves.of(graph)

    def run(self) -> MemoryFit | None:
        if not self._halves.saved:
            return None
        cheap = cheap_clusters(self._graph, self._halves)
        found = self._tried(cheap)
        if found is not None:
            return found
        for segments in self._segmentations():
            if self._tried(_joined(segments, cheap)) is not None:
                return self._fewest(segments, cheap)
        return None

    def _segmentations(self) -> Iterator[Clusters]:
        """Forward halves cut in more and more segments, as long as that still saves."""
        misses, known = 0, 0
        for count in SEGMENTS:
            segments = Segments.of(self._graph, self._halves, count).clusters
            if count > len(self._halves.saved):
                break
            if len(segments) <= known:
                continue
            known, before = len(segments), self.least
            yield segments
            misses = 0 if self.least < before else misses + 1
            if misses == 2:
                break

    def _fewest(self, segments: Clusters, cheap: Clusters) -> MemoryFit | None:
        """The fit with as few of the segments, from the first on, as are enough."""
        enough, too_few, best = len(segments), 0, None
        while enough - too_few > 1 or best is None:
            middle = enough if best is None else (enough + too_few) // 2
            found = self._tried(_joined(segments[:middle], cheap))
            if found is None:
                too_few = middle
            else:
                enough, best = middle, found
        return best

    def _tried(self, clusters: Clusters) -> MemoryFit | None:
        """The plan with these clusters computed again, if it fits."""
        again = rematerialize(self._graph, self._halves, clusters)
        plan = self._planned(again.graph)
        self.least = min(self.least, _bytes(plan))
        if _bytes(plan) > self._limit:
            return None
        share = _extra(self._graph, again)
        return MemoryFit(self._limit, self._without, plan, again.nodes, share)


def _joined(segments: Clusters, cheap: Clusters) -> Clusters:
    """Segments, which come first, and the cheap clusters of which no node is in one."""
    taken = {node for segment in segments for node in segment}
    return [*segments, *(cluster for cluster in cheap if not cluster & taken)]


def _bytes(plan: StepPlan) -> int:
    return plan.memory.workspace_bytes


def _extra(graph: Graph, again: Recomputed) -> float:
    return _operations(again.nodes) / max(_operations(graph.nodes), 1)


def _operations(nodes: Sequence[Node]) -> int:
    """Arithmetic of nodes; a multiply-add counts two."""
    costs = [cost for node in nodes for cost in costs_of_node(node)]
    return sum(2 * cost.multiply_adds + cost.operations for cost in costs)
