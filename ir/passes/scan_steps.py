"""The steps of a scan all at once: what they take and make, as stacks along a new axis 0.

Owns `Steps`, with which passes move work out of a scan. Imports `ir` only. Invariant: what is at
hand exists at every step outside the scan already, because it is sliced, captured or stacked;
`stack` makes the rest so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from graphc.ir.build import ops
from graphc.ir.graph import Graph, Node, substituted
from graphc.ir.nested import body_of, nested_graphs
from graphc.ir.op import Family
from graphc.ir.passes.batch import batch_nodes

FREE_BYTES = 1 << 20
"""Memory that stacks may take in any case: they stay in the cache."""

MAX_NODES = 16
"""Most nodes looked through for what is at hand."""


class Steps:
    """A scan taken apart, and the values of its body that are to be stacked as well."""

    def __init__(self, node: Node) -> None:
        attrs: Any = node.attrs
        self.node = node
        self.body: Graph = body_of(node)
        self.length: int = attrs.length
        self.carries = len(self.body.params)
        given = node.operands[self.carries :]
        pairs = list(zip(self.body.inputs, given, strict=True))
        self.sliced = dict(pairs[: attrs.slices])
        self.captured = dict(pairs[attrs.slices :])
        self.stacked = set(self.body.outputs)
        self.more: dict[Node, None] = {}
        self.users = self.body.users()
        self.new_values = {update.param: update.value for update in self.body.updates}
        self.moving = self.reached((*self.body.params, *self.sliced))

    def widened(self) -> Node:
        """The scan, which stacks all that it has been asked to."""
        body = self.body
        if not self.more:
            return self.node
        count = len(body.outputs)
        names = [f"stacked{i}" for i in range(count, count + len(self.more))]
        wider = replace(
            body,
            outputs=(*body.outputs, *self.more),
            output_names=(*body.output_names, *names),
            nodes=(),
        )
        attrs: Any = {**vars(self.node.attrs), "body": wider}
        moved = ops.scan(*self.node.operands, name=self.node.name, **attrs)
        return replace(moved, loc=self.node.loc, origin=self.node.origin)

    def place(self, value: Node) -> int:
        """Which result of the widened scan the stack of a value is."""
        outputs = self.body.outputs
        if value in outputs:
            return self.carries + outputs.index(value)
        return self.carries + len(outputs) + list(self.more).index(value)

    def is_at_hand(self, value: Node) -> bool:
        """Whether a value can be had outside the scan without stacking anything more."""
        pending, count = [value], 0
        while pending:
            node = pending.pop()
            if node in self.stacked or node in self.sliced or node not in self.moving:
                continue
            count += 1
            if count > MAX_NODES or not is_cheap(node) or node in self.body.params:
                return False
            pending += node.operands
        return True

    def sources(self, value: Node) -> list[Node]:
        """What must be stacked so that a value can be had: what it is moved together from, unless
        that is larger."""
        found: dict[Node, None] = {}
        pending = [value]
        while pending:
            node = pending.pop()
            if self.is_at_hand(node):
                continue
            if node.op.family is Family.LAYOUT and node.operands and _is_no_part(node):
                pending += node.operands
            else:
                found[node] = None
        return list(found)

    def pays(self, more: Sequence[Node], saved_bytes: int) -> bool:
        """Whether stacking values pays, where each step moves so many bytes less in return.

        The stacks may take as much memory as those that the scan reads and writes. What a nested
        scan makes is not kept: that is how memory is saved on purpose.
        """
        added = sum(node.type.bytes for node in dict.fromkeys(more))
        if not added:
            return True
        if added > saved_bytes or any(map(_is_made_by_nested, more)):
            return False
        streamed = sum(node.type.bytes for node in (*self.sliced, *self.body.outputs))
        held = sum(node.type.bytes for node in self.more) + added
        return self.length * held <= max(self.length * streamed, FREE_BYTES)

    def stack(self, values: Iterable[Node]) -> None:
        self.more.update(dict.fromkeys(values))
        self.stacked.update(self.more)

    def at_all_steps(self, values: Sequence[Node], scan: Node) -> list[tuple[Node, bool]]:
        """Values at all steps, each as one stack, or as it is with False if it never changes.
        `scan` is the widened scan."""
        boundary: dict[Node, Node] = {}
        for node in self._needed(values):
            if node in self.sliced:
                boundary[node] = self.sliced[node]
            else:
                boundary[node] = ops.item(scan, index=self.place(node))
        replaced = {**self.captured, **{node: node for node in boundary}}
        mapping = substituted(values, replaced)
        return batch_nodes([mapping[value] for value in values], boundary, self.length)

    def outside(self, value: Node) -> Node:
        """A value that is the same at every step, outside the scan."""
        return substituted([value], self.captured)[value]

    def reached(self, moved: Iterable[Node]) -> set[Node]:
        """Nodes of the body that depend on any of `moved`, and those."""
        reached = set(moved)
        for node in self.body.nodes:
            if any(operand in reached for operand in node.operands):
                reached.add(node)
        return reached

    def _needed(self, values: Sequence[Node]) -> list[Node]:
        """The stacks that values are made of."""
        found: dict[Node, None] = {}
        pending = list(values)
        seen = set(values)
        while pending:
            node = pending.pop()
            if node in self.sliced or node in self.stacked:
                found[node] = None
                continue
            fresh = [each for each in node.operands if each in self.moving and each not in seen]
            seen.update(fresh)
            pending += fresh
        return list(found)


def is_cheap(node: Node) -> bool:
    """Whether a value is worth no memory of its own: it moves elements, or is little arithmetic."""
    if node.op.family is Family.ELEMENTWISE:
        return node.op.cost <= 2
    return node.op.family in (Family.SOURCE, Family.LAYOUT)


def _is_no_part(node: Node) -> bool:
    return node.type.size >= max(operand.type.size for operand in node.operands)


def _is_made_by_nested(node: Node) -> bool:
    pending = [node]
    while pending:
        each = pending.pop()
        if nested_graphs(each.attrs):
            return True
        if each.op.family in (Family.ITEM, Family.LAYOUT):
            pending += each.operands
    return False
