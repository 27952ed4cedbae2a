"""A graph with values for it, and what must come of them.

Owns `Problem`. Invariant: the reference is the interpreter, however strictly a problem compares.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from graphc.codegen.library import EntrySource
from graphc.ir.graph import Graph, Update, substituted
from graphc.ir.op import Array
from graphc.runtime.artifact import Structure


@dataclass(frozen=True)
class Problem:
    """`check` takes the values of the outputs, then those of the updated params, in the order of
    the graph's updates, and raises where one is wrong."""

    name: str
    graph: Graph
    arrays: dict[str, Array]
    check: Callable[[Sequence[Array]], None]

    @property
    def source(self) -> EntrySource:
        _, structure = Structure.of(tuple(self.graph.outputs))
        return EntrySource(self.graph, structure)

    def apart(self, prefix: str) -> Problem:
        """The same problem with names of params that begin with `prefix`: entries of a library
        share the params that are called alike."""
        renamed = {param: param.renamed(prefix + param.name) for param in self.graph.params}
        same = {node: node for node in self.graph.inputs}
        found = substituted(self.graph.roots, {**renamed, **same})
        arrays = {
            **self.arrays,
            **{new.name: self.arrays[old.name] for old, new in renamed.items()},
        }
        graph = Graph(
            self.graph.name,
            self.graph.inputs,
            tuple(renamed.values()),
            tuple(found[node] for node in self.graph.outputs),
            self.graph.output_names,
            tuple(Update(renamed[u.param], found[u.value]) for u in self.graph.updates),
        )
        return replace(self, graph=graph, arrays=arrays)
