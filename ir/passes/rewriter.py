"""The one sweep that all rewriting passes share.

Owns `Rewriter`, which brings nodes to their normal form under a rule set and merges equal ones.
Imports `ir.graph` and `ir.passes.rules`. Invariant: a node is looked at when its operands are in
normal form, and is in normal form when no rule applies to it; so one sweep reaches the fixpoint,
in time linear in the nodes seen, without recursion.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from graphc.ir.graph import Attrs, Graph, Node, with_operands
from graphc.ir.op import Op
from graphc.ir.ops.source import input, param
from graphc.ir.passes.rules import Rule, RuleSet

Observer = Callable[[Rule, Node, Node], None]
"""observer(rule, before, after) is told of every application of a rule."""

_HITS_PER_NODE = 16

_Key = tuple[Op, frozenset[Node] | tuple[Node, ...], Attrs]


class Rewriter:
    """Normal forms of nodes.

    `fixed` nodes stay themselves. `opaque` nodes may be rewritten, but no rule looks inside them
    and they are never merged with others. Rules stop being applied after a number of hits
    proportional to the number of nodes, so that a rule set which runs in circles still ends.
    """

    def __init__(
        self,
        rules: RuleSet,
        fixed: Iterable[Node] = (),
        opaque: Collection[Node] = (),
        observer: Observer | None = None,
    ) -> None:
        self.hits = 0
        self._rules = rules
        self._opaque = set(opaque)
        self._observer = observer
        self._normal: dict[Node, Node] = {node: node for node in fixed}
        self._known: dict[_Key, Node] = {}
        self._limit = 0

    def normal_forms(self, nodes: Iterable[Node]) -> dict[Node, Node]:
        """The normal form of each of `nodes`, which come operands before users."""
        nodes = list(nodes)
        self._limit = self.hits + _HITS_PER_NODE * (len(nodes) + 1)
        for node in nodes:
            if node not in self._normal:
                self._normalize(node)
        return {node: self._normal[node] for node in nodes}

    def _normalize(self, node: Node) -> None:
        """Enter the normal form of `node`, and of the new nodes met on the way to it."""
        successors: dict[Node, Node] = {}
        stack = [node]
        while stack:
            top = stack[-1]
            if top in self._normal:
                stack.pop()
                continue
            needed = (successors[top],) if top in successors else top.operands
            missing = [other for other in needed if other not in self._normal]
            if missing:
                stack += missing
            elif top in successors:
                self._normal[top] = self._normal[successors[top]]
            else:
                successor = self._step(top)
                if successor is not None:
                    successors[top] = successor

    def _step(self, node: Node) -> Node | None:
        """What one rule makes of a node with normal operands; None once it is normal itself."""
        current = with_operands(node, tuple(self._normal[operand] for operand in node.operands))
        opaque = node in self._opaque
        if opaque:
            self._opaque.add(current)
        key = None if opaque or node.op in (input, param) else _key(current)
        if key is not None and key in self._known:
            self._normal[node] = self._known[key]
            return None
        successor = self._apply(current)
        if successor is None:
            self._normal[node] = self._normal[current] = current
            if key is not None:
                self._known[key] = current
        elif opaque:
            self._opaque.add(successor)
        return successor

    def _apply(self, node: Node) -> Node | None:
        if self.hits >= self._limit:
            return None
        for rule in self._rules.candidates(node):
            result = rule.apply(node, self._opaque)
            if result is None:
                continue
            if node.name and not result.name and result not in self._normal:
                result = result.renamed(node.name)
            self.hits += 1
            if self._observer is not None:
                self._observer(rule, node, result)
            return result
        return None


def rewrite_graph(graph: Graph, rules: RuleSet, observer: Observer | None = None) -> Graph:
    """The graph with every node in normal form and equal nodes merged; unused ones are dropped."""
    rewriter = Rewriter(rules, fixed=graph.boundary, observer=observer)
    return graph.with_roots(rewriter.normal_forms(graph.nodes))


def _key(node: Node) -> _Key:
    """Nodes with the same key have the same value."""
    operands = frozenset(node.operands) if node.op.commutative else node.operands
    return node.op, operands, node.attrs
