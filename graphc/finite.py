"""`debug_nans`: steps that report the first value that is not finite.

Owns `Watch`. Imports `ir.passes.instrument` and the interpreter. Invariant: the graph itself finds
the node at fault and holds back all updates; Python looks at one number after each call, and
computes values again only to describe a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir.excerpt import excerpt
from graphc.ir.graph import Graph, Node
from graphc.ir.interpreter import evaluate
from graphc.ir.op import Array, Family
from graphc.ir.passes.instrument import instrument
from graphc.ir.passes.simplify import simplify
from graphc.runtime.artifact import Structure
from graphc.runtime.buffers import ParameterStorage
from graphc.runtime.errors import NonFiniteError


@dataclass(frozen=True)
class Watch:
    """An instrumented graph, and what is needed to report what it finds."""

    graph: Graph
    structure: Structure
    suspects: tuple[Node, ...]

    @staticmethod
    def over(graph: Graph, structure: Structure) -> Watch:
        """Watch a simplified graph, whose outputs are built to `structure`."""
        watched = instrument(graph)
        verdict = Structure("one", len(graph.outputs))
        pair = Structure("tuple", items=(structure, verdict))
        return Watch(simplify(watched.graph), pair, watched.suspects)

    def guard(
        self, native: Callable[..., Any], params: Mapping[str, ParameterStorage]
    ) -> Callable[..., Any]:
        """The step's function, checking the verdict of every call."""
        nothing = len(self.suspects)

        def checked(*args: Any, out: Any = None, **named: Any) -> Any:
            if out is None:
                outputs, verdict = native(*args, **named)
            else:
                pair = (out, np.empty((), np.int32))
                outputs, verdict = native(*args, **named, out=pair)
            if int(verdict) != nothing:
                values = {name: storage.value for name, storage in params.items()}
                values |= {
                    node.name: arg for node, arg in zip(self.graph.inputs, args, strict=False)
                } | named
                raise self._error(self.suspects[int(verdict)], values)
            return outputs

        return checked

    def _error(self, node: Node, given: Mapping[str, Any]) -> NonFiniteError:
        values = {
            source: np.asarray(given[source.name], source.dtype.numpy)
            for source in self.graph.boundary
        }
        operands = _operands(node)
        found, *shown = evaluate([node, *operands], values)
        made = f"{_name(node)} made {_bad_part(found)}"
        if not node.operands:
            made = f"{node.op.name} {node.name} has {_bad_part(found)}"
        if node.origin is not None:
            made += f" ({node.origin} for {node.origin.primal or 'an unnamed value'})"
        lines = [made]
        note = "; ".join(
            f"{operand.name or f'operand {position}'} is {operand.type}, {_range(value)}"
            for position, (operand, value) in enumerate(zip(operands, shown, strict=True), start=1)
        )
        if node.loc is not None:
            lines += excerpt(node.loc, None, note)
        elif note:
            lines.append(f"   |  {note}")
        return NonFiniteError(
            "\n".join(lines), help="no parameter has been changed; this is the first such value"
        )


def _operands(node: Node) -> Sequence[Node]:
    return node.operands[0].operands if node.op.family is Family.ITEM else node.operands


def _name(node: Node) -> str:
    op = (node.operands[0] if node.op.family is Family.ITEM else node).op.name
    return f"{op} ({node.name})" if node.name else op


def _bad_part(value: Array) -> str:
    """`NaN in 3 of 12 elements`."""
    wide = value.astype(np.float64)
    kinds = {
        "NaN": np.count_nonzero(np.isnan(wide)),
        "infinity": np.count_nonzero(np.isposinf(wide)),
        "-infinity": np.count_nonzero(np.isneginf(wide)),
    }
    parts = [
        kind if not value.shape else f"{kind} in {count} of {value.size} elements"
        for kind, count in kinds.items()
        if count
    ]
    return " and ".join(parts) or "a value that is not finite"


def _range(value: Array) -> str:
    if not value.size:
        return "which is empty"
    if value.dtype == np.bool_:
        return f"true in {np.count_nonzero(value)} elements"
    wide = value.astype(np.float64)
    known = wide[~np.isnan(wide)]
    if not known.size:
        return "NaN"
    low, high = float(np.min(known)), float(np.max(known))
    text = f"{low:g}" if low == high else f"from {low:g} to {high:g}"
    return text if known.size == wide.size else f"{text} and NaN"
