"""Long kernels in segments: functions of a few operations each, which the kernel calls.

Owns `Segment`, `cut_segments` and `Call`. Imports `ir` and the emitter. A kernel of many operations
keeps its vectors in a frame on the stack (`frames`), and its code is calls of functions that take
places in the frame and numbers. Segments that compute the same share one function, so the code of a
long chain is short. Invariant: a segment is a tree; only its root is used outside of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from graphc.codegen.calls import call_operation, is_costly, lowered
from graphc.codegen.emit import Function
from graphc.codegen.scalars import VectorScalars
from graphc.codegen.values import POINTER, Value, is_number
from graphc.ir.graph import Node
from graphc.ir.types import Shape

MOST_NODES = 12
"""Most operations of a segment."""


@dataclass(frozen=True)
class Segment:
    """Operations in order, of which the last is the root; and how many segments read the root, 0
    if something else does, too."""

    nodes: tuple[Node, ...]
    readers: int

    @property
    def root(self) -> Node:
        return self.nodes[-1]


def cut_segments(
    nodes: Sequence[Node], stored: Sequence[Node], shape: Shape
) -> tuple[Segment, ...]:
    """Cut what a kernel computes at each point of a space of this shape.

    A value that is used once joins the segment of its user. So equal parts of a chain are cut
    alike, counted from its end.
    """
    uses = Counter(operand for node in nodes for operand in node.operands) + Counter(stored)
    users = {operand: node for node in nodes for operand in node.operands}
    home: dict[Node, list[Node]] = {}
    for node in reversed(nodes):
        if node.op.lower is None or node.shape != shape:
            continue
        segment = home.get(users[node]) if uses[node] == 1 and node in users else None
        if segment is None or len(segment) == MOST_NODES:
            segment = []
        segment.append(node)
        home[node] = segment
    readers: Counter[Node] = Counter()
    segments = {id(segment): segment for segment in home.values()}
    for segment in segments.values():
        inputs = [operand for node in segment for operand in node.operands]
        readers.update({operand for operand in inputs if operand in home})
        uses.subtract(inputs)
    return tuple(
        Segment(tuple(reversed(segment)), readers[segment[0]] if uses[segment[0]] == 0 else 0)
        for segment in segments.values()
    )


@dataclass(frozen=True)
class Operand:
    """What an operation of a segment takes: the result of an earlier one, or an argument."""

    number: int
    is_argument: bool


Step = tuple[Node, tuple[Operand, ...]]


@dataclass
class Call:
    """A call of a segment while its operands are collected."""

    steps: list[Step] = field(default_factory=list)
    arguments: list[Value] = field(default_factory=list)
    held: list[Value] = field(default_factory=list)
    """Of each argument its value, or one of the type of the vector at the place it is."""

    def argument(self, value: Value, place: Value | None) -> Operand:
        """One more argument: a number, or a vector at a place."""
        self.arguments.append(place or value)
        self.held.append(value)
        return Operand(len(self.arguments) - 1, is_argument=True)

    @property
    def is_vector(self) -> bool:
        return any(value.lanes > 1 for value in self.held)

    def compute(self, scalars: VectorScalars, held: Sequence[Value], *, calls: bool) -> Value:
        """Write the operations here; the value of the last."""
        done: list[Value] = []
        for node, operands in self.steps:
            values = [held[o.number] if o.is_argument else done[o.number] for o in operands]
            if calls and is_costly(node):
                done.append(call_operation(scalars.function, node, values))
            else:
                done.append(lowered(scalars, node, values))
        return done[-1]

    def write(self, function: Function, result: Value) -> None:
        """Write the call, whose result is stored at a place; and the function at its first use."""
        module, key = function.module, self._key()
        if key not in module.segments:
            module.segments[key] = self._define(function)
        passed = [
            argument
            for argument, value in zip(self.arguments, self.held, strict=True)
            if not _is_fixed(value)
        ]
        typed = ", ".join(argument.typed for argument in (result, *passed))
        function.raw(f"call fastcc void @{module.segments[key]}({typed})")

    def _key(self) -> Hashable:
        return (
            tuple((node.op.name, node.attrs, node.type, operands) for node, operands in self.steps),
            tuple(v.ref if _is_fixed(v) else (v.dtype, v.lanes) for v in self.held),
        )

    def _define(self, caller: Function) -> str:
        module = caller.module
        symbol = f"segment.{len(module.segments)}"
        result = Value("%result", POINTER)
        own = [
            value
            if _is_fixed(value)
            else Value(f"%x{i}", POINTER if value.lanes > 1 else value.dtype)
            for i, value in enumerate(self.held)
        ]
        taken = [value for value in own if value.ref.startswith("%")]
        function = module.function(symbol, [result, *taken], "internal fastcc void")
        held = [
            function.load(value, like.dtype, like.lanes) if like.lanes > 1 else value
            for value, like in zip(own, self.held, strict=True)
        ]
        last = self.compute(VectorScalars(function), held, calls=True)
        function.store(function.splat(last, max(value.lanes for value in held)), result)
        function.finish()
        return symbol


def _is_fixed(value: Value) -> bool:
    """Whether a constant is part of the function: any but a float, which is passed to it."""
    return is_number(value) and not value.dtype.is_float
