"""Kernels whose vectors lie on the stack.

Owns `FrameEvaluator`. Imports the evaluator and segments. Invariant: a place in the frame is given
back when the last segment that reads it has run, and not before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from graphc.codegen.coordinates import Axis, Buffer
from graphc.codegen.emit import Function
from graphc.codegen.evaluate import Evaluator, Key
from graphc.codegen.segments import Call, Operand, Segment
from graphc.codegen.values import Value
from graphc.ir.graph import Node
from graphc.ir.types import DType


@dataclass(frozen=True)
class Place:
    """Where a vector is kept; `like` has its type."""

    address: Value
    like: Value


class Frame:
    """The places of a kernel's vectors on the stack, by what they hold."""

    def __init__(self) -> None:
        self._free: dict[tuple[DType, int], list[Value]] = {}

    def take(self, function: Function, like: Value) -> Place:
        """A place for a vector of this type."""
        free = self._free.setdefault((like.dtype, like.lanes), [])
        address = free.pop() if free else function.stack_vector(like.dtype, like.lanes)
        return Place(address, like)

    def give_back(self, place: Place) -> None:
        self._free[place.like.dtype, place.like.lanes].append(place.address)


class FrameEvaluator(Evaluator):
    """An evaluator that computes `segments` by calls of their functions."""

    def __init__(
        self,
        function: Function,
        buffers: Mapping[Node, Buffer],
        lane_axis: Axis | None,
        lanes: int,
        segments: Sequence[Segment],
    ) -> None:
        super().__init__(function, buffers, lane_axis, lanes)
        self._segments = {segment.root: segment for segment in segments}
        self._frame = Frame()
        self._places: dict[Key, Place] = {}
        self._left: Counter[Key] = Counter()

    @contextmanager
    def scope(self) -> Iterator[None]:
        places, left = self._places, self._left
        self._places, self._left = dict(places), Counter(left)
        with super().scope():
            yield
            for key in self._places.keys() - places.keys():
                self._frame.give_back(self._places[key])
        self._places, self._left = places, left

    def _get(self, key: Key) -> Value:
        place = self._places.get(key)
        if place is None:
            return super()._get(key)
        return self.function.load(place.address, place.like.dtype, place.like.lanes)

    def _needs(self, key: Key) -> list[Key]:
        segment = self._segments.get(key[0])
        if segment is None or self._lookup(key) is not None or key[0] in self.buffers:
            return super()._needs(key)
        _, at, mask = key
        own = set(segment.nodes)
        taken = [k for node in segment.nodes for k in self._operand_keys((node, at, mask))]
        return [k for k in taken if k is not None and k[0] not in own and not _is_number(k)]

    def _compute(self, key: Key) -> Value:
        segment = self._segments.get(key[0])
        if segment is None or key[0] in self.buffers:
            return super()._compute(key)
        call, taken = self._call(segment, key)
        if not call.is_vector:
            return call.compute(self.scalars, call.held, calls=False)
        root = segment.root
        # Only the type of this value counts: it is at its place.
        result = Value("%", root.dtype, self.lanes)
        place = self._places[key] = self._frame.take(self.function, result)
        self.function.comment(f"{self.function.names.get(root, '%_')} = segment")
        call.write(self.function, place.address)
        self._left[key] = segment.readers
        for argument in taken:
            self._read(argument)
        return result

    def _call(self, segment: Segment, key: Key) -> tuple[Call, list[Key]]:
        """The call that computes a segment, and which values it takes."""
        _, at, mask = key
        call, number, arguments = Call(), dict[Node, int](), dict[Key, Operand]()
        for node in segment.nodes:
            operands = []
            for taken in self._operand_keys((node, at, mask)):
                assert taken is not None
                if taken[0] in number:
                    operands.append(Operand(number[taken[0]], is_argument=False))
                    continue
                if taken not in arguments:
                    arguments[taken] = call.argument(*self._argument(taken))
                operands.append(arguments[taken])
            call.steps.append((node, tuple(operands)))
            number[node] = len(number)
        return call, list(arguments)

    def _argument(self, key: Key) -> tuple[Value, Value | None]:
        """What a segment takes: a number, or a vector and its place in the frame."""
        if key in self._places:
            return self._places[key].like, self._places[key].address
        if _is_number(key):
            # Read where it is wanted and forgotten: a long chain has many numbers.
            known = len(self._known)
            with self.function.staying():
                value = self.value(key[0], key[1])
            for fresh in list(self._known)[known:]:
                del self._known[fresh]
            return value, None
        value = self._get(key)
        if value.lanes == 1:
            return value, None
        place = self._places[key] = self._frame.take(self.function, value)
        self.function.store(value, place.address)
        return value, place.address

    def _read(self, key: Key) -> None:
        """One reader less of a place; the last gives it back."""
        if self._left[key]:
            self._left[key] -= 1
            if not self._left[key]:
                self._frame.give_back(self._places.pop(key))
                del self._known[key]


def _is_number(key: Key) -> bool:
    """Whether a value wanted is one number, which may be read whatever lanes are active."""
    return key[0].type.size == 1
